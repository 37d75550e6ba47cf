// SPDX-License-Identifier: MIT
//
// The embedded shader modules: small, each unpacks to SPIR-V, and damage is told.
#include "vk/modules.h"
#include "unit.h"

#include <string.h>

enum { MAGIC = 0x07230203, HEADER_WORDS = 5, EMBEDDED_LIMIT = 1 << 20, BF16_LIMIT = 1 << 19 };

static struct unit_memory memory;
static struct vka_context context;

// The instructions tell their lengths: they end where the module does.
static void expect_instructions(const uint32_t *words, uint32_t count)
{
    uint32_t at = HEADER_WORDS;
    assert_true(count > HEADER_WORDS);
    assert_int_equal(words[0], MAGIC);
    for (uint32_t length = 1; length && at < count; at += length)
        length = words[at] >> 16;
    assert_int_equal(at, count);
}

static void test_every_module_unpacks(void **state)
{
    (void)state;
    size_t embedded = 0;
    for (size_t i = 0; i < vka_module_count; i++) {
        const struct vka_module *m = &vka_modules[i];
        assert_ptr_equal(vka_module_find(m->name), m);
        uint32_t *words;
        assert_true((uint64_t)m->first + m->words <= m->stream->plane);
        assert_int_equal(vka_module_unpack(&context, m, &words), VKA_OK);
        expect_instructions(words, m->words);
        vka_free(&context, words);
        embedded += i > 0 && m->stream == vka_modules[i - 1].stream ? 0 : m->stream->packed_size;
    }
    assert_int_equal(memory.blocks, 0);
    assert_true(vka_module_count > 100);
    print_message("%zu modules in %zu bytes\n", vka_module_count, embedded);
    size_t more = vka_module_find("copy_bf16") ? BF16_LIMIT : 0; // an option of the build
    assert_true(embedded <= EMBEDDED_LIMIT + more);
    assert_null(vka_module_find("none"));
}

// The module of that stream's first words, from `packed`.
static vka_result unpack_copy(const uint8_t *packed, size_t packed_size, uint32_t plane,
                              uint32_t **words)
{
    const struct vka_module_stream stream = {packed, (uint32_t)packed_size, plane};
    const struct vka_module m = {"copy", &stream, 0, plane};
    return vka_module_unpack(&context, &m, words);
}

static void expect_damage(const uint8_t *packed, size_t packed_size, uint32_t plane)
{
    uint32_t *words;
    assert_int_equal(unpack_copy(packed, packed_size, plane, &words), VKA_ERROR_FORMAT);
    unit_assert_error_has("'copy' in this library is damaged");
    assert_null(words);
    assert_int_equal(memory.blocks, 0);
}

// Whatever byte changes behind the header, it is told, or the words are what they were: padding
// changed, or the distance of a copy within a run of zeros.
static void test_damage(void **state)
{
    (void)state;
    enum { HEADER = 10, TRAILER = 8, MOST_HARMLESS = 10 }; // 6 of 1187 bytes when this was written
    const struct vka_module_stream *s = vka_module_find("gather")->stream;
    uint32_t *whole, *words;
    assert_int_equal(unpack_copy(s->packed, s->packed_size, s->plane, &whole), VKA_OK);
    uint8_t *copy = test_malloc(s->packed_size);
    memcpy(copy, s->packed, s->packed_size);
    size_t harmless = 0;
    for (size_t i = HEADER; i < s->packed_size; i++) {
        copy[i] ^= 0x10;
        if (unpack_copy(copy, s->packed_size, s->plane, &words) == VKA_OK) {
            assert_memory_equal(words, whole, (size_t)s->plane * sizeof *words);
            vka_free(&context, words);
            assert_true(i < s->packed_size - TRAILER);
            harmless++;
        }
        copy[i] ^= 0x10;
    }
    assert_true(harmless <= MOST_HARMLESS);
    vka_free(&context, whole);
    expect_damage(copy, 0, s->plane);
    expect_damage(copy, s->packed_size - 1, s->plane);
    expect_damage(copy, s->packed_size, s->plane - 1);
    expect_damage(copy, s->packed_size, s->plane + 1);
    copy[s->packed_size / 2] ^= 0x10;
    expect_damage(copy, s->packed_size, s->plane);
    test_free(copy);
}

static void test_memory_that_is_not_there(void **state)
{
    (void)state;
    const struct vka_module *m = vka_module_find("gather");
    uint32_t *words;
    memory.asked = 0;
    size_t fail_at = 1;
    for (;; fail_at++) {
        memory.fail_at = memory.asked + fail_at;
        vka_result result = vka_module_unpack(&context, m, &words);
        memory.fail_at = 0;
        if (result == VKA_OK)
            break;
        assert_int_equal(result, VKA_ERROR_OUT_OF_MEMORY);
        assert_null(words);
        assert_int_equal(memory.blocks, 0);
    }
    assert_true(fail_at > 3); // the digits, the words, and zlib's own
    vka_free(&context, words);
    assert_int_equal(memory.blocks, 0);
}

int main(void)
{
    unit_context(&context, &memory);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module_unpacks),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
