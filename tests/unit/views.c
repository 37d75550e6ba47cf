// SPDX-License-Identifier: MIT
//
// Views against a model that keeps every element: random chains of them, copied out on the CPU.
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum { MAX = 4096, CHAIN = 6, CHAINS = 12 };

// What a tensor holds: which element of the input is at each place, in row-major order.
struct model {
    vka_shape shape;
    int count;
    int32_t from[MAX];
};

static uint64_t seed;

static int count_of(const vka_shape *shape)
{
    uint64_t n = 0;
    assert_true(vka_shape_count(shape, &n));
    return (int)n;
}

static void coordinates(const vka_shape *shape, int index, int64_t at[VKA_MAX_RANK])
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        at[i] = index % shape->dim[i];
        index /= (int)shape->dim[i];
    }
}

static int index_of(const vka_shape *shape, const int64_t at[VKA_MAX_RANK])
{
    int64_t index = 0;
    for (int i = 0; i < shape->rank; i++)
        index = index * shape->dim[i] + at[i];
    return (int)index;
}

// A new shape whose places are found in the old one by `map`.
static void remake(struct model *m, const vka_shape *shape,
                   void (*map)(const struct model *m, const void *arg, int64_t *at),
                   const void *arg)
{
    static struct model now;
    now.shape = *shape;
    now.count = count_of(shape);
    assert_true(now.count <= MAX);
    for (int i = 0; i < now.count; i++) {
        int64_t at[VKA_MAX_RANK] = {0};
        coordinates(shape, i, at);
        map(m, arg, at);
        now.from[i] = m->from[index_of(&m->shape, at)];
    }
    *m = now;
}

// --- the views, on a graph and on its model ---

static vka_shape random_shape(int rank, int most)
{
    vka_shape shape = {.rank = rank};
    int room = most;
    for (int i = 0; i < rank; i++) {
        shape.dim[i] = 1 + unit_below(&seed, room < 5 ? room : 5);
        room /= (int)shape.dim[i];
    }
    return shape;
}

static void map_permuted(const struct model *m, const void *arg, int64_t *at)
{
    const int *order = arg;
    int64_t old[VKA_MAX_RANK];
    for (int i = 0; i < m->shape.rank; i++)
        old[order[i]] = at[i];
    memcpy(at, old, sizeof old[0] * (size_t)m->shape.rank);
}

static vka_tensor permute(vka_graph *g, vka_tensor t, struct model *m)
{
    int order[VKA_MAX_RANK], given[VKA_MAX_RANK], rank = m->shape.rank;
    vka_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        order[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        int k = (int)unit_below(&seed, i + 1), old = order[i];
        order[i] = order[k];
        order[k] = old;
    }
    for (int i = 0; i < rank; i++) {
        shape.dim[i] = m->shape.dim[order[i]];
        given[i] = order[i] - (unit_below(&seed, 2) ? rank : 0); // from the end, now and then
    }
    remake(m, &shape, map_permuted, order);
    return vka_permute(g, t, given);
}

