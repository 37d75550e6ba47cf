// SPDX-License-Identifier: MIT
//
// Names in the blocks' tables, and the check of attributes against them; for scope.c and attr.c.
#ifndef VKA_BLOCKS_NAMES_H
#define VKA_BLOCKS_NAMES_H

#include "blocks/block.h"
#include "io/weights.h"

// {i} stands for a number, and so does {i+1}; {a} for a letter. The numbers go to `numbers` where
// it isn't NULL. The pattern is `length` bytes long.
struct vka_numbers {
    int count, value[4];
};
bool vka_name_fits(const char *pattern, size_t length, const char *name,
                   struct vka_numbers *numbers);
const vka_port_info *vka_port_find(const vka_port_info *ports, const char *name);
const vka_weight_info *vka_weight_find(const vka_weight_info *weights, const char *name,
                                       struct vka_numbers *numbers);

// One of a weight's official names.
struct vka_official {
    const char *pattern;
    int length;
    enum vka_form form; // how the tensor of that name lies there
};
// Takes the next one off `list` (vka_weight_info's text); false at its end.
bool vka_official_next(const char **list, struct vka_official *official);
// With the numbers filled in, as snprintf; 0 and "" where a number is beyond the letters.
size_t vka_official_fill(const struct vka_official *official, const struct vka_numbers *numbers,
                         char *name, size_t size);
// Whether one of them, or one of the tensors that belong to it (NAME_g, NAME.u0), may be `name`.
bool vka_official_fits(const char *list, const char *name);
bool vka_official_any(const vka_weight_info *weights);
// Fails the graph for an unknown attribute, one given twice, a wrong type or a value out of range,
// or a required one that is absent.
void vka_check_attrs(struct vka_scope *s);

// Whether a shape is as wanted; a free size, 0, is at least 1. And what is wanted, as text.
bool vka_shape_fits(const vka_shape *shape, const vka_shape *wanted);
const char *vka_wanted_text(const vka_shape *wanted, char text[VKA_SHAPE_TEXT]);

// For each of a block's weights, whether its build has asked for one of that row: all false.
bool *vka_weights_asked(vka_graph *g, const vka_weight_info *weights);
// Fails the graph where official names are wanted and the block's weights have none.
void vka_check_official(struct vka_scope *s);

// A build asked for a name that its block's table hasn't: the graph fails, so that every test of
// the block does.
void vka_table_lacks(struct vka_scope *s, const char *kind, const char *name);

#endif
