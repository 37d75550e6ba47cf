// SPDX-License-Identifier: MIT
//
// The strict safetensors reader. The header is gone through twice: once to check it and to count,
// once to fill arrays of exactly that size. The text is trusted neither time: another process may
// write to a mapped file meanwhile.
#include "io/safetensors.h"

#include "io/file.h"
#include "io/json.h"
#include "util/sort.h"

#include <stdio.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the data of safetensors files is used in place: a little-endian machine is needed"
#endif

enum { PREFIX = 8, MAX_HEADER = 100000000 };

static const struct {
    const char *name;
    unsigned bits;
    int dtype;
} types[] = {
#define TYPE_ROW(name, bits, dtype) {#name, bits, dtype},
    VKA_SAFETENSORS_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

// Kept small: the shortest text of a tensor in a header is longer than this and its name.
struct entry {
    uint64_t begin, end; // from the start of the data
    uint32_t name;       // where it is in `strings`
    uint32_t shape;      // where its list begins in the header
    uint8_t type;
};

struct vka_safetensors {
    vka_context *context;
    char *path;
    struct vka_file file;
    const char *header, *data;
    size_t header_size;
    char *strings; // names; then metadata, each key before its value
    size_t string_bytes, string_used;
    struct entry *entries; // by name
    size_t count, used;
    uint32_t *metadata; // where a key is in `strings`; by key
    size_t metadata_count, metadata_used;
};

// What the JSON text of one tensor says.
struct row {
    unsigned type;
    vka_shape shape;
    size_t shape_at;
    uint64_t begin, end;
};

// --- errors ---

static vka_result broken(const struct vka_safetensors *f, const char *name, const char *what)
{
    char quoted[VKA_JSON_QUOTED];
    return vka_error(f->context, VKA_ERROR_FORMAT, "%s: tensor %s: %s", f->path,
                     vka_json_quote(name, quoted), what);
}

static vka_result json_error(const struct vka_safetensors *f, const struct vka_json *j)
{
    return vka_error(f->context, VKA_ERROR_FORMAT, "%s: the header is malformed at byte %zu: %s",
                     f->path, j->error_at + PREFIX, j->error);
}

static const char *shown(const struct vka_json_value *string, char quoted[VKA_JSON_QUOTED])
{
    char plain[VKA_JSON_QUOTED] = "a long name";
    if (string->length < sizeof plain)
        vka_json_string(string, plain);
    return vka_json_quote(plain, quoted);
}

// --- one tensor's text ---

static bool read_size(struct vka_json *j, uint64_t *out)
{
    struct vka_json_value value;
    if (!vka_json_value(j, &value))
        return false;
    if (value.kind != VKA_JSON_INT || value.negative) {
        vka_json_fail(j, value.at, "an integer of 0 or more is wanted");
        return false;
    }
    *out = (uint64_t)value.i;
    return true;
}

// The rank may be more than a vka_shape holds; the sizes past that are read and left out.
static bool read_shape(struct vka_json *j, vka_shape *shape)
{
    shape->rank = 0;
    if (!vka_json_open(j, VKA_JSON_LIST))
        return false;
    for (bool first = true; vka_json_item(j, &first);) {
        uint64_t size = 0;
        if (!read_size(j, &size))
            break;
        if (shape->rank < VKA_MAX_RANK)
            shape->dim[shape->rank] = (int64_t)size;
        if (shape->rank <= VKA_MAX_RANK)
            shape->rank++;
    }
    return !j->error;
}

static bool read_offsets(struct vka_json *j, struct row *row)
{
    bool first = true;
    if (!vka_json_open(j, VKA_JSON_LIST))
        return false;
    bool two = vka_json_item(j, &first) && read_size(j, &row->begin) && vka_json_item(j, &first) &&
               read_size(j, &row->end) && !vka_json_item(j, &first);
    if (!two)
        vka_json_fail(j, j->at, "data_offsets are two integers");
    return !j->error;
}

static bool read_type(struct vka_json *j, struct row *row)
{
    struct vka_json_value value;
    if (!vka_json_value(j, &value))
        return false;
    if (value.kind != VKA_JSON_STRING) {
        vka_json_fail(j, value.at, "dtype is a string");
        return false;
    }
    row->type = 0;
    while (row->type < VKA_COUNT(types) && !vka_json_is(&value, types[row->type].name))
        row->type++;
    return true;
}

// The three keys, each once, in any order.
static bool read_row(struct vka_json *j, struct row *row)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    struct vka_json_value key;
    unsigned seen = 0;
    size_t at = j->at;
    if (!vka_json_open(j, VKA_JSON_OBJECT))
        return false;
    for (bool first = true; vka_json_key(j, &first, &key);) {
        unsigned k = 0;
        while (k < VKA_COUNT(keys) && !vka_json_is(&key, keys[k]))
            k++;
        if (k == VKA_COUNT(keys))
            vka_json_fail(j, key.at, "a key that a tensor doesn't have");
        else if (seen & 1u << k)
            vka_json_fail(j, key.at, "a key that stands twice");
        seen |= 1u << k;
        row->shape_at = k == 1 ? j->at : row->shape_at;
        if (k == 0)
            read_type(j, row);
        else if (k == 1)
            read_shape(j, &row->shape);
        else if (k == 2)
            read_offsets(j, row);
    }
    if (seen != 7)
        vka_json_fail(j, at, "a tensor needs dtype, shape and data_offsets");
    return !j->error;
}

