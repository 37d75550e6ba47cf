// SPDX-License-Identifier: MIT
//
// Convolutions of few channels for the instruction set of the file that includes this: vectors of
// an output's lines, wherever they lie, are made together and stored where they belong; and the
// copies with margins that they read. The sizes are those of gemm_kernel.h, which comes first.
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { FEW_VECTORS = 2 };

// Vectors that are made together.
struct spots {
    const float *b[STRIP_VECTORS];
    float *c[STRIP_VECTORS];
    lanes_t some[STRIP_VECTORS];
};

// Vectors from `first` on; `rows` and `vectors` are constants where this is called.
INLINE void lines_body(int rows, int vectors, const struct vka_lines *t, const struct spots *s,
                       int first)
{
    vec sum[VKA_STRIP_ROWS][STRIP_VECTORS];
    const float *b[STRIP_VECTORS];
    UNROLL for (int j = 0; j < vectors; j++)
    {
        b[j] = s->b[first + j];
        UNROLL for (int i = 0; i < rows; i++)
        {
            sum[i][j] = v_zero();
        }
    }
    const float *a = t->a;
    for (int64_t kk = 0, at = 0; kk < t->k; kk++, at += t->b_step) {
        for (int n = 0; n < t->taps; n++, a += t->a_step) {
            vec bv[STRIP_VECTORS];
            UNROLL for (int j = 0; j < vectors; j++)
            {
                bv[j] = v_load(b[j] + at + t->tap[n]);
            }
            UNROLL for (int i = 0; i < rows; i++)
            {
                vec av = v_set(a[i]);
                UNROLL for (int j = 0; j < vectors; j++)
                {
                    sum[i][j] = v_fma(av, bv[j], sum[i][j]);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        vec bias = t->bias ? v_set(t->bias[i * t->bias_step]) : v_zero();
        UNROLL for (int j = 0; j < vectors; j++)
        {
            vec y = sum[i][j];
            if (t->bias)
                y += bias;
            if (t->relu)
                y = v_max(v_zero(), y); // keeps NaN: it is the second operand
            v_store_some(s->c[first + j] + i * t->c_row, y, s->some[first + j]);
        }
    }
}

#define LINES(rows, vectors)                                                                       \
    KERNEL static void lines_##rows##_##vectors(const struct vka_lines *t, const struct spots *s,  \
                                                int first)                                         \
    {                                                                                              \
        lines_body(rows, vectors, t, s, first);                                                    \
    }
#define EACH_LINES(X) X(1) X(2) X(3) X(4)
#define ALL_LINES(rows)                                                                            \
    LINES(rows, 1)                                                                                 \
    LINES(rows, FEW_VECTORS)                                                                       \
    LINES(rows, STRIP_VECTORS)
#define LINES_NAMES(rows)                                                                          \
    {lines_##rows##_1, lines_##rows##_FEW_VECTORS, lines_##rows##_STRIP_VECTORS},
EACH_LINES(ALL_LINES)
typedef void (*lines_fn)(const struct vka_lines *t, const struct spots *s, int first);
static const lines_fn lines_sizes[VKA_STRIP_ROWS][3] = {EACH_LINES(LINES_NAMES)};

// The vectors that are there.
KERNEL static void make_spots(int rows, const struct vka_lines *t, const struct spots *s, int count)
{
    const lines_fn *size = lines_sizes[rows - 1];
    int first = 0;
    if (count == STRIP_VECTORS) {
        size[2](t, s, 0);
        return;
    }
    for (; first + FEW_VECTORS <= count; first += FEW_VECTORS)
        size[1](t, s, first);
    if (first < count)
        size[0](t, s, first);
}

KERNEL static void lines(int rows, const struct vka_lines *t)
{
    struct spots s;
    int count = 0;
    for (int64_t line = 0; line < t->lines; line++) {
        const float *b = t->b + line * t->b_line;
        float *c = t->c + line * t->c_line;
        for (int64_t at = 0; at < t->length; at += LANES) {
            int64_t left = t->length - at;
            s.b[count] = b + at;
            s.c[count] = c + at;
            s.some[count++] = v_first(left < LANES ? left : LANES);
            if (count == STRIP_VECTORS) {
                make_spots(rows, t, &s, count);
                count = 0;
            }
        }
    }
    make_spots(rows, t, &s, count);
}

// --- copies with margins ---

// At least `count` floats from p on.
INLINE void clear(float *p, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES)
        v_store(p + i, v_zero());
}

KERNEL static void pad(const struct vka_pad *p)
{
    const float *x = p->x;
    float *to = p->to;
    for (int64_t line = 0; line < p->lines; line++, to += p->size) { // each over the last one's end
        if (line < p->top || line >= p->top + p->count) {
            clear(to, p->size);
            continue;
        }
        clear(to, p->left);
        int64_t i = 0;
        for (; i + LANES <= p->inside; i += LANES)
            v_store(to + p->left + i, v_load(x + i));
        if (i < p->inside)
            v_store(to + p->left + i, v_load_some(x + i, v_first(p->inside - i)));
        clear(to + p->left + p->inside, p->size - p->left - p->inside);
        x += p->x_line;
    }
}
