// SPDX-License-Identifier: MIT
//
// Names in the blocks' tables, and the check of attributes against them; for scope.c and attr.c.
#ifndef VKA_BLOCKS_NAMES_H
#define VKA_BLOCKS_NAMES_H

#include "blocks/block.h"

bool vka_name_fits(const char *pattern, const char *name); // {i} stands for a number
const vka_port_info *vka_port_find(const vka_port_info *ports, const char *name);
// Whether the table of the scope's block knows the weight.
bool vka_weight_known(const struct vka_scope *s, const char *name);
// Fails the graph for an unknown attribute, one given twice, a wrong type or a value out of range,
// or a required one that is absent.
void vka_check_attrs(struct vka_scope *s);

#endif
