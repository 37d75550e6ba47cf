# SPDX-License-Identifier: MIT
"""One contestant of the comparison, in a process of its own that stays alive: it takes a line at a
time on stdin, answers a line of JSON on stdout, and is idle in between.

    worker.py torch|torch-compile|onnxruntime|ncnn|ncnn-vulkan|vkattn=LIBRARY|vkattn-vulkan=LIBRARY

    about               {"about": what it is}
    load FOLDER NAME    makes the workload ready that works.py has prepared there, runs it once and
                        writes what comes out to FOLDER/got.NAME.npy: {"first": ms, ...}
    round MS            runs for about so long: {"ms": [each run's time]}
    drop                forgets the workload
"""
import glob
import json
import os
import sys
import time

import numpy as np

THREADS = int(os.environ["OMP_NUM_THREADS"])
MOST_RUNS = 1000


# On a busy machine processor time tells more; that of all threads.
CLOCK = time.process_time if os.environ.get("VKATTN_CLOCK") == "cpu" else time.perf_counter


def now():
    return CLOCK() * 1e3


def aligned(array):
    """A copy at an address that a vector unit likes, for everybody alike."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def tensors(folder, kind):
    return {os.path.basename(path)[len(kind) + 1:-4]: aligned(np.load(path))
            for path in sorted(glob.glob(os.path.join(glob.escape(folder), kind + ".*.npy")))}


class Torch:
    def __init__(self):
        import torch
        import works
        self.torch, self.works = torch, works
        torch.set_num_threads(THREADS)
        torch.set_grad_enabled(False)
        self.about = f"PyTorch {torch.__version__.split('+')[0]}, CPU"

    def load(self, folder, name):
        work = next(w for w in self.works.WORKS if w.name == name)
        self.module, inputs = work.make()
        # The prepared files count, not this process's random numbers.
        made = tensors(folder, "in")
        self.inputs = [self.torch.from_numpy(made[i]) for i in inputs]
        weights = tensors(folder, "w")
        for key, t in self.module.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                t.copy_(self.torch.from_numpy(weights[key.removeprefix("cell.")]))

    def run(self):
        self.y = self.module(*self.inputs)

    def result(self):
        return self.y.numpy()

    def drop(self):
        self.module = self.inputs = self.y = None


class TorchCompile(Torch):
    def __init__(self):
        super().__init__()
        self.about = self.about.replace("CPU", "torch.compile, CPU")

    def load(self, folder, name):
        super().load(folder, name)
        self.module = self.torch.compile(self.module, dynamic=False)

    def drop(self):
        super().drop()
        self.torch._dynamo.reset()


class Vkattn:
    def __init__(self, select, library):
        import vkattn
        self.vkattn, self.plan = vkattn, None
        self.device = vkattn.Device(library, select, THREADS)
        self.about = f"vkattn, {select}"

    def load(self, folder, name):
        with open(os.path.join(folder, "model.json"), encoding="utf-8") as f:
            model = f.read()
        self.inputs = tensors(folder, "in")
        self.y = aligned(np.zeros_like(np.load(os.path.join(folder, "out.y.npy"))))
        self.plan = self.device.plan(model, tensors(folder, "w"), self.inputs)
        self.given, self.taken = self.vkattn.ios(self.inputs), self.vkattn.ios({"y": self.y})
        self.about = f"vkattn, {self.plan.report.device.decode()}"
        return {"temporaries": self.plan.report.temporary_bytes,
                "steps": self.plan.report.step_count, "about": self.about}

    def run(self):
        self.plan.run(self.given, self.taken)

    def result(self):
        return self.y

    def drop(self):
        if self.plan:
            self.plan.close()
        self.plan = None


def model_file(folder, name):
    """The path of an export, or the reason why there is none."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        with open(path + ".why", encoding="utf-8") as f:
            raise RuntimeError(f.read())
    return path


