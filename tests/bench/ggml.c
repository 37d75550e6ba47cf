// SPDX-License-Identifier: MIT
//
// ggml as a contestant of tests/bench/compare.py: `ggml cpu` or `ggml vulkan`; the commands stand
// in worker.py. Each workload is the graph that one would write with ggml's own operations; what it
// has none for (grouped or deformable convolutions, recurrent layers, ...) it doesn't take part in.
// The data stay on the device between runs.
#include "ggml_files.h"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct ggml_tensor tensor;
enum { MOST_LEAVES = 32, MOST_NODES = 256, MOST_RUNS = 1000 };

struct leaf {
    tensor *t;
    char file[64]; // in the workload's folder; empty: the causal mask
};

static struct {
    ggml_backend_t backend;
    const char *name;
    bool busy; // time is processor time, of all threads
    struct ggml_context *context;
    struct ggml_cgraph *graph;
    ggml_gallocr_t memory;
    tensor *y;
    struct leaf leaves[MOST_LEAVES];
    int leaf_count;
} s;

// --- what graphs are made of; sizes in ggml's order, the fastest axis first ---

static tensor *leaf(const char *kind, const char *name, enum ggml_type type, const int64_t *ne)
{
    struct leaf *l = &s.leaves[s.leaf_count++];
    l->t = ggml_new_tensor(s.context, type, 4, ne);
    if (name)
        snprintf(l->file, sizeof l->file, "%s.%s.npy", kind, name);
    else
        l->file[0] = '\0';
    ggml_set_input(l->t);
    ggml_set_output(l->t); // its memory is kept: the graph runs many times
    return l->t;
}

static tensor *in(const char *name, int64_t a, int64_t b, int64_t c)
{
    return leaf("in", name, GGML_TYPE_F32, (const int64_t[]){a, b, c, 1});
}

static tensor *weight(const char *layer, const char *what, int64_t a, int64_t b, int64_t c,
                      int64_t d)
{
    char name[48];
    snprintf(name, sizeof name, "%s%s%s", layer, *layer && *what ? "." : "", what);
    return leaf("w", name, GGML_TYPE_F32, (const int64_t[]){a, b, c, d});
}

// A fully connected layer with bias.
static tensor *full(tensor *x, const char *layer, int64_t out)
{
    tensor *y = ggml_mul_mat(s.context, weight(layer, "weight", x->ne[0], out, 1, 1), x);
    return ggml_add(s.context, y, weight(layer, "bias", out, 1, 1, 1));
}

// A convolution of a square kernel, with bias, over [W, H, C].
static tensor *conv(tensor *x, const char *layer, int k, int64_t out)
{
    tensor *w = weight(layer, "weight", k, k, x->ne[2], out);
    tensor *y = ggml_conv_2d_direct(s.context, w, x, 1, 1, k / 2, k / 2, 1, 1);
    return ggml_add(s.context, y, weight(layer, "bias", 1, 1, out, 1));
}

static tensor *flat(tensor *x)
{
    return ggml_reshape_2d(s.context, x, x->ne[0] * x->ne[1], x->ne[2]);
}

static tensor *turned(tensor *x)
{
    return ggml_cont(s.context, ggml_transpose(s.context, x));
}

static tensor *means(tensor *x)
{
    return ggml_reshape_1d(s.context, ggml_mean(s.context, flat(x)), x->ne[2]);
}

// One value a channel, to go with [W, H, C].
static tensor *by_channel(tensor *v)
{
    return ggml_reshape_3d(s.context, v, 1, 1, ggml_nelements(v));
}

static tensor *norm(tensor *x, const char *layer)
{
    int64_t n = x->ne[0];
    x = ggml_mul(s.context, ggml_norm(s.context, x, 1e-5F), weight(layer, "weight", n, 1, 1, 1));
    return ggml_add(s.context, x, weight(layer, "bias", n, 1, 1, 1));
}

// --- the workloads ---

static tensor *se(void)
{
    tensor *x = in("x", 56, 56, 256);
    tensor *hidden = ggml_relu(s.context, full(means(x), "fc1", 16));
    return ggml_mul(s.context, x, by_channel(ggml_sigmoid(s.context, full(hidden, "fc2", 256))));
}

