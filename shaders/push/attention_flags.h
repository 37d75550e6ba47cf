// SPDX-License-Identifier: MIT
//
// What a module of attention has, and does.
#ifndef VKA_PUSH_ATTENTION_FLAGS_H
#define VKA_PUSH_ATTENTION_FLAGS_H

#define ATTENTION_CAUSAL  1u
#define ATTENTION_BIAS    2u
#define ATTENTION_MASK    4u
#define ATTENTION_REMOVES 8u // the mask's true ones
#define ATTENTION_LSE     16u
#define ATTENTION_SPLIT   32u // what it writes are sums of parts of the keys
#define ATTENTION_JOINED  64u // results are [batch, query, head, width]

#endif
