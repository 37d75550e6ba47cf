# SPDX-License-Identifier: MIT
"""conv3d: 3-D convolution, as torch.nn.Conv3d."""
from plain import CONV_DEFAULTS, conv_cases, run_conv as run

DEFAULTS = CONV_DEFAULTS


def cases(rng):
    yield from conv_cases(rng, [
        ("defaults", (2, 3, 4, 3, 5), (2, 3, 3, 3, 3), {}),
        ("all_given", (1, 2, 3, 3, 4), (3, 2, 2, 2, 2), dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1, 1), (1, 1, 1, 1, 1), {}),
        ("pointwise_no_bias", (2, 7, 2, 3, 3), (5, 7, 1, 1, 1), {}),
        ("frames_only", (1, 3, 5, 3, 2), (4, 3, 3, 1, 1), {"padding": [1, 0, 0]}),
        ("lists", (1, 2, 5, 7, 6), (3, 2, 2, 3, 2), {"stride": [1, 2, 3], "padding": [0, 1, 2],
                                                     "dilation": [3, 1, 2]}),
        ("same_even", (1, 2, 3, 4, 5), (2, 2, 2, 3, 4), {"padding": "same"}),
        ("valid", (1, 2, 3, 4, 5), (2, 2, 3, 3, 3), {"padding": "valid"}),
        ("groups_strided", (2, 6, 3, 5, 5), (4, 3, 3, 3, 3), {"groups": 2, "padding": 1,
                                                             "stride": 2}),
        ("depthwise_no_bias", (1, 5, 3, 3, 4), (5, 1, 3, 3, 3), {"groups": 5, "padding": 1}),
        ("reflect", (1, 2, 2, 3, 4), (2, 2, 3, 3, 3), {"padding": [1, 2, 3],
                                                      "padding_mode": "reflect"}),
        ("replicate", (1, 2, 1, 3, 2), (2, 2, 3, 3, 3), {"padding": 2,
                                                        "padding_mode": "replicate"}),
        ("circular", (1, 2, 2, 3, 3), (2, 2, 3, 3, 3), {"padding": [2, 1, 3],
                                                       "padding_mode": "circular"}),
    ])
