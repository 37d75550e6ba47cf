// SPDX-License-Identifier: MIT
//
// vkattn: attention blocks on any GPU, from C.
//
// A *graph* is built out of *blocks* ("cbam", "mha", "conv2d", ...), a *plan* makes it ready for
// one *device* (a Vulkan GPU, or the CPU), and the plan is run as often as you like:
//
//     context -> device
//             -> weights -> graph -> plan(device, graph) -> run, run, run
//
// Conventions, stated once:
// - Every object is opaque and made by a `..._create`, `..._open` or `..._load` that returns a
//   `vka_result` and writes the handle through its last argument (NULL on failure). Every
//   `..._destroy` takes NULL and does nothing then. No other call takes NULL for an object or for
//   the place of its result.
// - Order of destruction: plans, then weights and devices, then the context. A graph may be
//   destroyed as soon as its plans are made. The weights must outlive the plans made with them.
// - Strings and arrays passed in are read before the call returns, unless said otherwise. Strings
//   handed out live as long as the object they came from, or are static.
// - A `params` pointer may be NULL; a field that is zero means its default.
// - Messages go to the context's log callback, never to stdout or stderr by themselves.
// - Threads: a context may be used by several threads at once. Any other object, by one thread at a
//   time; different objects, by different threads at once. Each type repeats this.
// - Tensors are dense, row-major, the last axis fastest. Pictures are [N, C, H, W].
#ifndef VKATTN_VKATTN_H
#define VKATTN_VKATTN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(VKATTN_SHARED)
#ifdef VKATTN_BUILD
#define VKA_API __declspec(dllexport)
#else
#define VKA_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define VKA_API __attribute__((visibility("default")))
#else
#define VKA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define VKATTN_VERSION "0.1.0"

// ---------------------------------------------------------------------------------------------
// Results

// X(NAME, text). The text is what vka_result_string returns.
#define VKA_RESULTS(X)                                                                             \
    X(OK, "success")                                                                               \
    X(ERROR_INVALID, "invalid argument, shape, attribute or weight")                               \
    X(ERROR_NOT_FOUND, "no such device, file, block or tensor")                                    \
    X(ERROR_AMBIGUOUS, "the name fits several devices")                                            \
    X(ERROR_UNSUPPORTED, "the device or this build can't do that")                                 \
    X(ERROR_FORMAT, "a file is malformed")                                                         \
    X(ERROR_IO, "reading or writing a file failed")                                                \
    X(ERROR_DATA, "a value in the input data is out of range")                                     \
    X(ERROR_BUSY, "a run is in flight already, or none is")                                        \
    X(ERROR_OUT_OF_MEMORY, "out of host memory")                                                   \
    X(ERROR_OUT_OF_DEVICE_MEMORY, "out of device memory")                                          \
    X(ERROR_DEVICE_LOST, "the device was lost; close it, open a new one")                          \
    X(ERROR_DRIVER, "the Vulkan driver failed")

typedef enum vka_result {
#define VKA_RESULT_ENUM(name, text) VKA_##name,
    VKA_RESULTS(VKA_RESULT_ENUM)
#undef VKA_RESULT_ENUM
} vka_result;

// The text of a result; "unknown result" for anything else. Static storage.
VKA_API const char *vka_result_string(vka_result result);

// The library's version, for comparison with VKATTN_VERSION. Static storage.
VKA_API const char *vka_version(void);

// ---------------------------------------------------------------------------------------------
// Context: allocator, log, threads. Thread-safety: any thread, at once.

typedef struct vka_context vka_context;

typedef enum vka_log_level {
    VKA_LOG_NONE = 0,
    VKA_LOG_ERROR, // a call failed: the reason, with names and shapes
    VKA_LOG_WARN,  // the work goes on, but not as you may expect (a GPU that is a program, say)
    VKA_LOG_INFO,  // what was chosen: the device, the placement
    VKA_LOG_DEBUG,
} vka_log_level;

// `message` has no newline and lives for the call. Called by whichever thread the message comes
// from; two at once are possible.
typedef void (*vka_log_fn)(void *user, vka_log_level level, const char *message);

// All three or none. `alloc` returns at least 16-byte aligned memory or NULL; `free` takes NULL.
typedef struct vka_allocator {
    void *user;
    void *(*alloc)(void *user, size_t size);
    void *(*realloc)(void *user, void *ptr, size_t size);
    void (*free)(void *user, void *ptr);
} vka_allocator;

