// SPDX-License-Identifier: MIT
#include "image.h"

#include "util/system.h"

#include <errno.h>
#include <math.h>
#include <spng.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <turbojpeg.h>

enum { MAX_FILE = 1 << 30, JPEG_QUALITY = 92, NAMES_TRIED = 1000 };

static bool fail(char error[IMAGE_ERROR], const char *path, const char *why)
{
    snprintf(error, IMAGE_ERROR, "%.300s: %s", path, why);
    return false;
}

static bool fail_memory(char error[IMAGE_ERROR], const char *path, struct image *image)
{
    image->no_memory = true;
    return fail(error, path, "out of memory");
}

static bool size_ok(uint64_t width, uint64_t height)
{
    return width >= 1 && height >= 1 && width <= IMAGE_MAX_SIDE && height <= IMAGE_MAX_SIDE &&
           width * height <= IMAGE_MAX_PIXELS;
}

bool image_make(int width, int height, struct image *image)
{
    *image = (struct image){.width = width, .height = height};
    if (!size_ok((uint64_t)width, (uint64_t)height))
        return false;
    image->rgb = calloc((size_t)width * (size_t)height * 3, sizeof *image->rgb);
    return image->rgb != NULL;
}

void image_free(struct image *image)
{
    free(image->rgb);
    image->rgb = NULL;
}

static bool from_bytes(const unsigned char *bytes, int width, int height, struct image *image)
{
    if (!image_make(width, height, image))
        return false;
    size_t pixels = (size_t)width * (size_t)height;
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < 3; c++)
            image->rgb[c * pixels + i] = (float)bytes[i * 3 + c] / 255.0f;
    }
    return true;
}

static unsigned char *to_bytes(const struct image *image)
{
    size_t pixels = (size_t)image->width * (size_t)image->height;
    unsigned char *bytes = malloc(pixels * 3);
    for (size_t i = 0; bytes && i < pixels; i++) {
        for (size_t c = 0; c < 3; c++) {
            float v = image->rgb[c * pixels + i];
            v = v > 0 ? v < 1 ? v : 1 : 0; // NaN becomes 0
            bytes[i * 3 + c] = (unsigned char)(v * 255.0f + 0.5f);
        }
    }
    return bytes;
}

// --- files ---

static FILE *open_file(const char *path, enum vka_open how, const char *mode)
{
    int descriptor = vka_sys_open(path, how);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, mode) : NULL;
    if (descriptor >= 0 && !file) {
        int why = errno;
        close(descriptor);
        errno = why;
    }
    return file;
}

static unsigned char *read_file(const char *path, size_t *size, struct image *image,
                                char error[IMAGE_ERROR])
{
    FILE *file = open_file(path, VKA_OPEN_READ, "rb");
    if (!file) {
        image->no_memory = errno == ENOMEM;
        fail(error, path, strerror(errno));
        return NULL;
    }
    unsigned char *data = NULL;
    long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (length < 0 || length > MAX_FILE || fseek(file, 0, SEEK_SET) != 0)
        fail(error, path, "can't be read as a picture");
    else if (!(data = malloc((size_t)length + 1)))
        fail_memory(error, path, image);
    else if (fread(data, 1, (size_t)length, file) != (size_t)length) {
        fail(error, path, "reading failed");
        free(data);
        data = NULL;
    }
    fclose(file);
    *size = (size_t)(length < 0 ? 0 : length);
    return data;
}

// 0 or an errno.
static int write_all(const char *path, enum vka_open how, const void *data, size_t size)
{
    FILE *file = open_file(path, how, "wb");
    if (!file)
        return errno;
    int why = fwrite(data, 1, size, file) == size ? 0 : errno;
    if (fclose(file) != 0 && !why)
        why = errno;
    return why;
}

