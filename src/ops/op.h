// SPDX-License-Identifier: MIT
//
// An operation: what the machine can do. One row a file, src/ops/<op>.c, at its foot; the list is
// ops/list.h. Everything the rest of the library knows of an op stands in its row.
#ifndef VKA_OPS_OP_H
#define VKA_OPS_OP_H

#include "graph/graph.h"

// An operand as kernels and launches see it: shape and strides, in elements. On the CPU `data`
// points at the first element; on a device `offset` counts from the start of the base `id`.
struct vka_array {
    vka_dtype dtype;
    int rank; // -1: the optional operand is absent (or the output isn't wanted)
    int64_t dim[VKA_MAX_RANK];
    int64_t stride[VKA_MAX_RANK];
    int64_t offset;
    vka_tensor id;
    void *data;
};

static inline bool vka_present(const struct vka_array *a)
{
    return a->rank >= 0;
}
static inline int64_t vka_array_count(const struct vka_array *a)
{
    int64_t n = 1;
    for (int i = 0; i < a->rank; i++)
        n *= a->dim[i];
    return n;
}
bool vka_array_dense(const struct vka_array *a);
// A tensor of a graph as an array (data NULL).
void vka_value_array(const vka_graph *g, vka_tensor t, struct vka_array *a);

struct vka_args {
    const void *params;
    int n_in, n_out;
    struct vka_array in[VKA_MAX_IN];
    struct vka_array out[VKA_MAX_OUT];
    // Operands that are the same in every run, by bits. Where nothing can be kept for later runs:
    // none.
    unsigned known;
};

// --- infer: the op's only validator ---
struct vka_infer {
    vka_graph *g;
    const void *params;
    int n_in;
    const struct vka_value *in[VKA_MAX_IN]; // NULL: absent
    int n_out;                              // to be set
    vka_dtype out_dtype[VKA_MAX_OUT];       // to be set; preset to F32
    vka_shape out_shape[VKA_MAX_OUT];       // to be set
};

// --- CPU ---
struct vka_threads;
struct vka_cpu_run {
    const struct vka_args *args;
    struct vka_threads *threads; // see cpu/threads.h
    void *scratch;               // 64-byte aligned, as many bytes as cpu_scratch asked for
    const void *kept;            // what cpu_keep made; NULL: cpu_kept asked for nothing
};

// --- Vulkan ---
// A product of cooperative matrices, m x k by k x n of f16 to sums of f32, and the size of the
// subgroups that make it together. m 0: there are none to be used.
struct vka_matrix_shape {
    uint32_t m, n, k, subgroup;
};

// What a device offers, read at one place (src/vk/physical.c) and clamped by VKATTN_LIMITS=min.
struct vka_limits {
    uint32_t max_invocations;    // of a workgroup; the floor is 128
    uint32_t max_group_size[3];  // 128, 128, 64
    uint32_t max_group_count[3]; // 65535 each
    uint32_t shared_bytes;       // 16384
    uint32_t push_bytes;         // 128
    uint32_t storage_buffers;    // a stage; 4
    uint64_t storage_range;      // bytes a binding; 128 MiB
    uint64_t allocation;         // bytes of one allocation; 1 GiB
    uint32_t offset_alignment;   // 256
    uint32_t subgroup_size;      // 1 where subgroup operations are off
    bool subgroup_arithmetic;    // basic, arithmetic, shuffle in compute shaders
    bool f16_storage;            // VK_KHR_16bit_storage, storageBuffer16BitAccess
    bool f16_arithmetic;
    bool cooperative_matrix;
    struct vka_matrix_shape matrix; // in a program of f32 none: they would round its operands
    bool matrix2;                   // their elements can be computed with, their rows reduced
    bool is_cpu;        // the device is a program: no shared memory to be had, few wide loads win
    uint32_t max_turns; // of an invocation's loops (vka_turns)
    uint32_t busy;      // workgroups of 64 lanes that it takes; fewer are split where they can be
};