// Where compiled pipelines are kept between processes: without it, each process compiles its
// shaders anew (unless the driver keeps a cache of its own). Either a folder or both callbacks.
// What comes back is checked before the driver sees it (length, hash, device, driver version):
// damaged or outdated data costs time and nothing else. Written whenever a plan needed new
// pipelines.
typedef struct vka_cache {
    // Made, for its owner alone, where it is absent; its parent must exist. Refused with a warning
    // where it belongs to another user or others may write to it. Files are written beside and
    // renamed. Copied.
    const char *folder;
    void *user;
    // Returns the size of what was stored under `key`, 0 where nothing was, and copies it to `data`
    // where it fits into `capacity` bytes. A key is a file name: it differs by device and driver.
    size_t (*load)(void *user, const char *key, void *data, size_t capacity);
    // Called by whichever thread makes the plan; by two at once for two devices.
    void (*store)(void *user, const char *key, const void *data, size_t size);
} vka_cache;

typedef struct vka_context_params {
    vka_allocator allocator; // default: malloc, realloc, free
    vka_log_fn log;          // default: no messages
    void *log_user;
    vka_log_level log_level; // the least urgent level passed on; default: VKA_LOG_WARN
    int threads;             // for the CPU path; default: the processors this process may use
    bool no_vulkan;          // never load Vulkan: only the device `cpu` exists
    bool validation; // ask for the Khronos validation layer with synchronization validation,
                     // if it is installed; its messages are logged, and counted. The variable
                     // VKATTN_VALIDATION=1 asks for it, too
    vka_cache cache; // default: none
} vka_context_params;

VKA_API vka_result vka_context_create(const vka_context_params *params, vka_context **context);
VKA_API void vka_context_destroy(vka_context *context);

// Messages of the validation layer so far, of the kinds VALIDATION and PERFORMANCE and of level
// warning or worse; -1 where the layer isn't active.
VKA_API int vka_context_validation_count(const vka_context *context);

// The text of the last error in the calling thread's most recent failed call on this context or on
// an object of it: what is wrong, with names and shapes. "" where there was none. Lives until the
// same thread's next call into vkattn.
VKA_API const char *vka_last_error(void);

// ---------------------------------------------------------------------------------------------
// Devices. Thread-safety: one thread at a time; plans of one device may run in different threads.

typedef struct vka_device vka_device;

typedef enum vka_device_type {
    VKA_DEVICE_CPU = 0,  // this library's own CPU path
    VKA_DEVICE_DISCRETE, // the others: Vulkan's words
    VKA_DEVICE_INTEGRATED,
    VKA_DEVICE_VIRTUAL,
    VKA_DEVICE_SOFTWARE, // a Vulkan driver that computes on the CPU (llvmpipe, SwiftShader)
    VKA_DEVICE_OTHER,
} vka_device_type;

typedef struct vka_device_info {
    int index;        // the N of the select string; -1 for cpu
    int vulkan_index; // raw Vulkan order, the N of "vulkan:N"; -1 for cpu
    const char *name; // "NVIDIA H100", "llvmpipe (LLVM 15.0.6, 256 bits)", "cpu"
    vka_device_type type;
    const char *driver;   // driver name and version as the driver gives them
    uint32_t api_version; // Vulkan's, packed as VK_MAKE_API_VERSION; 0 for cpu
    uint64_t memory;      // bytes of the largest device-local heap; of the machine, for cpu
    uint32_t subgroup;    // lanes; 0 where not reported
    bool f16;             // 16-bit storage: plans of dtype VKA_F16 work
    // It has matrix units. Plans of dtype VKA_F16 use them where the library was built with their
    // shaders (VKATTN_MATRIX) and the device is no program on a CPU.
    bool cooperative_matrix;
    uint8_t uuid[16]; // deviceUUID; zeros for cpu
    bool bf16;        // as f16, for VKA_BF16, where the library was built with VKATTN_BF16
} vka_device_info;

// How many devices exist, the CPU path (always there, always last) included. The order is that of
// `vkattn devices`. One GPU shown by two drivers counts once (by UUID).
VKA_API int vka_device_count(vka_context *context);
VKA_API vka_result vka_device_get_info(vka_context *context, int position, vka_device_info *info);

