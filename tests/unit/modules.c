// SPDX-License-Identifier: MIT
//
// The embedded shader modules: small, each unpacks to SPIR-V, and damage is told.
#include "vk/modules.h"
#include "unit.h"

#include <string.h>

enum { MAGIC = 0x07230203, EMBEDDED_LIMIT = 1 << 20, BF16_LIMIT = 5 << 17 };

static struct unit_memory memory;
static struct vka_context context;

static void test_every_module_unpacks(void **state)
{
    (void)state;
    size_t embedded = 0;
    const struct vka_module_stream *last = NULL;
    for (size_t i = 0; i < vka_module_count; i++) {
        const struct vka_module *m = &vka_modules[i];
        assert_ptr_equal(vka_module_find(m->name), m);
        void *unpacked;
        const uint32_t *words;
        assert_int_equal(vka_module_unpack(&context, m, &unpacked, &words), VKA_OK);
        assert_true(m->size > 20 && m->at + m->size <= m->stream->size);
        assert_int_equal(words[0], MAGIC);
        vka_free(&context, unpacked);
        embedded += m->stream == last ? 0 : m->stream->packed_size;
        last = m->stream;
    }
    assert_int_equal(memory.blocks, 0);
    assert_true(vka_module_count > 100);
    print_message("%zu modules in %zu bytes\n", vka_module_count, embedded);
    size_t more = vka_module_find("copy_bf16") ? BF16_LIMIT : 0; // an option of the build
    assert_true(embedded <= EMBEDDED_LIMIT + more);
    assert_null(vka_module_find("none"));
}

static vka_result unpack_copy(const uint8_t *packed, size_t packed_size, size_t size,
                              void **unpacked)
{
    const struct vka_module_stream stream = {packed, (uint32_t)packed_size, (uint32_t)size};
    const struct vka_module m = {"copy", &stream, 0, (uint32_t)size};
    const uint32_t *words;
    return vka_module_unpack(&context, &m, unpacked, &words);
}

static void expect_damage(const uint8_t *packed, size_t packed_size, size_t size)
{
    void *unpacked;
    assert_int_equal(unpack_copy(packed, packed_size, size, &unpacked), VKA_ERROR_FORMAT);
    unit_assert_error_has("'copy' in this library is damaged");
    assert_null(unpacked);
    assert_int_equal(memory.blocks, 0);
}

// Whatever byte changes behind the header, it is told, or nothing but padding changed.
static void test_damage(void **state)
{
    (void)state;
    enum { HEADER = 10, PADDED = 4 };
    const struct vka_module_stream *s = vka_module_find("gather")->stream;
    void *whole, *unpacked;
    assert_int_equal(unpack_copy(s->packed, s->packed_size, s->size, &whole), VKA_OK);
    uint8_t *copy = test_malloc(s->packed_size);
    memcpy(copy, s->packed, s->packed_size);
    size_t harmless = 0;
    for (size_t i = HEADER; i < s->packed_size; i++) {
        copy[i] ^= 0x10;
        if (unpack_copy(copy, s->packed_size, s->size, &unpacked) == VKA_OK) {
            assert_memory_equal(unpacked, whole, s->size);
            vka_free(&context, unpacked);
            harmless++;
        }
        copy[i] ^= 0x10;
    }
    assert_true(harmless <= PADDED);
    vka_free(&context, whole);
    expect_damage(copy, 0, s->size);
    expect_damage(copy, s->packed_size - 1, s->size);
    expect_damage(copy, s->packed_size, s->size - 4);
    expect_damage(copy, s->packed_size, s->size + 4);
    copy[s->packed_size / 2] ^= 0x10;
    expect_damage(copy, s->packed_size, s->size);
    test_free(copy);
}

static void test_memory_that_is_not_there(void **state)
{
    (void)state;
    const struct vka_module *m = vka_module_find("gather");
    void *unpacked;
    const uint32_t *words;
    memory.asked = 0;
    size_t fail_at = 1;
    for (;; fail_at++) {
        memory.fail_at = memory.asked + fail_at;
        vka_result result = vka_module_unpack(&context, m, &unpacked, &words);
        memory.fail_at = 0;
        if (result == VKA_OK)
            break;
        assert_int_equal(result, VKA_ERROR_OUT_OF_MEMORY);
        assert_int_equal(memory.blocks, 0);
    }
    assert_true(fail_at > 2); // what it unpacks to, and zlib's own
    vka_free(&context, unpacked);
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
