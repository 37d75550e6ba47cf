// SPDX-License-Identifier: MIT
//
// Attributes from JSON, in two passes: the first checks and counts, the second fills one block.
#include "io/attr_json.h"

#include "util/sort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    vka_context *context;
    struct vka_json j;
    // First pass: sums, and the length of each list and object in the order of their beginnings.
    size_t nodes, bytes;
    uint32_t *lengths;
    size_t length_count, length_capacity, next_length;
    bool no_memory;
    // Second pass: what isn't used yet of the block.
    vka_attr *free_nodes;
    char *free_bytes;
    char twice[VKA_JSON_QUOTED]; // the key that stands twice
};

// --- first pass ---

static void measure(struct reader *r);

static void measure_members(struct reader *r, enum vka_json_kind kind)
{
    size_t mine = r->length_count;
    struct vka_json_value key;
    if (!vka_grow(r->context, (void **)&r->lengths, &r->length_capacity, mine,
                  sizeof *r->lengths)) {
        r->no_memory = true;
        vka_json_fail(&r->j, r->j.at, "out of memory");
        return;
    }
    r->length_count++;
    r->lengths[mine] = 0;
    bool list = kind == VKA_JSON_LIST;
    for (bool first = true;
         list ? vka_json_item(&r->j, &first) : vka_json_key(&r->j, &first, &key);) {
        r->bytes += list ? 0 : key.length + 1;
        r->lengths[mine]++;
        measure(r);
    }
    r->nodes++; // the end
}

static void measure(struct reader *r)
{
    struct vka_json_value value;
    if (!vka_json_value(&r->j, &value))
        return;
    r->nodes++;
    if (value.kind == VKA_JSON_STRING)
        r->bytes += value.length + 1;
    if (value.kind == VKA_JSON_LIST || value.kind == VKA_JSON_OBJECT)
        measure_members(r, value.kind);
}

// --- second pass ---

static const char *keep(struct reader *r, const struct vka_json_value *value)
{
    char *copy = r->free_bytes;
    vka_json_string(value, copy);
    r->free_bytes += value->length + 1;
    return copy;
}

static int by_name(const void *user, const void *a, const void *b)
{
    (void)user;
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void fail_twice(struct reader *r, size_t at, const char *name)
{
    vka_json_quote(name, r->twice);
    vka_json_fail(&r->j, at, "a key that stands twice");
}

static void check_keys(struct reader *r, size_t at, const vka_attr *items, size_t count)
{
    const char **names = vka_alloc(r->context, count, sizeof *names);
    if (!names) {
        r->no_memory = true;
        vka_json_fail(&r->j, at, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++)
        names[i] = items[i].name;
    vka_sort(names, count, sizeof *names, by_name, NULL);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            fail_twice(r, at, names[i]);
    }
    vka_free(r->context, names);
}

static void fill(struct reader *r, vka_attr *attr);

static void fill_members(struct reader *r, vka_attr *attr, const struct vka_json_value *open)
{
    struct vka_json_value key;
    bool list = open->kind == VKA_JSON_LIST;
    vka_attr *items = r->free_nodes;
    attr->items = items;
    attr->count = r->lengths[r->next_length++];
    r->free_nodes += attr->count + 1;
    vka_attr *item = items;
    for (bool first = true; list ? vka_json_item(&r->j, &first) : vka_json_key(&r->j, &first, &key);
         item++) {
        memset(item, 0, sizeof *item);
        item->name = list ? NULL : keep(r, &key);
        fill(r, item);
    }
    memset(item, 0, sizeof *item);
    if (!list && attr->count > 1 && !r->j.error)
        check_keys(r, open->at, items, attr->count);
}

static void fill(struct reader *r, vka_attr *attr)
{
    static const vka_attr_type kinds[] = {
        [VKA_JSON_NULL] = VKA_ATTR_NULL,     [VKA_JSON_BOOL] = VKA_ATTR_BOOL,
        [VKA_JSON_INT] = VKA_ATTR_INT,       [VKA_JSON_DOUBLE] = VKA_ATTR_DOUBLE,
        [VKA_JSON_STRING] = VKA_ATTR_STRING, [VKA_JSON_LIST] = VKA_ATTR_LIST,
        [VKA_JSON_OBJECT] = VKA_ATTR_OBJECT};
    struct vka_json_value value;
    if (!vka_json_value(&r->j, &value))
        return;
    attr->type = kinds[value.kind];
    attr->b = value.b;
    attr->i = value.i;
    attr->d = value.d;
    if (value.kind == VKA_JSON_STRING)
        attr->s = keep(r, &value);
    if (value.kind == VKA_JSON_LIST || value.kind == VKA_JSON_OBJECT)
        fill_members(r, attr, &value);
}

// --- both ---

static vka_result explain(const struct reader *r, const char *what)
{
    size_t line, column;
    if (r->no_memory)
        return vka_out_of_memory(r->context);
    vka_json_where(&r->j, &line, &column);
    return vka_error(r->context, VKA_ERROR_FORMAT, "%s: line %zu, column %zu: %s%s%s", what, line,
                     column, r->j.error, r->twice[0] ? ": " : "", r->twice);
}

static vka_result build(struct reader *r, const char *text, size_t size, vka_attr **tree)
{
    uint64_t bytes;
    vka_attr *root = NULL;
    if (vka_mul_size(r->nodes, sizeof *root, &bytes) && vka_add_size(bytes, r->bytes, &bytes))
        root = vka_alloc(r->context, bytes, 1);
    if (!root)
        return vka_out_of_memory(r->context);
    memset(root, 0, sizeof *root);
    r->free_nodes = root + 1;
    r->free_bytes = (char *)(root + r->nodes);
    vka_json_start(&r->j, text, size);
    fill(r, root);
    *tree = root;
    return VKA_OK;
}

vka_result vka_attr_parse(vka_context *context, const char *what, const char *text, size_t size,
                          vka_attr **tree)
{
    struct reader r = {.context = context};
    vka_result result = VKA_OK;
    vka_attr *root = NULL;
    *tree = NULL;
    vka_json_start(&r.j, text, size);
    measure(&r);
    if (vka_json_end(&r.j))
        result = build(&r, text, size, &root);
    if (r.j.error)
        result = explain(&r, what);
    vka_free(context, r.lengths);
    if (result == VKA_OK)
        *tree = root;
    else
        vka_free(context, root);
    return result;
}

const vka_attr *vka_attr_find(const vka_attr *object, const char *name)
{
    if (!object || object->type != VKA_ATTR_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->items[i].name, name) == 0)
            return &object->items[i];
    }
    return NULL;
}