static tensor *eca(void)
{
    tensor *x = in("x", 56, 56, 256);
    tensor *row = ggml_reshape_3d(s.context, means(x), 256, 1, 1);
    tensor *w = weight("conv", "weight", 5, 1, 1, 1);
    tensor *gate = ggml_conv_2d_direct(s.context, w, row, 1, 1, 2, 0, 1, 1);
    return ggml_mul(s.context, x, by_channel(ggml_sigmoid(s.context, gate)));
}

static tensor *gc(void)
{
    tensor *x = in("x", 56, 56, 256);
    tensor *mask = ggml_reshape_1d(s.context, conv(x, "conv_mask", 1, 1), 3136);
    tensor *context = ggml_mul_mat(s.context, flat(x), ggml_soft_max(s.context, mask));
    context = full(ggml_reshape_1d(s.context, context, 256), "channel_add.fc1", 16);
    tensor *hidden = ggml_relu(s.context, norm(context, "channel_add.ln"));
    return ggml_add(s.context, x, by_channel(full(hidden, "channel_add.fc2", 256)));
}

static tensor *nonlocal(void)
{
    tensor *x = in("x", 28, 28, 256);
    tensor *q = turned(flat(conv(x, "theta", 1, 128)));
    tensor *k = turned(flat(conv(x, "phi", 1, 128))), *v = flat(conv(x, "g", 1, 128));
    tensor *share = ggml_soft_max(s.context, ggml_mul_mat(s.context, k, q));
    tensor *y = ggml_mul_mat(s.context, v, share); // [C', positions]
    tensor *w = weight("conv_out", "weight", 128, 256, 1, 1);
    tensor *o = ggml_mul_mat(s.context, y, w); // [positions, C]
    o = ggml_add(s.context, o, weight("conv_out", "bias", 1, 256, 1, 1));
    return ggml_add(s.context, flat(x), o);
}

static tensor *double_attention(void)
{
    tensor *x = in("x", 28, 28, 256);
    tensor *a = flat(conv(x, "conv_a", 1, 128));
    tensor *gather = ggml_soft_max(s.context, flat(conv(x, "conv_b", 1, 128)));
    tensor *share = ggml_soft_max(s.context, turned(flat(conv(x, "conv_v", 1, 128))));
    tensor *z = ggml_mul_mat(s.context, ggml_mul_mat(s.context, gather, a), share);
    tensor *w = weight("conv_reconstruct", "weight", 128, 256, 1, 1);
    tensor *y = ggml_mul_mat(s.context, z, w);
    return ggml_add(s.context, y, weight("conv_reconstruct", "bias", 1, 256, 1, 1));
}

// The result is [64, heads, T].
static tensor *attend(tensor *q, tensor *k, tensor *v, tensor *mask)
{
    tensor *y = ggml_flash_attn_ext(s.context, q, k, v, mask, 0.125F, 0, 0);
    ggml_prec_set_acc(y, GGML_PREC_F32);
    return y;
}

static tensor *sdpa(int64_t t, bool causal)
{
    tensor *q = in("q", 64, t, 8), *k = in("k", 64, t, 8), *v = in("v", 64, t, 8), *mask = NULL;
    if (causal)
        mask = leaf("", NULL, GGML_TYPE_F16, (const int64_t[]){t, t, 1, 1});
    return attend(q, k, v, mask);
}

static tensor *sdpa_1k(void)
{
    return sdpa(1024, false);
}

static tensor *sdpa_1k_causal(void)
{
    return sdpa(1024, true);
}

static tensor *sdpa_4k(void)
{
    return sdpa(4096, false);
}

static tensor *sdpa_4k_causal(void)
{
    return sdpa(4096, true);
}

// The heads of the `part`th third of a packed projection.
static tensor *heads(tensor *x, tensor *w, tensor *bias, size_t part)
{
    tensor *rows = ggml_view_2d(s.context, w, 512, 512, w->nb[1], part * 512 * w->nb[1]);
    tensor *y = ggml_mul_mat(s.context, rows, x);
    y = ggml_add(s.context, y, ggml_view_1d(s.context, bias, 512, part * 512 * sizeof(float)));
    y = ggml_permute(s.context, ggml_reshape_3d(s.context, y, 64, 8, 1024), 0, 2, 1, 3);
    return part ? ggml_cont(s.context, y) : y;
}