// The limit where the device is a program: such drivers end a shader's loops, without a word, after
// 65,535 turns in all. GPUs make all turns.
enum { VKA_MOST_TURNS = 65000 };

enum { VKA_MAX_BINDINGS = 8, VKA_MAX_CONSTANTS = 24, VKA_PUSH_BYTES = 128 };
enum vka_access { VKA_READ = 1, VKA_WRITE = 2, VKA_READ_WRITE = 3 };

// One dispatch, filled by an op's launch: data, recorded later by src/vk.
struct vka_dispatch {
    const char *shader; // a module of shaders/variants.cmake; the executor takes its twin for
                        // floats of 16 bits in a plan that stores such
    uint32_t constants[VKA_MAX_CONSTANTS]; // specialization constants 0, 1, 2, ...; the first three
    int n_constants;                       // are the workgroup's size x, y, z
    unsigned char push[VKA_PUSH_BYTES];
    uint32_t push_size;
    uint32_t subgroup;  // size that the shader's subgroups must have, all of them full; 0: any
    uint64_t groups[3]; // workgroups wanted, see vka_emit
    double turns;       // see vka_turns; 0: nobody told
    const char *along;  // NULL: without loops
    int n_bindings;
    struct vka_binding {
        vka_tensor base;
        uint64_t begin, end; // bytes of the base; begin is aligned
        enum vka_access access;
    } bindings[VKA_MAX_BINDINGS];
    int node;      // of the program
    double weight; // its share of the node's work, beside those of the node's other dispatches
    bool barrier_before; // graph/hazard.c
};

struct vka_launch; // graph/launch.c
const struct vka_limits *vka_launch_limits(const struct vka_launch *l);

// Starts a dispatch of `shader`; finish it with vka_emit. Constants after the workgroup size.
void vka_begin(struct vka_launch *l, struct vka_dispatch *d, const char *shader, uint32_t size_x,
               uint32_t size_y, uint32_t size_z);
void vka_constant_u32(struct vka_dispatch *d, uint32_t value);
void vka_constant_f32(struct vka_dispatch *d, float value);
// Sums that each of `lanes` makes of a side of `size`: `most`, or half of it and so on, as few as
// cover it.
static inline uint32_t vka_lane_sums(int64_t size, uint32_t most, uint32_t lanes)
{
    uint32_t sums = most;
    while (sums > 1 && (int64_t)(sums / 2 * lanes) >= size)
        sums /= 2;
    return sums;
}
// Lanes of a program on a CPU that load for each other (shuffles, in modules that ask for
// subgroup_arithmetic); 1: each loads for itself, as few would save little.
static inline uint32_t vka_sharing_lanes(const struct vka_limits *limits)
{
    return limits->subgroup_size >= 8 ? limits->subgroup_size : 1;
}
// Turns of a sum of `terms` that a lane makes alone, four terms a turn.
static inline double vka_lane_turns(int64_t terms)
{
    return (double)(terms / 4 + terms % 4);
}

// Binds the bytes that the array touches, as the next binding, and returns the index of the array's
// first element inside the binding (for the push constants). An absent array binds nothing useful
// (the first buffer again; for a written one, the last written), so that binding numbers stay
// fixed.
uint32_t vka_bind(struct vka_launch *l, struct vka_dispatch *d, const struct vka_array *a,
                  enum vka_access access);
// Whether one binding holds what the array touches as elements of `size` bytes; an absent one fits.
bool vka_binds(const struct vka_limits *limits, const struct vka_array *a, uint64_t size);
// Room of `words` times 32 bits that lives as long as the node's dispatches: what one of them
// writes and a later one reads. One a node.
struct vka_array vka_scratch(struct vka_launch *l, int64_t words);
void vka_push(struct vka_dispatch *d, const void *push, uint32_t size);
#define VKA_PUSH(d, p)                                                                             \
    do {                                                                                           \
        _Static_assert(sizeof(p) <= VKA_PUSH_BYTES, "push constants");                             \
        vka_push(d, &(p), sizeof(p));                                                              \
    } while (0)
