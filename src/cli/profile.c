// SPDX-License-Identifier: MIT
#include "cli/profile.h"

#include <math.h>

// Billions a second; no number where a step took no time that the clock could tell.
static double rate(double amount, double ms)
{
    return ms > 0 ? amount / ms * 1e-6 : NAN;
}

static void print_rate(double value)
{
    if (isfinite(value))
        printf(" %9.2f", value);
    else
        printf(" %9s", "-");
}

void profile_print(const vka_report *r)
{
    printf("%-32s %-16s %-16s %10s %12s %9s %9s\n", "block", "op", "variant", "ms", "bytes", "GB/s",
           "GFLOP/s");
    for (size_t i = 0; i < r->step_count; i++) {
        const vka_report_step *step = &r->steps[i];
        printf("%-32s %-16s %-16s %10.4f %12llu", step->block, step->op, step->variant, step->ms,
               (unsigned long long)step->bytes);
        print_rate(rate((double)step->bytes, step->ms));
        print_rate(rate(step->flops, step->ms));
        printf("\n");
    }
    printf("%s: %.4f ms; inputs %llu, outputs %llu, weights %llu, constants %llu, temporaries %llu "
           "bytes; %u dispatches, %u barriers\n",
           r->device, r->ms, (unsigned long long)r->input_bytes,
           (unsigned long long)r->output_bytes, (unsigned long long)r->weight_bytes,
           (unsigned long long)r->constant_bytes, (unsigned long long)r->temporary_bytes,
           r->dispatches, r->barriers);
}

static void json_number(const char *name, double value)
{
    printf(", \"%s\": ", name);
    cli_json_number(value);
}

static void json_step(const vka_report_step *step)
{
    printf("{\"block\": ");
    cli_json_string(step->block);
    printf(", \"op\": ");
    cli_json_string(step->op);
    printf(", \"variant\": ");
    cli_json_string(step->variant);
    printf(", \"dispatches\": %u, \"bytes\": %llu", step->dispatches,
           (unsigned long long)step->bytes);
    json_number("flops", step->flops);
    json_number("ms", step->ms);
    json_number("gbytes", rate((double)step->bytes, step->ms));
    json_number("gflops", rate(step->flops, step->ms));
    printf("}");
}

void profile_json(const vka_report *r)
{
    printf("{\"device\": ");
    cli_json_string(r->device);
    json_number("ms", r->ms);
    printf(", \"inputs\": %llu, \"outputs\": %llu, \"weights\": %llu, \"constants\": %llu, "
           "\"temporaries\": %llu, \"dispatches\": %u, \"barriers\": %u, \"steps\": [",
           (unsigned long long)r->input_bytes, (unsigned long long)r->output_bytes,
           (unsigned long long)r->weight_bytes, (unsigned long long)r->constant_bytes,
           (unsigned long long)r->temporary_bytes, r->dispatches, r->barriers);
    for (size_t i = 0; i < r->step_count; i++) {
        printf(i ? ", " : "");
        json_step(&r->steps[i]);
    }
    printf("]}");
}
