// SPDX-License-Identifier: MIT
//
// JSON text to a tree of attributes and back. Model files and the attributes of case files and of
// the command line come in this way.
#ifndef VKA_IO_ATTR_JSON_H
#define VKA_IO_ATTR_JSON_H

#include "io/json.h"

// The whole text as a tree in one block of memory: free it with vka_free. 3 is an int, 3.0 a
// double. The items of a list or an object end with a VKA_ATTR_NONE that isn't counted. A key that
// stands twice in an object is an error. `what` stands in front of messages, with line and column.
vka_result vka_attr_parse(vka_context *context, const char *what, const char *text, size_t size,
                          vka_attr **tree);

// The member of an object, NULL where it is absent (or `object` isn't one).
const vka_attr *vka_attr_find(const vka_attr *object, const char *name);

// The value as JSON text on one line, without its name.
void vka_attr_put(struct vka_json_out *out, const vka_attr *attr);

const char *vka_attr_type_name(vka_attr_type type); // "int", "list", ...

#endif
