// SPDX-License-Identifier: MIT
//
// The list of blocks: X(file) stands for src/blocks/<file>.c, whose foot has the rows. The
// attention blocks' files bear their ids; the plain blocks of a network share a few files.
#define VKA_BLOCKS(X)                                                                              \
    X(se)
