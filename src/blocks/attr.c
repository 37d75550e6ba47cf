// SPDX-License-Identifier: MIT
//
// Attributes: checked against the block's table, read by name. Types and ranges in the tables are
// words ("list of int", ">= 1", "avg|max"), for people and for this file alike.
#include "blocks/names.h"
#include "io/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- types and ranges as words ---

static const char *type_word(vka_attr_type type)
{
    static const char *const words[] = {
        [VKA_ATTR_NULL] = "null",    [VKA_ATTR_BOOL] = "bool",     [VKA_ATTR_INT] = "int",
        [VKA_ATTR_DOUBLE] = "float", [VKA_ATTR_STRING] = "string", [VKA_ATTR_LIST] = "list",
        [VKA_ATTR_OBJECT] = "object"};
    return (size_t)type < VKA_COUNT(words) && words[type] ? words[type] : "?";
}

// Whether `word` (of `length`) names the value's type; a whole number is a float, too.
static bool scalar_fits(const char *word, size_t length, const vka_attr *a)
{
    const char *own = type_word(a->type);
    if (strlen(own) == length && strncmp(own, word, length) == 0)
        return true;
    return a->type == VKA_ATTR_INT && length == 5 && strncmp(word, "float", 5) == 0;
}

static bool word_fits(const char *word, size_t length, const vka_attr *a)
{
    static const char list_of[] = "list of ";
    const size_t skip = sizeof list_of - 1;
    if (length <= skip || strncmp(word, list_of, skip) != 0)
        return scalar_fits(word, length, a);
    if (a->type != VKA_ATTR_LIST)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!scalar_fits(word + skip, length - skip, &a->items[i]))
            return false;
    }
    return true;
}

// `type` is "int or list of int": any part may fit.
static bool type_fits(const char *type, const vka_attr *a)
{
    for (;;) {
        const char *end = strstr(type, " or ");
        if (word_fits(type, end ? (size_t)(end - type) : strlen(type), a))
            return true;
        if (!end)
            return false;
        type = end + 4;
    }
}

static double number_of(const vka_attr *a)
{
    return a->type == VKA_ATTR_INT ? (double)a->i : a->d;
}

static bool number_in_range(const char *range, double v)
{
    if (!(fabs(v) <= FLT_MAX)) // blocks compute with floats; nor NaN
        return false;
    if (strncmp(range, ">= ", 3) == 0)
        return v >= strtod(range + 3, NULL);
    if (strncmp(range, "> ", 2) == 0)
        return v > strtod(range + 2, NULL);
    const char *dots = strstr(range, ".."); // strtod takes the first for a decimal point
    return !dots || (v >= strtod(range, NULL) && v <= strtod(dots + 2, NULL));
}

// ">= 0; same|valid": what a number must be, then what a string must be.
static bool string_in_range(const char *range, const char *s)
{
    const char *words = strstr(range, "; ");
    range = words ? words + 2 : range;
    size_t length = strlen(s);
    while (*range) {
        size_t part = strcspn(range, "|");
        if (part == length && strncmp(range, s, length) == 0)
            return true;
        range += part + (range[part] == '|');
    }
    return false;
}

static bool value_in_range(const char *range, const vka_attr *a)
{
    if (a->type == VKA_ATTR_INT || a->type == VKA_ATTR_DOUBLE)
        return number_in_range(range, number_of(a));
    if (a->type == VKA_ATTR_STRING)
        return !*range || string_in_range(range, a->s);
    for (size_t i = 0; a->type == VKA_ATTR_LIST && i < a->count; i++) {
        if (!value_in_range(range, &a->items[i]))
            return false;
    }
    return true;
}

// --- the check ---

static const vka_attr_info *find_info(const struct vka_scope *s, const char *name)
{
    for (const vka_attr_info *info = s->row->info.attrs; info && info->name; info++) {
        if (strcmp(info->name, name) == 0)
            return info;
    }
    return NULL;
}

// 4.0 isn't written as the integer 4: it may be refused for being none.
static void double_text(double d, char *text, size_t size)
{
    int length = snprintf(text, size, "%.9g", d);
    if (strspn(text, "-0123456789") == (size_t)length)
        snprintf(text + length, size - (size_t)length, ".0");
}

