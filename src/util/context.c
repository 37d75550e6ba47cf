// SPDX-License-Identifier: MIT
//
// Allocation through the context, messages, and each thread's last error.
#include "util/context.h"

#include "util/system.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_TEXT = 2048, DATA_ALIGNMENT = 64 };

static _Thread_local char last_error[ERROR_TEXT];
static _Thread_local uint64_t refused; // bytes of the last allocation that failed; 0: told

const char *vka_last_error(void)
{
    return last_error;
}

const char *vka_version(void)
{
    return VKATTN_VERSION;
}

const char *vka_result_string(vka_result result)
{
    static const char *const texts[] = {
#define VKA_RESULT_TEXT(name, text) [VKA_##name] = text,
        VKA_RESULTS(VKA_RESULT_TEXT)
#undef VKA_RESULT_TEXT
    };
    return (size_t)result < VKA_COUNT(texts) ? texts[result] : "unknown result";
}

static void log_text(vka_context *context, vka_log_level level, const char *text)
{
    if (context && context->log && level <= context->log_level)
        context->log(context->log_user, level, text);
}

void vka_log(vka_context *context, vka_log_level level, const char *format, ...)
{
    if (!context || !context->log || level > context->log_level)
        return;
    char text[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_text(context, level, text);
}

vka_result vka_error(vka_context *context, vka_result result, const char *format, ...)
{
    // Formatted aside: an argument may be the last error's own text.
    char text[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(last_error, text, sizeof text);
    log_text(context, VKA_LOG_ERROR, text);
    return result;
}

const char *vka_memory_text(const char *what, char text[VKA_MEMORY_TEXT])
{
    char bytes[48] = "";
    if (refused)
        snprintf(bytes, sizeof bytes, ": no %llu bytes", (unsigned long long)refused);
    refused = 0;
    snprintf(text, VKA_MEMORY_TEXT, "out of host memory%s%.400s%s", what ? " for " : "",
             what ? what : "", bytes);
    return text;
}

vka_result vka_out_of_memory_for(vka_context *context, const char *format, ...)
{
    char what[VKA_MEMORY_TEXT], text[VKA_MEMORY_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return vka_error(context, VKA_ERROR_OUT_OF_MEMORY, "%s", vka_memory_text(what, text));
}

vka_result vka_out_of_memory(vka_context *context)
{
    char text[VKA_MEMORY_TEXT];
    return vka_error(context, VKA_ERROR_OUT_OF_MEMORY, "%s", vka_memory_text(NULL, text));
}

const char *vka_getenv_word(vka_context *context, const char *name, const char *const *words)
{
    const char *text = vka_getenv(name);
    char list[256] = "";
    size_t at = 0;
    if (!text || !*text)
        return NULL;
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return words[i];
        if (at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", words[i]);
    }
    vka_log(context, VKA_LOG_WARN, "%s=%.100s is not known (there are: %s)", name, text, list);
    return NULL;
}

bool vka_mul_size(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a != 0 && b > (uint64_t)INT64_MAX / a)
        return false;
    *out = a * b;
    return true;
}

bool vka_add_size(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a > (uint64_t)INT64_MAX || b > (uint64_t)INT64_MAX - a)
        return false;
    *out = a + b;
    return true;
}

void *vka_alloc(vka_context *context, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (!vka_mul_size(count, size, &bytes))
        bytes = UINT64_MAX;
    void *ptr = bytes <= SIZE_MAX / 2
                    ? context->allocator.alloc(context->allocator.user, bytes ? (size_t)bytes : 1)
                    : NULL;
    refused = ptr ? 0 : bytes;
    return ptr;
}

void *vka_calloc(vka_context *context, uint64_t count, uint64_t size)
{
    void *ptr = vka_alloc(context, count, size);
    if (ptr)
        memset(ptr, 0, (size_t)(count * size));
    return ptr;
}

void vka_free(vka_context *context, void *ptr)
{
    if (ptr)
        context->allocator.free(context->allocator.user, ptr);
}

// The distance to what was allocated stands in the word before the aligned address.
void *vka_alloc_data(vka_context *context, uint64_t bytes)
{
    uint64_t total;
    if (!vka_add_size(bytes, DATA_ALIGNMENT + sizeof(void *), &total))
        return NULL;
    unsigned char *raw = vka_alloc(context, total, 1);
    if (!raw)
        return NULL;
    uintptr_t at =
        ((uintptr_t)raw + sizeof(void *) + DATA_ALIGNMENT - 1) & ~(uintptr_t)(DATA_ALIGNMENT - 1);
    memcpy((unsigned char *)at - sizeof(void *), &raw, sizeof raw);
    return (void *)at;
}

void vka_free_data(vka_context *context, void *ptr)
{
    if (!ptr)
        return;
    void *raw;
    memcpy(&raw, (unsigned char *)ptr - sizeof(void *), sizeof raw);
    vka_free(context, raw);
}

char *vka_strdup(vka_context *context, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = vka_alloc(context, size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

bool vka_grow(vka_context *context, void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 8;
    void *moved = vka_alloc(context, more, size);
    if (!moved)
        return false;
    if (*array)
        memcpy(moved, *array, count * size);
    vka_free(context, *array);
    *array = moved;
    *capacity = more;
    return true;
}

bool vka_shape_count(const vka_shape *shape, uint64_t *count)
{
    uint64_t n = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0 || !vka_mul_size(n, (uint64_t)shape->dim[i], &n))
            return false;
    }
    *count = n;
    return true;
}

bool vka_shape_equal(const vka_shape *a, const vka_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i])
            return false;
    }
    return true;
}

const char *vka_shape_text(const vka_shape *shape, char text[VKA_SHAPE_TEXT])
{
    size_t at = (size_t)snprintf(text, VKA_SHAPE_TEXT, "[");
    for (int i = 0; i < shape->rank && i < VKA_MAX_RANK && at < VKA_SHAPE_TEXT - 24; i++)
        at += (size_t)snprintf(text + at, VKA_SHAPE_TEXT - at, i ? ", %lld" : "%lld",
                               (long long)shape->dim[i]);
    snprintf(text + at, VKA_SHAPE_TEXT - at, shape->rank > VKA_MAX_RANK ? ", ...]" : "]");
    return text;
}

const char *vka_dtype_name(vka_dtype dtype)
{
    static const char *const names[] = {"F32", "F16", "BF16", "I32", "I64", "U8", "BOOL"};
    return (size_t)dtype < VKA_COUNT(names) ? names[dtype] : "?";
}

size_t vka_dtype_size(vka_dtype dtype)
{
    static const size_t sizes[] = {4, 2, 2, 4, 8, 1, 1};
    return (size_t)dtype < VKA_COUNT(sizes) ? sizes[dtype] : 0;
}