// Opens a device. `select` is
//   "auto"     discrete, integrated, virtual GPU, then the CPU path; never a software Vulkan device
//   "cpu"      the CPU path
//   "N"        the index that vka_device_get_info tells
//   "vulkan"   the best Vulkan device, a software one only where there is no other
//   "vulkan:N" raw Vulkan order          "uuid:HEX" 32 hex digits, dashes allowed
//   or a case-insensitive part of a device's name.
// NULL or "" means the environment variable VKATTN_DEVICE (same grammar), else "auto".
// VKA_ERROR_NOT_FOUND, VKA_ERROR_AMBIGUOUS: vka_last_error lists the devices.
VKA_API vka_result vka_device_open(vka_context *context, const char *select, vka_device **device);
// A device that is lost (VKA_ERROR_DEVICE_LOST, from the call that finds it out) stays lost: all
// later calls on it and its plans say so at once. Destroy the plans, close it, open it again.
VKA_API void vka_device_close(vka_device *device);
VKA_API const vka_device_info *vka_device_of(const vka_device *device);

// ---------------------------------------------------------------------------------------------
// Shapes and types

#define VKA_MAX_RANK 8

typedef enum vka_dtype {
    VKA_F32 = 0,
    VKA_F16,
    VKA_BF16,
    VKA_I32,
    VKA_I64,
    VKA_U8,
    VKA_BOOL, // one byte, 0 or not
} vka_dtype;

VKA_API const char *vka_dtype_name(vka_dtype dtype); // "F32", ...
VKA_API size_t vka_dtype_size(vka_dtype dtype);      // bytes

// Sizes are 1 or more. A tensor has fewer than 2^61 elements; on a Vulkan device it must fit one
// binding (maxStorageBufferRange, at most 4 GiB), or the plan is VKA_ERROR_UNSUPPORTED.
typedef struct vka_shape {
    int rank; // 0 .. VKA_MAX_RANK
    int64_t dim[VKA_MAX_RANK];
} vka_shape;

// ---------------------------------------------------------------------------------------------
// Weights: named tensors. Thread-safety: one thread while it is filled, then any.

typedef struct vka_weights vka_weights;

VKA_API vka_result vka_weights_create(vka_context *context, vka_weights **weights);

// A safetensors file, mapped, checked strictly before anything in it is used.
VKA_API vka_result vka_weights_load(vka_context *context, const char *path, vka_weights **weights);

// Adds a tensor. `data` is NOT copied: it must stay, unchanged, until the weights are destroyed (a
// plan may have a copy of its own or read it in each run, and devices keep one for all plans).
// Floats may be F32, F16 or BF16 at any alignment. A name isn't empty; it may be added once, and
// none once a graph was made with the weights. Sizes are 0 or more: an empty tensor is kept, but no
// block takes one. NULL for data declares a weight: graphs are built and checked with it, plans
// that need it are VKA_ERROR_INVALID.
VKA_API vka_result vka_weights_add(vka_weights *weights, const char *name, vka_dtype dtype,
                                   const vka_shape *shape, const void *data);
VKA_API size_t vka_weights_count(const vka_weights *weights);

// Says that all names in the set are those of the official implementations, for every block of
// every graph made with it (vka_weight_info tells them; vka_block_official does it for one block).
// VKA_ERROR_INVALID after the first graph.
VKA_API vka_result vka_weights_official(vka_weights *weights);
VKA_API void vka_weights_destroy(vka_weights *weights);

// ---------------------------------------------------------------------------------------------
// Graphs. Thread-safety: one thread at a time.
//
// No call below has to be checked: the first error is kept, later calls do nothing, and
// vka_plan_create returns it (or vka_graph_status, at any time).

typedef struct vka_graph vka_graph;
typedef int32_t vka_tensor; // a value of the graph; 0 is "none"
typedef int32_t vka_node;   // a block placed in the graph; 0 is "none"

// `weights` may be NULL where no block of the graph has any.
VKA_API vka_result vka_graph_create(vka_context *context, vka_weights *weights, vka_graph **graph);
VKA_API void vka_graph_destroy(vka_graph *graph);

// The first error, its text through vka_last_error.
VKA_API vka_result vka_graph_status(const vka_graph *graph);

// An input of the graph: dtype VKA_F32 (any float type may be passed to a run), VKA_I32 or
// VKA_BOOL.
VKA_API vka_tensor vka_input(vka_graph *graph, const char *name, vka_dtype dtype,
                             const vka_shape *shape);

