// SPDX-License-Identifier: MIT
//
// Any bytes as JSON text. What is taken for JSON is written and read again and must be the same.
#include "fuzz.h"
#include "io/attr_json.h"

static char *text_of(const vka_attr *tree, size_t *size)
{
    struct vka_json_out out = {0};
    vka_attr_put(&out, tree);
    *size = out.at;
    out.size = out.at + 1;
    out.at = 0;
    out.text = malloc(out.size);
    vka_attr_put(&out, tree);
    if (out.at != *size || out.text[*size])
        abort();
    return out.text;
}

static void round_trip(struct vka_context *context, const vka_attr *tree)
{
    size_t size, again;
    vka_attr *copy;
    char *text = text_of(tree, &size);
    if (vka_attr_parse(context, "again", text, size, &copy) != VKA_OK)
        abort();
    char *other = text_of(copy, &again);
    if (size != again || memcmp(text, other, size) != 0)
        abort();
    vka_free(context, copy);
    free(other);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory memory = {0, 1024 + 512 * size, false};
    struct vka_context context = fuzz_context(&memory);
    vka_attr *tree;
    struct vka_json j;
    vka_json_start(&j, (const char *)data, size);
    bool valid = vka_json_skip(&j) && vka_json_end(&j);
    if (vka_attr_parse(&context, "fuzz", (const char *)data, size, &tree) == VKA_OK) {
        if (!valid)
            abort();
        round_trip(&context, tree);
        vka_free(&context, tree);
    }
    if (memory.live != 0)
        abort();
    return 0;
}
