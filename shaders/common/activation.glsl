// SPDX-License-Identifier: MIT
//
// vka_activate(kind, x, a, b) and the functions behind it. `kind` is a specialization constant of
// the shader: the others' code goes when the pipeline is made.
#include "scalar.h"
