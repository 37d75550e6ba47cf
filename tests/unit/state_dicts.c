// SPDX-License-Identifier: MIT
//
// The blocks' tables of official names against state_dicts as PyTorch writes them
// (tests/reference/state_dicts.txt): each key is known as the weight that it is, and a graph of the
// block takes all of them, with their shapes, and wants no other.
#include "blocks/names.h"
#include "io/attr_json.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

// One entry of the file: a block, and what is given to it.
struct entry {
    vka_context *context;
    char id[64];
    vka_attr *attrs;
    vka_weights *weights;
    struct {
        char name[32];
        vka_shape shape;
    } inputs[MOST];
    int input_count;
    int wrong, count;
};

static vka_shape shape_of(const char *text)
{
    vka_shape shape = {0};
    for (char *end; *text != '-' && *text != '\n' && *text && shape.rank < VKA_MAX_RANK; text = end)
        shape.dim[shape.rank++] = strtoll(text + (*text == ','), &end, 10);
    return shape;
}

// Whether one of the weight's official names is the key, or makes it up with another tensor.
static bool known_as(const char *id, const char *weight, const char *key)
{
    static const struct {
        enum vka_form form;
        const char *tail, *instead;
    } parts[] = {{VKA_FORM_NORMED, "_v", ""},
                 {VKA_FORM_NORMED, "_g", ""},
                 {VKA_FORM_SPECTRAL, ".u0", ".weight"},
                 {VKA_FORM_SPECTRAL, ".sv0", ".weight"}};
    const vka_weight_info *row = vka_weight_find(vka_block_find(id)->weights, weight, NULL);
    const char *list = row ? row->official : "";
    struct vka_official o;
    bool known = false;
    for (int k = 0; !known && vka_official_next(&list, &o); k++) {
        char name[128], whole[160];
        vka_official_name(id, weight, k, name, sizeof name);
        known = strcmp(name, key) == 0;
        for (size_t i = 0; i < VKA_COUNT(parts); i++) {
            size_t size = strlen(key), tail = strlen(parts[i].tail);
            if (parts[i].form != o.form || size < tail ||
                strcmp(key + size - tail, parts[i].tail) != 0)
                continue;
            snprintf(whole, sizeof whole, "%.*s%s", (int)(size - tail), key, parts[i].instead);
            known = known || strcmp(name, whole) == 0;
        }
    }
    return known;
}

static vka_dtype dtype_of(const char *id, const char *input)
{
    const vka_port_info *port = vka_port_find(vka_block_find(id)->inputs, input);
    return port && strcmp(port->dtype, "i32") == 0 ? VKA_I32 : VKA_F32;
}

static vka_result build(struct entry *e)
{
    vka_graph *g;
    vka_named named[MOST + 1] = {{0}};
    assert_int_equal(vka_graph_create(e->context, e->weights, &g), VKA_OK);
    for (int i = 0; i < e->input_count; i++) {
        const char *name = e->inputs[i].name;
        named[i] =
            (vka_named){name, vka_input(g, name, dtype_of(e->id, name), &e->inputs[i].shape)};
    }
    vka_block_official(g, e->id, "it", "", e->attrs->items, named);
    vka_result result = vka_graph_check_surplus(g);
    vka_graph_destroy(g);
    return result;
}

static void close_entry(struct entry *e)
{
    if (!e->weights)
        return;
    e->count++;
    if (build(e) != VKA_OK) {
        printf("FAIL %s: %s\n", e->id, vka_last_error());
        e->wrong++;
    }
    vka_weights_destroy(e->weights);
    vka_free(e->context, e->attrs);
    e->weights = NULL;
    e->input_count = 0;
}

static void open_entry(struct entry *e, const char *line)
{
    int at = 0;
    close_entry(e);
    assert_int_equal(sscanf(line, "block %63s %n", e->id, &at), 1);
    assert_int_equal(vka_attr_parse(e->context, "attrs", line + at, strlen(line + at), &e->attrs),
                     VKA_OK);
    assert_int_equal(vka_weights_create(e->context, &e->weights), VKA_OK);
}

static void take_weight(struct entry *e, const char *line)
{
    char weight[64], key[96];
    int at = 0;
    assert_int_equal(sscanf(line, "weight %63s %95s %n", weight, key, &at), 2);
    vka_shape shape = shape_of(line + at);
    assert_int_equal(vka_weights_add(e->weights, key, VKA_F32, &shape, NULL), VKA_OK);
    if (known_as(e->id, weight, key))
        return;
    printf("FAIL %s: '%s' isn't known as '%s'\n", e->id, key, weight);
    e->wrong++;
}

static void test_state_dicts(void **state)
{
    (void)state;
    struct entry e = {0};
    char line[512];
    FILE *file = fopen(VKA_SOURCE "/tests/reference/state_dicts.txt", "r");
    assert_non_null(file);
    assert_int_equal(vka_context_create(NULL, &e.context), VKA_OK);
    while (fgets(line, sizeof line, file)) {
        int at = 0, k = e.input_count;
        if (strncmp(line, "block ", 6) == 0)
            open_entry(&e, line);
        else if (strncmp(line, "weight ", 7) == 0)
            take_weight(&e, line);
        else if (k < MOST && sscanf(line, "input %31s %n", e.inputs[k].name, &at) == 1)
            e.inputs[e.input_count++].shape = shape_of(line + at);
    }
    close_entry(&e);
    fclose(file);
    vka_context_destroy(e.context);
    assert_true(e.count > 30);
    assert_int_equal(e.wrong, 0);
}

// No two weights of a block may be found under one name: patterns are compared as text, with the
// numbers' places alike; but alternatives of one row aren't two weights.
static void test_names_are_unique(void **state)
{
    (void)state;
    int names = 0, wrong = 0;
    for (int i = 0; i < vka_block_count(); i++) {
        const vka_weight_info *first = vka_block_get(i)->weights;
        for (const vka_weight_info *row = first; row->name; row++) {
            const char *list = row->official;
            struct vka_official o;
            for (; vka_official_next(&list, &o); names++) {
                struct vka_numbers five = {4, {5, 5, 5, 5}};
                char name[256];
                vka_official_fill(&o, &five, name, sizeof name);
                for (const vka_weight_info *other = first; other->name; other++) {
                    if (other == row || !vka_official_fits(other->official, name))
                        continue;
                    printf("FAIL %s: '%s' is %s and %s\n", vka_block_get(i)->id, name, row->name,
                           other->name);
                    wrong++;
                }
            }
        }
    }
    assert_true(names > 300);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_dicts),
        cmocka_unit_test(test_names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
