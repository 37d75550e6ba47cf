# SPDX-License-Identifier: MIT
"""Recurrent cells and layer stacks, one sequence and one step at a time, and their cases' data."""
from functools import partial

import numpy as np

from common import linear, sigmoid

SUFFIXES = ("", "_reverse")


def lengths_of(x, name, n, steps):
    """The lengths among the inputs x, or all steps."""
    lengths = x.get(name, np.full(n, steps))
    if (lengths < 1).any() or (lengths > steps).any():
        raise ValueError(f"{name} {lengths.tolist()} not in 1..{steps}")
    return lengths


def tokens_of(x, name, words, lowest=0):
    """Token ids among the inputs x, of a table of so many words."""
    ids = x[name]
    if (ids < lowest).any() or (ids >= words).any():
        raise ValueError(f"{name} outside {lowest}..{words - 1}")
    return ids


# One step: x [..., I] and a state, h first

def lstm_gates(inputs, state):
    """The cell, given the sum of all that enters its gates."""
    i, f, g, o = np.split(inputs, 4, axis=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_step(w, layer, x, state):
    """Layer "l0", "l0_reverse", ..; biases and the projection may be absent."""
    inputs = linear(x, w[f"weight_ih_{layer}"], w.get(f"bias_ih_{layer}"))
    h, c = lstm_gates(inputs + linear(state[0], w[f"weight_hh_{layer}"],
                                      w.get(f"bias_hh_{layer}")), state)
    return (linear(h, w[f"weight_hr_{layer}"]) if f"weight_hr_{layer}" in w else h), c


def gru_step(w, layer, x, state):
    a = linear(x, w[f"weight_ih_{layer}"], w.get(f"bias_ih_{layer}"))
    p = linear(state[0], w[f"weight_hh_{layer}"], w.get(f"bias_hh_{layer}"))
    (ar, az, an), (pr, pz, pn) = np.split(a, 3, axis=-1), np.split(p, 3, axis=-1)
    r, z = sigmoid(ar + pr), sigmoid(az + pz)
    return ((1 - z) * np.tanh(an + r * pn) + z * state[0],)


def cho_update(inputs, recurrent, h):
    """The cell of Cho et al.; inputs and matrices in the order reset, update, candidate."""
    r = sigmoid(inputs[0] + linear(h, recurrent[0]))
    z = sigmoid(inputs[1] + linear(h, recurrent[1]))
    return z * np.tanh(inputs[2] + linear(r * h, recurrent[2])) + (1 - z) * h


def cho_step(w, layer, x, state):
    a = linear(x, w[f"weight_ih_{layer}"], w.get(f"bias_ih_{layer}"))
    a = a + w.get(f"bias_hh_{layer}", 0)
    return (cho_update(np.split(a, 3, axis=-1), np.split(w[f"weight_hh_{layer}"], 3), state[0]),)


# Layers

def direction(x, lengths, start, step, reverse):
    """One direction of one layer over [N, T, I]; start holds [N, H] for each part of the state."""
    y = np.zeros(x.shape[:2] + start[0].shape[1:], x.dtype)
    final = [np.empty_like(part) for part in start]
    for n, length in enumerate(lengths):
        state = [part[n] for part in start]
        for t in reversed(range(length)) if reverse else range(length):
            state = step(x[n, t], state)
            y[n, t] = state[0]
        for part, last in zip(final, state):
            part[n] = last
    return y, final


def stack(x, w, lengths, start, step, layers, directions=1):
    """Returns y and the final states; start and these hold [layers * directions, N, H] a part."""
    finals = []
    for layer in range(layers):
        sides = []
        for d in range(directions):
            row = [part[layer * directions + d] for part in start]
            y, final = direction(x, lengths, row, partial(step, w, f"l{layer}{SUFFIXES[d]}"), d)
            sides.append(y)
            finals.append(final)
        x = np.concatenate(sides, axis=2)
    return x, [np.stack(part) for part in zip(*finals)]


def weights(r, gates, inner, hidden, layers=1, directions=1, bias=True, proj=0):
    w = {}
    for layer in range(layers):
        for suffix in SUFFIXES[:directions]:
            name, out = f"l{layer}{suffix}", proj or hidden
            for kind, width in (("ih", inner), ("hh", out)):
                w[f"weight_{kind}_{name}"] = r.normal(gates * hidden, width,
                                                      scale=1.2 / np.sqrt(width))
                if bias:
                    w[f"bias_{kind}_{name}"] = r.normal(gates * hidden, scale=0.3)
            if proj:
                w[f"weight_hr_{name}"] = r.normal(proj, hidden, scale=1.2 / np.sqrt(hidden))
        inner = directions * out
    return w
