// SPDX-License-Identifier: MIT
//
// Tensors that lie in a file otherwise than a block wants them: transposed, or parted into a
// direction and a length.
#include "io/weights.h"

#include <math.h>
#include <string.h>

const char *vka_form_name(enum vka_form form)
{
    static const char *const names[] = {[VKA_FORM_PLAIN] = "as it is",
                                        [VKA_FORM_TRANSPOSED] = "transposed",
                                        [VKA_FORM_NORMED] = "parted into direction and length",
                                        [VKA_FORM_SPECTRAL] = "divided by its singular value"};
    return names[form];
}

vka_shape vka_form_shape(enum vka_form form, const vka_shape *shape)
{
    vka_shape turned = *shape;
    int kernel = shape->rank - 2;
    if (form != VKA_FORM_TRANSPOSED || kernel < 0)
        return turned;
    turned.dim[0] = shape->dim[kernel + 1];
    turned.dim[1] = shape->dim[kernel];
    memcpy(turned.dim + 2, shape->dim, (size_t)kernel * sizeof *turned.dim);
    return turned;
}

vka_shape vka_form_shape_back(enum vka_form form, const vka_shape *shape)
{
    vka_shape turned = *shape;
    int kernel = shape->rank - 2;
    if (form != VKA_FORM_TRANSPOSED || kernel < 0)
        return turned;
    memcpy(turned.dim, shape->dim + 2, (size_t)kernel * sizeof *turned.dim);
    turned.dim[kernel] = shape->dim[1];
    turned.dim[kernel + 1] = shape->dim[0];
    return turned;
}

// [kernel, in, out] to [out, in, kernel].
static bool transpose(vka_context *context, const vka_shape *shape, float *data, uint64_t count)
{
    if (shape->rank < 2 || count == 0)
        return true;
    uint64_t out = (uint64_t)shape->dim[shape->rank - 1],
             in = (uint64_t)shape->dim[shape->rank - 2];
    uint64_t kernel = count / out / in;
    float *turned = vka_alloc_data(context, count * sizeof *turned);
    if (!turned)
        return false;
    for (uint64_t k = 0; k < kernel; k++) {
        for (uint64_t i = 0; i < in; i++) {
            for (uint64_t o = 0; o < out; o++)
                turned[(o * in + i) * kernel + k] = data[(k * in + i) * out + o];
        }
    }
    memcpy(data, turned, count * sizeof *turned);
    vka_free_data(context, turned);
    return true;
}

static double norm(const float *x, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static void scale(float *data, uint64_t count, double factor)
{
    for (uint64_t i = 0; i < count; i++)
        data[i] = (float)(data[i] * factor);
}

// The singular value by one step of the power iteration from u [rows]: v = M^T u of length 1, then
// the length of M v (u' M v for u' along M v).
static bool largest(vka_context *context, const float *m, uint64_t count, const float *u,
                    uint64_t rows, double *value)
{
    uint64_t columns = count / rows;
    double *v = vka_alloc_data(context, columns * sizeof *v), length = 0, sum = 0;
    if (!v)
        return false;
    for (uint64_t c = 0; c < columns; c++) {
        v[c] = 0;
        for (uint64_t r = 0; r < rows; r++)
            v[c] += (double)m[r * columns + c] * u[r];
        length += v[c] * v[c];
    }
    length = fmax(sqrt(length), 1e-12);
    for (uint64_t r = 0; r < rows; r++) {
        double row = 0;
        for (uint64_t c = 0; c < columns; c++)
            row += m[r * columns + c] * (v[c] / length);
        sum += row * row;
    }
    *value = sum / fmax(sqrt(sum), 1e-12);
    vka_free_data(context, v);
    return true;
}

bool vka_form_apply(vka_context *context, const struct vka_weight_entry *entry, float *data,
                    uint64_t count, const float *partner)
{
    double value;
    switch (entry->form) {
    case VKA_FORM_PLAIN:
        break;
    case VKA_FORM_TRANSPOSED:
        return transpose(context, &entry->shape, data, count);
    case VKA_FORM_NORMED:
        scale(data, count, partner[0] / norm(data, count));
        break;
    case VKA_FORM_SPECTRAL:
        if (!largest(context, data, count, partner, (uint64_t)entry->shape.dim[0], &value))
            return false;
        scale(data, count, 1 / value);
        break;
    }
    return true;
}