// Attributes: name and value. An absent attribute takes its default. Lists hold unnamed values,
// objects hold named ones.
typedef enum vka_attr_type {
    VKA_ATTR_NONE = 0, // ends an array of attributes
    VKA_ATTR_NULL,
    VKA_ATTR_BOOL,
    VKA_ATTR_INT,
    VKA_ATTR_DOUBLE,
    VKA_ATTR_STRING,
    VKA_ATTR_LIST,
    VKA_ATTR_OBJECT,
} vka_attr_type;

typedef struct vka_attr {
    const char *name; // NULL inside a list
    vka_attr_type type;
    bool b;
    int64_t i;
    double d;
    const char *s;
    const struct vka_attr *items; // of a list or an object
    size_t count;
} vka_attr;

static inline vka_attr vka_attr_bool(const char *name, bool value)
{
    vka_attr a = {name, VKA_ATTR_BOOL, value, 0, 0.0, NULL, NULL, 0};
    return a;
}
static inline vka_attr vka_attr_int(const char *name, int64_t value)
{
    vka_attr a = {name, VKA_ATTR_INT, false, value, 0.0, NULL, NULL, 0};
    return a;
}
static inline vka_attr vka_attr_double(const char *name, double value)
{
    vka_attr a = {name, VKA_ATTR_DOUBLE, false, 0, value, NULL, NULL, 0};
    return a;
}
static inline vka_attr vka_attr_string(const char *name, const char *value)
{
    vka_attr a = {name, VKA_ATTR_STRING, false, 0, 0.0, value, NULL, 0};
    return a;
}
static inline vka_attr vka_attr_list(const char *name, const vka_attr *items, size_t count)
{
    vka_attr a = {name, VKA_ATTR_LIST, false, 0, 0.0, NULL, items, count};
    return a;
}

// A block's input by name.
typedef struct vka_named {
    const char *name; // NULL ends an array
    vka_tensor tensor;
} vka_named;

// Places block `id` under the name `name` (unique in the graph, not empty, no '/'). Its weights are
// "<name>.<weight>" in the graph's weights. `attrs` ends with a VKA_ATTR_NONE element, `inputs`
// with a NULL name; NULL for none.
VKA_API vka_node vka_block(vka_graph *graph, const char *id, const char *name,
                           const vka_attr *attrs, const vka_named *inputs);

// As vka_block, the weights under another prefix ("<prefix>.<weight>"; "" for no prefix).
VKA_API vka_node vka_block_prefixed(vka_graph *graph, const char *id, const char *name,
                                    const char *prefix, const vka_attr *attrs,
                                    const vka_named *inputs);

// As vka_block_prefixed, the weights under their official names: "<prefix>.<official>". Layouts
// that differ are converted, each tensor from one layout for all graphs of the set. A block whose
// weights have none is an error; a single weight that has none keeps its own name.
VKA_API vka_node vka_block_official(vka_graph *graph, const char *id, const char *name,
                                    const char *prefix, const vka_attr *attrs,
                                    const vka_named *inputs);

// Lists where they are used. C++ has no compound literals: name the arrays there, each with an
// empty element behind the last (const vka_attr attrs[] = {vka_attr_bool("causal", true), {}};).
#ifndef __cplusplus
#define VKA_ATTRS(...)  ((const vka_attr[]){__VA_ARGS__, {0}})
#define VKA_INPUTS(...) ((const vka_named[]){__VA_ARGS__, {0}})
#endif

// An output of a node by name ("y", "attn", ...). What isn't asked for costs nothing.
VKA_API vka_tensor vka_out(vka_graph *graph, vka_node node, const char *output);

// The names of a node's outputs, in the order of the block's table: NULL past the last.
VKA_API const char *vka_out_name(const vka_graph *graph, vka_node node, int index);

// Names a tensor as an output of the graph.
VKA_API void vka_output(vka_graph *graph, const char *name, vka_tensor tensor);

VKA_API bool vka_tensor_info(const vka_graph *graph, vka_tensor tensor, vka_dtype *dtype,
                             vka_shape *shape);

// An output of the graph by the name that vka_output gave it; false where there is none.
VKA_API bool vka_output_info(const vka_graph *graph, const char *name, vka_dtype *dtype,
                             vka_shape *shape);

// Fails the graph (VKA_ERROR_INVALID) where a weight of the set belongs to no block, or has a
// number beyond those that its block uses. What a block knows but doesn't use in its mode is passed
// over, and so is `num_batches_tracked`.
VKA_API vka_result vka_graph_check_surplus(vka_graph *graph);

// ---------------------------------------------------------------------------------------------
// Plans: a graph made ready for a device. Thread-safety: one thread at a time; one run in flight.

