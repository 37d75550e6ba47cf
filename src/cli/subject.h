// SPDX-License-Identifier: MIT
//
// What `bench` times: a block at given sizes, a case file or a model, as a graph with data for a
// run. What isn't given is made up: data from a fixed seed, integers within the range that the
// block checks, weights of the shapes that it asks for.
#ifndef VKA_CLI_SUBJECT_H
#define VKA_CLI_SUBJECT_H

#include "cli/cli.h"
#include "io/case.h"

struct subject_shape {
    const char *name; // of an input; "w.NAME": of a weight
    vka_shape shape;
};

struct subject_attr {
    const char *name, *value; // JSON, else a string
};

struct subject_call {
    const char *what;         // a block's id, a case file or a model file
    const char *weights_path; // of a model; NULL: made up
    struct subject_shape *shapes;
    struct subject_attr *attrs;
    size_t shape_count, attr_count;
    bool all;      // every output of a block, not its first alone
    bool official; // weights have their official names
};

struct subject {
    vka_context *context;
    const struct subject_call *call;
    const vka_block_info *block; // one of these three
    struct vka_case *c;
    vka_model *model;
    vka_attr *example, *attrs; // of a block
    vka_attr **parsed;         // by attribute of the call; NULL: a string
    vka_model_bind *binds;     // shapes of the inputs, of a block or a model
    struct made_weight *made;
    size_t bind_count, made_count;
    vka_weights *file, *weights;
    vka_graph *graph;
    vka_io *inputs, *outputs;
};

// Returns an exit code, after a message where it isn't EXIT_DONE; to be closed in any case.
int subject_open(struct subject *s, vka_context *context, const struct subject_call *call);
void subject_close(struct subject *s);
const char *subject_name(const struct subject *s); // the id, or the file's name without folders

// "NAME=2,3,5" and "NAME=VALUE" in parts (the text is cut); false where it isn't one.
bool subject_parse_shape(char *text, struct subject_shape *shape);
bool subject_parse_attr(char *text, struct subject_attr *attr);

#endif
