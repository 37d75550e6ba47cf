// SPDX-License-Identifier: MIT
#include "cli/data.h"
#include "cli/npy.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "util/half.h"
#include "util/system.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum ending { OTHER, PICTURE, NPY, SAFETENSORS };

static enum ending ending_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (!dot)
        return OTHER;
    if (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
        strcasecmp(dot, ".jpeg") == 0)
        return PICTURE;
    if (strcasecmp(dot, ".npy") == 0)
        return NPY;
    return strcasecmp(dot, ".safetensors") == 0 ? SAFETENSORS : OTHER;
}

static bool complain(const char *text, const char *what)
{
    fprintf(stderr, "vkattn: %s%s%s\n", text, *what ? ": " : "", what);
    return false;
}

bool cli_split(char *argument, struct cli_file *file)
{
    char *sign = strchr(argument, '=');
    if (!sign || sign == argument || !sign[1])
        return false;
    *sign = '\0';
    *file = (struct cli_file){argument, sign + 1};
    return true;
}

const vka_model_input *cli_find_input(const vka_model *model, const char *name)
{
    const vka_model_input *input;
    for (int i = 0; (input = vka_model_get_input(model, i)); i++) {
        if (strcmp(input->name, name) == 0)
            return input;
    }
    return NULL;
}

void cli_tensor_free(struct cli_tensor *tensor)
{
    free(tensor->data);
    tensor->data = NULL;
}

// --- in: functions return exit codes ---

static int refuse(const char *text, const char *what)
{
    complain(text, what);
    return EXIT_USAGE;
}

static int copy_tensor(const char *name, vka_dtype dtype, const vka_shape *shape, const void *data,
                       uint64_t bytes, struct cli_tensor *tensor)
{
    *tensor = (struct cli_tensor){name, dtype, *shape, malloc(bytes ? (size_t)bytes : 1), bytes};
    if (!tensor->data)
        return cli_no_memory(name);
    memcpy(tensor->data, data, (size_t)bytes);
    return EXIT_DONE;
}

// Red, green and blue, or their luminance where the model has one channel.
static void fill_channels(const vka_model *model, const struct image *image, int channels,
                          float *out)
{
    float mean[3], std[3];
    vka_model_get_image(model, mean, std);
    size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < pixels; i++) {
        float v[3] = {image->rgb[i], image->rgb[pixels + i], image->rgb[2 * pixels + i]};
        if (channels == 1)
            v[0] = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
        for (int c = 0; c < channels; c++)
            out[(size_t)c * pixels + i] = (v[c] - mean[c]) / std[c];
    }
}

int cli_load_image(const vka_model *model, const vka_model_input *input, const char *path,
                   const struct image *image, struct cli_tensor *tensor)
{
    bool fits = input->dtype == VKA_F32 && input->rank == 4 && !input->axis[1] &&
                (input->dim[1] == 3 || input->dim[1] == 1) &&
                (input->axis[0] || input->dim[0] == 1);
    if (!fits) {
        fprintf(stderr,
                "vkattn: input '%s' takes no picture: it isn't [1, 3, H, W] or [1, 1, H, W]\n",
                input->name);
        return EXIT_USAGE;
    }
    int64_t height = input->axis[2] ? image->height : input->dim[2];
    int64_t width = input->axis[3] ? image->width : input->dim[3];
    struct image sized = {0};
    bool resized = height != image->height || width != image->width;
    if (resized &&
        (height > IMAGE_MAX_SIDE || width > IMAGE_MAX_SIDE || height * width > IMAGE_MAX_PIXELS))
        return refuse(path, "can't be resized to what the model takes: that is too large");
    if (resized && !image_resize(image, (int)width, (int)height, &sized))
        return cli_no_memory("the resized picture");
    int channels = (int)input->dim[1];
    uint64_t bytes = (uint64_t)channels * (uint64_t)height * (uint64_t)width * sizeof(float);
    *tensor = (struct cli_tensor){
        input->name, VKA_F32, {4, {1, channels, height, width}}, malloc((size_t)bytes), bytes};
    if (tensor->data)
        fill_channels(model, resized ? &sized : image, channels, tensor->data);
    image_free(&sized);
    return tensor->data ? EXIT_DONE : cli_no_memory(input->name);
}