// Bytes of a tensor; false where bits don't make whole bytes, or on overflow. A size of 0 doesn't
// excuse an overflow before it.
static bool row_bytes(const struct row *row, uint64_t *bytes)
{
    uint64_t bits;
    if (!vka_shape_count(&row->shape, &bits) || !vka_mul_size(bits, types[row->type].bits, &bits))
        return false;
    *bytes = bits / 8;
    return bits % 8 == 0;
}

static vka_result check_row(const struct vka_safetensors *f, const struct vka_json_value *key,
                            const struct row *row)
{
    char quoted[VKA_JSON_QUOTED];
    const char *what = NULL;
    uint64_t bytes;
    if (row->type == VKA_COUNT(types))
        return vka_error(f->context, VKA_ERROR_UNSUPPORTED, "%s: tensor %s: unknown dtype", f->path,
                         shown(key, quoted));
    if (row->shape.rank > VKA_MAX_RANK)
        return vka_error(f->context, VKA_ERROR_UNSUPPORTED, "%s: tensor %s: more than %d axes",
                         f->path, shown(key, quoted), VKA_MAX_RANK);
    if (!row_bytes(row, &bytes))
        what = "its size overflows or isn't in whole bytes";
    else if (row->end < row->begin || row->end - row->begin != bytes)
        what = "data_offsets don't fit the shape";
    if (!what)
        return VKA_OK;
    return vka_error(f->context, VKA_ERROR_FORMAT, "%s: tensor %s: %s", f->path, shown(key, quoted),
                     what);
}

// --- the header: once to count, once to fill ---

static bool filling(const struct vka_safetensors *f)
{
    return f->entries != NULL;
}

static bool put_string(struct vka_safetensors *f, const struct vka_json_value *value)
{
    size_t size = value->length + 1;
    if (filling(f)) {
        if (size > f->string_bytes - f->string_used)
            return false;
        vka_json_string(value, f->strings + f->string_used);
    }
    f->string_used += size;
    return true;
}

static vka_result changed(const struct vka_safetensors *f)
{
    return vka_error(f->context, VKA_ERROR_FORMAT, "%s: the file changed while it was read",
                     f->path);
}

static vka_result read_metadata(struct vka_safetensors *f, struct vka_json *j)
{
    struct vka_json_value key, value;
    if (!vka_json_open(j, VKA_JSON_OBJECT))
        return json_error(f, j);
    for (bool first = true; vka_json_key(j, &first, &key);) {
        size_t at = f->string_used;
        if (!vka_json_value(j, &value))
            break;
        if (value.kind != VKA_JSON_STRING) {
            vka_json_fail(j, value.at, "metadata is a string");
            break;
        }
        if (filling(f) && f->metadata_used == f->metadata_count)
            return changed(f);
        if (!put_string(f, &key) || !put_string(f, &value))
            return changed(f);
        if (filling(f))
            f->metadata[f->metadata_used] = (uint32_t)at;
        f->metadata_used++;
    }
    return j->error ? json_error(f, j) : VKA_OK;
}

static vka_result read_tensor(struct vka_safetensors *f, struct vka_json *j,
                              const struct vka_json_value *key)
{
    struct row row = {0};
    size_t at = f->string_used;
    if (!read_row(j, &row))
        return json_error(f, j);
    vka_result result = check_row(f, key, &row);
    if (result != VKA_OK)
        return result;
    if ((filling(f) && f->used == f->count) || !put_string(f, key))
        return changed(f);
    if (filling(f))
        f->entries[f->used] = (struct entry){row.begin, row.end, (uint32_t)at,
                                             (uint32_t)row.shape_at, (uint8_t)row.type};
    f->used++;
    return VKA_OK;
}

