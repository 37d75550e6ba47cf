// SPDX-License-Identifier: MIT
//
// .npy files: "\x93NUMPY", a version, the size of the header, the header (a Python dictionary as
// text), the data. numpy.lib.format describes them.
#include "cli/npy.h"

#include "io/json.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 6, PREFIX_1 = 10, PREFIX_2 = 12, ALIGNMENT = 64, DOUBLE_SIZE = 8 };

static const char magic[] = "\x93NUMPY";

// As NumPy names them; "|" stands where the order of bytes has no meaning.
static const struct {
    const char *name;
    vka_dtype dtype;
    size_t size;
} types[] = {{"<f4", VKA_F32, 4},          {"<f2", VKA_F16, 2}, {"<i4", VKA_I32, 4},
             {"<i8", VKA_I64, 8},          {"|u1", VKA_U8, 1},  {"|b1", VKA_BOOL, 1},
             {"<f8", VKA_F32, DOUBLE_SIZE}};

struct header {
    const char *at, *end;
    char type[16];
    bool fortran;
    vka_shape shape;
};

// --- the header's text ---

static int next(struct header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t'))
        h->at++;
    return h->at < h->end ? (unsigned char)*h->at : -1;
}

static bool take(struct header *h, char c)
{
    if (next(h) != c)
        return false;
    h->at++;
    return true;
}

static bool take_text(struct header *h, char *out, size_t size)
{
    int quote = next(h);
    size_t n = 0;
    if (quote != '\'' && quote != '"')
        return false;
    for (h->at++; h->at < h->end && *h->at != quote; h->at++) {
        if (n + 1 == size || *h->at == '\\')
            return false;
        out[n++] = *h->at;
    }
    out[n] = '\0';
    return take(h, (char)quote);
}

static bool take_bool(struct header *h, bool *out)
{
    const char *word = (*out = next(h) == 'T') ? "True" : "False";
    size_t size = strlen(word);
    if ((size_t)(h->end - h->at) < size || memcmp(h->at, word, size) != 0)
        return false;
    h->at += size;
    return true;
}

