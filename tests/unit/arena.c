// SPDX-License-Identifier: MIT
//
// The arena alone: random lifetimes are placed without overlap, within the slabs' limit, and in
// little more room than they need at once.
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS = 60 };

static uint64_t up(uint64_t bytes)
{
    return (bytes + VKA_ALIGNMENT - 1) / VKA_ALIGNMENT * VKA_ALIGNMENT;
}

static void make_items(struct vka_lifetime *items, int count, int64_t most, uint64_t *seed)
{
    for (int i = 0; i < count; i++) {
        int first = (int)unit_below(seed, 40);
        items[i] = (struct vka_lifetime){.bytes = 1 + (uint64_t)unit_below(seed, most),
                                         .first = first,
                                         .last = first + (int)unit_below(seed, 8)};
    }
}

static bool together(const struct vka_lifetime *a, const struct vka_lifetime *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void check_apart(const struct vka_lifetime *a, const struct vka_lifetime *b)
{
    if (a->slab < 0 || a->slab != b->slab || !together(a, b))
        return;
    assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
}

// Every slab is as large as its items reach, and not larger.
static void check_slabs(const struct vka_lifetime *items, int count, const uint64_t *slabs,
                        int slab_count, uint64_t limit)
{
    for (int s = 0; s < slab_count; s++) {
        uint64_t end = 0;
        for (int i = 0; i < count; i++) {
            if (items[i].slab == s && items[i].offset + up(items[i].bytes) > end)
                end = items[i].offset + up(items[i].bytes);
        }
        assert_int_equal(slabs[s], end);
        assert_true(end > 0 && end <= limit);
    }
}

static uint64_t peak_of(const struct vka_lifetime *items, int count)
{
    uint64_t peak = 0;
    for (int step = 0; step < 64; step++) {
        uint64_t now = 0;
        for (int i = 0; i < count; i++)
            now += items[i].first <= step && step <= items[i].last ? up(items[i].bytes) : 0;
        peak = now > peak ? now : peak;
    }
    return peak;
}

static uint64_t place(struct rig *rig, struct vka_lifetime *items, int count, uint64_t limit)
{
    uint64_t *slabs, sum = 0;
    int slab_count;
    rig_assert_ok(vka_arena_assign(rig->context, items, (size_t)count, limit, &slabs, &slab_count));
    for (int i = 0; i < count; i++) {
        assert_int_equal(items[i].slab<0, up(items[i].bytes)> limit);
        assert_true(items[i].slab < slab_count && items[i].offset % VKA_ALIGNMENT == 0);
        for (int k = 0; k < i; k++)
            check_apart(&items[i], &items[k]);
    }
    check_slabs(items, count, slabs, slab_count, limit);
    for (int s = 0; s < slab_count; s++)
        sum += slabs[s];
    vka_free(rig->context, slabs);
    return sum;
}

static void test_random(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_lifetime items[ITEMS];
    double worst = 0, all = 0;
    int rounds = 400;
    rig_start(&rig);
    for (uint64_t seed = 1; seed <= (uint64_t)rounds; seed++) {
        uint64_t s = seed;
        int count = 1 + (int)unit_below(&s, ITEMS);
        make_items(items, count, 5000, &s);
        double over =
            (double)place(&rig, items, count, INT64_MAX / 2) / (double)peak_of(items, count);
        assert_true(over >= 1);
        worst = over > worst ? over : worst;
        all += over / rounds;
    }
    print_message("(of the least room: %.2f on average, %.2f at worst)\n", all, worst);
    assert_true(all < 1.1 && worst < 1.6);
    rig_end(&rig);
}

static void test_limit(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_lifetime items[ITEMS];
    rig_start(&rig);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t s = seed;
        uint64_t limit = VKA_ALIGNMENT * (4 + (uint64_t)unit_below(&s, 20));
        make_items(items, ITEMS, 5000, &s);
        place(&rig, items, ITEMS, limit);
        make_items(items, ITEMS, 900, &s);
        place(&rig, items, ITEMS, limit + 255); // what is over the alignment is of no use
    }
    rig_end(&rig);
}

// The same items give the same places, whatever memory held before.
static void test_alike(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_lifetime items[ITEMS], again[ITEMS];
    uint64_t seed = 7;
    rig_start(&rig);
    make_items(items, ITEMS, 3, &seed); // many of one size
    memcpy(again, items, sizeof items);
    assert_int_equal(place(&rig, items, ITEMS, 1 << 20), place(&rig, again, ITEMS, 1 << 20));
    for (int i = 0; i < ITEMS; i++)
        assert_true(items[i].slab == again[i].slab && items[i].offset == again[i].offset);
    rig_end(&rig);
}

static void test_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    assert_int_equal(place(&rig, NULL, 0, 1 << 20), 0);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
