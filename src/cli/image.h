// SPDX-License-Identifier: MIT
//
// Pictures: PNG and JPEG files, resampling, and a map laid over a picture. Uses the public header
// and libspng, libjpeg-turbo alone: the samples share it.
#ifndef VKA_CLI_IMAGE_H
#define VKA_CLI_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

struct image {
    int width, height;
    float *rgb;     // [3, height, width], 0..1
    bool no_memory; // why it couldn't be loaded
};

enum { IMAGE_ERROR = 512, IMAGE_MAX_SIDE = 32768, IMAGE_MAX_PIXELS = 1 << 28 };

// Reads a PNG or a JPEG (told by its first bytes). False with a text in `error`. Transparency is
// dropped, 16 bits become 8.
bool image_load(const char *path, struct image *image, char error[IMAGE_ERROR]);
bool image_make(int width, int height, struct image *image); // zeros; false: out of memory
void image_free(struct image *image);

// Writes a PNG or (ending .jpg, .jpeg) a JPEG, whole or not at all; values are clipped to 0..1.
bool image_save(const char *path, const struct image *image, char error[IMAGE_ERROR]);

// Bilinear, centres aligned; false: out of memory.
bool image_resize(const struct image *from, int width, int height, struct image *to);

// Lays a map [height, width] of any size over the picture: smoothed a little, scaled from its least
// to its largest value. Where it is small the picture is dimmed; where it is large it glows, from
// blue over yellow to red. False: out of memory.
bool image_overlay(struct image *image, const float *map, int map_width, int map_height);

// The place of the map's largest value, in pixels of a picture of this size.
void image_peak(const float *map, int map_width, int map_height, int width, int height, int *y,
                int *x);

#endif