static bool take_size(struct header *h, int64_t *out)
{
    int c = next(h);
    if (c < '0' || c > '9')
        return false;
    for (*out = 0; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
        if (*out > (INT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (*h->at - '0');
    }
    return true;
}

static bool take_shape(struct header *h)
{
    h->shape.rank = 0;
    if (!take(h, '('))
        return false;
    while (next(h) != ')') {
        if (h->shape.rank == VKA_MAX_RANK || !take_size(h, &h->shape.dim[h->shape.rank++]))
            return false;
        if (!take(h, ',') && next(h) != ')')
            return false;
    }
    return take(h, ')');
}

// Each of the three keys once.
static bool take_header(struct header *h)
{
    char key[32] = "";
    unsigned seen = 0;
    if (!take(h, '{'))
        return false;
    while (next(h) != '}') {
        bool good = take_text(h, key, sizeof key) && take(h, ':');
        unsigned bit = strcmp(key, "descr") == 0 ? 1 : strcmp(key, "fortran_order") == 0 ? 2 : 4;
        if (!good || seen & bit || (bit == 4 && strcmp(key, "shape") != 0))
            return false;
        seen |= bit;
        good = bit == 1   ? take_text(h, h->type, sizeof h->type)
               : bit == 2 ? take_bool(h, &h->fortran)
                          : take_shape(h);
        if (!good || (!take(h, ',') && next(h) != '}'))
            return false;
    }
    return take(h, '}') && next(h) < 0 && seen == 7;
}

// --- reading ---

static vka_result bad(vka_context *context, const char *path, const char *what)
{
    return vka_error(context, VKA_ERROR_FORMAT, "%s: %s", path, what);
}

// Where the header's text begins and ends.
static bool find_header(const struct vka_file *file, struct header *h)
{
    const unsigned char *bytes = file->data;
    if (file->size < PREFIX_1 || memcmp(bytes, magic, MAGIC) != 0 || bytes[MAGIC] < 1 ||
        bytes[MAGIC] > 3)
        return false;
    uint64_t prefix = bytes[MAGIC] == 1 ? PREFIX_1 : PREFIX_2;
    if (file->size < prefix)
        return false;
    uint64_t size = bytes[8] | (uint64_t)bytes[9] << 8;
    if (prefix == PREFIX_2)
        size |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (size > file->size - prefix)
        return false;
    h->at = (const char *)bytes + prefix;
    h->end = h->at + size;
    return true;
}

static vka_result narrow(vka_context *context, struct vka_npy *npy, uint64_t count)
{
    const unsigned char *from = npy->data;
    float *to = vka_alloc(context, count, sizeof *to);
    if (!to)
        return vka_out_of_memory_for(context, "doubles as floats");
    for (uint64_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, from + i * DOUBLE_SIZE, sizeof value);
        to[i] = (float)value;
    }
    npy->data = npy->converted = to;
    npy->bytes = count * sizeof *to;
    return VKA_OK;
}

static vka_result read_array(vka_context *context, const char *path, struct vka_npy *npy)
{
    struct header h = {0};
    char quoted[VKA_JSON_QUOTED];
    uint64_t count, bytes;
    size_t t = 0;
    if (!find_header(&npy->file, &h))
        return bad(context, path, "not a .npy file, or cut off");
    const char *data = h.end;
    if (!take_header(&h))
        return bad(context, path, "a malformed .npy header, or more than 8 axes");
    while (t < VKA_COUNT(types) && strcmp(types[t].name, h.type) != 0)
        t++;
    if (t == VKA_COUNT(types))
        return vka_error(
            context, VKA_ERROR_UNSUPPORTED,
            "%s: elements of type %s; <f2, <f4, <f8, <i4, <i8, |u1 and |b1 can be used", path,
            vka_json_quote(h.type, quoted));
    if (h.fortran && h.shape.rank > 1)
        return vka_error(context, VKA_ERROR_UNSUPPORTED,
                         "%s: in Fortran's order; save numpy.ascontiguousarray(..) of it", path);
    if (!vka_shape_count(&h.shape, &count) || !vka_mul_size(count, types[t].size, &bytes) ||
        bytes != npy->file.size - (uint64_t)(data - (const char *)npy->file.data))
        return bad(context, path, "the shape and the size of the .npy file don't fit together");
    npy->dtype = types[t].dtype;
    npy->shape = h.shape;
    npy->data = data;
    npy->bytes = bytes;
    return types[t].size == DOUBLE_SIZE && npy->dtype == VKA_F32 ? narrow(context, npy, count)
                                                                 : VKA_OK;
}

vka_result vka_npy_read(vka_context *context, const char *path, struct vka_npy *npy)
{
    memset(npy, 0, sizeof *npy);
    vka_result result = vka_file_open(context, path, &npy->file);
    if (result != VKA_OK)
        return result;
    result = read_array(context, path, npy);
    if (result != VKA_OK)
        vka_npy_free(context, npy);
    return result;
}

void vka_npy_free(vka_context *context, struct vka_npy *npy)
{
    vka_file_close(context, &npy->file);
    vka_free(context, npy->converted);
    memset(npy, 0, sizeof *npy);
}

// --- writing ---

// The whole header with the prefix, filled up so that the data is aligned; its size.
static size_t make_header(char *out, size_t size, const char *type, const vka_shape *shape)
{
    size_t at = PREFIX_1;
    at += (size_t)snprintf(out + at, size - at,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int i = 0; i < shape->rank; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%lld", i ? ", " : "",
                               (long long)shape->dim[i]);
    at += (size_t)snprintf(out + at, size - at, shape->rank == 1 ? ",), }" : "), }");
    while ((at + 1) % ALIGNMENT)
        out[at++] = ' ';
    out[at++] = '\n';
    memcpy(out, magic, MAGIC);
    out[MAGIC] = 1;
    out[MAGIC + 1] = 0;
    out[MAGIC + 2] = (char)((at - PREFIX_1) & 0xff);
    out[MAGIC + 3] = (char)((at - PREFIX_1) >> 8);
    return at;
}

vka_result vka_npy_write(vka_context *context, const char *path, vka_dtype dtype,
                         const vka_shape *shape, const void *data)
{
    char header[512];
    struct vka_sink sink;
    uint64_t bytes;
    size_t t = 0;
    while (t < VKA_COUNT(types) && types[t].dtype != dtype)
        t++;
    if (t == VKA_COUNT(types) || !vka_shape_count(shape, &bytes) ||
        !vka_mul_size(bytes, types[t].size, &bytes))
        return vka_error(context, VKA_ERROR_INVALID, "%s: %s can't be written as .npy", path,
                         vka_dtype_name(dtype));
    vka_result result = vka_sink_open(context, path, &sink);
    if (result != VKA_OK)
        return result;
    result =
        vka_sink_write(&sink, header, make_header(header, sizeof header, types[t].name, shape));
    if (result == VKA_OK)
        result = vka_sink_write(&sink, data, bytes);
    if (result == VKA_OK)
        return vka_sink_commit(&sink);
    vka_sink_discard(&sink);
    return result;
}
