// SPDX-License-Identifier: MIT
//
// From graph to steps. A program is a graph lowered for one executor: what no output needs is gone,
// fused ops that don't fit are expanded, steps that hang on weights alone are computed (folded),
// every base has its place in memory. For a device it also has the dispatches, with the barriers
// that they need. All of it is data: tests look at it without a GPU.
#ifndef VKA_GRAPH_PROGRAM_H
#define VKA_GRAPH_PROGRAM_H

#include "ops/op.h"

// Where a base lives. Offsets are aligned to VKA_ALIGNMENT (which covers every device's rule).
enum { VKA_ALIGNMENT = 256 };
struct vka_place {
    int slab;        // of the arena; -1 where it isn't in the arena
    uint64_t offset; // bytes; of an input or output: in their buffer; of a constant: in theirs
    uint64_t bytes;  // 0: unused
};

struct vka_program {
    vka_context *context;
    vka_graph *g; // own: values, nodes, endpoints. Its outputs are the graph's, then the results of
                  // the checks on the device
    size_t public_outputs;
    bool device; // false: for the CPU
    struct vka_limits limits;
    vka_dtype real;           // floats are stored as F32, F16 or BF16
    struct vka_place *places; // by base
    uint64_t *slabs;          // sizes of the arena's slabs
    int slab_count;
    uint64_t input_bytes, output_bytes, constant_bytes, weight_bytes; // weight: what is referred to
    uint64_t kept_bytes;             // that the CPU made of weights and constants
    struct vka_dispatch *dispatches; // device only, in order
    size_t dispatch_count, dispatch_capacity;
};

// A program for `limits` (NULL: the CPU). `graph` stays as it is. Errors are told by vka_error.
// `expand`: every op flagged VKA_OP_FUSED as its definition.
vka_result vka_program_create(const vka_graph *graph, const struct vka_limits *limits,
                              vka_dtype real, bool expand, struct vka_program **program);
void vka_program_destroy(struct vka_program *program);

// Bytes of one element of a base in this program.
uint64_t vka_element_size(const struct vka_program *p, vka_dtype dtype);
uint64_t vka_base_bytes(const struct vka_program *p, vka_tensor base);
// Operands of a node as arrays (data NULL).
void vka_program_args(const struct vka_program *p, const struct vka_op_node *node,
                      struct vka_args *args);

// Operations of a node in floating point, at least roughly.
double vka_node_flops(const struct vka_program *p, const struct vka_op_node *node);

// The passes, in order.
vka_result vka_lower(struct vka_program *p, const vka_graph *graph, bool expand); // graph/lower.c
vka_result vka_place_all(struct vka_program *p);                                  // graph/arena.c
vka_result vka_launch_all(struct vka_program *p);                                 // graph/launch.c
void vka_set_barriers(struct vka_program *p);                                     // graph/hazard.c

// Whether a variant's launch stays within the device's limits; else `why` says what doesn't.
// `scratch`: how many words it asks for.
bool vka_launch_fits(const struct vka_program *p, const struct vka_variant *variant,
                     const struct vka_args *args, int64_t *scratch, char *why, size_t why_size);

// Computes a node whose operands are all known, here and now, on the CPU: its outputs become
// constants (graph/fold.c). False: the graph has failed.
bool vka_fold_node(struct vka_program *p, const struct vka_op_node *node);

// Whether a base's data are known when the plan is made.
static inline bool vka_is_known(const vka_graph *g, vka_tensor t)
{
    enum vka_store store = g->values[g->values[t].base].store;
    return store == VKA_STORE_WEIGHT || store == VKA_STORE_CONSTANT;
}
// What can be read in one pass instead of several, merged: see graph/merge.c.
void vka_merge(struct vka_program *p);
// Drops nodes that no output needs; outputs that aren't wanted become 0.
void vka_drop_unneeded(vka_graph *g);

// Arena, for itself: `bytes`, first and last step that use each item -> slab and offset, greedily,
// the largest first; a slab never exceeds `slab_limit` (an item larger than that gets -1).
struct vka_lifetime {
    uint64_t bytes;
    int first, last;
    int slab;
    uint64_t offset;
};
vka_result vka_arena_assign(vka_context *context, struct vka_lifetime *items, size_t count,
                            uint64_t slab_limit, uint64_t **slabs, int *slab_count);

// --- executors ---
// One for the CPU (cpu/exec.c), one for Vulkan (vk/exec.c). `plan` is the executor's own.
struct vka_executor {
    // Takes what it needs of the program, which stays as long as the plan.
    vka_result (*create)(vka_device *device, struct vka_program *program, bool profile,
                         void **plan);
    void (*destroy)(void *plan);
    // Where the data of input i is to be written before a submit (as the program stores it), and
    // output i of the program read after a wait. NULL: out of memory.
    void *(*input)(void *plan, size_t i);
    const void *(*output)(void *plan, size_t i);
    // The caller's memory in its place; data NULL: back to its own. NULL where that isn't possible.
    void (*bind_input)(void *plan, size_t i, const void *data);
    void (*bind_output)(void *plan, size_t i, void *data);
    vka_result (*submit)(void *plan);
    vka_result (*wait)(void *plan);
    // Nanoseconds of each node of the program in the last run (profile), and of the whole.
    void (*times)(void *plan, double *node_ms, double *total_ms);
};

struct vka_device {
    vka_context *context;
    vka_device_info info;
    const struct vka_executor *executor;
    struct vka_limits limits;
    void *impl; // the Vulkan device; NULL on the CPU
    void (*close)(vka_device *device);
};

extern const struct vka_executor vka_cpu_executor;
extern const struct vka_executor vka_vk_executor;

#endif
