// SPDX-License-Identifier: MIT
//
// Contexts, devices and threads side by side: two contexts on one GPU, one on the CPU path, two
// devices of an application; on each, threads that run plans, and make and destroy some meanwhile.
// All get the bits of a lone run. The application's queues are held once at a time, and as often
// given back.
#include "vkattn/vulkan.h"

#include "vk_app.h"
#include "vk_work.h"

#include <pthread.h>
#include <string.h>

enum { PLACES = 5, THREADS = 2, RUNS = 40, ANEW = 8 };

// A queue's lock that notices when its holder takes it again, or another one gives it back.
struct queue_lock {
    pthread_mutex_t mutex;
    atomic_int taken, given, wrong;
};

static struct app apps[2];
static struct queue_lock locks[2];

struct place { // a context and a device
    struct work work;
    struct app *app; // NULL: a device of the library's own
    const char *device;
    struct queue_lock *lock;
};

struct runner {
    pthread_t thread;
    struct place *place;
    struct work data;
    int runs; // that were right
};

static struct place places[PLACES] = {{.device = "vulkan"},
                                      {.device = "vulkan"},
                                      {.device = "cpu"},
                                      {.app = &apps[0], .lock = &locks[0]},
                                      {.app = &apps[1], .lock = &locks[1]}};
static struct runner runners[PLACES][THREADS];

static void take(void *user)
{
    struct queue_lock *lock = user;
    lock->wrong += pthread_mutex_lock(&lock->mutex) != 0;
    lock->taken++;
}

static void give(void *user)
{
    struct queue_lock *lock = user;
    lock->given++;
    lock->wrong += pthread_mutex_unlock(&lock->mutex) != 0;
}

static void make_lock(struct queue_lock *lock)
{
    pthread_mutexattr_t checks;
    pthread_mutexattr_init(&checks);
    pthread_mutexattr_settype(&checks, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&lock->mutex, &checks);
    pthread_mutexattr_destroy(&checks);
    lock->taken = lock->given = lock->wrong = 0;
}

static void open_own(struct place *p)
{
    vka_vulkan_device own = app_device(p->app);
    own.user = p->lock;
    own.lock_queue = take;
    own.unlock_queue = give;
    vka_device_close(p->work.device);
    assert_int_equal(vka_device_open_vulkan(p->work.context, &own, &p->work.device), VKA_OK);
}

static void start(struct place *p)
{
    assert_int_equal(work_start(&p->work, false), VKA_OK);
    if (work_open(&p->work, p->app ? "cpu" : p->device) != VKA_OK)
        fail_msg("%s", vka_last_error());
    if (p->app)
        open_own(p);
}

// The graph is made; plans of it are made by several threads at once, each of a graph of its own.
static vka_result make_plan(struct runner *r, vka_plan **plan)
{
    return vka_plan_create(r->place->work.device, r->data.graph, NULL, plan);
}

static void *run_often(void *arg)
{
    struct runner *r = arg;
    vka_plan *plan = NULL;
    for (int i = 0; i < RUNS; i++) {
        if (i % ANEW == 0) {
            vka_plan_destroy(plan);
            if (make_plan(r, &plan) != VKA_OK)
                break;
        }
        if (work_run(&r->data, plan) != VKA_OK || !work_right(&r->data))
            break;
        r->runs++;
    }
    vka_plan_destroy(plan);
    return NULL;
}

static void start_runner(struct place *p, struct runner *r)
{
    memset(r, 0, sizeof *r);
    r->place = p;
    memcpy(r->data.x, p->work.x, sizeof p->work.x);
    memcpy(r->data.w, p->work.w, sizeof p->work.w);
    assert_int_equal(work_graph(p->work.context, p->work.weights, &r->data.graph), VKA_OK);
    assert_int_equal(pthread_create(&r->thread, NULL, run_often, r), 0);
}

// The application uses its queue, too.
static void use_queue(struct place *p)
{
    take(p->lock);
    app_begin(p->app);
    app_submit(p->app, VK_NULL_HANDLE, VK_NULL_HANDLE, true);
    give(p->lock);
}

static void run_all(void)
{
    for (int i = 0; i < PLACES; i++) {
        for (int k = 0; k < THREADS; k++)
            start_runner(&places[i], &runners[i][k]);
    }
    for (int i = 0; i < RUNS; i++) {
        for (int k = 0; k < PLACES; k++) {
            if (places[k].app)
                use_queue(&places[k]);
        }
    }
    for (int i = 0; i < PLACES * THREADS; i++) {
        struct runner *r = &runners[i / THREADS][i % THREADS];
        pthread_join(r->thread, NULL);
        vka_graph_destroy(r->data.graph);
    }
}

static void test_side_by_side(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        make_lock(&locks[i]);
        assert_true(app_start(&apps[i]));
    }
    for (int i = 0; i < PLACES; i++)
        start(&places[i]);
    run_all();
    for (int i = 0; i < PLACES * THREADS; i++)
        assert_int_equal(runners[i / THREADS][i % THREADS].runs, RUNS);
    for (int i = 0; i < PLACES; i++)
        assert_true(work_end(&places[i].work));
    for (int i = 0; i < 2; i++) {
        app_end(&apps[i]);
        // A submission for each run, and the application's own.
        assert_true(locks[i].taken >= (THREADS + 1) * RUNS);
        assert_int_equal(locks[i].taken, locks[i].given);
        assert_int_equal(locks[i].wrong, 0);
        pthread_mutex_destroy(&locks[i].mutex);
    }
    print_message("(%d threads, %d runs each; queues held %d and %d times)\n", PLACES * THREADS,
                  RUNS, atomic_load(&locks[0].taken), atomic_load(&locks[1].taken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_side_by_side)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
