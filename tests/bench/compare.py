# SPDX-License-Identifier: MIT
"""Times vkattn and its peers on the workloads of works.py, side by side: every contestant is a
process that stays alive (worker.py, ggml.c, limits.c), and a round lets each run for a moment, one
after the other, so that a machine that drifts slows all of them alike. What a contestant computes
is compared with float64 first; who is wrong has no time.

    compare.py [--rounds N] [--ms N] --limits COMMAND --scratch FOLDER [--pnnx COMMAND]
               [--with NAME=COMMAND]... [--csv FILE] [WORK]...

The CSV has a row a workload and contestant: `ms` is the median over the rounds of each round's
median, `least` the fastest single run, `most` the slowest round. table.awk makes the tables."""
import argparse
import datetime
import hashlib
import json
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

import exports
import modules
import works

TOLERANCE = 1e-3  # of the largest expected value: Winograd and fast exponentials stay far below
LOAD_S, ROUND_S = 300, 120  # a contestant that takes longer has failed
SLOW_MS, SLOW_ROUNDS = 1500, 3  # a run that takes so long gets fewer rounds
PAUSE_S = 0.01  # threads that spin for more work stop meanwhile


class Contestant:
    def __init__(self, name, command, log):
        self.name, self.command, self.log = name, shlex.split(command), log
        self.process, self.about, self.ready = None, name, False

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.about = self.ask(LOAD_S, "about").get("about")
        if not self.about:
            raise SystemExit(f"{self.name} doesn't start, see {self.log.name}")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process, self.ready = None, False

    def ask(self, seconds, *words):
        """The answer; {"error": ..} where there is none, and the process is stopped."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write("\t".join(words) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        alive = timer.is_alive()
        timer.cancel()
        if line:
            return json.loads(line)
        self.stop()
        return {"error": "ended unexpectedly" if alive else f"took over {seconds} s"}

    def load(self, folder, work):
        if not self.process:
            self.start()
        told = self.ask(LOAD_S, "load", folder, work.name, self.name)
        self.ready = "first" in told
        self.about = told.get("about", self.about)
        return told

    def round(self, ms):
        told = self.ask(ROUND_S, "round", str(ms))
        self.ready = "error" not in told
        return told

    def drop(self):
        self.ready = False
        if self.process:
            self.ask(ROUND_S, "drop")


def error_of(folder, name):
    """The worst error, as a share of the largest expected value."""
    got, want = (np.load(os.path.join(folder, f)) for f in (f"got.{name}.npy", "out.y.npy"))
    if got.size != want.size or not np.isfinite(got).all():
        return math.inf
    return float(np.abs(got.ravel() - want.ravel()).max() / np.abs(want).max())


def load_all(contestants, folder, work):
    """Rows by contestant: what is known before the first round."""
    rows = {}
    for who in contestants:
        told = who.load(folder, work)
        row = rows[who.name] = {"first": told.get("first", 0), "why": told.get("error", ""),
                                "temporaries": told.get("temporaries", ""), "rounds": [],
                                "least": math.inf}
        if who.ready:
            row["error"] = error_of(folder, who.name)
            if not row["error"] < TOLERANCE:
                row["why"] = f"differs by {row['error']:.1e}"
                who.drop()
    return rows


def one_round(contestants, rows, ms, number):
    for who in contestants:
        row = rows[who.name]
        slow = row["rounds"] and row["rounds"][-1] > SLOW_MS
        if not who.ready or slow and number >= SLOW_ROUNDS:
            continue
        time.sleep(PAUSE_S)
        told = who.round(ms)
        if "error" in told:
            row["why"] = told["error"]
        else:
            row["rounds"].append(statistics.median(told["ms"]))
            row["least"] = min(row["least"], *told["ms"])


def prepared(work, args, names):
    """The folder of a workload, filled where it isn't: a change of the definitions makes it anew.
    What isn't complete has no file `done`."""
    digest = hashlib.sha256()
    for module in (works, modules, exports):
        with open(module.__file__, "rb") as f:
            digest.update(f.read())
    folder = os.path.join(args.scratch, digest.hexdigest()[:16], work.name.replace(" ", "-"))
    if not os.path.exists(os.path.join(folder, "done")):
        os.makedirs(folder, exist_ok=True)
        work.prepare(folder)
        with open(os.path.join(folder, "done"), "w", encoding="utf-8"):
            pass
    if "onnxruntime" in names:
        exports.export(exports.to_onnx, work, folder, "model.onnx")
    if names & {"ncnn", "ncnn-vulkan"}:
        exports.export(exports.to_ncnn, work, folder, "model.param", args.pnnx)
    return folder


