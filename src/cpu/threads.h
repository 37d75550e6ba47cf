// SPDX-License-Identifier: MIT
//
// The context's thread pool. Work is cut into `count` numbered pieces; which thread takes which
// piece varies, so a piece's result must not depend on it: then runs are bit-identical.
#ifndef VKA_CPU_THREADS_H
#define VKA_CPU_THREADS_H

#include "util/context.h"

struct vka_threads;

struct vka_threads *vka_threads_create(vka_context *context, int count); // NULL: out of memory
void vka_threads_destroy(struct vka_threads *threads);
int vka_threads_count(const struct vka_threads *threads); // 1 for NULL

// Calls fn(arg, piece, thread) for piece = 0 .. count - 1, thread in 0 .. threads - 1 (for
// scratch). Returns when all are done. One caller at a time; others run their pieces alone, in the
// calling thread. `threads` may be NULL.
void vka_parallel(struct vka_threads *threads, int64_t count,
                  void (*fn)(void *arg, int64_t piece, int thread), void *arg);

// Pieces for `work` operations in all so that none is too small to be worth a thread: at most
// `count`, at least 1.
int64_t vka_pieces(const struct vka_threads *threads, int64_t count, int64_t work);

// Steps of a plan follow each other within microseconds: a thread that waits looks so often, with a
// pause after each look, before it sleeps.
enum { VKA_LOOKS = 2000 }; // up to 100 microseconds
static inline void vka_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