// 0 or an errno. A file that was there before isn't ours to remove.
static int write_beside(const char *path, const void *data, size_t size)
{
    size_t length = strlen(path) + 48;
    char *beside = malloc(length);
    int why = EEXIST;
    if (!beside)
        return ENOMEM;
    for (int i = 0; i < NAMES_TRIED && why == EEXIST; i++) {
        snprintf(beside, length, "%s.%ld-%d.part", path, vka_sys_process(), i);
        why = write_all(beside, VKA_OPEN_NEW, data, size);
    }
    if (!why && !vka_sys_rename(beside, path))
        why = errno;
    if (why && why != EEXIST)
        vka_sys_remove(beside);
    free(beside);
    return why;
}

// Beside, then renamed. A link stays a link, and what is no regular file (a device, a pipe) is
// written to, never replaced.
static bool write_file(const char *path, const void *data, size_t size, char error[IMAGE_ERROR])
{
    char *real = vka_sys_real_path(path);
    const char *to = real ? real : path;
    if (!real && errno == ENOMEM) // a link would be replaced
        return fail(error, path, strerror(ENOMEM));
    enum vka_kind kind = vka_sys_kind(to, true);
    bool special = kind != VKA_KIND_NONE && kind != VKA_KIND_FILE;
    int why = special ? write_all(to, VKA_OPEN_WRITE, data, size) : write_beside(to, data, size);
    free(real);
    return why == 0 || fail(error, path, strerror(why));
}

// --- PNG ---

static bool fail_png(char error[IMAGE_ERROR], const char *path, struct image *image, int code)
{
    // All that zlib asks for at its start is memory.
    if (code == SPNG_EMEM || code == SPNG_EZLIB_INIT)
        return fail_memory(error, path, image);
    return fail(error, path, spng_strerror(code));
}

static bool decode_png(spng_ctx *png, const char *path, struct image *image,
                       char error[IMAGE_ERROR])
{
    struct spng_ihdr header;
    size_t size;
    int code = spng_get_ihdr(png, &header);
    if (code)
        return fail_png(error, path, image, code);
    if (!size_ok(header.width, header.height))
        return fail(error, path, "the picture is too large");
    code = spng_decoded_image_size(png, SPNG_FMT_RGB8, &size);
    if (code)
        return fail_png(error, path, image, code);
    unsigned char *bytes = malloc(size);
    if (!bytes)
        return fail_memory(error, path, image);
    code = spng_decode_image(png, bytes, size, SPNG_FMT_RGB8, 0);
    bool ok = code ? fail_png(error, path, image, code)
              : from_bytes(bytes, (int)header.width, (int)header.height, image)
                  ? true
                  : fail_memory(error, path, image);
    free(bytes);
    return ok;
}

static bool load_png(const unsigned char *data, size_t size, const char *path, struct image *image,
                     char error[IMAGE_ERROR])
{
    spng_ctx *png = spng_ctx_new(0);
    if (!png)
        return fail_memory(error, path, image);
    spng_set_image_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    spng_set_chunk_limits(png, 1 << 24, 1 << 26);
    int code = spng_set_png_buffer(png, data, size);
    bool ok = code ? fail_png(error, path, image, code) : decode_png(png, path, image, error);
    spng_ctx_free(png);
    return ok;
}

