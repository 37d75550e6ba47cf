// SPDX-License-Identifier: MIT
//
// Programs of random graphs, checked by brute force and without a GPU: values that live at once
// share no byte, steps run in place by the rules only, slabs stay within their limit, and barriers
// stand where bytes conflict, and nowhere else.
#include "random_graph.h"

#include <string.h>

static struct random_graph graph;

// --- bytes ---

struct life {
    int first, last;  // node that makes it, last node that reads it (an output: none after it)
    int memory;       // slab; -1: the output buffer
    uint64_t at, end; // bytes
};

static struct life life_of(const struct vka_program *p, vka_tensor base)
{
    const vka_graph *g = p->g;
    struct life l = {-1, -1, p->places[base].slab, p->places[base].offset,
                     p->places[base].offset + p->places[base].bytes};
    for (int n = 0; n < (int)g->node_count; n++) {
        const struct vka_op_node *node = &g->nodes[n];
        for (int i = 0; i < node->n_in; i++) {
            if (g->values[node->in[i]].base == base)
                l.last = n;
        }
        for (int i = 0; i < node->n_out; i++) {
            if (node->out[i] == base)
                l.first = l.last = n;
        }
    }
    if (g->values[base].store == VKA_STORE_OUTPUT)
        l.last = (int)g->node_count;
    return l;
}

static bool is_made(const vka_graph *g, vka_tensor t)
{
    return g->values[t].base == t &&
           (g->values[t].store == VKA_STORE_TEMP || g->values[t].store == VKA_STORE_OUTPUT);
}

// The rules of running in place: a's last reader makes b over exactly its bytes.
static void check_in_place(const vka_graph *g, vka_tensor a, const struct life *la, vka_tensor b,
                           const struct life *lb)
{
    assert_int_equal(la->last, lb->first);
    const struct vka_op_node *node = &g->nodes[lb->first];
    int reads = 0;
    for (int i = 0; i < node->n_in; i++)
        reads += g->values[node->in[i]].base == a;
    assert_true(node->op->flags & VKA_OP_IN_PLACE);
    assert_int_equal(node->out[0], b);
    assert_int_equal(g->values[node->in[0]].base, a);
    assert_int_equal(reads, 1);
    const struct vka_value *in = &g->values[node->in[0]], *out = &g->values[b];
    assert_true(in->dtype == out->dtype && in->offset == 0 && vka_is_dense(g, node->in[0]));
    assert_true(vka_shape_equal(&in->shape, &out->shape));
    assert_true(la->at == lb->at && la->end == lb->end && la->memory == lb->memory);
    assert_int_equal(g->values[a].store, VKA_STORE_TEMP);
    assert_int_equal(g->values[b].store, VKA_STORE_TEMP);
}

static int check_pair(const vka_graph *g, vka_tensor a, const struct life *la, vka_tensor b,
                      const struct life *lb)
{
    bool together = la->first <= lb->last && lb->first <= la->last;
    bool overlap = la->memory == lb->memory && la->at < lb->end && lb->at < la->end;
    if (!together || !overlap)
        return 0;
    if (la->first < lb->first)
        check_in_place(g, a, la, b, lb);
    else
        check_in_place(g, b, lb, a, la);
    return 1;
}

// Returns how many steps run in place.
static int check_bytes(const struct vka_program *p)
{
    const vka_graph *g = p->g;
    static struct life lives[4096];
    int in_place = 0;
    assert_true(g->value_count < VKA_COUNT(lives));
    for (vka_tensor b = 1; b < (vka_tensor)g->value_count; b++) {
        lives[b] = life_of(p, b);
        if (!is_made(g, b) || lives[b].first < 0)
            continue;
        uint64_t size = lives[b].memory < 0 ? p->output_bytes : p->slabs[lives[b].memory];
        assert_true(lives[b].end <= size && lives[b].at % VKA_ALIGNMENT == 0);
        assert_int_equal(lives[b].end - lives[b].at, vka_base_bytes(p, b));
        for (vka_tensor a = 1; a < b; a++) {
            if (is_made(g, a) && lives[a].first >= 0)
                in_place += check_pair(g, a, &lives[a], b, &lives[b]);
        }
    }
    return in_place;
}

// Nothing but temporaries and outputs is written; what is read was made before.
static void check_order(const struct vka_program *p)
{
    const vka_graph *g = p->g;
    for (int n = 0; n < (int)g->node_count; n++) {
        const struct vka_op_node *node = &g->nodes[n];
        for (int i = 0; i < node->n_out; i++)
            assert_true(!node->out[i] || is_made(g, node->out[i]));
        for (int i = 0; i < node->n_in; i++) {
            vka_tensor base = g->values[node->in[i]].base;
            if (base && is_made(g, base)) {
                struct life l = life_of(p, base);
                assert_true(l.first >= 0 && l.first < n);
            }
        }
    }
}

