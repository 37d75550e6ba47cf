# SPDX-License-Identifier: MIT
"""conv2d: 2-D convolution, as torch.nn.Conv2d."""
from plain import CONV_DEFAULTS, conv_cases, run_conv as run

DEFAULTS = CONV_DEFAULTS


def cases(rng):
    yield from conv_cases(rng, [
        ("defaults", (2, 5, 7, 5), (3, 5, 3, 3), {}),
        ("all_given", (1, 4, 5, 6), (6, 4, 3, 3), dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1), {}),
        ("pointwise", (2, 17, 3, 5), (19, 17, 1, 1), {}),
        ("pointwise_strided_no_bias", (1, 11, 5, 6), (7, 11, 1, 1), {"stride": 2}),
        ("stem", (1, 3, 15, 13), (5, 3, 7, 7), {"stride": 2, "padding": 3}),
        ("wide_3x3", (1, 19, 5, 5), (17, 19, 3, 3), {"padding": 1}),
        ("oblong_kernel_no_bias", (2, 3, 5, 9), (4, 3, 1, 7), {"padding": [0, 3]}),
        ("lists", (1, 3, 11, 8), (2, 3, 3, 2), {"stride": [3, 1], "padding": [2, 0],
                                                "dilation": [1, 4]}),
        ("kernel_larger_than_map", (2, 3, 1, 2), (4, 3, 5, 5), {"padding": 2}),
        ("padding_only_corner", (1, 2, 2, 2), (3, 2, 2, 2), {"padding": 4, "stride": 3}),
        ("same", (1, 3, 5, 4), (2, 3, 3, 5), {"padding": "same", "dilation": [2, 1]}),
        ("same_even_reflect", (1, 2, 5, 4), (3, 2, 2, 4), {"padding": "same",
                                                           "padding_mode": "reflect"}),
        ("valid", (1, 2, 5, 4), (3, 2, 3, 3), {"padding": "valid", "stride": 2}),
        ("groups", (2, 6, 5, 3), (9, 2, 3, 3), {"groups": 3, "padding": 1}),
        ("depthwise_no_bias", (1, 13, 7, 5), (13, 1, 3, 3), {"groups": 13, "padding": 1}),
        ("depthwise_twice_strided", (1, 5, 7, 7), (10, 1, 5, 5), {"groups": 5, "padding": 2,
                                                                  "stride": 2}),
        ("reflect", (1, 3, 4, 5), (2, 3, 3, 3), {"padding": [3, 4], "padding_mode": "reflect"}),
        ("replicate", (1, 3, 1, 5), (2, 3, 3, 3), {"padding": 2, "padding_mode": "replicate"}),
        ("circular_strided", (2, 3, 4, 5), (2, 3, 3, 3), {"padding": [4, 1], "stride": 2,
                                                          "padding_mode": "circular"}),
    ])
