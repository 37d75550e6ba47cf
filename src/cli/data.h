// SPDX-License-Identifier: MIT
//
// Tensors in and out of files, by their ending: .png .jpg .npy .safetensors.
#ifndef VKA_CLI_DATA_H
#define VKA_CLI_DATA_H

#include "cli/cli.h"
#include "cli/image.h"

struct cli_tensor {
    const char *name;
    vka_dtype dtype;
    vka_shape shape;
    void *data; // malloc'd
    uint64_t bytes;
};

// "NAME=FILE" in two; false where it isn't one.
struct cli_file {
    char *name;
    const char *path;
};
bool cli_split(char *argument, struct cli_file *file);

// Reads the tensor `input` of a model. A picture is normalised as the model says, and resized where
// its height and width are fixed. Returns the exit code, EXIT_DONE or after a message.
int cli_load(vka_context *context, const vka_model *model, const vka_model_input *input,
             const char *path, struct cli_tensor *tensor);
// A picture as the model's input.
int cli_load_image(const vka_model *model, const vka_model_input *input, const char *path,
                   const struct image *image, struct cli_tensor *tensor);
void cli_tensor_free(struct cli_tensor *tensor);

// Whether this is the name of a picture, or of a file with tensors (.npy, .safetensors).
bool cli_is_picture(const char *path);
bool cli_is_tensor(const char *path);
// Whether a file of this name takes several tensors.
bool cli_holds_several(const char *path);
// Whether the file is there, whole, and has the tensor of this name, where its kind has names.
bool cli_holds(vka_context *context, const char *path, const char *name);
// Whether a file of this name can be written; a message where not.
bool cli_can_save(const char *path);
// Whether it can take such an output: not all are pictures. A message where not.
bool cli_can_hold(const char *path, const char *name, vka_dtype dtype, const vka_shape *shape);
// Writes tensors to files; those of one .safetensors file together.
bool cli_save(vka_context *context, const struct cli_file *files, const struct cli_tensor *tensors,
              size_t count);

const vka_model_input *cli_find_input(const vka_model *model, const char *name);

#endif