static vka_result read_header(struct vka_safetensors *f)
{
    struct vka_json j;
    struct vka_json_value key;
    bool metadata = false;
    vka_json_start(&j, f->header, f->header_size);
    if (f->header_size == 0 || f->header[0] != '{')
        return vka_error(f->context, VKA_ERROR_FORMAT, "%s: the header doesn't begin with '{'",
                         f->path);
    vka_json_open(&j, VKA_JSON_OBJECT);
    for (bool first = true; vka_json_key(&j, &first, &key);) {
        vka_result result;
        if (!vka_json_is(&key, "__metadata__"))
            result = read_tensor(f, &j, &key);
        else if (metadata)
            return vka_error(f->context, VKA_ERROR_FORMAT, "%s: __metadata__ stands twice",
                             f->path);
        else
            result = (metadata = true, read_metadata(f, &j));
        if (result != VKA_OK)
            return result;
    }
    for (; !j.error && j.at < j.size; j.at++) {
        if (j.text[j.at] != ' ')
            vka_json_fail(&j, j.at, "only spaces may follow the end");
    }
    return j.error ? json_error(f, &j) : VKA_OK;
}

static vka_result allocate(struct vka_safetensors *f)
{
    f->string_bytes = f->string_used;
    f->count = f->used;
    f->metadata_count = f->metadata_used;
    f->string_used = f->used = f->metadata_used = 0;
    f->entries = vka_alloc(f->context, f->count, sizeof *f->entries);
    f->strings = vka_alloc(f->context, f->string_bytes, 1);
    f->metadata = vka_alloc(f->context, f->metadata_count, sizeof *f->metadata);
    return f->entries && f->strings && f->metadata
               ? VKA_OK
               : vka_out_of_memory_for(f->context, "the header of %s", f->path);
}

// --- what goes for all tensors together ---

static int by_offset(const void *user, const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    (void)user;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *user, const void *a, const void *b)
{
    const char *strings = user;
    return strcmp(strings + ((const struct entry *)a)->name,
                  strings + ((const struct entry *)b)->name);
}

static int by_key(const void *user, const void *a, const void *b)
{
    const char *strings = user;
    return strcmp(strings + *(const uint32_t *)a, strings + *(const uint32_t *)b);
}

// Together the tensors are all of the data, without holes and overlaps.
static vka_result check_offsets(struct vka_safetensors *f, uint64_t data_size)
{
    uint64_t end = 0;
    vka_sort(f->entries, f->count, sizeof *f->entries, by_offset, NULL);
    for (size_t i = 0; i < f->count; i++) {
        const struct entry *e = &f->entries[i];
        if (e->begin != end)
            return broken(f, f->strings + e->name,
                          e->begin > end ? "a hole before its data"
                                         : "its data overlaps another's");
        end = e->end;
        if (end > data_size)
            return broken(f, f->strings + e->name, "its data lies past the end of the file");
    }
    if (end == data_size)
        return VKA_OK;
    return vka_error(f->context, VKA_ERROR_FORMAT,
                     "%s: %llu bytes follow the data of the last tensor", f->path,
                     (unsigned long long)(data_size - end));
}

static vka_result check_names(struct vka_safetensors *f)
{
    vka_sort(f->entries, f->count, sizeof *f->entries, by_name, f->strings);
    for (size_t i = 1; i < f->count; i++) {
        if (by_name(f->strings, &f->entries[i - 1], &f->entries[i]) == 0)
            return broken(f, f->strings + f->entries[i].name, "the name stands twice");
    }
    vka_sort(f->metadata, f->metadata_count, sizeof *f->metadata, by_key, f->strings);
    for (size_t i = 1; i < f->metadata_count; i++) {
        if (by_key(f->strings, &f->metadata[i - 1], &f->metadata[i]) == 0)
            return vka_error(f->context, VKA_ERROR_FORMAT, "%s: a key of __metadata__ stands twice",
                             f->path);
    }
    return VKA_OK;
}

// --- opening ---

static vka_result find_header(struct vka_safetensors *f)
{
    const unsigned char *bytes = f->file.data;
    uint64_t size = 0;
    if (f->file.size < PREFIX)
        return vka_error(f->context, VKA_ERROR_FORMAT,
                         "%s: not a safetensors file: %llu bytes, at least 8 are needed", f->path,
                         (unsigned long long)f->file.size);
    for (int i = PREFIX; i-- > 0;)
        size = size << 8 | bytes[i];
    if (size > MAX_HEADER || size > f->file.size - PREFIX)
        return vka_error(f->context, VKA_ERROR_FORMAT,
                         "%s: not a safetensors file, or cut off: a header of %llu bytes in a file "
                         "of %llu (at most %d)",
                         f->path, (unsigned long long)size, (unsigned long long)f->file.size,
                         MAX_HEADER);
    f->header = (const char *)bytes + PREFIX;
    f->header_size = (size_t)size;
    f->data = f->header + size;
    return VKA_OK;
}