static tensor *attention_of(tensor *x, const char *layer)
{
    char out[32];
    snprintf(out, sizeof out, "%s%sout_proj", layer, *layer ? "." : "");
    tensor *w = weight(layer, "in_proj_weight", 512, 1536, 1, 1);
    tensor *bias = weight(layer, "in_proj_bias", 1536, 1, 1, 1);
    tensor *y = attend(heads(x, w, bias, 0), heads(x, w, bias, 1), heads(x, w, bias, 2), NULL);
    return full(ggml_reshape_2d(s.context, y, 512, 1024), out, 512);
}

static tensor *mha(void)
{
    return attention_of(in("x", 512, 1024, 1), "");
}

static tensor *encoder(void)
{
    tensor *x = in("x", 512, 1024, 1);
    x = norm(ggml_add(s.context, x, attention_of(x, "self_attn")), "norm1");
    tensor *hidden = ggml_relu(s.context, full(x, "linear1", 2048));
    return norm(ggml_add(s.context, x, full(hidden, "linear2", 512)), "norm2");
}

static tensor *linear(void)
{
    return ggml_mul_mat(s.context, weight("", "weight", 1024, 1024, 1, 1), in("x", 1024, 1024, 1));
}

static tensor *conv_3x3(void)
{
    tensor *x = in("x", 28, 28, 128);
    return conv(x, "", 3, 128);
}

static const struct work {
    const char *name;
    tensor *(*make)(void);
    bool turned; // the two inner axes but one stand the other way round in the result
} works[] = {
    {"W1 se", se, false},
    {"W3 eca", eca, false},
    {"W4 gc", gc, false},
    {"W5 nonlocal", nonlocal, false},
    {"W6 sdpa 1k", sdpa_1k, true},
    {"W6 sdpa 1k causal", sdpa_1k_causal, true},
    {"W6 sdpa 4k", sdpa_4k, true},
    {"W6 sdpa 4k causal", sdpa_4k_causal, true},
    {"W7 mha", mha, false},
    {"W8 encoder", encoder, false},
    {"W13 linear 1024", linear, false},
    {"W14 conv 3x3", conv_3x3, false},
    {"W15 double_attention", double_attention, false},
};

// --- a workload made ready ---

static void drop(void)
{
    if (s.memory)
        ggml_gallocr_free(s.memory);
    if (s.context)
        ggml_free(s.context);
    s.memory = NULL;
    s.context = NULL;
    s.y = NULL;
    s.leaf_count = 0;
}

static void set_causal(tensor *mask)
{
    int64_t n = mask->ne[0];
    ggml_fp16_t *row = calloc((size_t)n, sizeof *row), none = ggml_fp32_to_fp16(-INFINITY);
    for (int64_t i = 0; row && i < n; i++) {
        for (int64_t j = 0; j < n; j++)
            row[j] = j > i ? none : 0;
        ggml_backend_tensor_set(mask, row, (size_t)i * mask->nb[1], (size_t)n * sizeof *row);
    }
    free(row);
}

static const char *fill(const char *folder)
{
    for (int i = 0; i < s.leaf_count; i++) {
        tensor *t = s.leaves[i].t;
        if (!s.leaves[i].file[0]) {
            set_causal(t);
            continue;
        }
        float *data = npy_read(folder, s.leaves[i].file, (size_t)ggml_nelements(t));
        if (!data)
            return s.leaves[i].file;
        ggml_backend_tensor_set(t, data, 0, ggml_nbytes(t));
        free(data);
    }
    return NULL;
}

// NULL, or what is missing.
static const char *make(const struct work *work, const char *folder)
{
    size_t room = ggml_tensor_overhead() * MOST_NODES + ggml_graph_overhead();
    s.context = ggml_init((struct ggml_init_params){room, NULL, true});
    s.graph = ggml_new_graph(s.context);
    s.y = work->make();
    ggml_set_output(s.y);
    ggml_build_forward_expand(s.graph, s.y);
    for (int i = 0; i < ggml_graph_n_nodes(s.graph); i++)
        if (!ggml_backend_supports_op(s.backend, ggml_graph_node(s.graph, i)))
            return ggml_op_desc(ggml_graph_node(s.graph, i));
    s.memory = ggml_gallocr_new(ggml_backend_get_default_buffer_type(s.backend));
    if (!ggml_gallocr_alloc_graph(s.memory, s.graph))
        return "memory";
    return fill(folder);
}