// --- barriers ---

struct bytes {
    int memory;
    uint64_t at, end;
    bool written;
};

static bool bytes_of(const struct vka_program *p, const struct vka_binding *b, struct bytes *out)
{
    const struct vka_place *place = &p->places[b->base];
    assert_true(b->begin % p->limits.offset_alignment == 0 && b->begin < b->end);
    assert_true(b->end <= (place->bytes + 3) / 4 * 4);
    *out = (struct bytes){place->slab, place->offset + b->begin, place->offset + b->end,
                          (b->access & VKA_WRITE) != 0};
    if (!is_made(p->g, b->base))
        assert_false(out->written);
    return is_made(p->g, b->base);
}

static bool conflict(const struct vka_program *p, size_t i, size_t k)
{
    const struct vka_dispatch *a = &p->dispatches[i], *b = &p->dispatches[k];
    struct bytes x, y;
    for (int m = 0; m < a->n_bindings; m++) {
        for (int n = 0; n < b->n_bindings; n++) {
            if (bytes_of(p, &a->bindings[m], &x) && bytes_of(p, &b->bindings[n], &y) &&
                (x.written || y.written) && x.memory == y.memory && x.at < y.end && y.at < x.end)
                return true;
        }
    }
    return false;
}

static bool barrier_between(const struct vka_program *p, size_t before, size_t after)
{
    for (size_t k = before + 1; k <= after; k++) {
        if (p->dispatches[k].barrier_before)
            return true;
    }
    return false;
}

// Returns how many barriers there are.
static int check_barriers(const struct vka_program *p)
{
    int barriers = 0;
    size_t since = 0;
    for (size_t k = 0; k < p->dispatch_count; k++) {
        bool needed = false;
        for (size_t i = 0; i < k; i++) {
            bool clash = conflict(p, i, k);
            assert_true(!clash || barrier_between(p, i, k));
            needed = needed || (clash && i >= since);
        }
        assert_int_equal(p->dispatches[k].barrier_before, needed);
        barriers += needed;
        since = needed ? k : since;
    }
    return barriers;
}

static size_t last_dispatch(const struct vka_program *p, int node)
{
    size_t last = p->dispatch_count;
    for (size_t i = 0; i < p->dispatch_count; i++)
        last = p->dispatches[i].node == node ? i : last;
    assert_true(last < p->dispatch_count);
    return last;
}

// The same without the dispatches' bindings: between what a node did last and the end of each that
// reads what it made.
static void check_readers(const struct vka_program *p)
{
    const vka_graph *g = p->g;
    for (int n = 0; n < (int)g->node_count; n++) {
        for (int i = 0; i < g->nodes[n].n_in; i++) {
            vka_tensor base = g->values[g->nodes[n].in[i]].base;
            struct life l = base ? life_of(p, base) : (struct life){.first = -1};
            assert_true(l.first < 0 ||
                        barrier_between(p, last_dispatch(p, l.first), last_dispatch(p, n)));
        }
    }
}

static bool dispatch_binds(const struct vka_program *p, int node, vka_tensor base, bool written)
{
    for (size_t i = 0; i < p->dispatch_count; i++) {
        const struct vka_dispatch *d = &p->dispatches[i];
        for (int b = 0; b < d->n_bindings && d->node == node; b++) {
            if (d->bindings[b].base == base &&
                (d->bindings[b].access & (written ? VKA_WRITE : VKA_READ)))
                return true;
        }
    }
    return false;
}

// Every node's operands and results are bound by its dispatches, in the nodes' order.
static void check_dispatches(const struct vka_program *p)
{
    for (size_t i = 1; i < p->dispatch_count; i++)
        assert_true(p->dispatches[i].node >= p->dispatches[i - 1].node);
    for (int n = 0; n < (int)p->g->node_count; n++) {
        const struct vka_op_node *node = &p->g->nodes[n];
        for (int i = 0; i < node->n_in; i++)
            assert_true(!node->in[i] ||
                        dispatch_binds(p, n, p->g->values[node->in[i]].base, false));
        for (int i = 0; i < node->n_out; i++)
            assert_true(!node->out[i] || dispatch_binds(p, n, node->out[i], true));
    }
}

static void check_limits(const struct vka_program *p)
{
    for (int s = 0; s < p->slab_count; s++)
        assert_true(p->slabs[s] <= p->limits.allocation);
    for (size_t i = 0; i < p->dispatch_count; i++) {
        const struct vka_dispatch *d = &p->dispatches[i];
        assert_true((uint32_t)d->n_bindings <= p->limits.storage_buffers);
        assert_true(d->push_size <= p->limits.push_bytes && d->push_size % 4 == 0);
        assert_true((uint64_t)d->constants[0] * d->constants[1] * d->constants[2] <=
                    p->limits.max_invocations);
        for (int k = 0; k < 3; k++)
            assert_true(d->groups[k] >= 1 && d->groups[k] <= p->limits.max_group_count[k]);
    }
}

