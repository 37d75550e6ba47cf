// SPDX-License-Identifier: MIT
//
// A block's weights: looked up by the names of its table or by their official names, and what of a
// set no block has a use for. The table of the placed block is the one that counts, in its
// sub-blocks as well: their own tables only say what they may ask for.
#include "blocks/block.h"
#include "blocks/names.h"
#include "util/half.h"

#include <stdio.h>
#include <string.h>

// What a look-up gave.
struct found {
    int index;            // into the set; -1: not there
    const char *relative; // the name in the placed block's table, the numbers filled in
    const char *label;    // for messages: 'att.ChannelGate.mlp.1.weight' (channel.fc1.weight)
    const char *wanted;   // the name under which it would be found
    enum vka_form form;
    int partner;
};

bool *vka_weights_asked(vka_graph *g, const vka_weight_info *weights)
{
    size_t count = 0;
    while (weights[count].name)
        count++;
    bool *asked = vka_pool_alloc(g, count + 1);
    if (asked)
        memset(asked, 0, count + 1);
    return asked;
}

void vka_check_official(struct vka_scope *s)
{
    const vka_weight_info *weights = s->row->info.weights;
    if (s->root == s && s->official && weights->name && !vka_official_any(weights))
        vka_scope_fail(s, "the block's weights have no official names: they need those that its "
                          "table gives");
}

// --- looking up ---

static int index_of(struct vka_scope *s, const char *name)
{
    return vka_weights_index(s->g->weights, vka_name(s, "%s%s", s->root->weights, name));
}

// The tensors of one official name.
static bool find_form(struct vka_scope *s, const char *name, struct found *f)
{
    f->index = index_of(s, name);
    if (f->form == VKA_FORM_NORMED && f->index < 0) {
        f->index = index_of(s, vka_name(s, "%s_v", name));
        f->partner = index_of(s, vka_name(s, "%s_g", name));
        return f->index >= 0 && f->partner >= 0;
    }
    if (f->form == VKA_FORM_SPECTRAL) {
        size_t size = strlen(name), tail = strlen(".weight");
        int stem = (int)(size > tail ? size - tail : 0);
        f->partner = index_of(s, vka_name(s, "%.*s.u0", stem, name));
    }
    if (f->partner < 0 && f->form != VKA_FORM_TRANSPOSED)
        f->form = VKA_FORM_PLAIN;
    return f->index >= 0;
}

static const char *filled(struct vka_scope *s, const struct vka_official *o,
                          const struct vka_numbers *numbers)
{
    char text[512];
    vka_official_fill(o, numbers, text, sizeof text);
    return vka_name(s, "%s", text);
}

static struct found find_official(struct vka_scope *s, const vka_weight_info *row,
                                  const char *relative, const struct vka_numbers *numbers)
{
    const char *list = row->official, *names = NULL;
    struct vka_official o;
    struct found first = {.index = -1, .relative = relative, .partner = -1};
    while (vka_official_next(&list, &o)) {
        const char *name = filled(s, &o, numbers);
        if (!name || !*name)
            continue; // its number is beyond the letters
        const char *full = vka_name(s, "%s%s", s->root->weights, name);
        struct found f = {-1, relative, vka_name(s, "'%s' (%s)", full, relative), full, o.form, -1};
        if (find_form(s, name, &f))
            return f;
        if (!names)
            first = f;
        names = names ? vka_name(s, "%s or '%s'", names, full) : vka_name(s, "'%s'", full);
    }
    first.index = -1; // of NAME_v without NAME_g, too
    first.label = vka_name(s, "%s (%s)", names ? names : "without an official name", relative);
    first.wanted = names ? first.wanted : relative;
    return first;
}

// Keeps what an entry was found as: one tensor can't be two weights of a block.
static void take(struct vka_scope *s, const struct found *f)
{
    const char **as = &s->g->weight_as[f->index];
    if (s->root->official && *as && strcmp(*as, f->relative) != 0)
        vka_scope_fail(s, "weight %s is '%s' already", f->label, *as);
    else if (!vka_weights_form(s->g->weights, f->index, f->form, f->partner))
        vka_scope_fail(s,
                       "weight %s is wanted %s, but a block of this set uses it %s already: a set "
                       "holds a weight in one layout",
                       f->label, vka_form_name(f->form),
                       vka_form_name(s->g->weights->entries[f->index].form));
    *as = f->relative;
    if (f->partner >= 0)
        s->g->weight_as[f->partner] = f->relative;
}

