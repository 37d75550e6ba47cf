# SPDX-License-Identifier: MIT
"""Products, attention and gates on a GPU at sizes that fill it: vkattn's time on the device,
without the copies, PyTorch's on the same GPU where it has CUDA (else on the CPU: then only the
mechanics are tried, at small sizes), and the share of what the device could do at best. That is
measured here: PyTorch's largest matrix product, and a copy.

    gpu.py LIBRARY DEVICE [ROUNDS]"""
import math
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn

import modules as m
import vkattn
import works

CUDA = torch.cuda.is_available()
PEER = torch.device("cuda" if CUDA else "cpu")
SCALE = 1 if CUDA else 4  # sizes are divided by it
MOST_SECONDS = 0.8  # of one contestant at one case, where a round isn't longer
DTYPES = [("f32", torch.float32, vkattn.F32), ("f16", torch.float16, vkattn.F16)]


def repeated(call, rounds):
    """The median of what `call` returns, of fewer rounds where they take seconds."""
    times, end = [], time.monotonic() + MOST_SECONDS
    while len(times) < rounds and (not times or time.monotonic() < end):
        times.append(call())
    return statistics.median(times)


def time_peer(call, rounds):
    """Milliseconds of a call, by the GPU's own clock where there is one."""
    def once():
        if CUDA:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            torch.cuda.synchronize()
            return start.elapsed_time(end)
        begin = time.perf_counter()
        call()
        return (time.perf_counter() - begin) * 1e3
    call()
    return repeated(once, rounds)


def roofs(rounds):
    """{dtype: flop a second} and bytes a second."""
    n, found = 8192 // SCALE ** 2, {}
    for name, dtype, _ in DTYPES:
        a = torch.randn(n, n, device=PEER).to(dtype)
        found[name] = 2 * n ** 3 / time_peer(lambda a=a: a @ a, rounds) * 1e3
    x = torch.zeros(1 << (28 if CUDA else 22), device=PEER)
    y = torch.empty_like(x)
    return found, 2 * x.numel() * 4 / time_peer(lambda: y.copy_(x), rounds) * 1e3


def sdpa(t, d, causal=False):
    """As many heads as make the work of 4096 tokens and 16 heads, at least two."""
    t //= SCALE ** 2
    heads = max(2, min(16, 16 * (4096 // SCALE ** 2) ** 2 // t ** 2))
    return works.Work(f"sdpa {heads} x {t} x {d}{' causal' if causal else ''}", "sdpa",
                      lambda: m.Sdpa(causal), {i: (1, heads, t, d) for i in "qkv"},
                      works.attention(heads, t, d) // (2 if causal else 1), {"causal": causal})


def decode(batch, queries, keys, d, heads=32, kv_heads=8):
    """Few queries of many keys, heads of q sharing those of k."""
    keys //= SCALE ** 2
    kv = (batch, kv_heads, keys, d)
    return works.Work(f"decode {batch} x {heads} ({kv_heads}) x {queries} of {keys} x {d}", "sdpa",
                      m.Sdpa, {"q": (batch, heads, queries, d), "k": kv, "v": kv},
                      4 * batch * heads * queries * keys * d)


def linear(n):
    return works.Work(f"linear {n}", "linear", lambda: nn.Linear(n, n, bias=False),
                      {"x": (n, n)}, 2 * n ** 3)


def cases():
    picture, c = (16 // SCALE ** 2, 256, 56 * 2 // SCALE, 56 * 2 // SCALE), 256
    size = int(np.prod(picture))
    return [
        *(linear(n // SCALE ** 2) for n in (1024, 2048, 4096, 8192)),
        *(sdpa(t, d) for t in (1024, 4096, 16384, 32768) for d in (64, 128)),
        sdpa(4096, 64, True), sdpa(16384, 128, True),
        decode(1, 1, 4096, 128), decode(1, 1, 32768, 128), decode(4, 1, 8192, 128),
        decode(1, 1, 32768, 64, 8), decode(1, 4, 32768, 128), decode(1, 16, 16384, 128),
        works.Work("se", "se", lambda: m.Se(c, 16), {"x": picture}, size),
        works.Work("eca", "eca", lambda: m.Eca(5), {"x": picture}, size, {"kernel_size": 5}),
        works.Work("cbam", "cbam", lambda: m.Cbam(c, 16, 7), {"x": picture}, 4 * size),
        works.Work("gc", "gc", lambda: m.Gc(c, 16), {"x": picture}, 4 * size)]


def time_own(device, work, dtype, shape, rounds):
    """(ms on the device, output, the plan's variants, MiB between inputs and outputs)."""
    module, inputs = work.make()
    arrays = {name: t.numpy() for name, t in inputs.items()}
    weights = {name: t.numpy() for name, t in work.weights(module).items()}
    y = np.zeros(shape, np.float32)
    plan = device.plan(work.model(), weights, arrays, dtype, profile=True)
    given = vkattn.ios(arrays)
    plan.run(given, vkattn.ios({"y": y}))

    def once():
        plan.run(given, vkattn.ios({}))
        return plan.device_ms()
    ms, variants = repeated(once, rounds), plan.variants()
    temporary = plan.report.temporary_bytes / 2 ** 20
    plan.close()
    return ms, y, variants, temporary


def row(device, work, name, dtypes, roof, rounds):
    module, inputs = work.make()
    module, given = module.to(PEER, dtypes[0]), [t.to(PEER, dtypes[0]) for t in inputs.values()]
    try:
        peer = time_peer(lambda: module(*given), rounds)
    except RuntimeError as error:  # a CPU's PyTorch may lack operators of f16
        print(f"| {work.name} | {name} | PyTorch: {str(error).splitlines()[0]} |", flush=True)
        return not CUDA
    want = module(*given).float().cpu().numpy()
    floats = sum(t.numel() for t in [*given, *work.weights(module).values()]) + want.size
    moved = floats * (4 if name == "f32" else 2)
    del module, given
    try:
        own, y, variants, temporary = time_own(device, work, dtypes[1], want.shape, rounds)
    except RuntimeError as error:  # a device without f16 has no such rows
        print(f"| {work.name} | {name} | {error} |", flush=True)
        return "16-bit" in str(error)
    error = np.abs(want - y).max() / np.abs(want).max()
    least = 1e3 * max(work.flop / roof[0][name], moved / roof[1])
    print(f"| {work.name} | {name} | {own:.3f} | {peer:.3f} | {peer / own:.2f} | "
          f"{work.flop / own / 1e9:.2f} | {moved / own / 1e6:.0f} | {100 * least / own:.0f} % | "
          f"{temporary:.1f} | {error:.1e} | {variants} |", flush=True)
    return error < (1e-3 if name == "f32" else 2e-2) and math.isfinite(error)


def main():
    library, select = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device, roof = vkattn.Device(library, select, 2), roofs(rounds)
    where = torch.cuda.get_device_name() if CUDA else "the CPU"
    print(f"PyTorch {torch.__version__} on {where}: "
          f"{', '.join(f'{n} {f / 1e12:.2f} TFLOP/s' for n, f in roof[0].items())}, "
          f"copy {roof[1] / 1e9:.0f} GB/s\n")
    print("| | type | vkattn, ms | PyTorch, ms | ratio | TFLOP/s | GB/s | of the limit | "
          "temporary, MiB | error | variants |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    right = [row(device, work, name, dtypes, roof, rounds)
             for work in cases() for name, *dtypes in DTYPES]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