// --- the tests ---

struct counts {
    int in_place, barriers, slabs;
    size_t dispatches, nodes;
};

static void check_program(const struct vka_graph *g, const struct vka_limits *limits,
                          vka_dtype real, bool expand, struct counts *counts)
{
    struct vka_program *p;
    rig_assert_ok(vka_program_create(g, limits, real, expand, &p));
    counts->in_place += check_bytes(p);
    check_order(p);
    counts->nodes += p->g->node_count;
    if (limits) {
        check_limits(p);
        check_dispatches(p);
        counts->barriers += check_barriers(p);
        check_readers(p);
        counts->dispatches += p->dispatch_count;
        counts->slabs = p->slab_count > counts->slabs ? p->slab_count : counts->slabs;
    }
    vka_program_destroy(p);
}

static void test_programs(void **state)
{
    (void)state;
    struct rig rig;
    struct counts counts = {0};
    struct vka_limits limits = rig_least_limits();
    rig_start(&rig);
    random_weights(&rig);
    for (uint64_t seed = 1; seed <= 150; seed++) {
        random_graph_make(&graph, &rig, seed, 12 + (int)(seed % 40));
        check_program(rig.graph, NULL, VKA_F32, seed % 2, &counts);
        check_program(rig.graph, &limits, VKA_F32, seed % 2, &counts);
        check_program(rig.graph, &limits, VKA_F16, seed % 2, &counts);
    }
    print_message("(%zu nodes, %zu dispatches, %d barriers, %d steps in place)\n", counts.nodes,
                  counts.dispatches, counts.barriers, counts.in_place);
    assert_true(counts.in_place > 100 && counts.barriers > 100);
    assert_true((size_t)counts.barriers < counts.dispatches);
    rig_end(&rig);
}

static void test_small_slabs(void **state)
{
    (void)state;
    struct rig rig;
    struct counts counts = {0};
    struct vka_limits limits = rig_least_limits();
    limits.allocation = 8 * 1024; // as much as the largest values
    rig_start(&rig);
    random_weights(&rig);
    for (uint64_t seed = 1001; seed <= 1040; seed++) {
        random_graph_make(&graph, &rig, seed, 50);
        check_program(rig.graph, &limits, false, false, &counts);
    }
    assert_true(counts.slabs > 1);
    rig_end(&rig);
}

// Eight products side by side, then their sum: one barrier before it, none among them.
static void test_no_needless_barrier(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_program *p;
    struct vka_limits limits = rig_least_limits();
    rig_start(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(32, 32)), y[8];
    for (int i = 0; i < 8; i++)
        y[i] = vka_matmul(rig.graph, x, vka_slice(rig.graph, x, 1, i, 8), NULL);
    vka_tensor sum = vka_add(rig.graph, y[0], y[1]);
    vka_output(rig.graph, "y", sum);
    vka_output(rig.graph, "z", VKA_CONCAT(rig.graph, 0, y[2], y[3], y[4], y[5], y[6], y[7]));
    rig_assert_ok(vka_program_create(rig.graph, &limits, VKA_F32, false, &p));
    assert_int_equal(check_barriers(p), 1);
    vka_program_destroy(p);
    rig_end(&rig);
}

// More than 32 bits count, and more than a binding holds: both figures are told, and no memory is
// asked for.
static void test_too_many(void **state)
{
    (void)state;
    static const struct {
        int64_t side;
        const char *says;
    } cases[] = {{70000, "4900000000 elements into pool; a dispatch takes 4294967295"},
                 {60000, "[1, 1, 60000, 60000] takes 14400000000 bytes; one binding of the device "
                         "holds 134217728"}};
    struct vka_limits limits = rig_least_limits();
    for (size_t i = 0; i < VKA_COUNT(cases); i++) {
        struct rig rig;
        struct vka_program *p;
        struct vka_pool pool = {.kernel = {2, 2, 1}};
        rig_start(&rig);
        vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 1, cases[i].side, cases[i].side));
        vka_output(rig.graph, "y", vka_pool(rig.graph, x, &pool));
        assert_int_equal(vka_program_create(rig.graph, &limits, VKA_F32, false, &p),
                         VKA_ERROR_UNSUPPORTED);
        unit_assert_error_has(cases[i].says);
        assert_true(rig.memory.peak < 1 << 20);
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_small_slabs),
        cmocka_unit_test(test_no_needless_barrier),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