static int load_picture(const vka_model *model, const vka_model_input *input, const char *path,
                        struct cli_tensor *tensor)
{
    struct image image;
    char error[IMAGE_ERROR];
    if (!image_load(path, &image, error)) {
        complain(error, "");
        return image.no_memory ? EXIT_WRONG : EXIT_USAGE;
    }
    int code = cli_load_image(model, input, path, &image, tensor);
    image_free(&image);
    return code;
}

static int load_npy(vka_context *context, const vka_model_input *input, const char *path,
                    struct cli_tensor *tensor)
{
    struct vka_npy npy;
    vka_result result = vka_npy_read(context, path, &npy);
    if (result != VKA_OK)
        return cli_failed(result);
    int code = copy_tensor(input->name, npy.dtype, &npy.shape, npy.data, npy.bytes, tensor);
    vka_npy_free(context, &npy);
    return code;
}

static int load_safetensors(vka_context *context, const vka_model_input *input, const char *path,
                            struct cli_tensor *tensor)
{
    struct vka_safetensors *file;
    struct vka_safetensor found;
    vka_result result = vka_safetensors_open(context, path, &file);
    if (result != VKA_OK)
        return cli_failed(result);
    long index = vka_safetensors_find(file, input->name);
    int code = EXIT_USAGE;
    if (index < 0)
        fprintf(stderr, "vkattn: %s holds no tensor '%s'\n", path, input->name);
    else if ((result = vka_safetensors_use(file, (size_t)index, &found)) != VKA_OK)
        code = cli_failed(result);
    else
        code = copy_tensor(input->name, (vka_dtype)found.dtype, &found.shape, found.data,
                           found.bytes, tensor);
    vka_safetensors_close(file);
    return code;
}

int cli_load(vka_context *context, const vka_model *model, const vka_model_input *input,
             const char *path, struct cli_tensor *tensor)
{
    enum ending ending = ending_of(path);
    if (ending == PICTURE)
        return load_picture(model, input, path, tensor);
    if (ending == NPY)
        return load_npy(context, input, path, tensor);
    if (ending == SAFETENSORS)
        return load_safetensors(context, input, path, tensor);
    if (vka_sys_kind(path, true) == VKA_KIND_NONE)
        return refuse(path, "No such file or directory");
    return refuse(path, "the ending is none of .png .jpg .npy .safetensors");
}

// --- out: functions return false after a message ---

bool cli_is_picture(const char *path)
{
    return ending_of(path) == PICTURE;
}

bool cli_is_tensor(const char *path)
{
    return ending_of(path) == NPY || ending_of(path) == SAFETENSORS;
}

bool cli_holds_several(const char *path)
{
    return ending_of(path) == SAFETENSORS;
}

// A PNG or JPEG with its first and its last bytes.
static bool holds_picture(vka_context *context, const char *path)
{
    static const struct {
        const char *text;
        size_t size;
    } heads[] = {{"\x89PNG\r\n\x1a\n", 8}, {"\xff\xd8\xff", 3}},
      tails[] = {{"IEND\xae\x42\x60\x82", 8}, {"\xff\xd9", 2}};
    struct vka_file file;
    bool whole = false;
    if (vka_file_open(context, path, &file) != VKA_OK)
        return false;
    const char *data = file.data;
    for (size_t i = 0; i < VKA_COUNT(heads); i++)
        whole |= file.size >= heads[i].size + tails[i].size &&
                 memcmp(data, heads[i].text, heads[i].size) == 0 &&
                 memcmp(data + file.size - tails[i].size, tails[i].text, tails[i].size) == 0;
    vka_file_close(context, &file);
    return whole;
}

static bool holds_array(vka_context *context, const char *path)
{
    struct vka_npy npy;
    if (vka_npy_read(context, path, &npy) != VKA_OK)
        return false;
    vka_npy_free(context, &npy);
    return true;
}

static bool holds_tensor(vka_context *context, const char *path, const char *name)
{
    struct vka_safetensors *file;
    if (vka_safetensors_open(context, path, &file) != VKA_OK)
        return false;
    bool found = vka_safetensors_find(file, name) >= 0;
    vka_safetensors_close(file);
    return found;
}

