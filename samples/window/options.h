// SPDX-License-Identifier: MIT
//
// The command line of the sample.
#ifndef WINDOW_OPTIONS_H
#define WINDOW_OPTIONS_H

#include <stdbool.h>

struct options {
    const char *device;     // "auto", "cpu", "vulkan:N" or a part of a name
    const char *map;        // by name, or "none"
    double opacity, time;   // 0..1; seconds
    int width, height;      // of the window
    int frames;             // 0: until it is closed
    const char *screenshot; // of the last frame
    bool compare, validate, help;
};

// False, told, where the call is wrong.
bool options_read(struct options *o, int argc, char **argv);
extern const char options_usage[];

#endif
