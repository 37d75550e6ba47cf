// SPDX-License-Identifier: MIT
#include "blocks/select.h"

vka_tensor vka_numbers(vka_graph *g, int64_t first, int64_t step, int64_t count)
{
    vka_shape shape = VKA_SHAPE(count);
    int64_t last = first + step * (count - 1);
    if (vka_failed(g))
        return 0;
    if (count > INT32_MAX || last > INT32_MAX)
        return vka_fail(g, "numbers up to %lld don't fit in 32 bits", (long long)last);
    int32_t *v = vka_pool_alloc(g, (size_t)count * sizeof *v);
    for (int64_t i = 0; v && i < count; i++)
        v[i] = (int32_t)(first + step * i);
    return v ? vka_constant(g, VKA_I32, &shape, v) : 0;
}

vka_tensor vka_rows_of_each(vka_graph *g, vka_tensor t, vka_tensor ids)
{
    int64_t n = vka_dim(g, t, 0), rows = vka_dim(g, t, 1);
    vka_tensor start = vka_unsqueeze(g, vka_numbers(g, 0, rows, n), 1);
    return vka_gather_known(g, vka_flatten(g, t, 0, 1), vka_add(g, start, ids));
}