static void value_text(const vka_attr *a, char *text, size_t size)
{
    if (a->type == VKA_ATTR_INT)
        snprintf(text, size, "%lld", (long long)a->i);
    else if (a->type == VKA_ATTR_DOUBLE)
        double_text(a->d, text, size);
    else if (a->type == VKA_ATTR_STRING)
        snprintf(text, size, "\"%.80s\"", a->s);
    else if (a->type == VKA_ATTR_BOOL)
        snprintf(text, size, "%s", a->b ? "true" : "false");
    else if (a->type == VKA_ATTR_LIST && a->count && a->items[0].type != VKA_ATTR_LIST) {
        char first[96];
        value_text(&a->items[0], first, sizeof first);
        if (a->count > 1)
            snprintf(text, size, "a list of %zu (%.60s, ...)", a->count, first);
        else
            snprintf(text, size, "[%s]", first);
    } else
        snprintf(text, size, "%s", type_word(a->type));
}

// Whether what the value points to is there.
static bool is_whole(const vka_attr *a)
{
    if (a->type == VKA_ATTR_STRING)
        return a->s != NULL;
    if ((a->type != VKA_ATTR_LIST && a->type != VKA_ATTR_OBJECT) || a->count == 0)
        return true;
    bool whole = a->items != NULL;
    for (size_t i = 0; whole && i < a->count; i++)
        whole = is_whole(&a->items[i]);
    return whole;
}

static void fail_unknown(struct vka_scope *s, const char *name)
{
    const char *list = "";
    for (const vka_attr_info *info = s->row->info.attrs; info && info->name && list; info++)
        list = vka_pool_format(s->g, "%s%s%s", list, *list ? ", " : "", info->name);
    vka_fail(s->g, "there is no attribute '%.100s' (%s%s)", name,
             list && *list ? "there are: " : "the block has none", list ? list : "");
}

static void check_attr(struct vka_scope *s, const vka_attr *a)
{
    char text[128] = "";
    bool whole = is_whole(a);
    if (whole)
        value_text(a, text, sizeof text);
    const vka_attr_info *info = a->name ? find_info(s, a->name) : NULL;
    if (!info)
        fail_unknown(s, a->name ? a->name : "");
    else if (!whole)
        vka_fail(s->g, "attribute '%s' is a %s without its text or items", a->name,
                 type_word(a->type));
    else if (!type_fits(info->type, a))
        vka_fail(s->g, "attribute '%s' is %s, but must be %s", a->name, text, info->type);
    else if (!value_in_range(info->range, a))
        vka_fail(s->g, "attribute '%s' is %s, but must be %s", a->name, text,
                 *info->range ? info->range : "finite");
}

static const vka_attr *find_given(const struct vka_scope *s, const char *name)
{
    for (const vka_attr *a = s->attrs; a && a->type != VKA_ATTR_NONE; a++) {
        if (strcmp(a->name, name) == 0)
            return a;
    }
    return NULL;
}

void vka_check_attrs(struct vka_scope *s)
{
    for (const vka_attr *a = s->attrs; a && a->type != VKA_ATTR_NONE && !vka_failed(s->g); a++) {
        check_attr(s, a);
        if (!vka_failed(s->g) && find_given(s, a->name) != a)
            vka_fail(s->g, "attribute '%s' is given twice", a->name);
    }
    for (const vka_attr_info *i = s->row->info.attrs; i && i->name && !vka_failed(s->g); i++) {
        if (!i->fallback && !find_given(s, i->name))
            vka_fail(s->g, "attribute '%s' (%s) is missing", i->name, i->type);
    }
}

// --- reading ---

static void from_json(struct vka_scope *s, const struct vka_json_value *v, vka_attr *out)
{
    *out = (vka_attr){.type = VKA_ATTR_NULL, .b = v->b, .i = v->i, .d = v->d};
    if (v->kind == VKA_JSON_BOOL) {
        out->type = VKA_ATTR_BOOL;
    } else if (v->kind == VKA_JSON_INT) {
        out->type = VKA_ATTR_INT;
    } else if (v->kind == VKA_JSON_DOUBLE) {
        out->type = VKA_ATTR_DOUBLE;
    } else if (v->kind == VKA_JSON_STRING) {
        char *text = vka_pool_alloc(s->g, v->length + 1);
        if (text)
            vka_json_string(v, text);
        out->type = VKA_ATTR_STRING;
        out->s = text ? text : "";
    } else if (v->kind == VKA_JSON_LIST) {
        out->type = VKA_ATTR_LIST;
    }
}