static struct found find(struct vka_scope *s, const char *name)
{
    const struct vka_scope *root = s->root;
    struct vka_numbers numbers;
    struct found f = {.index = -1, .partner = -1};
    f.relative = vka_name(s, "%s%s", s->weights + strlen(root->weights), name);
    f.wanted = vka_name(s, "%s%s", s->weights, name);
    f.label = vka_name(s, "'%s'", f.wanted);
    if (!vka_weight_find(s->row->info.weights, name, NULL))
        vka_table_lacks(s, "weight", name);
    const vka_weight_info *row = vka_weight_find(root->row->info.weights, f.relative, &numbers);
    if (!row || !s->g->weights || vka_failed(s->g))
        return f;
    root->asked[row - root->row->info.weights] = true;
    if (root->official && *row->official)
        f = find_official(s, row, f.relative, &numbers);
    else
        f.index = vka_weights_index(s->g->weights, f.wanted);
    if (f.index >= 0)
        take(s, &f);
    if (vka_failed(s->g))
        f.index = -1;
    return f;
}

bool vka_has_weight(struct vka_scope *s, const char *name)
{
    return find(s, name).index >= 0;
}

int vka_weight_rank(struct vka_scope *s, const char *name)
{
    int index = find(s, name).index;
    return index < 0 ? -1 : s->g->weights->entries[index].shape.rank;
}

// --- values ---

// The value of a weight: one for each, however often it is asked for.
static vka_tensor weight_value(vka_graph *g, int index, const vka_shape *shape)
{
    if (g->weight_value[index])
        return g->weight_value[index];
    vka_tensor t = vka_new_value(g, VKA_F32, shape);
    if (t) {
        g->values[t].store = VKA_STORE_WEIGHT;
        g->values[t].source = index;
        g->weight_value[index] = t;
    }
    return t;
}

// Whether `shape` and `wanted` differ in axes of size 1 only, trailing ones or (`any`) all; `exact`
// is the wanted shape with its free sizes filled in.
static bool fits_but_ones(const vka_shape *shape, const vka_shape *wanted, bool any,
                          vka_shape *exact)
{
    int a = 0, b = 0;
    *exact = *wanted;
    while (a < shape->rank || b < wanted->rank) {
        bool have = a < shape->rank, want = b < wanted->rank;
        if (have && want && shape->dim[a] >= 1 &&
            (wanted->dim[b] == 0 || wanted->dim[b] == shape->dim[a]))
            exact->dim[b++] = shape->dim[a++];
        else if (have && shape->dim[a] == 1 && (any || !want))
            a++;
        else if (want && wanted->dim[b] == 1 && (any || !have))
            b++;
        else
            return false;
    }
    return true;
}

// The tensor beside a normed one is its length, that beside a spectral one has a value for each
// row.
static bool partner_fits(vka_graph *g, const struct found *f)
{
    const struct vka_weight_entry *entry = &g->weights->entries[f->index],
                                  *partner = &g->weights->entries[f->partner];
    bool normed = f->form == VKA_FORM_NORMED;
    vka_shape wanted = {.rank = 1, .dim = {normed ? 1 : 0}}, exact;
    char text[VKA_SHAPE_TEXT];
    if (!normed && entry->shape.rank > 0)
        wanted.dim[0] = entry->shape.dim[0];
    bool fits = wanted.dim[0] > 0 && fits_but_ones(&partner->shape, &wanted, true, &exact);
    if (!fits)
        vka_fail(g, "weight '%s', beside %s, has shape %s, but must have [%lld]", partner->name,
                 f->label, vka_shape_text(&partner->shape, text), (long long)wanted.dim[0]);
    else if (!vka_dtype_converts(partner->dtype, VKA_F32))
        vka_fail(g, "weight '%s' is %s, but must be a float", partner->name,
                 vka_dtype_name(partner->dtype));
    return !vka_failed(g);
}