// How many turns all loops of an invocation take together, as drivers that are programs count them:
// one more than trips each time that a loop is run, for the turn that ends it, and that one goes
// through the loops inside, too, one turn of each; turns of neighbours that an invocation goes
// along with are its own. Loops that are unrolled don't count, and a few hundred turns of all sizes
// may be left out. `along`: what the longest loop runs along, for messages. Every dispatch says
// this, or vka_no_loops, before vka_emit.
void vka_turns(struct vka_dispatch *d, double turns, const char *along);
void vka_no_loops(struct vka_dispatch *d);
// `x`, `y`, `z` workgroups. Counts over the device's limit fold from x into y (y must be 1 then)
// and from y into z (z must be 1 then): shaders take group_index() of
// common/types.glsl and return where it is past the end (pass the end as a push constant).
void vka_emit(struct vka_launch *l, struct vka_dispatch *d, uint64_t x, uint64_t y, uint64_t z);
// A launch that can't go on (a size past 32 bits, say): the plan fails with this text.
void vka_launch_fail(struct vka_launch *l, const char *format, ...) VKA_PRINTF(2, 3);
// Fails where one dispatch would count further than its module can: "elements of pool".
void vka_launch_most(struct vka_launch *l, const char *what, int64_t count, int64_t most);

struct vka_variant {
    const char *name; // for reports: "baseline", "subgroup", ...
    // NULL: fits always. Bindings, turns and the like are checked after the launch, too: a launch
    // that wants more than the device has doesn't fit.
    bool (*fits)(const struct vka_limits *limits, const struct vka_args *args);
    void (*launch)(struct vka_launch *l, const struct vka_args *args);
};

enum vka_op_flags {
    VKA_OP_STRIDED = 1,  // reads operands of any strides; else dense copies are made
    VKA_OP_IN_PLACE = 2, // output 0 may be stored over input 0 (same shape and type, both dense)
    VKA_OP_FUSED = 4,    // has an expand into several ops that a plan may be told to use instead
    VKA_OP_WHOLE = 8,    // every output is made, wanted or not: the op works in them
};

struct vka_op {
    const char *name;
    const char *summary;
    size_t params_size; // of the params struct, copied into the node
    unsigned flags;
    bool (*infer)(struct vka_infer *n); // false after vka_fail
    void (*cpu)(const struct vka_cpu_run *run);
    // Floating-point operations, for reports; NULL: one for each element read or written.
    double (*flops)(const struct vka_args *args);
    // Bytes of scratch for `threads` threads; NULL: none.
    size_t (*cpu_scratch)(const struct vka_args *args, int threads);
    // Bytes that a plan keeps for the step, made once, before its first run, of operands that are
    // known: only their data are there. NULL or 0: none.
    size_t (*cpu_kept)(const struct vka_args *args);
    void (*cpu_keep)(const struct vka_args *args, struct vka_threads *threads, void *kept);
    const struct vka_variant *variants; // ordered, the first that fits wins; ends with a NULL name
    // Writes the node anew where operands that are known are worth another layout on the device,
    // and what takes the place of its outputs; else nothing. NULL: there is no such layout.
    void (*repack)(vka_graph *g, const struct vka_limits *limits, const struct vka_args *args,
                   const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT]);
    // The op's definition in other ops: `node` belongs to g, whose outputs that aren't wanted are
    // 0; writes the tensors that take their places. The fallback where no variant fits. Writes
    // nothing where it can't help: then what the variants lack is told.
    void (*expand)(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT]);
};

// The list's rows.
#define X(name) extern const struct vka_op vka_op_##name;
#define Y(name) X(name)
#include "ops/list.h"
#undef X
#undef Y
const struct vka_op *vka_op_find(const char *name);
const struct vka_op *vka_op_at(int index); // NULL past the end

#endif