typedef struct vka_plan vka_plan;

typedef struct vka_plan_params {
    // VKA_F32, or floats stored in 16 bits, sums in 32: VKA_F16 (11 bits of precision, to 65504) or
    // VKA_BF16 (8 bits of precision, the range of F32: for what overflows in F16)
    vka_dtype dtype;
    bool profile; // measure each step; vka_plan_report then has times
    bool expand;  // run every fused operation as its definition in primitives (for comparison)
} vka_plan_params;

VKA_API vka_result vka_plan_create(vka_device *device, vka_graph *graph,
                                   const vka_plan_params *params, vka_plan **plan);
VKA_API void vka_plan_destroy(vka_plan *plan);

// Data for one input or from one output. Floats may be F32, F16 or BF16; integers I32 or I64; bools
// BOOL or U8, at any alignment. `bytes` is the size of `data` and must fit the tensor exactly.
// F32 data on the CPU path is used in place.
typedef struct vka_io {
    const char *name; // NULL ends an array
    vka_dtype dtype;
    void *data; // only read where it is an input
    uint64_t bytes;
} vka_io;

// All inputs of the graph must be given; of the outputs, those you want copied out.
VKA_API vka_result vka_plan_run(vka_plan *plan, const vka_io *inputs, const vka_io *outputs);

// The two halves of a run. After a submit the inputs may be changed at once on a Vulkan device; on
// the CPU the work is done inside vka_plan_submit.
VKA_API vka_result vka_plan_submit(vka_plan *plan, const vka_io *inputs);
// A wait that is given a wrong output fails and leaves the run in flight: wait again.
VKA_API vka_result vka_plan_wait(vka_plan *plan, const vka_io *outputs);

// The plan's own memory of one input or output, so that runs need not copy it: fills `io`, which is
// then given to runs as it is, in the place of one of your own. Inputs are looked at first: an
// output of an input's name can't be had.
//
//     vka_plan_map(plan, "x", &x);                  once
//     write x.data, x.bytes of it                   in each run
//     vka_plan_run(plan, (vka_io[]){x, {0}}, ...);
//
// - `dtype` is what the plan stores: its own for floats, VKA_I32 for integers.
// - The memory belongs to the plan, as `io.name` does, and stays where it is as long as the plan
//   lives. It is aligned to 64 bytes.
// - From vka_plan_submit to the end of vka_plan_wait it is the device's: neither read nor write it.
//   Otherwise an input keeps what you wrote, until you write again; an output has the last run's
//   result, until the next submit. Reading inputs back may be slow. After a wait that failed on the
//   device it stays the device's until the plan is destroyed.
// - In a run of this plan it serves its own name alone, whole, and as its dtype: else it is
//   VKA_ERROR_INVALID. To another plan it is memory like any other, so that one's output may be the
//   other's input.
// - Runs that are given other memory for it go on as ever. They may overwrite an input, and one
//   that isn't given an output may leave it with values of its own.
// - On a device with memory of its own, it is where copies to and from there begin and end.
// VKA_ERROR_UNSUPPORTED for bools, which are stored otherwise: copy those. VKA_ERROR_INVALID where
// there is no such name, or a buffer of the application's in its place (vulkan.h); VKA_ERROR_BUSY
// while a run is in flight. `io` is all 0 then.
VKA_API vka_result vka_plan_map(vka_plan *plan, const char *name, vka_io *io);

typedef struct vka_report_step {
    const char *block;   // the node's name, "att", or a part of it, "att/spatial"
    const char *op;      // "matmul"
    const char *variant; // "cpu", or the GPU variant's name
    uint32_t dispatches;
    uint64_t bytes; // read and written
    double flops;   // floating-point operations; an exp or a comparison counts as one
    double ms;      // of the last run; 0 without profile
} vka_report_step;

typedef struct vka_report {
    const char *device;
    size_t step_count;
    const vka_report_step *steps;
    uint64_t input_bytes, output_bytes, weight_bytes;
    uint64_t constant_bytes;       // on the CPU with what is kept of weights as its kernels want it
    uint64_t temporary_bytes;      // the arena: everything between inputs and outputs, at its peak
    uint32_t dispatches, barriers; // on a Vulkan device
    double ms;                     // the last run on the device, 0 without profile
} vka_report;

// Lives as long as the plan; the times change with each run.
VKA_API const vka_report *vka_plan_report(vka_plan *plan);

// ---------------------------------------------------------------------------------------------
// The table of blocks: what exists, with its attributes. Static storage.