// The header in both passes, and the tensors together.
static vka_result read_all(struct vka_safetensors *f, uint64_t data_size)
{
    vka_result result = read_header(f);
    if (result == VKA_OK)
        result = allocate(f);
    if (result == VKA_OK)
        result = read_header(f);
    if (result == VKA_OK && (f->used != f->count || f->metadata_used != f->metadata_count))
        result = changed(f);
    if (result == VKA_OK)
        result = check_names(f); // first: a tensor that stands twice overlaps itself, too
    if (result == VKA_OK)
        result = check_offsets(f, data_size);
    if (result == VKA_OK)
        vka_sort(f->entries, f->count, sizeof *f->entries, by_name, f->strings);
    return result;
}

// Makes the object around a file; takes the file over, also on failure.
static vka_result create(vka_context *context, const char *name, struct vka_file file,
                         struct vka_safetensors **out)
{
    struct vka_safetensors *f = vka_calloc(context, 1, sizeof *f);
    char *path = vka_strdup(context, name);
    if (!f || !path) {
        vka_free(context, f);
        vka_free(context, path);
        vka_file_close(context, &file);
        return vka_out_of_memory(context);
    }
    f->context = context;
    f->path = path;
    f->file = file;
    vka_result result = find_header(f);
    if (result == VKA_OK)
        result = read_all(f, file.size - PREFIX - f->header_size);
    if (result == VKA_OK)
        *out = f;
    else
        vka_safetensors_close(f);
    return result;
}

vka_result vka_safetensors_open(vka_context *context, const char *path,
                                struct vka_safetensors **file)
{
    struct vka_file mapped;
    *file = NULL;
    vka_result result = vka_file_open(context, path, &mapped);
    return result == VKA_OK ? create(context, path, mapped, file) : result;
}

vka_result vka_safetensors_parse(vka_context *context, const char *name, const void *data,
                                 uint64_t size, struct vka_safetensors **file)
{
    *file = NULL;
    return create(context, name, (struct vka_file){.data = data, .size = size}, file);
}

static void release(struct vka_safetensors *f)
{
    vka_free(f->context, f->entries);
    vka_free(f->context, f->strings);
    vka_free(f->context, f->metadata);
}

void vka_safetensors_close(struct vka_safetensors *file)
{
    if (!file)
        return;
    release(file);
    vka_file_close(file->context, &file->file);
    vka_free(file->context, file->path);
    vka_free(file->context, file);
}

vka_result vka_safetensors_check(vka_context *context, const char *name, const char *header,
                                 size_t header_size, uint64_t data_size)
{
    struct vka_safetensors f = {.context = context,
                                .path = (char *)(uintptr_t)name,
                                .header = header,
                                .header_size = header_size};
    vka_result result = read_all(&f, data_size);
    release(&f);
    return result;
}

// --- use ---

size_t vka_safetensors_count(const struct vka_safetensors *file)
{
    return file->count;
}

const char *vka_safetensors_name(const struct vka_safetensors *file, size_t index)
{
    return file->strings + file->entries[index].name;
}

vka_result vka_safetensors_get(const struct vka_safetensors *file, size_t index,
                               struct vka_safetensor *tensor)
{
    const struct entry *e = &file->entries[index];
    struct row row = {.type = e->type};
    struct vka_json j;
    uint64_t bytes;
    vka_json_start(&j, file->header, file->header_size);
    j.at = e->shape;
    if (!read_shape(&j, &row.shape) || row.shape.rank > VKA_MAX_RANK || !row_bytes(&row, &bytes) ||
        bytes != e->end - e->begin)
        return changed(file);
    tensor->name = file->strings + e->name;
    tensor->type = types[e->type].name;
    tensor->dtype = types[e->type].dtype;
    tensor->shape = row.shape;
    tensor->data = file->data + e->begin;
    tensor->bytes = bytes;
    return VKA_OK;
}

vka_result vka_safetensors_use(const struct vka_safetensors *file, size_t index,
                               struct vka_safetensor *tensor)
{
    char quoted[VKA_JSON_QUOTED];
    vka_result result = vka_safetensors_get(file, index, tensor);
    if (result != VKA_OK || tensor->dtype >= 0)
        return result;
    return vka_error(file->context, VKA_ERROR_UNSUPPORTED,
                     "%s: tensor %s has the dtype %s; F32, F16, BF16, I32, I64, U8 and BOOL can be "
                     "used",
                     file->path, vka_json_quote(tensor->name, quoted), tensor->type);
}

long vka_safetensors_find(const struct vka_safetensors *file, const char *name)
{
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(vka_safetensors_name(file, middle), name);
        if (order == 0)
            return (long)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

const char *vka_safetensors_metadata(const struct vka_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++) {
        const char *found = file->strings + file->metadata[i];
        if (strcmp(found, key) == 0)
            return found + strlen(found) + 1;
    }
    return NULL;
}