static bool save_png(const char *path, const struct image *image, const unsigned char *bytes,
                     char error[IMAGE_ERROR])
{
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!png)
        return fail(error, path, "out of memory");
    struct spng_ihdr header = {.width = (uint32_t)image->width,
                               .height = (uint32_t)image->height,
                               .bit_depth = 8,
                               .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    size_t size = (size_t)image->width * (size_t)image->height * 3;
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    int code = spng_set_ihdr(png, &header);
    if (!code)
        code = spng_encode_image(png, bytes, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    void *file = NULL;
    size_t length = 0;
    if (!code)
        file = spng_get_png_buffer(png, &length, &code);
    bool ok = file ? write_file(path, file, length, error) : fail(error, path, spng_strerror(code));
    free(file);
    spng_ctx_free(png);
    return ok;
}

// --- JPEG ---

static bool fail_jpeg(char error[IMAGE_ERROR], const char *path, struct image *image, tjhandle jpeg)
{
    const char *why = tjGetErrorStr2(jpeg);
    // There is no code for it.
    if (strstr(why, "nsufficient memory") || strstr(why, "emory allocation failure"))
        return fail_memory(error, path, image);
    return fail(error, path, why);
}

static bool load_jpeg(const unsigned char *data, size_t size, const char *path, struct image *image,
                      char error[IMAGE_ERROR])
{
    int width = 0, height = 0, sampling, space; // tables alone leave them as they are
    tjhandle jpeg = tjInitDecompress();
    unsigned char *bytes = NULL;
    bool ok = false;
    if (!jpeg) {
        fail_memory(error, path, image);
    } else if (tjDecompressHeader3(jpeg, data, (unsigned long)size, &width, &height, &sampling,
                                   &space)) {
        fail_jpeg(error, path, image, jpeg);
    } else if (!size_ok((uint64_t)width, (uint64_t)height)) {
        fail(error, path, width < 1 ? "no picture in the JPEG file" : "the picture is too large");
    } else if (!(bytes = malloc((size_t)width * (size_t)height * 3))) {
        fail_memory(error, path, image);
    } else if (tjDecompress2(jpeg, data, (unsigned long)size, bytes, width, 0, height, TJPF_RGB,
                             TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING)) {
        fail_jpeg(error, path, image, jpeg);
    } else {
        ok = from_bytes(bytes, width, height, image) ? true : fail_memory(error, path, image);
    }
    free(bytes);
    if (jpeg)
        tjDestroy(jpeg);
    return ok;
}

static bool save_jpeg(const char *path, const struct image *image, const unsigned char *bytes,
                      char error[IMAGE_ERROR])
{
    tjhandle jpeg = tjInitCompress();
    unsigned char *file = NULL;
    unsigned long length = 0;
    bool ok = false;
    if (!jpeg)
        fail(error, path, "out of memory");
    else if (tjCompress2(jpeg, bytes, image->width, 0, image->height, TJPF_RGB, &file, &length,
                         TJSAMP_444, JPEG_QUALITY, TJFLAG_ACCURATEDCT))
        fail(error, path, tjGetErrorStr2(jpeg));
    else
        ok = write_file(path, file, length, error);
    tjFree(file);
    if (jpeg)
        tjDestroy(jpeg);
    return ok;
}

bool image_load(const char *path, struct image *image, char error[IMAGE_ERROR])
{
    static const unsigned char png[] = {0x89, 'P', 'N', 'G'}, jpeg[] = {0xff, 0xd8, 0xff};
    size_t size;
    *image = (struct image){0};
    unsigned char *data = read_file(path, &size, image, error);
    if (!data)
        return false;
    bool ok;
    if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
        ok = load_png(data, size, path, image, error);
    else if (size >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0)
        ok = load_jpeg(data, size, path, image, error);
    else
        ok = fail(error, path, "neither a PNG nor a JPEG");
    free(data);
    return ok;
}

bool image_save(const char *path, const struct image *image, char error[IMAGE_ERROR])
{
    const char *dot = strrchr(path, '.');
    bool jpeg = dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
    unsigned char *bytes = to_bytes(image);
    if (!bytes)
        return fail(error, path, "out of memory");
    bool ok = jpeg ? save_jpeg(path, image, bytes, error) : save_png(path, image, bytes, error);
    free(bytes);
    return ok;
}

// --- resampling ---

// A plane's value at pixel (y, x) of a grid of out_height x out_width laid over it.
static float sample(const float *plane, int width, int height, int y, int x, int out_width,
                    int out_height)
{
    float fy = ((float)y + 0.5f) * (float)height / (float)out_height - 0.5f;
    float fx = ((float)x + 0.5f) * (float)width / (float)out_width - 0.5f;
    fy = fminf(fmaxf(fy, 0), (float)(height - 1));
    fx = fminf(fmaxf(fx, 0), (float)(width - 1));
    int y0 = (int)fy, x0 = (int)fx;
    int y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    float ty = fy - (float)y0, tx = fx - (float)x0;
    const float *top = plane + (size_t)y0 * (size_t)width,
                *low = plane + (size_t)y1 * (size_t)width;
    return (top[x0] * (1 - tx) + top[x1] * tx) * (1 - ty) +
           (low[x0] * (1 - tx) + low[x1] * tx) * ty;
}

bool image_resize(const struct image *from, int width, int height, struct image *to)
{
    if (!image_make(width, height, to))
        return false;
    size_t in = (size_t)from->width * (size_t)from->height, out = (size_t)width * (size_t)height;
    for (size_t c = 0; c < 3; c++) {
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++)
                to->rgb[c * out + (size_t)y * (size_t)width + (size_t)x] =
                    sample(from->rgb + c * in, from->width, from->height, y, x, width, height);
        }
    }
    return true;
}