class Onnxruntime:
    def __init__(self):
        import onnxruntime
        self.module, self.session = onnxruntime, None
        self.about = f"onnxruntime {onnxruntime.__version__}, CPU"

    def load(self, folder, name):
        options = self.module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        self.session = self.module.InferenceSession(
            model_file(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.inputs = tensors(folder, "in")

    def run(self):
        self.y = self.session.run(None, self.inputs)[0]

    def result(self):
        return self.y

    def drop(self):
        self.session = self.inputs = self.y = None


class Ncnn:
    def __init__(self, vulkan):
        import ncnn
        self.ncnn, self.vulkan, self.net = ncnn, vulkan, None
        where = ncnn.get_gpu_info(0).device_name() if vulkan else "CPU"
        self.about = f"ncnn {ncnn.__version__}, {where}"

    def load(self, folder, name):
        param = model_file(folder, "model.param")
        with open(param, encoding="utf-8") as f:
            inputs = [line.split()[1] for line in f if line.startswith("Input ")]
        self.net = self.ncnn.Net()
        options = self.net.opt
        options.num_threads, options.use_vulkan_compute = THREADS, self.vulkan
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = options.use_bf16_packed = False
        if self.net.load_param(param) or self.net.load_model(param[:-5] + "bin"):
            raise RuntimeError("an operation is missing")
        made = tensors(folder, "in")
        with open(os.path.join(folder, "inputs.json"), encoding="utf-8") as f:
            names = json.load(f)
        # A batch axis of 1 is left out.
        self.given = [(slot, self.ncnn.Mat(made[i][0] if made[i].ndim > 2 else made[i]).clone())
                      for slot, i in zip(inputs, names)]

    def run(self):
        extractor = self.net.create_extractor()
        for slot, mat in self.given:
            extractor.input(slot, mat)
        status, self.y = extractor.extract("out0")
        if status:
            raise RuntimeError(f"status {status}")

    def result(self):
        return np.array(self.y)

    def drop(self):
        self.given = self.y = self.net = None


def contestant(word):
    kind, _, library = word.partition("=")
    if kind == "onnxruntime":
        return Onnxruntime()
    if kind in ("ncnn", "ncnn-vulkan"):
        return Ncnn(kind.endswith("vulkan"))
    if kind == "torch":
        return Torch()
    if kind == "torch-compile":
        return TorchCompile()
    if kind in ("vkattn", "vkattn-vulkan"):
        return Vkattn("vulkan" if kind.endswith("vulkan") else "cpu", library)
    raise SystemExit(f"no contestant is called '{word}'")


def load(who, folder, name, out):
    about = who.load(folder, name) or {}
    start = now()
    who.run()
    about["first"] = now() - start
    np.save(os.path.join(folder, f"got.{out}.npy"), who.result())
    return about


def one_round(who, ms):
    """The first run brings data and code back into the caches; it counts only where it takes
    longer than the round."""
    begin, start = time.perf_counter(), now()
    who.run()
    first, times = now() - start, []
    while (time.perf_counter() - begin) * 1e3 < ms and len(times) < MOST_RUNS:
        start = now()
        who.run()
        times.append(now() - start)
    return {"ms": times or [first]}


def answer(who, words):
    if words[0] == "about":
        return {"about": who.about}
    if words[0] == "load":
        return load(who, *words[1:])
    if words[0] == "round":
        return one_round(who, float(words[1]))
    if words[0] == "drop":
        who.drop()
        return {}
    raise ValueError(f"no command is called '{words[0]}'")


def main():
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    who = contestant(sys.argv[1])
    for line in sys.stdin:
        try:
            told = answer(who, line.rstrip("\n").split("\t"))
        except Exception as error:
            text = str(error).strip() or "no message"
            told = {"error": f"{type(error).__name__}: {text.splitlines()[0][:200]}"}
        print(json.dumps(told), file=out, flush=True)


if __name__ == "__main__":
    main()
