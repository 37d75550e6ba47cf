# SPDX-License-Identifier: MIT
"""As much of vkattn's C interface as the comparison needs, through ctypes."""
import ctypes as c

import numpy as np

F32, F16 = 0, 1
MAX_RANK = 8


class Shape(c.Structure):
    _fields_ = [("rank", c.c_int), ("dim", c.c_int64 * MAX_RANK)]


class Io(c.Structure):
    _fields_ = [("name", c.c_char_p), ("dtype", c.c_int), ("data", c.c_void_p),
                ("bytes", c.c_uint64)]


class Bind(c.Structure):
    _fields_ = [("name", c.c_char_p), ("shape", Shape)]


class Allocator(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in ("user", "alloc", "realloc", "free")]


class Cache(c.Structure):
    _fields_ = [("folder", c.c_char_p)] + [(n, c.c_void_p) for n in ("user", "load", "store")]


class ContextParams(c.Structure):
    _fields_ = [("allocator", Allocator), ("log", c.c_void_p), ("log_user", c.c_void_p),
                ("log_level", c.c_int), ("threads", c.c_int), ("no_vulkan", c.c_bool),
                ("validation", c.c_bool), ("cache", Cache)]


class PlanParams(c.Structure):
    _fields_ = [("dtype", c.c_int), ("profile", c.c_bool), ("expand", c.c_bool)]


class Step(c.Structure):
    _fields_ = [(n, c.c_char_p) for n in ("block", "op", "variant")] + [
        ("dispatches", c.c_uint32), ("bytes", c.c_uint64), ("flops", c.c_double),
        ("ms", c.c_double)]


class Report(c.Structure):
    _fields_ = [("device", c.c_char_p), ("step_count", c.c_size_t), ("steps", c.POINTER(Step)),
                *((f"{n}_bytes", c.c_uint64)
                  for n in ("input", "output", "weight", "constant", "temporary")),
                ("dispatches", c.c_uint32), ("barriers", c.c_uint32), ("ms", c.c_double)]


def shape_of(array):
    return Shape(array.ndim, (c.c_int64 * MAX_RANK)(*array.shape))


def ios(arrays):
    """A list of vka_io over arrays of float32, by name."""
    rows = [Io(name.encode(), F32, a.ctypes.data, a.nbytes) for name, a in arrays.items()]
    return (Io * (len(rows) + 1))(*rows)


class Library:
    def __init__(self, path):
        self.lib = c.CDLL(path)
        self.lib.vka_last_error.restype = c.c_char_p
        self.lib.vka_plan_report.restype = c.POINTER(Report)
        for name in ("plan", "model", "graph", "weights"):
            getattr(self.lib, f"vka_{name}_destroy").argtypes = [c.c_void_p]
        self.lib.vka_device_close.argtypes = [c.c_void_p]
        self.lib.vka_context_destroy.argtypes = [c.c_void_p]

    def call(self, name, *args):
        if getattr(self.lib, name)(*args):
            raise RuntimeError(f"{name}: {self.lib.vka_last_error().decode()}")

    def make(self, name, *args):
        """The handle that a call writes through its last argument."""
        handle = c.c_void_p()
        self.call(name, *args, c.byref(handle))
        return handle


class Device:
    """A context and one device of it."""

    def __init__(self, library, select, threads):
        self.library = Library(library)
        params = ContextParams(threads=threads, no_vulkan=select == "cpu")
        self.context = self.library.make("vka_context_create", c.byref(params))
        self.device = self.library.make("vka_device_open", self.context, select.encode())

    def plan(self, model, weights, inputs, dtype=F32, profile=False):
        return Plan(self, model, weights, inputs, PlanParams(dtype=dtype, profile=profile))


class Plan:
    """A model (JSON text) made ready for inputs of these shapes; weights are called `b.NAME`."""

    def __init__(self, device, model, weights, inputs, params):
        lib, context = device.library, device.context
        self.lib, self.kept = lib, weights
        self.weights = lib.make("vka_weights_create", context)
        for name, array in weights.items():
            lib.call("vka_weights_add", self.weights, b"b." + name.encode(), F32,
                     c.byref(shape_of(array)), c.c_void_p(array.ctypes.data))
        text = model.encode()
        parsed = lib.make("vka_model_parse", context, text, c.c_size_t(len(text)))
        binds = [Bind(name.encode(), shape_of(array)) for name, array in inputs.items()]
        graph = lib.make("vka_model_build", parsed, self.weights,
                         (Bind * (len(binds) + 1))(*binds), None)
        self.plan = lib.make("vka_plan_create", device.device, graph, c.byref(params))
        lib.lib.vka_graph_destroy(graph)
        lib.lib.vka_model_destroy(parsed)
        self.report = lib.lib.vka_plan_report(self.plan).contents

    def device_ms(self):
        """The last run's time on the device, where the plan was made with `profile`."""
        return self.lib.lib.vka_plan_report(self.plan).contents.ms

    def variants(self):
        """What the steps run by, in order: "attention/few x2", where x2 counts its dispatches."""
        steps = [self.report.steps[i] for i in range(self.report.step_count)]
        names = [f"{s.op.decode()}/{s.variant.decode()}"
                 + (f" x{s.dispatches}" if s.dispatches > 1 else "") for s in steps]
        return ", ".join(dict.fromkeys(names))

    def run(self, inputs, outputs):
        self.lib.call("vka_plan_run", self.plan, inputs, outputs)

    def close(self):
        self.lib.lib.vka_plan_destroy(self.plan)
        self.lib.lib.vka_weights_destroy(self.weights)