def compare(contestants, limits, work, args):
    folder = prepared(work, args, {who.name for who in contestants})
    moved = works.bytes_moved(folder)
    rows, floors = load_all(contestants, folder, work), []
    for number in range(args.rounds):
        told = limits.ask(ROUND_S, "round", "20")
        floors.append(1e3 * max(work.flop / told["flops"], moved / told["bytes"]))
        one_round(contestants, rows, args.ms, number)
    for who in contestants:
        who.drop()
    return {"work": work, "bytes": moved, "floor": min(floors), "rows": rows}


HEAD = "work,contestant,ms,least,most,rounds,error,first,temporaries,flop,bytes,floor,why"


def lines_of(result):
    work = result["work"]
    for name, row in result["rows"].items():
        times = row["rounds"] if not row["why"] else []
        ms = [f"{t:.4f}" for t in (statistics.median(times), row["least"], max(times))] \
            if times else [""] * 3
        yield ",".join([work.name, name, *ms, str(len(times)),
                        f"{row['error']:.1e}" if "error" in row else "", f"{row['first']:.1f}",
                        str(row["temporaries"]), str(work.flop), str(result["bytes"]),
                        f"{result['floor']:.4f}", row["why"].replace(",", ";")])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores"


def head(contestants, args, told):
    yield f"# made by tests/bench/peers.sh, {datetime.date.today()}; {machine()}"
    clock = "processor" if os.environ.get("VKATTN_CLOCK") == "cpu" else "wall-clock"
    limits_of = "; a processor: " if clock == "processor" else "; "
    threads = int(os.environ["OMP_NUM_THREADS"])
    yield (f"# {threads} thread{'s'[:threads - 1]}, {clock} time, {args.rounds} rounds of "
           f"{args.ms:.0f} ms{limits_of}{told['flops'] / 1e9:.0f} GFLOP/s of multiply-adds, "
           f"{told['bytes'] / 1e9:.0f} GB/s")
    for who in contestants:
        yield f"# {who.name}: {who.about}"
    yield HEAD


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ms", type=float, default=60)
    parser.add_argument("--with", dest="contestants", action="append", default=[])
    parser.add_argument("--limits", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--pnnx", default="pnnx")
    parser.add_argument("--csv")
    parser.add_argument("works", nargs="*")
    return parser.parse_args()


def main():
    args = arguments()
    chosen = works.chosen(args.works)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with open(os.path.join(args.scratch, "log"), "w", encoding="utf-8") as log:
        compare_all(args, chosen, log)


def compare_all(args, chosen, log):
    limits = Contestant("limits", args.limits, log)
    limits.start()
    told = limits.ask(ROUND_S, "round", "100")
    contestants = [Contestant(*c.split("=", 1), log) for c in args.contestants]
    for who in contestants:
        who.start()
    found = []
    for work in chosen:
        start = time.monotonic()
        found.append(compare(contestants, limits, work, args))
        rows = found[-1]["rows"]
        print(f"{work.name} ({time.monotonic() - start:.0f} s):", *(
            f"{n} {statistics.median(r['rounds']):.3f}" if r["rounds"] and not r["why"]
            else f"{n} [{r['why']}]" for n, r in rows.items()), file=sys.stderr, flush=True)
    lines = [*head(contestants, args, told), *(line for r in found for line in lines_of(r))]
    for who in [*contestants, limits]:
        who.stop()
    text = "\n".join(lines) + "\n"
    if args.csv:
        with open(args.csv + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        shutil.move(args.csv + ".new", args.csv)
    else:
        print(text, end="")
    wrong = [f"{r['work'].name} on {name}: {row['why']}" for r in found
             for name, row in r["rows"].items() if name.startswith("vkattn") and row["why"]]
    if wrong:
        raise SystemExit("vkattn failed: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
