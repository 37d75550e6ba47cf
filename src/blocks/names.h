// SPDX-License-Identifier: MIT
//
// Names in the blocks' tables, and the check of attributes against them; for scope.c and attr.c.
#ifndef VKA_BLOCKS_NAMES_H
#define VKA_BLOCKS_NAMES_H

#include "blocks/block.h"

bool vka_name_fits(const char *pattern, const char *name); // {i} stands for a number
const vka_port_info *vka_port_find(const vka_port_info *ports, const char *name);
// Fails the graph for an unknown attribute, one given twice, a wrong type or a value out of range,
// or a required one that is absent.
void vka_check_attrs(struct vka_scope *s);

// A build asked for a name that its block's table hasn't: the graph fails, so that every test of
// the block does.
void vka_table_lacks(struct vka_scope *s, const char *kind, const char *name);

#endif
