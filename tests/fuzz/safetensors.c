// SPDX-License-Identifier: MIT
//
// Any bytes as a safetensors file. What is taken for a file is read through to its last byte.
#include "fuzz.h"
#include "io/safetensors.h"

static unsigned sum(const void *data, uint64_t size)
{
    unsigned result = 0;
    for (uint64_t i = 0; i < size; i++)
        result += ((const unsigned char *)data)[i];
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory memory = {0, size + 1024, false};
    struct vka_context context = fuzz_context(&memory);
    struct vka_safetensors *file;
    static volatile unsigned total;
    if (vka_safetensors_parse(&context, "fuzz", data, size, &file) == VKA_OK) {
        for (size_t i = 0; i < vka_safetensors_count(file); i++) {
            struct vka_safetensor tensor;
            if (vka_safetensors_get(file, i, &tensor) != VKA_OK ||
                vka_safetensors_find(file, tensor.name) != (long)i)
                abort();
            total += sum(tensor.data, tensor.bytes) + sum(tensor.name, strlen(tensor.name));
            vka_safetensors_use(file, i, &tensor);
        }
        vka_safetensors_metadata(file, "block");
        vka_safetensors_close(file);
    }
    if (memory.live != 0)
        abort();
    return 0;
}