bool cli_holds(vka_context *context, const char *path, const char *name)
{
    enum ending ending = ending_of(path);
    return ending == PICTURE ? holds_picture(context, path)
           : ending == NPY   ? holds_array(context, path)
                             : holds_tensor(context, path, name);
}

bool cli_can_save(const char *path)
{
    return ending_of(path) != OTHER ||
           complain(path, "the ending is none of .png .jpg .npy .safetensors");
}

// A picture's shape [1 or 3, H, W]; false: it is none.
static bool picture_shape(vka_dtype dtype, const vka_shape *shape, vka_shape *picture)
{
    vka_shape s = *shape;
    while (s.rank > 3 && s.dim[0] == 1) {
        memmove(s.dim, s.dim + 1, sizeof *s.dim * (size_t)--s.rank);
    }
    if (s.rank == 2) {
        s = (vka_shape){3, {1, s.dim[0], s.dim[1]}};
    }
    *picture = s;
    return dtype == VKA_F32 && s.rank == 3 && (s.dim[0] == 1 || s.dim[0] == 3) &&
           s.dim[1] <= IMAGE_MAX_SIDE && s.dim[2] <= IMAGE_MAX_SIDE;
}

bool cli_can_hold(const char *path, const char *name, vka_dtype dtype, const vka_shape *shape)
{
    vka_shape picture;
    char text[VKA_SHAPE_TEXT];
    if (ending_of(path) != PICTURE || picture_shape(dtype, shape, &picture))
        return true;
    fprintf(stderr,
            "vkattn: %s: output '%s' of shape %s, %s, is no picture; F32 of [1, 3 or 1, H, W] up "
            "to %d x %d is\n",
            path, name, vka_shape_text(shape, text), vka_dtype_name(dtype), IMAGE_MAX_SIDE,
            IMAGE_MAX_SIDE);
    return false;
}

static bool save_picture(const char *path, const struct cli_tensor *t)
{
    vka_shape s;
    struct image image;
    if (!picture_shape(t->dtype, &t->shape, &s))
        return cli_can_hold(path, t->name, t->dtype, &t->shape);
    if (!image_make((int)s.dim[2], (int)s.dim[1], &image))
        return complain("out of memory for the file's contents", "");
    size_t pixels = (size_t)s.dim[1] * (size_t)s.dim[2];
    for (size_t c = 0; c < 3; c++)
        memcpy(image.rgb + c * pixels, (const float *)t->data + (s.dim[0] == 3 ? c * pixels : 0),
               pixels * sizeof(float));
    char error[IMAGE_ERROR];
    bool ok = image_save(path, &image, error) || complain(error, "");
    image_free(&image);
    return ok;
}

static bool save_together(vka_context *context, const struct cli_file *files,
                          const struct cli_tensor *tensors, size_t count, size_t first)
{
    struct vka_safetensors_item *items = calloc(count, sizeof *items);
    size_t n = 0;
    if (!items)
        return complain("out of memory for the file's contents", "");
    for (size_t i = first; i < count; i++) {
        if (strcmp(files[i].path, files[first].path) == 0)
            items[n++] = (struct vka_safetensors_item){tensors[i].name, tensors[i].dtype,
                                                       tensors[i].shape, tensors[i].data};
    }
    vka_result result = vka_safetensors_write(context, files[first].path, items, n, NULL);
    free(items);
    return result == VKA_OK || complain(vka_last_error(), "");
}

bool cli_save(vka_context *context, const struct cli_file *files, const struct cli_tensor *tensors,
              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum ending ending = ending_of(files[i].path);
        bool done = false, ok = true;
        for (size_t k = 0; k < i; k++)
            done |= strcmp(files[k].path, files[i].path) == 0;
        if (ending == PICTURE)
            ok = save_picture(files[i].path, &tensors[i]);
        else if (ending == NPY)
            ok = vka_npy_write(context, files[i].path, tensors[i].dtype, &tensors[i].shape,
                               tensors[i].data) == VKA_OK ||
                 complain(vka_last_error(), "");
        else if (!done)
            ok = save_together(context, files, tensors, count, i);
        if (!ok)
            return false;
    }
    return true;
}
