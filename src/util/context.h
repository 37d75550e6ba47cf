// SPDX-License-Identifier: MIT
//
// The context as the library's own files see it: allocation, messages, errors, the thread pool.
#ifndef VKA_UTIL_CONTEXT_H
#define VKA_UTIL_CONTEXT_H

#include "vkattn/vkattn.h"

#if defined(__MINGW32__) // where printf alone means the old formats of Microsoft
#define VKA_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#elif defined(__GNUC__)
#define VKA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define VKA_PRINTF(fmt, args)
#endif

#define VKA_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct vka_threads;
struct vka_vk;     // the Vulkan side of a context; src/vk
struct vka_folder; // io/folder.h

struct vka_context {
    vka_allocator allocator;
    vka_log_fn log;
    void *log_user;
    vka_log_level log_level;
    bool no_vulkan;
    bool validation;
    int thread_count;
    vka_cache cache; // its callbacks, those of the folder too
    struct vka_folder *folder;
    struct vka_threads *threads;
    struct vka_vk *vk; // NULL: no Vulkan on this machine, or not wanted
};

// Every host allocation goes through the context. Sizes are counts times sizes, checked in 64 bits;
// NULL on overflow too. `vka_calloc` zeroes. 64-byte alignment for `vka_alloc_data`.
void *vka_alloc(vka_context *context, uint64_t count, uint64_t size);
void *vka_calloc(vka_context *context, uint64_t count, uint64_t size);
void *vka_alloc_data(vka_context *context, uint64_t bytes);
void vka_free_data(vka_context *context, void *ptr);
void vka_free(vka_context *context, void *ptr);
char *vka_strdup(vka_context *context, const char *text);

// Makes room for one more element in an array that doubles; false when out of memory.
bool vka_grow(vka_context *context, void **array, size_t *capacity, size_t count, size_t size);

// Sets the calling thread's error text, logs it at VKA_LOG_ERROR, returns `result`. `context` may
// be NULL (then it isn't logged).
vka_result vka_error(vka_context *context, vka_result result, const char *format, ...)
    VKA_PRINTF(3, 4);
// What a variable of the environment says, of the words that it may (ended by NULL); NULL where it
// is absent, empty or, after a warning that lists them, another one.
const char *vka_getenv_word(vka_context *context, const char *name, const char *const *words);

// "out of host memory for WHAT: no N bytes"; WHAT where it is known (not NULL), N where vka_alloc
// has failed in this thread and nothing has told it yet.
#define VKA_MEMORY_TEXT 512
const char *vka_memory_text(const char *what, char text[VKA_MEMORY_TEXT]);
vka_result vka_out_of_memory(vka_context *context);
vka_result vka_out_of_memory_for(vka_context *context, const char *format, ...) VKA_PRINTF(2, 3);

void vka_log(vka_context *context, vka_log_level level, const char *format, ...) VKA_PRINTF(3, 4);

// a * b and a + b with overflow told: false, and *out untouched, where it doesn't fit 63 bits.
bool vka_mul_size(uint64_t a, uint64_t b, uint64_t *out);
bool vka_add_size(uint64_t a, uint64_t b, uint64_t *out);

// The number of elements; false on overflow or a negative size.
bool vka_shape_count(const vka_shape *shape, uint64_t *count);
bool vka_shape_equal(const vka_shape *a, const vka_shape *b);

// "[2, 3, 5]" into `text`.
#define VKA_SHAPE_TEXT 192
const char *vka_shape_text(const vka_shape *shape, char text[VKA_SHAPE_TEXT]);

#endif