// --- maps ---

// Blue, cyan, yellow, red: the colours that attention maps usually have.
static void heat(float t, float rgb[3])
{
    for (int c = 0; c < 3; c++) {
        float v = 1.5f - fabsf(4 * t - (float)(3 - c));
        rgb[c] = fminf(fmaxf(v, 0), 1);
    }
}

// The mean of the map over 3 x 3 places, cut off at the edges, scaled to 0..1 by its ends.
static float *smooth(const float *map, int width, int height)
{
    size_t places = (size_t)width * (size_t)height;
    float *out = malloc(places * sizeof *out);
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; out && i < places; i++) {
        float sum = 0, count = 0;
        for (int k = 0; k < 9; k++) {
            int y = (int)(i / (size_t)width) + k / 3 - 1, x = (int)(i % (size_t)width) + k % 3 - 1;
            if (y < 0 || x < 0 || y >= height || x >= width)
                continue;
            float weight = (float)((2 - abs(k / 3 - 1)) * (2 - abs(k % 3 - 1)));
            sum += weight * map[(size_t)y * (size_t)width + (size_t)x];
            count += weight;
        }
        out[i] = sum / count;
        low = fminf(low, out[i]); // fminf passes over NaN
        high = fmaxf(high, out[i]);
    }
    float range = high > low && isfinite(high - low) ? high - low : 1;
    for (size_t i = 0; out && i < places; i++)
        out[i] = (out[i] - low) / range;
    return out;
}

bool image_overlay(struct image *image, const float *map, int map_width, int map_height)
{
    float *plane = smooth(map, map_width, map_height);
    if (!plane)
        return false;
    size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t at = 0; at < pixels; at++) {
        int y = (int)(at / (size_t)image->width), x = (int)(at % (size_t)image->width);
        float t = sample(plane, map_width, map_height, y, x, image->width, image->height),
              colour[3];
        t = sqrtf(t > 0 ? t < 1 ? t : 1 : 0); // maps that sum to 1 are mostly near their least
        heat(t, colour);
        for (size_t c = 0; c < 3; c++) {
            float *p = &image->rgb[c * pixels + at];
            *p *= 0.5f + 0.5f * t;
            *p += (colour[c] - *p) * 0.45f * t;
        }
    }
    free(plane);
    return true;
}

void image_peak(const float *map, int map_width, int map_height, int width, int height, int *y,
                int *x)
{
    size_t best = 0;
    for (size_t i = 1; i < (size_t)map_width * (size_t)map_height; i++) {
        if (map[i] > map[best])
            best = i;
    }
    *y = (int)(((double)(best / (size_t)map_width) + 0.5) * height / map_height);
    *x = (int)(((double)(best % (size_t)map_width) + 0.5) * width / map_width);
}
