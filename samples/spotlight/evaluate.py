# SPDX-License-Identifier: MIT
"""Measures the spotlight sample on pictures that training never saw.

    python3 evaluate.py make FOLDER [--count 1000] [--size 128]   pictures and FOLDER/truth.jsonl
    python3 evaluate.py score FOLDER/truth.jsonl RESULTS          compares a line of JSON a picture
    python3 evaluate.py torch [--count 1000] [--size 128]         the same through PyTorch

RESULTS (`-`: standard input) has lines {"file", "class", "probability", "peak": [y, x]}, as the
sample prints them with --json. A picture without a line counts as wrong. `score` and `torch` exit
with 1 below --accuracy or --hits. Only `torch` needs PyTorch.
"""
import argparse
import json
import os
import sys

import files
import scene

HERE = os.path.dirname(os.path.abspath(__file__))
UNSEEN = 1_000_000  # training counts its seeds up from 0 and stays far below


def entry(index, made):
    return {"file": f"{index:05d}.png", "class": scene.CLASSES[made.label], "box": list(made.box)}


def make(args):
    os.makedirs(args.folder, exist_ok=True)
    lines = []
    for index in range(args.count):
        made = scene.scene(UNSEEN + index, args.size)
        truth = entry(index, made)
        files.write_png(os.path.join(args.folder, truth["file"]), made.picture)
        lines.append(json.dumps(truth) + "\n")
    files.write_bytes(os.path.join(args.folder, "truth.jsonl"), "".join(lines).encode())
    print(f"{args.count} pictures and truth.jsonl in {args.folder}")
    return 0


def read_lines(path):
    """The JSON objects of a file, by the last part of their "file"."""
    table = {}
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                table[os.path.basename(value["file"])] = value
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}:{number}: not a line of results: {error!r}") from error
    return table


def hit(box, peak):
    return box[0] <= peak[0] < box[2] and box[1] <= peak[1] < box[3]


def report(truth, results, args):
    """Prints accuracy and hit rate, which classes were told wrongly; returns the exit code."""
    right = hits = absent = 0
    wrong = {}
    for name, wanted in truth.items():
        got = results.get(name)
        if got is None:
            absent += 1
            continue
        hits += hit(wanted["box"], got["peak"])
        if got["class"] == wanted["class"]:
            right += 1
        else:
            pair = f"{wanted['class']} as {got['class']}"
            wrong[pair] = wrong.get(pair, 0) + 1
    count = len(truth)
    if absent:
        print(f"{absent} pictures have no result")
    for pair, times in sorted(wrong.items(), key=lambda item: -item[1]):
        print(f"  {pair}: {times}")
    print(f"{count} pictures: accuracy {right / count:.3f}, peak inside the box {hits / count:.3f}")
    return 0 if right / count >= args.accuracy and hits / count >= args.hits else 1


def score(args):
    truth, results = read_lines(args.truth), read_lines(args.results)
    if not truth:
        raise ValueError(f"{args.truth}: holds no pictures")
    surplus = sorted(set(results) - set(truth))
    if surplus:
        raise ValueError(f"{args.results}: {surplus[0]} is not in {args.truth}")
    for name, value in results.items():
        peak = value.get("peak")
        if "class" not in value or not isinstance(peak, list) or len(peak) != 2:
            raise ValueError(f"{args.results}: {name}: no class, or a peak that is not [y, x]")
    return report(truth, results, args)


def through_torch(args):
    import torch  # only this mode needs it
    import network
    torch.set_num_threads(1)
    net = network.Network().read(args.weights).eval()
    truth, results = {}, {}
    for index in range(args.count):
        made = scene.scene(UNSEEN + index, args.size)
        wanted = entry(index, made)
        with torch.no_grad():
            out = net(network.prepare(made.picture[None]))
        best = int(out["y"].argmax())
        peak = network.peaks(out["map"], *made.picture.shape[:2])[0].tolist()
        truth[wanted["file"]] = wanted
        results[wanted["file"]] = {"class": scene.CLASSES[best], "peak": peak}
    return report(truth, results, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    parts = {"make": make, "score": score, "torch": through_torch}
    commands = {name: modes.add_parser(name) for name in parts}
    commands["make"].add_argument("folder")
    commands["score"].add_argument("truth")
    commands["score"].add_argument("results")
    commands["torch"].add_argument("--weights", default=os.path.join(HERE, "spotlight.safetensors"))
    for name in ("make", "torch"):
        commands[name].add_argument("--count", type=int, default=1000)
        commands[name].add_argument("--size", type=int, default=128)
    for name in ("score", "torch"):
        commands[name].add_argument("--accuracy", type=float, default=0.0,
                                    help="least share wanted")
        commands[name].add_argument("--hits", type=float, default=0.0,
                                    help="least share wanted")
    args = parser.parse_args()
    try:
        return parts[args.mode](args)
    except (OSError, ValueError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
