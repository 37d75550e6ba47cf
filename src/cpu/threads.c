// SPDX-License-Identifier: MIT
#include "cpu/threads.h"

#include <pthread.h>
#include <stdatomic.h>

typedef void (*piece_fn)(void *arg, int64_t piece, int thread);

struct worker {
    struct vka_threads *pool;
    pthread_t thread;
    int index;
};

struct vka_threads {
    vka_context *context;
    int count; // the caller's thread is one of them
    struct worker *workers;
    int started;
    pthread_mutex_t busy; // held by the caller whose pieces run
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    uint64_t round; // of work; changes wake the workers
    int running;
    bool stop;
    piece_fn fn;
    void *arg;
    int64_t pieces;
    atomic_llong next;
};

static void take_pieces(struct vka_threads *pool, int thread)
{
    for (;;) {
        int64_t piece = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (piece >= pool->pieces)
            return;
        pool->fn(pool->arg, piece, thread);
    }
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct vka_threads *pool = worker->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->round == seen)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        take_pieces(pool, worker->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct vka_threads *vka_threads_create(vka_context *context, int count)
{
    struct vka_threads *pool = vka_calloc(context, 1, sizeof *pool);
    struct worker *workers = vka_calloc(context, (uint64_t)count, sizeof *workers);
    if (!pool || !workers) {
        vka_free(context, pool);
        vka_free(context, workers);
        return NULL;
    }
    pool->context = context;
    pool->workers = workers;
    pool->count = 1;
    pthread_mutex_init(&pool->busy, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (int i = 0; i < count - 1; i++) {
        workers[i] = (struct worker){.pool = pool, .index = i + 1};
        if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
            break; // fewer threads are enough
        pool->started++;
        pool->count++;
    }
    return pool;
}

void vka_threads_destroy(struct vka_threads *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->busy);
    vka_free(pool->context, pool->workers);
    vka_free(pool->context, pool);
}

int vka_threads_count(const struct vka_threads *pool)
{
    return pool ? pool->count : 1;
}

void vka_parallel(struct vka_threads *pool, int64_t count, piece_fn fn, void *arg)
{
    // A second caller doesn't wait for the first one's work: its thread is as good as any.
    if (count <= 1 || !pool || pool->count == 1 || pthread_mutex_trylock(&pool->busy) != 0) {
        for (int64_t i = 0; i < count; i++)
            fn(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->pieces = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->running = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);

    take_pieces(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->running > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&pool->busy);
}

int64_t vka_pieces(const struct vka_threads *pool, int64_t count, int64_t work)
{
    enum { SMALL = 1 << 15 }; // operations below which waking a thread costs more than it brings
    (void)pool;               // not of the thread count: pieces decide how sums are cut
    int64_t pieces = work / SMALL;
    if (pieces > count)
        pieces = count;
    return pieces < 1 ? 1 : pieces;
}
