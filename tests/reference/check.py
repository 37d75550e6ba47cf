#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the definitions on case files and compares with the outputs stored in them.

Official case files (official_*.safetensors) come from the blocks' reference implementations: this
proves the definitions. With --float32 the definitions run in single precision: a case whose error
is then far above 1e-6 is badly conditioned and judges no implementation.

usage: check.py [--float32] [--bound X] CASE...
"""
import argparse
import json
import sys

import numpy as np

import cases
import safetensors


def error(got, want):
    """max|got - want| / max|want| over finite places; inf where shapes or other places differ."""
    if got.shape != want.shape:
        return np.inf
    if want.dtype.kind != "f":
        return float(not np.array_equal(got, want))
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) \
            or not np.isfinite(got[finite]).all():
        return np.inf
    if not finite.any():
        return 0.0
    got, want = got[finite].astype(np.float64), want[finite].astype(np.float64)
    return np.abs(got - want).max() / (np.abs(want).max() or 1.0)


def errors_of(path, precision):
    tensors, metadata = safetensors.read(path)
    parts = {"in": {}, "w": {}, "out": {}}
    for name, t in tensors.items():
        kind, rest = name.split(".", 1)
        parts[kind][rest] = t
    got = cases.run(metadata["block"], parts["in"], parts["w"],
                    json.loads(metadata["attrs"]), precision)
    for name, want in sorted(parts["out"].items()):
        if name not in got:
            raise ValueError(f"{path}: the definition has no output {name}")
        yield name, error(cases.stored(got[name]), cases.stored(want.data))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--bound", type=float, default=2e-6)
    parser.add_argument("case", nargs="+")
    args = parser.parse_args()
    rows = failed = 0
    for path in args.case:
        for name, err in errors_of(path, np.float32 if args.float32 else np.float64):
            bad = not err <= args.bound
            print(f"{'FAIL' if bad else 'ok  '} {path} {name} err={err:.1e}")
            rows, failed = rows + 1, failed + bad
    print(f"{rows - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
