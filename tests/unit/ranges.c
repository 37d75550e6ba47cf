// SPDX-License-Identifier: MIT
//
// Parts of a block, taken and given back at random, against a map of bytes: none overlaps another,
// all merge again. Out of memory changes nothing.
#include "util/ranges.h"

#include "unit.h"

#include <string.h>

enum { BLOCK = 4096, MOST = 200, ROUNDS = 20000 };

struct held {
    struct vka_range *range;
    uint64_t bytes;
    unsigned char mark;
};

static struct {
    struct unit_memory memory;
    vka_context *context;
    struct vka_ranges ranges;
    unsigned char map[BLOCK]; // the mark of who has it, 0: free
    struct held held[MOST];
    int count;
} t;

// The list covers the block from end to end, and no two free ranges are neighbours.
static void check_list(void)
{
    uint64_t at = 0;
    const struct vka_range *before = NULL;
    for (const struct vka_range *r = t.ranges.first; r; r = r->after) {
        assert_true(r->offset == at && r->bytes > 0 && r->before == before);
        assert_true(!before || before->taken || r->taken);
        at += r->bytes;
        before = r;
    }
    assert_int_equal(at, BLOCK);
}

static bool has_room(uint64_t bytes, uint64_t alignment)
{
    for (uint64_t at = 0; at + bytes <= BLOCK; at += alignment) {
        uint64_t i = 0;
        while (i < bytes && !t.map[at + i])
            i++;
        if (i == bytes)
            return true;
    }
    return false;
}

static void mark(const struct held *h, unsigned char from, unsigned char to)
{
    for (uint64_t i = 0; i < h->bytes; i++) {
        assert_int_equal(t.map[h->range->offset + i], from);
        t.map[h->range->offset + i] = to;
    }
}

static void take_one(uint64_t *seed)
{
    uint64_t bytes = 1 + (uint64_t)unit_below(seed, unit_below(seed, 8) ? 60 : 900);
    uint64_t alignment = UINT64_C(1) << unit_below(seed, 9);
    struct held *h = &t.held[t.count];
    assert_int_equal(vka_ranges_take(&t.ranges, bytes, alignment, &h->range), VKA_OK);
    assert_true(!h->range == !has_room(bytes, alignment));
    if (!h->range)
        return;
    assert_true(h->range->taken && h->range->bytes == bytes && h->range->offset % alignment == 0 &&
                h->range->offset + bytes <= BLOCK);
    h->bytes = bytes;
    h->mark = (unsigned char)(1 + unit_below(seed, 255));
    mark(h, 0, h->mark);
    t.count++;
}

static void give_one(int i)
{
    struct held *h = &t.held[i];
    mark(h, h->mark, 0);
    vka_ranges_give(&t.ranges, h->range);
    *h = t.held[--t.count];
}

static void begin(void)
{
    memset(&t, 0, sizeof t);
    vka_context_params params = {
        .allocator = unit_allocator(&t.memory), .threads = 1, .no_vulkan = true};
    assert_int_equal(vka_context_create(&params, &t.context), VKA_OK);
    assert_true(vka_ranges_create(t.context, BLOCK, &t.ranges));
}

static void end(void)
{
    assert_true(vka_ranges_empty(&t.ranges));
    vka_ranges_destroy(&t.ranges);
    vka_context_destroy(t.context);
    assert_int_equal(t.memory.blocks, 0);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 2;
    int most = 0;
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        // Turns of growing and shrinking.
        bool grow = unit_below(&seed, 8) < (i / 500 % 2 ? 2 : 6);
        if (grow && t.count < MOST)
            take_one(&seed);
        else if (t.count > 0)
            give_one((int)unit_below(&seed, t.count));
        check_list();
        most = t.count > most ? t.count : most;
    }
    assert_true(most > 30);
    while (t.count > 0)
        give_one(t.count - 1);
    check_list();
    end();
}

static void test_first_fit(void **state)
{
    (void)state;
    struct vka_range *a, *b, *c, *d;
    begin();
    assert_int_equal(vka_ranges_take(&t.ranges, 100, 1, &a), VKA_OK);
    assert_int_equal(vka_ranges_take(&t.ranges, 100, 64, &b), VKA_OK);
    assert_int_equal(b->offset, 128);
    assert_int_equal(vka_ranges_take(&t.ranges, 28, 1, &c), VKA_OK); // the gap between
    assert_int_equal(c->offset, 100);
    assert_int_equal(vka_ranges_take(&t.ranges, BLOCK - 228 + 1, 1, &d), VKA_OK);
    assert_null(d);
    assert_int_equal(vka_ranges_take(&t.ranges, BLOCK - 228, 1, &d), VKA_OK);
    assert_int_equal(d->offset, 228);
    vka_ranges_give(&t.ranges, a);
    vka_ranges_give(&t.ranges, d);
    vka_ranges_give(&t.ranges, b);
    assert_false(vka_ranges_empty(&t.ranges));
    vka_ranges_give(&t.ranges, c);
    end();
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vka_ranges none;
    struct vka_range *a, *b;
    begin();
    assert_int_equal(vka_ranges_take(&t.ranges, 100, 1, &a), VKA_OK);
    for (size_t n = 1; n <= 2; n++) { // the gap, the rest
        t.memory.asked = 0;
        t.memory.fail_at = n;
        assert_int_equal(vka_ranges_take(&t.ranges, 100, 64, &b), VKA_ERROR_OUT_OF_MEMORY);
        assert_null(b);
        check_list();
    }
    t.memory.asked = 0;
    t.memory.fail_at = 1;
    assert_false(vka_ranges_create(t.context, BLOCK, &none));
    vka_ranges_destroy(&none);
    t.memory.fail_at = 0;
    assert_int_equal(vka_ranges_take(&t.ranges, 100, 64, &b), VKA_OK);
    vka_ranges_give(&t.ranges, a);
    vka_ranges_give(&t.ranges, b);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_first_fit),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
