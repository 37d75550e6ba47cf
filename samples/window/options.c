// SPDX-License-Identifier: MIT
//
// Options, each checked as it is read.
#include "options.h"

#include "window.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char options_usage[] =
    "usage: window [OPTION]...\n"
    "Shows a moving scene and, laid over it, where a network looks.\n"
    "  --device D         who computes the attention: auto, cpu, vulkan:N or a part of a name\n"
    "  --map M            map, map_coarse, gate or none (map)\n"
    "  --opacity X        of the map, 0 to 1 (0.6)\n"
    "  --size WxH         of the window (512x512)\n"
    "  --frames N         ends after N frames, 1/30 s of the scene each\n"
    "  --time SECONDS     where in the scene the first frame is (0)\n"
    "  --screenshot FILE  the last frame as PNG or JPEG (without --frames: the first)\n"
    "  --compare          with --frames: frame times without and with attention, alternately\n"
    "  --validate         with the Khronos validation layer; its messages fail the program\n"
    "Keys: D next device, M next map, up and down opacity, Esc or Q end.\n"
    "Exit codes: 0 done, 1 the work failed (no window system, ...), 2 the call is wrong.\n";

static bool read_number(const char *name, const char *text, double low, double high, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return (end != text && *end == '\0' && *value >= low && *value <= high) ||
           failed("--%s: '%s' is no number from %g to %g", name, text, low, high);
}

static bool read_count(const char *name, const char *text, int low, int high, int *value)
{
    char *end;
    long n = strtol(text, &end, 10);
    *value = n >= low && n <= high ? (int)n : low;
    return (end != text && *end == '\0' && n >= low && n <= high) ||
           failed("--%s: '%s' is no whole number from %d to %d", name, text, low, high);
}

static bool read_size(const char *text, int *width, int *height)
{
    char *end;
    long w = strtol(text, &end, 10), h = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    *width = (int)w;
    *height = (int)h;
    return (*end == '\0' && w >= 16 && w <= 8192 && h >= 16 && h <= 8192) ||
           failed("--size: '%s' is no size such as 512x512, 16 to 8192 each way", text);
}

static bool read_screenshot(const char *text, const char **file)
{
    const char *dot = strrchr(text, '.');
    *file = text;
    return (dot && (!strcmp(dot, ".png") || !strcmp(dot, ".jpg") || !strcmp(dot, ".jpeg"))) ||
           failed("--screenshot: '%s' ends in none of .png, .jpg, .jpeg", text);
}

static bool read_one(struct options *o, int letter)
{
    switch (letter) {
    case 'd':
        o->device = optarg;
        return true;
    case 'm':
        o->map = optarg;
        return true;
    case 'o':
        return read_number("opacity", optarg, 0, 1, &o->opacity);
    case 't':
        return read_number("time", optarg, 0, 1e6, &o->time);
    case 's':
        return read_size(optarg, &o->width, &o->height);
    case 'f':
        return read_count("frames", optarg, 1, 1000000, &o->frames);
    case 'p':
        return read_screenshot(optarg, &o->screenshot);
    case 'c':
        return o->compare = true;
    case 'v':
        return o->validate = true;
    case 'h':
        return o->help = true;
    default: // getopt has said what is wrong
        return false;
    }
}

bool options_read(struct options *o, int argc, char **argv)
{
    static const struct option options[] = {{"device", required_argument, NULL, 'd'},
                                            {"map", required_argument, NULL, 'm'},
                                            {"opacity", required_argument, NULL, 'o'},
                                            {"time", required_argument, NULL, 't'},
                                            {"size", required_argument, NULL, 's'},
                                            {"frames", required_argument, NULL, 'f'},
                                            {"screenshot", required_argument, NULL, 'p'},
                                            {"compare", no_argument, NULL, 'c'},
                                            {"validate", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    *o = (struct options){
        .device = "auto", .map = "map", .opacity = 0.6, .width = 512, .height = 512};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (!read_one(o, c))
            return false;
    }
    if (optind < argc)
        return failed("'%s' is no option", argv[optind]);
    if (o->compare && (!o->frames || o->screenshot || !strcmp(o->map, "none")))
        return failed("--compare wants --frames and a map, and takes no --screenshot");
    if (o->screenshot && !o->frames)
        o->frames = 1;
    return true;
}
