// SPDX-License-Identifier: MIT
//
// The work of a `run`: which files go in together, and what the files that come out are called. The
// order is that of the names, so that two calls with the same files agree, whatever the shell or
// the file system put first.
#ifndef VKA_CLI_BATCH_H
#define VKA_CLI_BATCH_H

#include "cli/data.h"

struct batch_file {
    char *path, *stem; // the stem is the file's name without folders and ending
};

// The files of one input of the model. One file is shared by all items; several, or a folder's, are
// one for each item.
struct batch_input {
    const char *name;
    struct batch_file *files; // of a list: in the order of their stems
    size_t count;
    bool list;
    const char *folder; // that its files come from; NULL: none
};

struct batch {
    struct batch_input *inputs;
    size_t input_count;
    size_t count;                      // of items; at least 1
    const struct batch_input *leading; // whose stems name the outputs; NULL: there is no input
    bool named; // outputs are named after their item, also where they don't say `{}`
};

// Groups NAME=FILE pairs; a FILE may be a folder. `named`: as if there were several items. Returns
// an exit code, after a message where it isn't EXIT_DONE; to be freed in any case.
int batch_make(struct batch *b, const struct cli_file *files, size_t count, bool named);
void batch_free(struct batch *b);

const char *batch_stem(const struct batch *b, size_t item);
const char *batch_path(const struct batch *b, size_t input, size_t item);

// The file of an item's output: `{}` in `pattern` becomes the stem; where there is none, the stem
// and a dot go before the file's name if the batch is named. malloc'd; NULL: out of memory.
char *batch_output(const struct batch *b, size_t item, const char *pattern);

// Whether each item's outputs have files of their own (outputs of one item may share a .safetensors
// file), outside of folders that inputs come from, and takes the place of no input and of none of
// `own` (files that the work reads besides, NULL ends them). Returns an exit code, as batch_make.
int batch_check_outputs(const struct batch *b, const char *const *own,
                        const struct cli_file *outputs, size_t count);

// Whether all of an item's output files are there. They were written under another name, so that
// what is there is whole.
bool batch_complete(vka_context *context, const struct cli_file *outputs, size_t count);

#endif
