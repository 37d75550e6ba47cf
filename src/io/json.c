// SPDX-License-Identifier: MIT
//
// The strict JSON reader. One function a token; the caller keeps the structure.
#include "io/json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 128 };

void vka_json_start(struct vka_json *j, const char *text, size_t size)
{
    memset(j, 0, sizeof *j);
    j->text = text;
    j->size = size;
}

void vka_json_fail(struct vka_json *j, size_t at, const char *error)
{
    if (j->error)
        return;
    j->error = error;
    j->error_at = at;
}

static bool fail_here(struct vka_json *j, const char *error)
{
    vka_json_fail(j, j->at, error);
    return false;
}

// The next byte, or -1 at the end.
static int peek(const struct vka_json *j)
{
    return j->at < j->size ? (unsigned char)j->text[j->at] : -1;
}

static int skip_space(struct vka_json *j)
{
    int c = peek(j);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        j->at++;
        c = peek(j);
    }
    return c;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

// --- strings ---

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Four hex digits at `text`; -1 where they aren't.
static long hex4(const char *text, size_t size)
{
    long code = 0;
    if (size < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit((unsigned char)text[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static size_t utf8_size(long code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static void utf8_put(long code, char *out)
{
    size_t size = utf8_size(code);
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[size] | code);
}

// The bytes of the UTF-8 sequence at `s`, 0 where it isn't a valid one (Unicode, table 3-7: no
// overlong forms, no surrogates, nothing past U+10FFFF).
static size_t utf8_check(const unsigned char *s, size_t size)
{
    static const struct {
        unsigned char from, to, low, high, size;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    size_t row = 0;
    while (row < VKA_COUNT(rows) && (s[0] < rows[row].from || s[0] > rows[row].to))
        row++;
    if (row == VKA_COUNT(rows) || rows[row].size > size)
        return 0;
    if (rows[row].size > 1 && (s[1] < rows[row].low || s[1] > rows[row].high))
        return 0;
    for (size_t i = 2; i < rows[row].size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return rows[row].size;
}

// A code point of "\uXXXX" or of a surrogate pair; `text` stands behind the 'u'. The bytes taken, 0
// where it is wrong.
static size_t unicode_escape(const char *text, size_t size, long *code)
{
    long high = hex4(text, size);
    *code = high;
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    if (high < 0xd800 || high > 0xdbff)
        return 4;
    if (size < 10 || text[4] != '\\' || text[5] != 'u')
        return 0;
    long low = hex4(text + 6, size - 6);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

// The character that an escape stands for; `text` stands behind the backslash. The bytes taken, 0
// where it is wrong.
static size_t escape(const char *text, size_t size, long *code)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    if (size == 0)
        return 0;
    if (text[0] == 'u') {
        size_t taken = unicode_escape(text + 1, size - 1, code);
        return taken ? taken + 1 : 0;
    }
    const char *found = text[0] ? strchr(names, text[0]) : NULL;
    if (!found)
        return 0;
    *code = means[found - names];
    return 1;
}

// One character of a string. The bytes taken, 0 where it is wrong (the error is set).
static size_t string_step(struct vka_json *j, size_t *length)
{
    const char *text = j->text + j->at;
    size_t left = j->size - j->at, taken;
    if ((unsigned char)text[0] < 0x20)
        return fail_here(j, "a control character in a string");
    if (text[0] != '\\') {
        taken = utf8_check((const unsigned char *)text, left);
        *length += taken;
        return taken ? taken : fail_here(j, "a string that isn't UTF-8");
    }
    long code;
    taken = escape(text + 1, left - 1, &code);
    if (taken == 0)
        return fail_here(j, "a wrong escape in a string");
    if (code == 0)
        return fail_here(j, "a NUL character in a string");
    *length += utf8_size(code);
    return taken + 1;
}

static bool read_string(struct vka_json *j, struct vka_json_value *value)
{
    size_t length = 0, begin = ++j->at;
    while (peek(j) != '"') {
        if (peek(j) < 0)
            return fail_here(j, "a string without an end");
        size_t taken = string_step(j, &length);
        if (taken == 0)
            return false;
        j->at += taken;
    }
    value->kind = VKA_JSON_STRING;
    value->raw = j->text + begin;
    value->raw_size = j->at - begin;
    value->length = length;
    j->at++;
    return true;
}

void vka_json_string(const struct vka_json_value *value, char *out)
{
    for (size_t at = 0; at < value->raw_size;) {
        if (value->raw[at] != '\\') {
            *out++ = value->raw[at++];
            continue;
        }
        long code = 0;
        size_t taken = escape(value->raw + at + 1, value->raw_size - at - 1, &code);
        utf8_put(code, out);
        out += utf8_size(code);
        at += taken + 1;
    }
    *out = '\0';
}

bool vka_json_is(const struct vka_json_value *value, const char *text)
{
    char plain[64];
    if (value->kind != VKA_JSON_STRING || value->length >= sizeof plain)
        return false;
    vka_json_string(value, plain);
    return strcmp(plain, text) == 0;
}

// --- numbers ---

static void skip_digits(struct vka_json *j)
{
    while (is_digit(peek(j)))
        j->at++;
}

// Checks the form; `*whole` tells whether it has neither fraction nor exponent.
static bool scan_number(struct vka_json *j, bool *whole)
{
    if (peek(j) == '-')
        j->at++;
    if (!is_digit(peek(j)))
        return fail_here(j, "a digit is missing in a number");
    bool zero = peek(j) == '0';
    j->at++;
    if (zero && is_digit(peek(j)))
        return fail_here(j, "a number with a leading zero");
    skip_digits(j);
    *whole = true;
    if (peek(j) == '.') {
        *whole = false;
        j->at++;
        if (!is_digit(peek(j)))
            return fail_here(j, "a digit is missing after the decimal point");
        skip_digits(j);
    }
    if (peek(j) == 'e' || peek(j) == 'E') {
        *whole = false;
        j->at++;
        if (peek(j) == '+' || peek(j) == '-')
            j->at++;
        if (!is_digit(peek(j)))
            return fail_here(j, "a digit is missing in an exponent");
        skip_digits(j);
    }
    return true;
}

static bool read_int(const char *text, size_t size, int64_t *out)
{
    bool negative = text[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative, n = 0;
    for (size_t i = negative; i < size; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (n > (limit - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = negative ? (int64_t)(~n + 1) : (int64_t)n;
    return true;
}

// strtod follows the host's locale, so the point is written as that has it.
static bool read_double(const char *text, size_t size, double *out)
{
    char copy[NUMBER_TEXT + 16];
    const char *point = localeconv()->decimal_point;
    size_t n = 0, point_size = strlen(point);
    if (size > NUMBER_TEXT || point_size > 8)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.') {
            memcpy(copy + n, point, point_size);
            n += point_size;
        } else {
            copy[n++] = text[i];
        }
    }
    copy[n] = '\0';
    *out = strtod(copy, NULL);
    return isfinite(*out);
}

static bool read_number(struct vka_json *j, struct vka_json_value *value)
{
    size_t begin = j->at;
    bool whole;
    if (!scan_number(j, &whole))
        return false;
    const char *text = j->text + begin;
    size_t size = j->at - begin;
    value->kind = whole ? VKA_JSON_INT : VKA_JSON_DOUBLE;
    value->negative = text[0] == '-';
    bool fits = whole ? read_int(text, size, &value->i) : read_double(text, size, &value->d);
    if (!fits)
        vka_json_fail(j, begin, "a number out of range");
    return fits;
}

// --- values ---

static bool read_word(struct vka_json *j, struct vka_json_value *value)
{
    static const struct {
        const char *word;
        enum vka_json_kind kind;
        bool b;
    } words[] = {{"true", VKA_JSON_BOOL, true},
                 {"false", VKA_JSON_BOOL, false},
                 {"null", VKA_JSON_NULL, false}};
    for (size_t i = 0; i < VKA_COUNT(words); i++) {
        size_t size = strlen(words[i].word);
        if (j->size - j->at < size || memcmp(j->text + j->at, words[i].word, size) != 0)
            continue;
        j->at += size;
        value->kind = words[i].kind;
        value->b = words[i].b;
        return true;
    }
    return fail_here(j, "a value is missing");
}

static bool read_bracket(struct vka_json *j, struct vka_json_value *value)
{
    if (j->depth == VKA_JSON_DEPTH)
        return fail_here(j, "nested too deep");
    value->kind = j->text[j->at] == '[' ? VKA_JSON_LIST : VKA_JSON_OBJECT;
    j->depth++;
    j->at++;
    return true;
}

bool vka_json_value(struct vka_json *j, struct vka_json_value *value)
{
    memset(value, 0, sizeof *value);
    if (j->error)
        return false;
    int c = skip_space(j);
    value->at = j->at;
    if (c == '"')
        return read_string(j, value);
    if (c == '[' || c == '{')
        return read_bracket(j, value);
    if (c == '-' || is_digit(c))
        return read_number(j, value);
    return read_word(j, value);
}

bool vka_json_open(struct vka_json *j, enum vka_json_kind kind)
{
    struct vka_json_value value;
    if (!vka_json_value(j, &value))
        return false;
    if (value.kind == kind)
        return true;
    vka_json_fail(j, value.at,
                  kind == VKA_JSON_LIST ? "a list [..] is wanted" : "an object {..} is wanted");
    return false;
}

// Past a comma or to the end of a list or an object.
static bool another(struct vka_json *j, bool *first, int end)
{
    if (j->error)
        return false;
    int c = skip_space(j);
    if (c == end) {
        j->at++;
        j->depth--;
        return false;
    }
    if (!*first) {
        if (c != ',')
            return fail_here(j, end == ']' ? "',' or ']' is wanted" : "',' or '}' is wanted");
        j->at++;
        skip_space(j);
    }
    *first = false;
    return true;
}

bool vka_json_item(struct vka_json *j, bool *first)
{
    return another(j, first, ']');
}

bool vka_json_key(struct vka_json *j, bool *first, struct vka_json_value *key)
{
    if (!another(j, first, '}'))
        return false;
    if (peek(j) != '"')
        return fail_here(j, "a key in quotes is wanted");
    if (!vka_json_value(j, key))
        return false;
    if (skip_space(j) != ':')
        return fail_here(j, "':' is wanted");
    j->at++;
    return true;
}

bool vka_json_skip(struct vka_json *j)
{
    struct vka_json_value value, key;
    bool first = true;
    if (!vka_json_value(j, &value))
        return false;
    if (value.kind == VKA_JSON_LIST) {
        while (vka_json_item(j, &first))
            vka_json_skip(j); // no deeper than VKA_JSON_DEPTH
    } else if (value.kind == VKA_JSON_OBJECT) {
        while (vka_json_key(j, &first, &key))
            vka_json_skip(j);
    }
    return !j->error;
}

bool vka_json_end(struct vka_json *j)
{
    if (j->error)
        return false;
    if (skip_space(j) >= 0)
        return fail_here(j, "something follows the end");
    return true;
}

void vka_json_where(const struct vka_json *j, size_t *line, size_t *column)
{
    size_t begin = 0;
    *line = 1;
    for (size_t i = 0; i < j->error_at && i < j->size; i++) {
        if (j->text[i] == '\n') {
            ++*line;
            begin = i + 1;
        }
    }
    *column = j->error_at - begin + 1;
}

// --- writing ---

void vka_json_put(struct vka_json_out *out, const char *text, size_t size)
{
    if (out->at < out->size) {
        size_t room = out->size - 1 - out->at, fits = size < room ? size : room;
        memcpy(out->text + out->at, text, fits);
        out->text[out->at + fits] = '\0';
    }
    out->at += size;
}

void vka_json_put_string(struct vka_json_out *out, const char *text)
{
    vka_json_put(out, "\"", 1);
    for (const char *c = text; *c; c++) {
        char code[8];
        if (*c == '"' || *c == '\\')
            vka_json_put(out, "\\", 1);
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            vka_json_put(out, code, (size_t)snprintf(code, sizeof code, "\\u%04x", *c));
        else
            vka_json_put(out, c, 1); // UTF-8 passes as it is
    }
    vka_json_put(out, "\"", 1);
}

const char *vka_json_quote(const char *text, char buffer[VKA_JSON_QUOTED])
{
    struct vka_json_out out = {buffer, VKA_JSON_QUOTED, 0};
    vka_json_put_string(&out, text);
    if (out.at < VKA_JSON_QUOTED)
        return buffer;
    size_t cut = VKA_JSON_QUOTED - 5;
    while (cut > 1 && ((unsigned char)buffer[cut] & 0xc0) == 0x80) // not within a character
        cut--;
    memcpy(buffer + cut, "...\"", 5);
    return buffer;
}