static vka_tensor transpose(vka_graph *g, vka_tensor t, struct model *m)
{
    int rank = m->shape.rank;
    if (rank == 0)
        return t;
    int order[VKA_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    int a = (int)unit_below(&seed, rank), b = (int)unit_below(&seed, rank);
    order[a] = b;
    order[b] = a;
    vka_shape shape = m->shape;
    shape.dim[a] = m->shape.dim[b];
    shape.dim[b] = m->shape.dim[a];
    remake(m, &shape, map_permuted, order);
    return vka_transpose(g, t, a - rank, b);
}

struct cut {
    int axis;
    int64_t begin, step;
};

static void map_cut(const struct model *m, const void *arg, int64_t *at)
{
    const struct cut *c = arg;
    (void)m;
    at[c->axis] = c->begin + at[c->axis] * c->step;
}

static vka_tensor slice(vka_graph *g, vka_tensor t, struct model *m)
{
    if (m->shape.rank == 0)
        return t;
    struct cut c = {.axis = (int)unit_below(&seed, m->shape.rank)};
    int64_t size = m->shape.dim[c.axis];
    c.begin = unit_below(&seed, size);
    c.step = unit_below(&seed, 4 * size + 1) - 2 * size; // longer ones give one element
    int64_t most = c.step > 0   ? (size - 1 - c.begin) / c.step + 1
                   : c.step < 0 ? c.begin / -c.step + 1
                                : size;
    int64_t count = 1 + unit_below(&seed, most);
    vka_shape shape = m->shape;
    shape.dim[c.axis] = count;
    remake(m, &shape, map_cut, &c);
    return c.step == 1 ? vka_slice(g, t, c.axis, c.begin, count)
                       : vka_slice_step(g, t, c.axis, c.begin, count, c.step);
}

static void map_repeated(const struct model *m, const void *arg, int64_t *at)
{
    int lead = *(const int *)arg;
    for (int i = 0; i < m->shape.rank; i++)
        at[i] = m->shape.dim[i] == 1 ? 0 : at[i + lead];
}

static vka_tensor broadcast(vka_graph *g, vka_tensor t, struct model *m)
{
    int lead = (int)unit_below(&seed, 7 - m->shape.rank);
    vka_shape shape = {.rank = m->shape.rank + lead};
    int room = MAX / m->count;
    for (int i = 0; i < shape.rank; i++) {
        int64_t own = i < lead ? 1 : m->shape.dim[i - lead];
        shape.dim[i] = own == 1 ? 1 + unit_below(&seed, room < 3 ? room : 3) : own;
        room /= own == 1 ? (int)shape.dim[i] : 1;
    }
    remake(m, &shape, map_repeated, &lead);
    return vka_broadcast_to(g, t, shape);
}

static vka_tensor unsqueeze(vka_graph *g, vka_tensor t, struct model *m)
{
    int rank = m->shape.rank, at = (int)unit_below(&seed, rank + 1);
    if (rank == 6)
        return t;
    for (int i = rank; i > at; i--)
        m->shape.dim[i] = m->shape.dim[i - 1];
    m->shape.dim[at] = 1;
    m->shape.rank++;
    return vka_unsqueeze(g, t, unit_below(&seed, 2) ? at : at - rank - 1);
}

static vka_tensor squeeze(vka_graph *g, vka_tensor t, struct model *m)
{
    for (int i = 0; i < m->shape.rank; i++) {
        if (m->shape.dim[i] != 1)
            continue;
        for (int k = i; k + 1 < m->shape.rank; k++)
            m->shape.dim[k] = m->shape.dim[k + 1];
        m->shape.rank--;
        return vka_squeeze(g, t, i);
    }
    return t;
}

static vka_tensor flatten(vka_graph *g, vka_tensor t, struct model *m)
{
    if (m->shape.rank == 0)
        return t;
    int a = (int)unit_below(&seed, m->shape.rank);
    int b = a + (int)unit_below(&seed, m->shape.rank - a);
    vka_shape shape = {.rank = m->shape.rank - (b - a)};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = m->shape.dim[i <= a ? i : i + b - a];
    for (int i = a + 1; i <= b; i++)
        shape.dim[a] *= m->shape.dim[i];
    m->shape = shape;
    return vka_flatten(g, t, a, b);
}

// Places of the base under the elements of a tensor, as its strides have it.
static void addresses(const vka_graph *g, vka_tensor t, int64_t *address)
{
    const struct vka_value *v = vka_value_of(g, t);
    int count = count_of(&v->shape);
    for (int i = 0; i < count; i++) {
        int64_t at[VKA_MAX_RANK];
        coordinates(&v->shape, i, at);
        address[i] = v->offset;
        for (int k = 0; k < v->shape.rank; k++)
            address[i] += at[k] * v->stride[k];
        assert_true(address[i] >= 0 && address[i] < vka_elements(g, v->base));
    }
}

// Whether there are strides for `shape` over these places.
static bool strides_exist(const int64_t *address, const vka_shape *shape)
{
    int64_t stride[VKA_MAX_RANK] = {0}, at[VKA_MAX_RANK];
    for (int i = 0; i < shape->rank; i++) {
        memset(at, 0, sizeof at);
        at[i] = 1;
        if (shape->dim[i] > 1)
            stride[i] = address[index_of(shape, at)] - address[0];
    }
    for (int i = 0; i < count_of(shape); i++) {
        int64_t sum = address[0];
        coordinates(shape, i, at);
        for (int k = 0; k < shape->rank; k++)
            sum += at[k] * stride[k];
        if (sum != address[i])
            return false;
    }
    return true;
}

// The count cut into factors, with ones strewn in.
static vka_shape random_factors(int count)
{
    vka_shape shape = {.rank = 0};
    while (shape.rank < 5) {
        int f = 1 + (int)unit_below(&seed, 6);
        if (count % f == 0) {
            shape.dim[shape.rank++] = f;
            count /= f;
        }
        if (unit_below(&seed, 4) == 0)
            break;
    }
    shape.dim[shape.rank++] = count;
    return shape;
}

// A copy is made where, and only where, no strides do.
static vka_tensor reshape(vka_graph *g, vka_tensor t, struct model *m)
{
    static int64_t address[MAX];
    vka_shape shape = random_factors(m->count), asked = shape;
    addresses(g, t, address);
    size_t nodes = g->node_count;
    bool same = vka_shape_equal(&shape, &m->shape);
    bool exist = strides_exist(address, &shape);
    if (unit_below(&seed, 3) == 0)
        asked.dim[unit_below(&seed, asked.rank)] = -1;
    m->shape = shape;
    vka_tensor y = vka_reshape(g, t, asked);
    assert_int_equal(g->node_count - nodes, exist ? 0 : 1);
    assert_true(!same || y == t);
    return y;
}

struct window {
    vka_shape shape;
    int64_t stride[VKA_MAX_RANK], offset;
};

static vka_tensor strided(vka_graph *g, vka_tensor t, struct model *m)
{
    static struct model now;
    struct window w = {.shape = random_shape((int)unit_below(&seed, 5), 64)};
    int64_t low = 0, high = 0;
    for (int i = 0; i < w.shape.rank; i++) {
        int64_t most =
            w.shape.dim[i] > 1 ? (m->count - 1 - (high - low)) / (w.shape.dim[i] - 1) : m->count;
        w.stride[i] = unit_below(&seed, most + 1) * (unit_below(&seed, 3) ? 1 : -1);
        int64_t reach = (w.shape.dim[i] - 1) * w.stride[i];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    w.offset = unit_below(&seed, m->count - (high - low)) - low;
    now.shape = w.shape;
    now.count = count_of(&w.shape);
    for (int i = 0; i < now.count; i++) {
        int64_t at[VKA_MAX_RANK], from = w.offset;
        coordinates(&w.shape, i, at);
        for (int k = 0; k < w.shape.rank; k++)
            from += at[k] * w.stride[k];
        now.from[i] = m->from[from];
    }
    *m = now;
    return vka_strided(g, t, w.shape, w.stride, w.offset);
}

static vka_tensor dense(vka_graph *g, vka_tensor t, struct model *m)
{
    static int64_t address[MAX];
    bool is = true;
    addresses(g, t, address);
    for (int i = 0; i < m->count; i++)
        is = is && address[i] == address[0] + i;
    assert_int_equal(vka_is_dense(g, t), is);
    vka_tensor y = vka_dense(g, t);
    assert_true(is == (y == t) && vka_is_dense(g, y));
    return y;
}

typedef vka_tensor (*view_fn)(vka_graph *g, vka_tensor t, struct model *m);
static const view_fn views[] = {permute, transpose, slice,   broadcast, unsqueeze,
                                squeeze, flatten,   reshape, strided,   dense};

// --- random chains ---

struct chain {
    struct model m;
    int32_t got[MAX];
    char name[16];
};

static void grow_chain(vka_graph *g, vka_tensor t, struct chain *c, int number)
{
    for (int i = 0; i < CHAIN; i++) {
        t = views[unit_below(&seed, VKA_COUNT(views))](g, t, &c->m);
        rig_assert_ok(vka_graph_status(g));
        vka_shape shape = vka_shape_of(g, t);
        assert_true(vka_shape_equal(&shape, &c->m.shape));
        c->m.count = count_of(&shape);
    }
    snprintf(c->name, sizeof c->name, "y%d", number);
    vka_output(g, c->name, vka_copy(g, t));
}

static void run_chains(struct rig *rig)
{
    static struct chain chains[CHAINS];
    static int32_t x[MAX];
    vka_shape shape = random_shape((int)unit_below(&seed, 7), 600);
    int count = count_of(&shape);
    vka_tensor t = vka_input(rig->graph, "x", VKA_I32, &shape);
    vka_io in[] = {{"x", VKA_I32, x, (uint64_t)count * 4}, {0}}, out[CHAINS + 1] = {0};
    for (int i = 0; i < count; i++)
        x[i] = i * 7 - 3;
    for (int c = 0; c < CHAINS; c++) {
        chains[c].m = (struct model){.shape = shape, .count = count};
        for (int i = 0; i < count; i++)
            chains[c].m.from[i] = i;
        grow_chain(rig->graph, t, &chains[c], c);
        out[c] = (vka_io){chains[c].name, VKA_I32, chains[c].got, (uint64_t)chains[c].m.count * 4};
    }
    vka_plan *plan = rig_plan(rig, NULL);
    rig_assert_ok(vka_plan_run(plan, in, out));
    for (int c = 0; c < CHAINS; c++) {
        for (int i = 0; i < chains[c].m.count; i++)
            assert_int_equal(chains[c].got[i], x[chains[c].m.from[i]]);
    }
    vka_plan_destroy(plan);
}

static void test_chains(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    for (seed = 1; seed <= 300; seed++) {
        uint64_t number = seed;
        rig_new_graph(&rig);
        run_chains(&rig);
        seed = number;
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