static bool run(double *ms)
{
    struct timespec a, b;
    clockid_t clock = s.busy ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    clock_gettime(clock, &a);
    bool done = ggml_backend_graph_compute(s.backend, s.graph) == GGML_STATUS_SUCCESS;
    clock_gettime(clock, &b);
    *ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    return done;
}

static bool write_result(const struct work *work, const char *folder, const char *name)
{
    char file[64];
    size_t count = (size_t)ggml_nelements(s.y);
    float *y = malloc(count * sizeof *y), *turn = malloc(count * sizeof *y);
    bool done = y && turn;
    if (done) {
        snprintf(file, sizeof file, "got.%s.npy", name);
        ggml_backend_tensor_get(s.y, y, 0, count * sizeof *y);
        size_t d = (size_t)s.y->ne[0], h = (size_t)s.y->ne[1];
        for (size_t i = 0; i < count / d; i++) // [T][heads] to [heads][T]
            memcpy(turn + (i % h * (count / d / h) + i / h) * d, y + i * d, d * sizeof *y);
        done = npy_write(folder, file, work->turned ? turn : y, count);
    }
    free(y);
    free(turn);
    return done;
}

// --- the commands ---

static void load(const char *folder, const char *name, const char *out)
{
    const struct work *work = NULL;
    double first;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, name) == 0)
            work = &works[i];
    drop();
    const char *missing = work ? make(work, folder) : "an operation";
    if (missing)
        printf("{\"error\": \"%s is missing\"}\n", missing);
    else if (!run(&first) || !write_result(work, folder, out))
        printf("{\"error\": \"the first run failed\"}\n");
    else
        printf("{\"first\": %.4f}\n", first);
}

static void one_round(double enough)
{
    double ms, spent;
    bool done = run(&ms);
    printf("{\"ms\": [");
    int count = 0;
    for (spent = ms; done && spent < enough && count < MOST_RUNS; spent += ms) {
        done = run(&ms);
        printf("%s%.4f", count++ ? ", " : "", ms);
    }
    if (!count)
        printf("%.4f", ms);
    printf("]%s}\n", done ? "" : ", \"error\": \"a run failed\"");
}

static void answer(char *line)
{
    char *word[4] = {0};
    int count = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *w = strtok(line, "\t"); w && count < 4; w = strtok(NULL, "\t"))
        word[count++] = w;
    if (count == 4 && strcmp(word[0], "load") == 0)
        load(word[1], word[2], word[3]);
    else if (count == 2 && strcmp(word[0], "round") == 0)
        one_round(atof(word[1]));
    else if (count == 1 && strcmp(word[0], "drop") == 0)
        drop(), printf("{}\n");
    else if (count == 1 && strcmp(word[0], "about") == 0)
        printf("{\"about\": \"ggml %s, %s\"}\n", ggml_version(), s.name);
    else
        printf("{\"error\": \"what command is this?\"}\n");
    fflush(stdout);
}

static void set_threads(ggml_backend_dev_t device, int threads)
{
    ggml_backend_reg_t row = ggml_backend_dev_backend_reg(device);
    ggml_backend_set_n_threads_t set =
        (ggml_backend_set_n_threads_t)ggml_backend_reg_get_proc_address(
            row, "ggml_backend_set_n_threads");
    if (set)
        set(s.backend, threads);
}

int main(int argc, char **argv)
{
    static char line[4096];
    const char *threads = getenv("OMP_NUM_THREADS");
    const char *clock = getenv("VKATTN_CLOCK");
    s.busy = clock && strcmp(clock, "cpu") == 0;
    bool vulkan = argc > 1 && strcmp(argv[1], "vulkan") == 0;
    ggml_backend_load_all();
    for (size_t i = 0; i < ggml_backend_dev_count() && !s.backend; i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        bool is_vulkan = strncmp(ggml_backend_dev_name(device), "Vulkan", 6) == 0;
        bool is_cpu = ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
        if (vulkan ? !is_vulkan : !is_cpu || is_vulkan)
            continue;
        s.backend = ggml_backend_dev_init(device, NULL);
        s.name = vulkan ? ggml_backend_dev_description(device) : "CPU";
        set_threads(device, threads ? atoi(threads) : 2);
    }
    if (!s.backend)
        return fprintf(stderr, "ggml has no such device\n"), 1;
    while (fgets(line, sizeof line, stdin))
        answer(line);
    drop();
    ggml_backend_free(s.backend);
    return 0;
}
