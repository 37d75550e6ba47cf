# SPDX-License-Identifier: MIT
"""conv1d: 1-D convolution, as torch.nn.Conv1d."""
from plain import CONV_DEFAULTS, conv_cases, run_conv as run

DEFAULTS = CONV_DEFAULTS


def cases(rng):
    yield from conv_cases(rng, [
        ("defaults", (2, 5, 11), (3, 5, 3), {}),
        ("all_given", (1, 4, 9), (6, 4, 3), dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1), (1, 1, 1), {}),
        ("strided_no_bias", (2, 3, 13), (4, 3, 5), {"stride": 3, "padding": 2}),
        ("lists", (1, 3, 13), (2, 3, 3), {"stride": [2], "padding": [3], "dilation": [2]}),
        ("same_even_kernel", (2, 3, 7), (5, 3, 4), {"padding": "same"}),
        ("same_dilated_circular", (1, 2, 9), (3, 2, 4), {"padding": "same", "dilation": 3,
                                                         "padding_mode": "circular"}),
        ("valid", (1, 7, 6), (2, 7, 6), {"padding": "valid"}),
        ("groups", (2, 6, 7), (9, 2, 3), {"groups": 3, "padding": 1}),
        ("depthwise_no_bias", (1, 7, 10), (7, 1, 5), {"groups": 7, "padding": 2}),
        ("reflect", (1, 3, 6), (2, 3, 3), {"padding": 5, "padding_mode": "reflect"}),
        ("replicate", (1, 3, 2), (2, 3, 3), {"padding": 4, "padding_mode": "replicate"}),
        ("circular", (1, 3, 5), (2, 3, 3), {"padding": 5, "padding_mode": "circular"}),
    ])