typedef struct vka_attr_info {
    const char *name;
    const char *type;     // "int", "bool", "float", "string", "list of int", ...
    const char *fallback; // the default as JSON; NULL where the attribute is required
    const char *range;    // "1..", "(0..", "\"avg\"|\"max\"", or ""
    const char *help;
} vka_attr_info;

typedef struct vka_port_info { // an input or an output
    const char *name;          // may hold {i}: numbered
    const char *shape;         // "[N, C, H, W]"
    const char *dtype;         // "f32", "i32", "bool"
    const char *when;          // "" = always; "optional"; or the condition
    const char *help;
} vka_port_info;

// A weight. `official`: its name in the official implementation's state_dict, relative to the
// block's module; "" where there is none. Names of several implementations are apart by " | ": the
// first one that the set has counts. {i}, {i+1} and {a} (a, b, ...) stand for the number of {i} in
// `name`. A word in front tells another layout, which is converted:
//   "transposed NAME"    axes [kernel..., in, out] (TensorFlow, Theano)
//   "normed NAME"        NAME, or NAME_v times NAME_g over the norm of all NAME_v (weight_norm)
//   "spectral X.weight"  over its largest singular value where X.u0 (spectral norm) is there, too
typedef struct vka_weight_info {
    const char *name, *shape, *dtype, *when; // as vka_port_info
    const char *official;
} vka_weight_info;

typedef struct vka_block_info {
    const char *id;
    const char *summary;
    const char *paper;          // "" for the plain blocks of a network
    const vka_attr_info *attrs; // each array ends with a NULL name
    const vka_port_info *inputs;
    const vka_weight_info *weights;
    const vka_port_info *outputs;
    const char *example; // JSON: {"attrs": {..}, "shapes": {"x": [..], "w.NAME": [..]}} for `bench`
} vka_block_info;

VKA_API int vka_block_count(void);
VKA_API const vka_block_info *vka_block_get(int index); // NULL past the end
VKA_API const vka_block_info *vka_block_find(const char *id);

// The official name of a block's weight, the numbers filled in: "channel.fc1.weight" of "cbam" is
// "ChannelGate.mlp.1.weight". `choice` counts the names from 0 on. Writes at most `size` bytes with
// the 0 at the end; returns the length that there is, 0 where there is no such name.
VKA_API size_t vka_official_name(const char *id, const char *weight, int choice, char *name,
                                 size_t size);

// The operations beneath: name and one line each; NULL past the end.
VKA_API const char *vka_op_get(int index, const char **summary);

// ---------------------------------------------------------------------------------------------
// Model files: a graph of blocks as JSON text (the format stands in the README). A byte order mark
// (BOM) of UTF-8 before it is passed over.

typedef struct vka_model vka_model;

VKA_API vka_result vka_model_load(vka_context *context, const char *path, vka_model **model);
VKA_API vka_result vka_model_parse(vka_context *context, const char *text, size_t length,
                                   vka_model **model);
VKA_API void vka_model_destroy(vka_model *model);

typedef struct vka_model_input {
    const char *name;
    vka_dtype dtype;
    int rank;
    const char *axis[VKA_MAX_RANK]; // the name of a free size, or NULL
    int64_t dim[VKA_MAX_RANK];      // the size where it is fixed
    bool optional;
} vka_model_input;

// NULL past the last.
VKA_API const vka_model_input *vka_model_get_input(const vka_model *model, int index);
VKA_API const char *vka_model_get_output(const vka_model *model, int index);

// The pictures' normalisation, 3 floats each: (v - mean) / std; 0 and 1 where the model has none.
VKA_API void vka_model_get_image(const vka_model *model, float mean[3], float std[3]);

// The JSON text of another top-level key ("classes", and those that begin with "x_"), NULL where it
// is absent.
VKA_API const char *vka_model_get_extra(const vka_model *model, const char *key);

// Shape and presence of one input, for vka_model_build.
typedef struct vka_model_bind {
    const char *name; // NULL ends the array
    vka_shape shape;
} vka_model_bind;

// Builds the graph for inputs of these shapes. `outputs`: names among the model's outputs to keep,
// or any "node.output" reference; ends with NULL; NULL for all outputs of the model.
VKA_API vka_result vka_model_build(vka_model *model, vka_weights *weights,
                                   const vka_model_bind *inputs, const char *const *outputs,
                                   vka_graph **graph);

#ifdef __cplusplus
}
#endif

#endif
