// SPDX-License-Identifier: MIT
//
// Several operands walked through together: their axes collapsed to the fewest, then run through in
// pieces over the threads, or written into push constants for shaders/common/strided.glsl.
#ifndef VKA_OPS_STRIDED_H
#define VKA_OPS_STRIDED_H

#include "cpu/threads.h"
#include "ops/op.h"

enum {
    VKA_STRIDED_OPERANDS = 5,
    VKA_STRIDED_AXES = 4,  // what a shader takes; axes beyond become dispatches of their own
    VKA_STRIDED_SPAN = 512 // elements that kernels gather at a time
};

struct vka_strided {
    int n; // operands
    int rank;
    int64_t dim[VKA_MAX_RANK];                          // the last axis varies fastest
    int64_t stride[VKA_STRIDED_OPERANDS][VKA_MAX_RANK]; // 0: repeats
};

// `shape`: what the operands broadcast to (aligned right); `arrays`: n of them. Axes of size 1 go,
// neighbours that every operand runs through as one are merged. A scalar gets one axis of size 1.
struct vka_strided vka_strided_of(const struct vka_array *shape, int n,
                                  const struct vka_array *const *arrays);
// An op's inputs, all of them, then its first output, walked through together as that one lies;
// `arrays` gets them in that order where it isn't NULL (VKA_STRIDED_OPERANDS at most).
struct vka_strided vka_strided_of_args(const struct vka_args *args,
                                       const struct vka_array **arrays);
// As above for axes `first` .. `first + count - 1` in a given order: order[i] is an axis of
// `shape`.
struct vka_strided vka_strided_axes(const struct vka_array *shape, int n,
                                    const struct vka_array *const *arrays, const int *order,
                                    int count);
int64_t vka_strided_count(const struct vka_strided *s);
// Puts an operand's axes behind those of `to`, as many as there is room for.
void vka_strided_append(struct vka_array *to, const struct vka_strided *s, int operand);

// --- CPU ---

// Elements at[k], at[k] + stride[k][last axis], ... of operand k, `count` of them, `index` the
// first one's number in row-major order.
typedef void (*vka_strided_fn)(void *arg, const struct vka_strided *s, const int64_t *at,
                               int64_t index, int64_t count);
// Runs through everything; `cost`: operations an element, about.
void vka_strided_run(struct vka_threads *threads, const struct vka_strided *s, int64_t cost,
                     vka_strided_fn fn, void *arg);
// The elements begin .. end - 1 in row-major order, in the calling thread.
void vka_strided_range(const struct vka_strided *s, int64_t begin, int64_t end, vka_strided_fn fn,
                       void *arg);
// The operands' offsets at a row-major index.
void vka_strided_at(const struct vka_strided *s, int64_t index, int64_t at[VKA_STRIDED_OPERANDS]);

// `count` words, `stride` words apart, as contiguous ones: themselves, or gathered into `span`.
const void *vka_gather_span(uint32_t *span, const void *from, int64_t stride, int64_t count);

// --- Vulkan ---

// A dispatch of one invocation an element, or of a row of lanes for each. Push constants:
// VKA_STRIDED(n) of push/strided.h, then `tail`. Constants: the workgroup, the rank, then
// `constants`. Bindings: the operands in order; absent ones are of rank -1.
struct vka_strided_launch {
    const char *shader;
    const struct vka_array *array[VKA_STRIDED_OPERANDS]; // the last one is written
    uint32_t constants[8];
    int n_constants;
    const void *tail;
    uint32_t tail_size;
    const struct vka_strided *along; // axes that one element of the walk runs along; NULL: none
    double turns;                    // of the loops along them
    uint32_t group[2];               // elements and lanes of a workgroup; 0: 128 and 1
    bool fours;                      // see vka_strided_fours
};
void vka_strided_emit(struct vka_launch *l, const struct vka_strided *s,
                      const struct vka_strided_launch *d);

// Where the device is a program, four elements a load and several loads a lane are many times
// faster than an invocation an element: whether the operands allow it. Each lies along the last
// axis, or repeats one element there; the shader has a twin for it (VKA_FOURS of
// common/strided.glsl). Not for narrow programs: one with subgroups of 4 takes minutes to compile
// such shaders.
enum { VKA_FOURS_LANES = 8 }; // of a workgroup
bool vka_strided_fours(const struct vka_limits *limits, const struct vka_strided *s,
                       const struct vka_array *const *arrays);

// The axes beyond the `keep` largest, as a loop on the host: `rest` gets at most `keep` axes,
// `outer` the others.
void vka_strided_split(const struct vka_strided *s, int keep, struct vka_strided *rest,
                       struct vka_strided *outer);
// count, dim, offset and stride words of push/strided.h; returns how many.
int vka_strided_words(const struct vka_strided *s, const uint32_t *offset, uint32_t *words);

#endif