// The default's element `want` (of a list), or the default itself. Returns the list's length.
static size_t read_fallback(struct vka_scope *s, const char *text, size_t want, vka_attr *out)
{
    struct vka_json j;
    struct vka_json_value v;
    vka_json_start(&j, text, strlen(text));
    bool ok = vka_json_value(&j, &v);
    if (ok && v.kind != VKA_JSON_LIST) {
        from_json(s, &v, out);
        return 1;
    }
    size_t count = 0;
    for (bool first = true; ok && vka_json_item(&j, &first); count++) {
        ok = vka_json_value(&j, &v);
        if (ok && count == want)
            from_json(s, &v, out);
    }
    if (!ok || j.error)
        vka_fail(s->g, "the table's default '%s' is no JSON", text);
    return count;
}

// Element i of an attribute (the attribute itself where it is no list); its length.
static size_t read(struct vka_scope *s, const char *name, size_t i, vka_attr *out)
{
    const vka_attr_info *info = find_info(s, name);
    *out = (vka_attr){.type = VKA_ATTR_NULL};
    if (!info) {
        vka_table_lacks(s, "attribute", name);
        return 0;
    }
    const vka_attr *a = find_given(s, name);
    if (!a)
        return info->fallback ? read_fallback(s, info->fallback, i, out) : 0;
    if (a->type != VKA_ATTR_LIST) {
        *out = *a;
        return 1;
    }
    if (i < a->count)
        *out = a->items[i];
    return a->count;
}

static vka_attr value_of(struct vka_scope *s, const char *name, size_t i)
{
    vka_attr a;
    read(s, name, i, &a);
    return a;
}

bool vka_attr_given(struct vka_scope *s, const char *name)
{
    if (!find_info(s, name))
        vka_table_lacks(s, "attribute", name);
    const vka_attr *a = find_given(s, name);
    return a && a->type != VKA_ATTR_NULL;
}

const vka_attr *vka_get_attr(struct vka_scope *s, const char *name)
{
    if (!find_info(s, name))
        vka_table_lacks(s, "attribute", name);
    return find_given(s, name);
}

bool vka_get_bool(struct vka_scope *s, const char *name)
{
    return value_of(s, name, 0).b;
}

int64_t vka_get_int(struct vka_scope *s, const char *name)
{
    return vka_get_int_at(s, name, 0);
}

double vka_get_double(struct vka_scope *s, const char *name)
{
    return vka_get_double_at(s, name, 0);
}

const char *vka_get_string(struct vka_scope *s, const char *name)
{
    return vka_get_string_at(s, name, 0);
}

bool vka_is(struct vka_scope *s, const char *name, const char *value)
{
    const char *text = vka_get_string(s, name);
    return text && strcmp(text, value) == 0;
}

bool vka_is_null(struct vka_scope *s, const char *name)
{
    return value_of(s, name, 0).type == VKA_ATTR_NULL;
}

int64_t vka_get_int_needed(struct vka_scope *s, const char *name)
{
    vka_attr a = value_of(s, name, 0);
    if (a.type == VKA_ATTR_NULL)
        vka_fail(s->g, "attribute '%s' (int) is missing", name);
    return a.i;
}

int vka_get_count(struct vka_scope *s, const char *name)
{
    vka_attr a;
    return (int)read(s, name, 0, &a);
}

int64_t vka_get_int_at(struct vka_scope *s, const char *name, int i)
{
    return value_of(s, name, (size_t)i).i;
}

double vka_get_double_at(struct vka_scope *s, const char *name, int i)
{
    vka_attr a = value_of(s, name, (size_t)i);
    return a.type == VKA_ATTR_NULL ? (double)NAN : number_of(&a);
}

const char *vka_get_string_at(struct vka_scope *s, const char *name, int i)
{
    vka_attr a = value_of(s, name, (size_t)i);
    return a.type == VKA_ATTR_STRING ? a.s : NULL;
}

bool vka_list_has(struct vka_scope *s, const char *name, const char *value)
{
    for (int i = 0; i < vka_get_count(s, name); i++) {
        const char *text = vka_get_string_at(s, name, i);
        if (text && strcmp(text, value) == 0)
            return true;
    }
    return false;
}

void vka_get_ints(struct vka_scope *s, const char *name, int count, int64_t *out)
{
    const vka_attr *a = find_given(s, name);
    int have = vka_get_count(s, name);
    bool list = a ? a->type == VKA_ATTR_LIST : have != 1;
    if (list && have != count && !(have == 1 && a))
        vka_fail(s->g, "attribute '%s' has %d values, but needs %d", name, have, count);
    for (int i = 0; i < count; i++)
        out[i] = vka_get_int_at(s, name, have == 1 ? 0 : i);
}
