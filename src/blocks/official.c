// SPDX-License-Identifier: MIT
//
// Names of weights: patterns with numbers, and the official names that the blocks' rows tell.
#include "blocks/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- patterns ---

// The placeholder that `pattern` begins with, its length, or 0; `*first` is what number 0 is
// written as ("0", "1" or "a").
static size_t placeholder(const char *pattern, size_t length, char *first)
{
    static const struct {
        const char *text;
        char first;
    } known[] = {{"{i}", '0'}, {"{i+1}", '1'}, {"{a}", 'a'}};
    for (size_t i = 0; i < VKA_COUNT(known); i++) {
        size_t size = strlen(known[i].text);
        if (size <= length && strncmp(pattern, known[i].text, size) == 0) {
            *first = known[i].first;
            return size;
        }
    }
    return 0;
}

// The number that `name` begins with, as it counts from 0 on; its length, or 0.
static size_t number(const char *name, char first, int *value)
{
    if (first == 'a') {
        *value = *name - 'a';
        return *name >= 'a' && *name <= 'z' ? 1 : 0;
    }
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 6 || (digits > 1 && *name == '0'))
        return 0;
    *value = atoi(name) - (first - '0');
    return *value < 0 ? 0 : digits;
}

bool vka_name_fits(const char *pattern, size_t length, const char *name,
                   struct vka_numbers *numbers)
{
    struct vka_numbers all = {0};
    const char *end = pattern + length;
    while (pattern < end) {
        char first;
        size_t size = placeholder(pattern, (size_t)(end - pattern), &first);
        if (size == 0) {
            if (*pattern++ != *name++)
                return false;
            continue;
        }
        int value;
        size_t digits = number(name, first, &value);
        if (digits == 0 || all.count == (int)VKA_COUNT(all.value))
            return false;
        all.value[all.count++] = value;
        name += digits;
        pattern += size;
    }
    if (numbers)
        *numbers = all;
    return *name == '\0';
}

const vka_port_info *vka_port_find(const vka_port_info *ports, const char *name)
{
    for (; ports && ports->name; ports++) {
        if (vka_name_fits(ports->name, strlen(ports->name), name, NULL))
            return ports;
    }
    return NULL;
}

const vka_weight_info *vka_weight_find(const vka_weight_info *weights, const char *name,
                                       struct vka_numbers *numbers)
{
    for (; weights && weights->name; weights++) {
        if (vka_name_fits(weights->name, strlen(weights->name), name, numbers))
            return weights;
    }
    return NULL;
}

// --- official names ---

static const char separator[] = " | ";

static bool take_word(struct vka_official *o, const char *word, enum vka_form form)
{
    int size = (int)strlen(word);
    if (o->length <= size || strncmp(o->pattern, word, (size_t)size) != 0)
        return false;
    o->pattern += size;
    o->length -= size;
    o->form = form;
    return true;
}

bool vka_official_next(const char **list, struct vka_official *official)
{
    if (!**list)
        return false;
    const char *end = strstr(*list, separator);
    *official = (struct vka_official){*list, (int)(end ? (size_t)(end - *list) : strlen(*list)),
                                      VKA_FORM_PLAIN};
    *list += official->length;
    *list += end ? strlen(separator) : 0;
    if (!take_word(official, "transposed ", VKA_FORM_TRANSPOSED) &&
        !take_word(official, "normed ", VKA_FORM_NORMED))
        take_word(official, "spectral ", VKA_FORM_SPECTRAL);
    return true;
}

size_t vka_official_fill(const struct vka_official *official, const struct vka_numbers *numbers,
                         char *name, size_t size)
{
    const char *at = official->pattern, *end = at + official->length;
    size_t used = 0;
    for (int k = 0; at < end;) {
        char first, text[16] = {*at, '\0'};
        size_t skip = placeholder(at, (size_t)(end - at), &first);
        int value = skip && k < numbers->count ? numbers->value[k++] : 0;
        if (skip && first == 'a' && value > 'z' - 'a') { // no letter is left
            used = 0;
            break;
        }
        if (skip && first == 'a')
            text[0] = (char)('a' + value);
        else if (skip)
            snprintf(text, sizeof text, "%d", value + (first - '0'));
        for (const char *c = text; *c; c++, used++) {
            if (used + 1 < size)
                name[used] = *c;
        }
        at += skip ? skip : 1;
    }
    if (size)
        name[used < size ? used : size - 1] = '\0';
    return used;
}

// Whether `name`, with `ending` in place of its `tail`, is that name.
static bool fits_instead(const struct vka_official *o, const char *name, const char *tail,
                         const char *ending)
{
    size_t size = strlen(name), more = strlen(tail);
    char whole[512];
    if (size < more || strcmp(name + size - more, tail) != 0)
        return false;
    int length = snprintf(whole, sizeof whole, "%.*s%s", (int)(size - more), name, ending);
    return length < (int)sizeof whole && vka_name_fits(o->pattern, (size_t)o->length, whole, NULL);
}

bool vka_official_fits(const char *list, const char *name)
{
    struct vka_official o;
    bool fits = false;
    while (!fits && vka_official_next(&list, &o)) {
        fits = vka_name_fits(o.pattern, (size_t)o.length, name, NULL);
        if (o.form == VKA_FORM_NORMED)
            fits = fits || fits_instead(&o, name, "_v", "") || fits_instead(&o, name, "_g", "");
        else if (o.form == VKA_FORM_SPECTRAL)
            fits = fits || fits_instead(&o, name, ".u0", ".weight") ||
                   fits_instead(&o, name, ".sv0", ".weight");
    }
    return fits;
}

bool vka_official_any(const vka_weight_info *weights)
{
    bool any = false;
    for (; weights->name && !any; weights++)
        any = *weights->official != '\0';
    return any;
}

size_t vka_official_name(const char *id, const char *weight, int choice, char *name, size_t size)
{
    const struct vka_block_row *row = vka_block_row_find(id);
    struct vka_numbers numbers;
    struct vka_official official;
    const vka_weight_info *info =
        row && weight ? vka_weight_find(row->info.weights, weight, &numbers) : NULL;
    const char *list = info ? info->official : "";
    if (size)
        *name = '\0';
    while (vka_official_next(&list, &official)) {
        if (choice-- == 0)
            return vka_official_fill(&official, &numbers, name, size);
    }
    return 0;
}