static vka_tensor weight_of_shape(struct vka_scope *s, const struct found *f, vka_shape wanted)
{
    vka_graph *g = s->g;
    const struct vka_weight_entry *entry = &g->weights->entries[f->index];
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (!vka_dtype_converts(entry->dtype, VKA_F32))
        return vka_fail(g, "weight %s is %s, but must be a float", f->label,
                        vka_dtype_name(entry->dtype));
    if (f->partner >= 0 && !partner_fits(g, f))
        return 0;
    vka_shape shape = vka_form_shape(f->form, &entry->shape), exact;
    if (!fits_but_ones(&shape, &wanted, s->root->official, &exact)) {
        vka_shape stored = vka_form_shape_back(f->form, &wanted);
        return vka_fail(g, "weight %s has shape %s, but must have %s", f->label,
                        vka_shape_text(&entry->shape, a), vka_wanted_text(&stored, b));
    }
    vka_tensor t = weight_value(g, f->index, &shape);
    return t && vka_shape_equal(&shape, &exact) ? t : vka_reshape(g, t, exact);
}

vka_tensor vka_weight_if(struct vka_scope *s, const char *name, vka_shape shape)
{
    struct found f = find(s, name);
    return f.index < 0 ? 0 : weight_of_shape(s, &f, shape);
}

vka_tensor vka_weight(struct vka_scope *s, const char *name, vka_shape shape)
{
    struct found f = find(s, name);
    char text[VKA_SHAPE_TEXT];
    if (f.index >= 0)
        return weight_of_shape(s, &f, shape);
    vka_shape stored = vka_form_shape_back(f.form, &shape);
    if (s->g->weights && !vka_failed(s->g) && !vka_weights_want(s->g->weights, f.wanted, &stored))
        return vka_fail_memory(s->g, "the name of a weight");
    return vka_fail(s->g, "weight %s of shape %s is missing", f.label,
                    vka_wanted_text(&stored, text));
}

// --- surplus weights ---

static const vka_weight_info *row_of(const struct vka_placed *p, const char *name)
{
    const vka_weight_info *row = p->row->info.weights;
    for (; row->name; row++) {
        if (p->official && *row->official ? vka_official_fits(row->official, name)
                                          : vka_name_fits(row->name, strlen(row->name), name, NULL))
            return row;
    }
    return NULL;
}

// A weight that a block knows but has no use for in its mode is passed over; not so one with a
// number that goes beyond those that are used: where the build has asked for some of a row, it has
// asked for all that it takes. Fails for that one.
static bool known_to_a_block(vka_graph *g, const char *name)
{
    const struct vka_placed *beyond = NULL;
    size_t length = strlen(name), tail = strlen("num_batches_tracked");
    if (length >= tail && strcmp(name + length - tail, "num_batches_tracked") == 0)
        return true;
    for (size_t i = 1; i < g->placed_count; i++) {
        const struct vka_placed *p = &g->placed[i];
        size_t prefix = strlen(p->prefix);
        const vka_weight_info *row =
            strncmp(name, p->prefix, prefix) == 0 ? row_of(p, name + prefix) : NULL;
        if (row && !p->asked[row - p->row->info.weights])
            return true;
        beyond = row ? p : beyond;
    }
    if (beyond)
        vka_fail(g, "%s (%s): weight '%s' is one more than the block uses", beyond->name,
                 beyond->row->info.id, name);
    return false;
}

// What belongs to a form but isn't read: the singular values that BigGAN keeps.
static bool beside_a_form(const vka_graph *g, size_t index)
{
    const char *name = g->weights->entries[index].name;
    size_t size = strlen(name), tail = strlen(".sv0");
    if (size < tail || strcmp(name + size - tail, ".sv0") != 0)
        return false;
    for (size_t i = 0; i < g->weights->count; i++) {
        const struct vka_weight_entry *e = &g->weights->entries[i];
        if (e->form == VKA_FORM_SPECTRAL && g->weight_as[i] &&
            strncmp(e->name, name, size - tail + 1) == 0)
            return true;
    }
    return false;
}

vka_result vka_graph_check_surplus(vka_graph *g)
{
    for (size_t i = 0; g->weights && i < g->weights->count && !vka_failed(g); i++) {
        const char *name = g->weights->entries[i].name;
        if (!g->weight_as[i] && !beside_a_form(g, i) && !known_to_a_block(g, name))
            vka_fail(g, "weight '%s' belongs to no block of the graph", name);
    }
    return vka_graph_status(g);
}
