// SPDX-License-Identifier: MIT
//
// What the processors can do at the moment, as a contestant of tests/bench/compare.py that computes
// nothing of use: multiply-adds from registers, and a scaled copy of 3 MiB (the size of a feature
// map: in the caches, but in nobody's first). Built with -O3 -march=native -fopenmp. By the clock
// on the wall they are those of all threads together; by the processors' (VKATTN_CLOCK=cpu), whose
// seconds add up over the threads, those of one: what a contestant's seconds, which add up alike,
// are to be divided by. Threads that are done sleep there: they would be counted as they wait.
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
typedef float lanes __attribute__((vector_size(LANES * 4)));
enum { CHAINS = 10, STEPS = 20000, COPY = 3 << 18 }; // floats

static clockid_t used_clock = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(used_clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// So many independent chains that the latency of one is hidden.
static double flops(void)
{
    double start = now();
#pragma omp parallel
    {
        lanes x = {0}, y = {0};
        for (int i = 0; i < LANES; i++)
            x[i] = 0.999f, y[i] = 0.001f;
        // Names, not an array: that would be kept in memory.
        lanes a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y;
        for (int k = 0; k < STEPS; k++) {
            a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y;
            f = f * x + y, g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y;
            __asm__ volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e));
            __asm__ volatile("" : "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j));
        }
    }
    double seconds = now() - start;
    return 2.0 * STEPS * CHAINS * LANES * omp_get_max_threads() / seconds;
}

static double bytes(const float *from, float *to)
{
    double start = now();
#pragma omp parallel for simd schedule(static)
    for (long i = 0; i < COPY; i++)
        to[i] = from[i] * 1.5f;
    return 2.0 * COPY * sizeof *to / (now() - start);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static void one_round(const float *from, float *to, double seconds)
{
    enum { MOST = 1000 };
    static double f[MOST], b[MOST];
    int count = 0;
    flops(); // wakes the threads
    for (double end = now() + seconds; count < MOST && (!count || now() < end); count++) {
        f[count] = flops();
        b[count] = bytes(from, to);
    }
    printf("{\"flops\": %.6g, \"bytes\": %.6g}\n", middle(f, count), middle(b, count));
}

int main(int argc, char **argv)
{
    char line[256];
    (void)argc;
    const char *clock = getenv("VKATTN_CLOCK");
    if (clock && strcmp(clock, "cpu") == 0) {
        used_clock = CLOCK_PROCESS_CPUTIME_ID;
        if (!getenv("OMP_WAIT_POLICY")) { // read as the program starts
            setenv("OMP_WAIT_POLICY", "passive", 1);
            execv("/proc/self/exe", argv);
        }
    }
    float *from = aligned_alloc(64, COPY * sizeof *from);
    float *to = aligned_alloc(64, COPY * sizeof *to);
    if (!from || !to)
        return 1;
    memset(from, 0, COPY * sizeof *from);
    memset(to, 0, COPY * sizeof *to);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "round\t", 6) == 0)
            one_round(from, to, atof(line + 6) * 1e-3);
        else
            printf("{\"about\": \"limits\"}\n");
        fflush(stdout);
    }
    free(from);
    free(to);
    return 0;
}
