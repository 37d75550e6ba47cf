// SPDX-License-Identifier: MIT
//
// A model file as it lies in memory: checked as far as the text alone can tell (names, references,
// cycles). What the blocks themselves want comes out when the graph is built.
//
//   model.c        loading, what the public header tells of a model
//   model_parse.c  the JSON tree -> inputs, nodes, outputs
//   model_order.c  references and the order of the nodes
//   model_build.c  a graph for inputs of given shapes
#ifndef VKA_IO_MODEL_H
#define VKA_IO_MODEL_H

#include "io/attr_json.h"

enum {
    VKA_MODEL_BYTES = 16 << 20, // of a file's text
    VKA_MODEL_INPUTS = 1024,
    VKA_MODEL_NAME = 255, // bytes of a node's or an input's name
    VKA_MODEL_REFERENCE = 2 * VKA_MODEL_NAME + 1,
};

struct vka_model_reference {
    int input; // -1: a node
    int node;
    const char *output; // of the node
};

struct vka_model_edge {
    const char *port; // the block's input
    const char *text; // the reference as it stands in the file
    struct vka_model_reference from;
};

struct vka_model_node {
    const char *name, *block, *prefix;
    bool official;         // the weights have their official names
    const vka_attr *attrs; // NULL: none
    struct vka_model_edge *edges;
    size_t edge_count;
};

struct vka_model_output {
    const char *name, *text;
    struct vka_model_reference from;
};

struct vka_model_name { // of an input or a node
    const char *name;
    struct vka_model_reference from;
};

struct vka_model_extra {
    const char *name;
    char *text;
};

struct vka_model {
    vka_context *context;
    char *path;    // or "model": stands in messages
    vka_attr *doc; // the whole text; names point into it
    vka_model_input *inputs;
    struct vka_model_node *nodes;
    struct vka_model_edge *edges; // of all nodes
    struct vka_model_output *outputs;
    struct vka_model_extra *extras;
    struct vka_model_name *names; // sorted
    int *order;                   // the nodes, each after those that it hangs on
    size_t input_count, node_count, edge_count, output_count, extra_count, name_count;
    float mean[3], std[3];
};

// Fill a model from model->doc.
vka_result vka_model_take(vka_model *m);

// Sorts the names of inputs and nodes; one that stands twice is an error.
vka_result vka_model_name_all(vka_model *m);
// An input, a node (its output y) or node.output, the longest node name first; false: neither.
bool vka_model_resolve(const vka_model *m, const char *text, struct vka_model_reference *out);
// Resolves the nodes' and the outputs' references and orders the nodes.
vka_result vka_model_connect(vka_model *m);

#endif
