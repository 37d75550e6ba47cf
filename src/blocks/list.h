// SPDX-License-Identifier: MIT
//
// The list of blocks: a line each, whoever includes this defines X. X(file) stands for
// src/blocks/<file>.c, whose foot has the rows. The attention blocks' files bear their ids; the
// plain blocks of a network share a few files.
X(se)
X(eca)
X(cbam)
X(gc)
X(nonlocal)
X(sdpa)
X(mha)
X(learn_to_pay_attention)
X(bam)
X(sk)
X(psa)
X(sca)
X(double_attention)
X(glore)
X(criss_cross)
X(rcca_head)
X(crow)
X(positional_encoding)
X(convolution)
X(normalization)
X(pooling)
X(activation)
X(tensor)
