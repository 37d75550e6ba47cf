// SPDX-License-Identifier: MIT
//
// Each thread has a share of a round's pieces, the same from round to round, and takes from the
// others once it is done.
#include "cpu/threads.h"

#include <pthread.h>
#include <stdatomic.h>

typedef void (*piece_fn)(void *arg, int64_t piece, int thread);

struct worker {
    struct vka_threads *pool;
    pthread_t thread;
    int index;
    atomic_llong next; // of its share of the pieces
    char apart[64];    // no two counters in one cache line
};

struct vka_threads {
    vka_context *context;
    int count;              // the caller's thread is one of them
    struct worker *workers; // the first one is the caller
    int started;
    pthread_mutex_t busy; // held by the caller whose pieces run
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    atomic_ullong round; // of work; changes wake the workers
    atomic_int running;
    bool stop;
    piece_fn fn;
    void *arg;
    int64_t pieces;
};

static int64_t share_start(const struct vka_threads *pool, int thread)
{
    return pool->pieces * thread / pool->count;
}

// Every second round runs backwards: what the last one left in the caches comes first.
static void take_share(struct vka_threads *pool, int share, int thread)
{
    int64_t start = share_start(pool, share), count = share_start(pool, share + 1) - start;
    bool backwards = atomic_load_explicit(&pool->round, memory_order_relaxed) % 2;
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&pool->workers[share].next, 1, memory_order_relaxed);
        if (i >= count)
            return;
        pool->fn(pool->arg, start + (backwards ? count - 1 - i : i), thread);
    }
}

// Its own share first: with each step of a plan a thread meets the places that its cache has. Then
// what is left of the others'.
static void take_pieces(struct vka_threads *pool, int thread)
{
    for (int i = 0; i < pool->count; i++)
        take_share(pool, (thread + i) % pool->count, thread);
}

static void look_out_for_work(struct vka_threads *pool, uint64_t seen)
{
    for (int i = 0;
         i < VKA_LOOKS && atomic_load_explicit(&pool->round, memory_order_relaxed) == seen; i++)
        vka_pause();
}

static void look_out_for_the_end(struct vka_threads *pool)
{
    for (int i = 0; i < VKA_LOOKS && atomic_load_explicit(&pool->running, memory_order_relaxed) > 0;
         i++)
        vka_pause();
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct vka_threads *pool = worker->pool;
    uint64_t seen = 0;
    for (;;) {
        look_out_for_work(pool, seen);
        pthread_mutex_lock(&pool->lock);
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
        pthread_mutex_unlock(&pool->lock);
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
    for (int i = 1; i < count; i++) {
        workers[i].pool = pool;
        workers[i].index = i;
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
    for (int i = 1; i <= pool->started; i++)
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
    for (int i = 0; i < pool->count; i++)
        atomic_store_explicit(&pool->workers[i].next, 0, memory_order_relaxed);
    pool->running = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);

    take_pieces(pool, 0);
    look_out_for_the_end(pool);

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