const char *vka_attr_type_name(vka_attr_type type)
{
    static const char *const names[] = {"nothing", "null",   "bool", "int",
                                        "float",   "string", "list", "object"};
    return (size_t)type < VKA_COUNT(names) ? names[type] : "?";
}

// --- to text ---

// The fewest digits that give the same number, with a point or an exponent. The point that the
// host's locale writes is whatever is no digit, sign or exponent.
static void put_double(struct vka_json_out *out, double d)
{
    char text[64];
    int digits = 6;
    bool point = !isfinite(d);
    do
        snprintf(text, sizeof text, "%.*g", digits, d);
    while (digits++ < 17 && strtod(text, NULL) != d);
    for (const char *c = text; *c; c++) {
        bool plain = !isfinite(d) || strchr("0123456789+-e", *c);
        if (plain)
            vka_json_put(out, c, 1);
        else if (!point)
            vka_json_put(out, ".", 1);
        point = point || !plain || *c == 'e';
    }
    if (!point)
        vka_json_put(out, ".0", 2);
}

static void put_members(struct vka_json_out *out, const vka_attr *attr)
{
    bool list = attr->type == VKA_ATTR_LIST;
    vka_json_put(out, list ? "[" : "{", 1);
    for (size_t i = 0; i < attr->count; i++) {
        if (i)
            vka_json_put(out, ", ", 2);
        if (!list) {
            vka_json_put_string(out, attr->items[i].name);
            vka_json_put(out, ": ", 2);
        }
        vka_attr_put(out, &attr->items[i]);
    }
    vka_json_put(out, list ? "]" : "}", 1);
}

void vka_attr_put(struct vka_json_out *out, const vka_attr *attr)
{
    char text[32];
    switch (attr->type) {
    case VKA_ATTR_NONE:
    case VKA_ATTR_NULL:
        vka_json_put(out, "null", 4);
        break;
    case VKA_ATTR_BOOL:
        vka_json_put(out, attr->b ? "true" : "false", attr->b ? 4 : 5);
        break;
    case VKA_ATTR_INT:
        vka_json_put(out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)attr->i));
        break;
    case VKA_ATTR_DOUBLE:
        put_double(out, attr->d);
        break;
    case VKA_ATTR_STRING:
        vka_json_put_string(out, attr->s);
        break;
    case VKA_ATTR_LIST:
    case VKA_ATTR_OBJECT:
        put_members(out, attr);
        break;
    }
}
