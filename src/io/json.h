// SPDX-License-Identifier: MIT
//
// A strict reader of JSON text (RFC 8259): nothing is built, the caller asks for what comes next.
// Weight files, case files, model files and attributes are all read through it. Strings must be
// valid UTF-8 without NUL, integers are exact in 64 bits or an error, nesting has a limit. It
// neither allocates nor changes the text, and it stays within it whatever stands there.
//
//     vka_json_start(&j, text, size);
//     if (vka_json_open(&j, VKA_JSON_OBJECT))
//         for (bool first = true; vka_json_key(&j, &first, &key);)
//             vka_json_value(&j, &value);
//     if (j.error) ...
#ifndef VKA_IO_JSON_H
#define VKA_IO_JSON_H

#include "util/context.h"

#define VKA_JSON_DEPTH 64

enum vka_json_kind {
    VKA_JSON_NULL,
    VKA_JSON_BOOL,
    VKA_JSON_INT,    // no fraction, no exponent
    VKA_JSON_DOUBLE, // the others
    VKA_JSON_STRING,
    VKA_JSON_LIST,
    VKA_JSON_OBJECT,
};

struct vka_json {
    const char *text;
    size_t size, at;
    int depth;
    const char *error; // the first error, a static text; nothing is read after it
    size_t error_at;
};

// A scalar, or the opening bracket of a list or an object.
struct vka_json_value {
    enum vka_json_kind kind;
    size_t at; // where it begins
    bool b;
    bool negative; // an integer with a minus sign, -0 included
    int64_t i;
    double d;
    const char *raw; // a string between its quotes, escapes not undone
    size_t raw_size;
    size_t length; // bytes of the string proper, without a NUL; at most raw_size
};

void vka_json_start(struct vka_json *j, const char *text, size_t size);

// Reads a scalar or an opening bracket; false on an error.
bool vka_json_value(struct vka_json *j, struct vka_json_value *value);
// Reads the opening bracket of `kind`; anything else is an error.
bool vka_json_open(struct vka_json *j, enum vka_json_kind kind);
// In a list: true if another value follows, false after its end (or on an error).
bool vka_json_item(struct vka_json *j, bool *first);
// In an object: reads the next key and the colon; false after its end (or on an error).
bool vka_json_key(struct vka_json *j, bool *first, struct vka_json_value *key);
// Reads past a whole value, checking it.
bool vka_json_skip(struct vka_json *j);
// Nothing but white space may follow.
bool vka_json_end(struct vka_json *j);
void vka_json_fail(struct vka_json *j, size_t at, const char *error);

// The string proper with a NUL: value->length + 1 bytes.
void vka_json_string(const struct vka_json_value *value, char *out);
bool vka_json_is(const struct vka_json_value *value, const char *text);

// Line and column (from 1, in bytes) of the error.
void vka_json_where(const struct vka_json *j, size_t *line, size_t *column);

// Text that grows in a buffer of a fixed size, as with snprintf: `at` counts all of it, what fits
// is there and ends with a NUL.
struct vka_json_out {
    char *text;
    size_t size, at;
};

void vka_json_put(struct vka_json_out *out, const char *text, size_t size);
void vka_json_put_string(struct vka_json_out *out, const char *text); // in quotes

// `text` as a JSON string, quotes included, cut where it is longer than the buffer: for messages,
// where a name from a file must not bring control characters.
#define VKA_JSON_QUOTED 136
const char *vka_json_quote(const char *text, char buffer[VKA_JSON_QUOTED]);

#endif
