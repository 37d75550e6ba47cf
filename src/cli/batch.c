// SPDX-License-Identifier: MIT
#include "cli/batch.h"
#include "util/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(void)
{
    return cli_no_memory("the list of files");
}

static char *copy_of(const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

// --- the files of one input ---

static char *stem_of(const char *path)
{
    const char *base = vka_sys_base(path), *dot = strrchr(base, '.');
    return copy_of(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

static int add_file(struct batch_input *input, const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    struct batch_file *more = realloc(input->files, (input->count + 1) * sizeof *more);
    if (!more)
        return no_memory();
    input->files = more;
    struct batch_file *file = &input->files[input->count++];
    bool slash = *vka_sys_base(folder) != '\0'; // none stands there yet
    *file = (struct batch_file){malloc(size), stem_of(name)};
    if (!file->path || !file->stem)
        return no_memory();
    snprintf(file->path, size, "%s%s%s", folder, slash ? "/" : "", name);
    return EXIT_DONE;
}

struct listing {
    struct batch_input *input;
    const char *path;
    bool (*kind)(const char *);
    int code;
};

// Files that begin with a dot are passed over.
static bool add_listed(void *user, const char *name)
{
    struct listing *l = user;
    if (name[0] != '.' && l->kind(name))
        l->code = add_file(l->input, l->path, name);
    return l->code == EXIT_DONE;
}

static int add_kind(struct batch_input *input, const char *path, bool (*kind)(const char *))
{
    struct listing l = {input, path, kind, EXIT_DONE};
    if (vka_sys_list(path, add_listed, &l))
        return l.code;
    int why = errno;
    fprintf(stderr, "vkattn run: %s: %s\n", path, strerror(why));
    return why == ENOMEM ? EXIT_WRONG : EXIT_USAGE;
}

// A folder's pictures; where it has none, its tensors.
static int add_folder(struct batch_input *input, const char *path)
{
    size_t before = input->count;
    int code = add_kind(input, path, cli_is_picture);
    if (code == EXIT_DONE && input->count == before)
        code = add_kind(input, path, cli_is_tensor);
    if (code == EXIT_DONE && input->count == before) {
        fprintf(stderr, "vkattn run: the folder %s holds no .png .jpg .npy .safetensors\n", path);
        code = EXIT_USAGE;
    }
    input->list = true;
    input->folder = path;
    return code;
}

static int by_stem(const void *a, const void *b)
{
    const struct batch_file *x = a, *y = b;
    int order = strcmp(x->stem, y->stem);
    return order ? order : strcmp(x->path, y->path);
}

static int sort_list(struct batch_input *input)
{
    qsort(input->files, input->count, sizeof *input->files, by_stem);
    for (size_t i = 1; i < input->count; i++) {
        const struct batch_file *a = &input->files[i - 1], *b = &input->files[i];
        if (strcmp(a->stem, b->stem) == 0) {
            fprintf(stderr,
                    "vkattn run: %s and %s of input '%s' have the same name '%s': their outputs "
                    "would, too\n",
                    a->path, b->path, input->name, a->stem);
            return EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

// --- all inputs ---

static struct batch_input *input_named(struct batch *b, const char *name)
{
    for (size_t i = 0; i < b->input_count; i++) {
        if (strcmp(b->inputs[i].name, name) == 0)
            return &b->inputs[i];
    }
    b->inputs[b->input_count].name = name;
    return &b->inputs[b->input_count++];
}

// Files of two lists go together by their stems.
static int pair(const struct batch_input *a, const struct batch_input *b)
{
    size_t both = a->count < b->count ? a->count : b->count, i = 0;
    while (i < both && strcmp(a->files[i].stem, b->files[i].stem) == 0)
        i++;
    if (i == a->count && i == b->count)
        return EXIT_DONE;
    bool of_a = i == b->count || (i < a->count && by_stem(&a->files[i], &b->files[i]) < 0);
    const struct batch_input *has = of_a ? a : b, *lacks = of_a ? b : a;
    fprintf(stderr, "vkattn run: input '%s' has %s, input '%s' no file of the name '%s'\n",
            has->name, has->files[i].path, lacks->name, has->files[i].stem);
    return EXIT_USAGE;
}

static int close_lists(struct batch *b)
{
    int code = EXIT_DONE;
    for (size_t i = 0; i < b->input_count && code == EXIT_DONE; i++) {
        struct batch_input *input = &b->inputs[i];
        input->list |= input->count > 1;
        if (!input->list)
            continue;
        code = sort_list(input);
        if (code == EXIT_DONE && b->leading)
            code = pair(b->leading, input);
        if (!b->leading)
            b->leading = input;
    }
    b->named |= b->leading != NULL;
    b->count = b->leading ? b->leading->count : 1;
    if (!b->leading && b->input_count)
        b->leading = &b->inputs[0];
    return code;
}

int batch_make(struct batch *b, const struct cli_file *files, size_t count, bool named)
{
    *b = (struct batch){.inputs = calloc(count + 1, sizeof *b->inputs), .named = named};
    if (!b->inputs)
        return no_memory();
    int code = EXIT_DONE;
    for (size_t i = 0; i < count && code == EXIT_DONE; i++) {
        struct batch_input *input = input_named(b, files[i].name);
        code = vka_sys_kind(files[i].path, true) == VKA_KIND_FOLDER
                   ? add_folder(input, files[i].path)
                   : add_file(input, "", files[i].path);
    }
    return code == EXIT_DONE ? close_lists(b) : code;
}

void batch_free(struct batch *b)
{
    for (size_t i = 0; b->inputs && i < b->input_count; i++) {
        for (size_t k = 0; k < b->inputs[i].count; k++) {
            free(b->inputs[i].files[k].path);
            free(b->inputs[i].files[k].stem);
        }
        free(b->inputs[i].files);
    }
    free(b->inputs);
    b->inputs = NULL;
}

const char *batch_stem(const struct batch *b, size_t item)
{
    return b->leading ? b->leading->files[b->leading->list ? item : 0].stem : "";
}

const char *batch_path(const struct batch *b, size_t input, size_t item)
{
    return b->inputs[input].files[b->inputs[input].list ? item : 0].path;
}

// --- outputs ---

static char *replace(const char *pattern, const char *stem)
{
    size_t size = strlen(pattern) + 1, at = 0;
    for (const char *p = pattern; (p = strstr(p, "{}")); p += 2)
        size += strlen(stem);
    char *out = malloc(size);
    for (const char *p = pattern; out && *p;) {
        if (strncmp(p, "{}", 2) == 0) {
            at += (size_t)snprintf(out + at, size - at, "%s", stem);
            p += 2;
        } else {
            out[at++] = *p++;
        }
    }
    if (out)
        out[at] = '\0';
    return out;
}

char *batch_output(const struct batch *b, size_t item, const char *pattern)
{
    const char *stem = batch_stem(b, item), *base = vka_sys_base(pattern);
    if (strstr(pattern, "{}"))
        return replace(pattern, stem);
    if (!b->named)
        return strdup(pattern);
    size_t size = strlen(pattern) + strlen(stem) + 2;
    char *out = malloc(size);
    if (out)
        snprintf(out, size, "%.*s%s.%s", (int)(base - pattern), pattern, stem, base);
    return out;
}

// A file that an item reads or writes.
struct claim {
    char *path, *real; // as it was given; however it is spelled
    size_t item;
    const char *output; // NULL: it is an input
};

static int by_real(const void *a, const void *b)
{
    return strcmp(((const struct claim *)a)->real, ((const struct claim *)b)->real);
}

// Of a file that may not be there yet: its folder's real path and its own name. NULL: out of
// memory.
static char *real_place(const char *path)
{
    char *real = vka_sys_real_path(path);
    if (real)
        return real;
    const char *base = vka_sys_base(path);
    size_t length = (size_t)(base - path);
    char *place = malloc(length + 2);
    if (!place)
        return NULL;
    snprintf(place, length + 2, "%.*s", (int)(length ? length : 1), length ? path : ".");
    char *folder = vka_sys_real_path(place);
    free(place);
    if (!folder) // which is told of when the file is written
        return strdup(path);
    size_t size = strlen(folder) + strlen(base) + 2;
    place = malloc(size);
    if (place)
        snprintf(place, size, "%s/%s", folder, base);
    free(folder);
    return place;
}

static int taken(const char *output, const char *input)
{
    fprintf(stderr, "vkattn run: the output %s would take the place of the input %s\n", output,
            input);
    return EXIT_USAGE;
}

static int compare_claims(const struct batch *b, const struct claim *x, const struct claim *y)
{
    bool shared = x->item == y->item && cli_holds_several(x->path);
    if (strcmp(x->real, y->real) != 0 || (!x->output && !y->output))
        return EXIT_DONE;
    if (!x->output || !y->output)
        return taken(x->path, y->path);
    if (shared)
        return EXIT_DONE;
    fprintf(stderr, "vkattn run: output '%s' of '%s' and output '%s' of '%s' would both be %s\n",
            x->output, batch_stem(b, x->item), y->output, batch_stem(b, y->item), x->path);
    return EXIT_USAGE;
}

static int check_claims(const struct batch *b, struct claim *claims, size_t count)
{
    int code = EXIT_DONE;
    qsort(claims, count, sizeof *claims, by_real);
    for (size_t i = 1; i < count && code == EXIT_DONE; i++)
        code = compare_claims(b, &claims[i - 1], &claims[i]);
    return code;
}

// Fills the claims of one item in; false: out of memory, with NULL in a path.
static bool claim_files(const struct batch *b, size_t item, const struct cli_file *outputs,
                        size_t count, struct claim *claims)
{
    bool ok = true;
    for (size_t k = 0; k < count; k++)
        claims[k] = (struct claim){.path = batch_output(b, item, outputs[k].path),
                                   .item = item,
                                   .output = outputs[k].name};
    for (size_t k = 0; k < b->input_count; k++)
        claims[count + k] = (struct claim){.path = strdup(batch_path(b, k, item)), .item = item};
    for (size_t k = 0; k < count + b->input_count; k++) {
        claims[k].real = claims[k].path ? real_place(claims[k].path) : NULL;
        ok &= claims[k].real != NULL;
    }
    return ok;
}

static int check_files(const struct batch *b, const struct cli_file *outputs, size_t count)
{
    size_t each = count + b->input_count, all = b->count * each;
    struct claim *claims = calloc(all + 1, sizeof *claims);
    int code = claims ? EXIT_DONE : no_memory();
    for (size_t i = 0; i < b->count && code == EXIT_DONE; i++) {
        if (!claim_files(b, i, outputs, count, claims + i * each))
            code = no_memory();
    }
    if (code == EXIT_DONE)
        code = check_claims(b, claims, all);
    for (size_t i = 0; claims && i < all; i++) {
        free(claims[i].path);
        free(claims[i].real);
    }
    free(claims);
    return code;
}

// An output in place of an input would be taken for one next time, and what was there is lost.
static int check_inputs(const struct batch *b, size_t item, const char *const *own,
                        const char *path)
{
    for (; *own; own++) {
        if (vka_sys_same(*own, path))
            return taken(path, *own);
    }
    for (size_t i = 0; i < b->input_count; i++) {
        const char *input = batch_path(b, i, item);
        if (vka_sys_same(input, path))
            return taken(path, input);
    }
    return EXIT_DONE;
}

// What is written to a folder of inputs would be taken for inputs next time.
static int check_folders(const struct batch *b, const char *pattern)
{
    const char *base = vka_sys_base(pattern);
    char *folder = base == pattern ? copy_of(".", 1) : copy_of(pattern, (size_t)(base - pattern));
    int code = folder ? EXIT_DONE : no_memory();
    for (size_t i = 0; i < b->input_count && code == EXIT_DONE; i++) {
        if (b->inputs[i].folder && vka_sys_same(b->inputs[i].folder, folder)) {
            fprintf(stderr, "vkattn run: the output %s would go to the folder of the inputs, %s\n",
                    pattern, b->inputs[i].folder);
            code = EXIT_USAGE;
        }
    }
    free(folder);
    return code;
}

static int check_pattern(const struct batch *b, const char *pattern)
{
    if (!b->leading && (b->named || strstr(pattern, "{}"))) {
        fprintf(stderr, "vkattn run: %s would be named after an input, and none is given\n",
                pattern);
        return EXIT_USAGE;
    }
    return check_folders(b, pattern);
}

int batch_check_outputs(const struct batch *b, const char *const *own,
                        const struct cli_file *outputs, size_t count)
{
    int code = EXIT_DONE;
    for (size_t k = 0; k < count && code == EXIT_DONE; k++)
        code = check_pattern(b, outputs[k].path);
    if (code == EXIT_DONE)
        code = check_files(b, outputs, count);
    for (size_t i = 0; i < b->count && code == EXIT_DONE; i++) {
        for (size_t k = 0; k < count && code == EXIT_DONE; k++) {
            char *path = batch_output(b, i, outputs[k].path);
            code = path ? check_inputs(b, i, own, path) : no_memory();
            free(path);
        }
    }
    return code;
}

bool batch_complete(vka_context *context, const struct cli_file *outputs, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (!cli_holds(context, outputs[k].path, outputs[k].name))
            return false;
    }
    return true;
}
