# SPDX-License-Identifier: MIT
"""embedding: rows of a table by number, as torch.nn.Embedding."""
from draw import bf16, f16, i64

DEFAULTS = {}


def run(x, w, a):
    if x["x"].min() < 0 or x["x"].max() >= len(w["weight"]):
        raise ValueError("an id lies outside the table")
    return {"y": w["weight"][x["x"]]}


def cases(rng):
    for name, rows, width, shape in (
            ("rank_1", 11, 5, (7,)), ("rank_2", 13, 3, (2, 5)), ("rank_3", 5, 2, (2, 3, 4)),
            ("one_of_everything", 1, 1, (1,)), ("wide", 3, 131, (5,)), ("rank_0", 7, 3, ())):
        r = rng(name)
        x = r.ints(0, rows, *shape)
        if x.ndim:
            x.flat[0], x.flat[-1] = rows - 1, 0
        yield name, {"x": x}, {"weight": r.normal(rows, width)}, {}
    r = rng("ids_i64_table_f16")
    yield "ids_i64_table_f16", {"x": i64(r.ints(0, 9, 3, 3))}, {"weight": f16(r.normal(9, 4))}, {}
    r = rng("table_bf16")
    yield "table_bf16", {"x": r.ints(0, 9, 5)}, {"weight": bf16(r.normal(9, 3))}, {}
