// SPDX-License-Identifier: MIT
//
// spotlight: which of eight shapes is hidden in a cluttered picture, and where the network looked.
//
//     spotlight [--device D] [--json] PICTURE... [-o OVERLAY.png]
//
// Prints the class and its probability for each picture; -o writes it with the attention laid over
// it, of several pictures each under its own name: o/over.png becomes o/PICTURE.over.png. The
// network, its weights and classes stand beside this file; any of them can be replaced through
// SPOTLIGHT_DIR.
#include "image.h"
#include "network.h"
#include "util/system.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 64 };

struct spotlight {
    vka_context *context;
    vka_device *device;
    struct network network;
    char classes[MAX_CLASSES][32];
    int class_count;
    // The plan is for one size; pictures of another size get a new one.
    vka_plan *plan;
    int width, height, map_width, map_height;
    float *input, *map;
};

struct finding {
    const char *name;
    float probability;
    int y, x; // where the attention is largest, in pixels
};

static int failed(const char *what)
{
    fprintf(stderr, "spotlight: %s: %s\n", what, vka_last_error());
    return 1;
}

// "classes": ["star", ...] of the model file.
static void read_classes(struct spotlight *s)
{
    const char *text = vka_model_get_extra(s->network.model, "classes");
    while (text && (text = strchr(text, '"')) && s->class_count < MAX_CLASSES) {
        const char *end = strchr(++text, '"');
        if (!end)
            return;
        snprintf(s->classes[s->class_count++], sizeof *s->classes, "%.*s", (int)(end - text), text);
        text = end + 1;
    }
}

static int open_all(struct spotlight *s, const char *select)
{
    if (vka_context_create(NULL, &s->context))
        return failed("context");
    if (vka_device_open(s->context, select, &s->device))
        return failed("device"), 2;
    if (network_open(s->context, &s->network))
        return failed("network");
    read_classes(s);
    return 0;
}

static void drop_plan(struct spotlight *s)
{
    vka_plan_destroy(s->plan);
    free(s->input);
    free(s->map);
    s->plan = NULL;
    s->input = s->map = NULL;
    s->width = s->height = 0;
}

static void close_all(struct spotlight *s)
{
    drop_plan(s);
    network_close(&s->network);
    vka_device_close(s->device);
    vka_context_destroy(s->context);
}

// The map's size: the finest level's grid, as the graph tells it.
static int make_plan(struct spotlight *s, int width, int height)
{
    static const char *const outputs[] = {"y", "map", NULL};
    vka_shape shape[2];
    drop_plan(s);
    if (network_plan(&s->network, s->device, width, height, outputs, shape, &s->plan))
        return failed("plan");
    if (shape[1].rank != 4)
        return fprintf(stderr, "spotlight: the network's map is no picture\n"), 1;
    s->map_height = (int)shape[1].dim[2];
    s->map_width = (int)shape[1].dim[3];
    s->input = malloc((size_t)width * (size_t)height * 3 * sizeof *s->input);
    s->map = malloc((size_t)s->map_width * (size_t)s->map_height * sizeof *s->map);
    if (!s->input || !s->map)
        return fprintf(stderr, "spotlight: out of memory\n"), 1;
    s->width = width;
    s->height = height;
    return 0;
}

static void normalise(struct spotlight *s, const struct image *image)
{
    float mean[3], std[3];
    size_t pixels = (size_t)image->width * (size_t)image->height;
    vka_model_get_image(s->network.model, mean, std);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < pixels; i++)
            s->input[c * pixels + i] = (image->rgb[c * pixels + i] - mean[c]) / std[c];
    }
}

static int look(struct spotlight *s, const struct image *image, struct finding *found)
{
    if ((image->width != s->width || image->height != s->height) &&
        make_plan(s, image->width, image->height))
        return 1;
    normalise(s, image);
    float y[MAX_CLASSES];
    size_t pixels = (size_t)s->width * (size_t)s->height;
    const vka_io in[] = {{"image", VKA_F32, s->input, pixels * 3 * sizeof(float)}, {0}};
    const vka_io out[] = {
        {"y", VKA_F32, y, (size_t)s->class_count * sizeof(float)},
        {"map", VKA_F32, s->map, (size_t)s->map_width * (size_t)s->map_height * sizeof(float)},
        {0}};
    if (vka_plan_run(s->plan, in, out))
        return failed("run");
    int best = 0;
    for (int i = 1; i < s->class_count; i++)
        best = y[i] > y[best] ? i : best;
    found->name = s->classes[best];
    found->probability = y[best];
    image_peak(s->map, s->map_width, s->map_height, s->width, s->height, &found->y, &found->x);
    return 0;
}

static void print_json_name(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text < 0x20)
            printf("\\u%04x", (unsigned)(unsigned char)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_finding(const struct spotlight *s, const char *path, const struct finding *found,
                          bool json)
{
    if (!json) {
        printf("%s: %s, %.1f %%; looked at y %d, x %d (%s)\n", path, found->name,
               100.0 * (double)found->probability, found->y, found->x,
               vka_device_of(s->device)->name);
        return;
    }
    printf("{\"file\": ");
    print_json_name(path);
    printf(", \"class\": \"%s\", \"probability\": %.6f, \"peak\": [%d, %d]}\n", found->name,
           (double)found->probability, found->y, found->x);
}

static int show(struct spotlight *s, const char *path, const char *overlay, bool json)
{
    char error[IMAGE_ERROR];
    struct image image;
    struct finding found;
    if (!image_load(path, &image, error)) {
        fprintf(stderr, "spotlight: %s\n", error);
        return 2;
    }
    int code = look(s, &image, &found);
    if (code == 0)
        print_finding(s, path, &found, json);
    if (code == 0 && overlay) {
        snprintf(error, sizeof error, "out of memory");
        if (!image_overlay(&image, s->map, s->map_width, s->map_height) ||
            !image_save(overlay, &image, error)) {
            fprintf(stderr, "spotlight: %s\n", error);
            code = 1;
        }
    }
    image_free(&image);
    return code;
}

// Of one of `count` pictures; until the next call. NULL where none is wanted.
static const char *overlay_name(const char *overlay, const char *picture, int count)
{
    static char name[4096];
    if (!overlay || count == 1)
        return overlay;
    const char *slash = strrchr(overlay, '/'), *base = slash ? slash + 1 : overlay;
    const char *from = strrchr(picture, '/'), *stem = from ? from + 1 : picture;
    const char *dot = strrchr(stem, '.');
    int length = dot && dot != stem ? (int)(dot - stem) : (int)strlen(stem);
    snprintf(name, sizeof name, "%.*s%.*s.%s", (int)(base - overlay), overlay, length, stem, base);
    return name;
}

static bool is_picture(const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    return !path || (dot && (strcmp(dot, ".png") == 0 || strcmp(dot, ".jpg") == 0));
}

static bool names_differ(const char *overlay, char **pictures, int count)
{
    char name[4096];
    for (int i = 0; overlay && i < count; i++) {
        snprintf(name, sizeof name, "%s", overlay_name(overlay, pictures[i], count));
        for (int k = 0; k < count; k++) {
            if (vka_sys_same(pictures[k], name)) {
                fprintf(stderr, "spotlight: %s would take the place of the picture %s\n", name,
                        pictures[k]);
                return false;
            }
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(name, overlay_name(overlay, pictures[k], count)) == 0) {
                fprintf(stderr, "spotlight: %s and %s would both be laid over in %s\n", pictures[k],
                        pictures[i], name);
                return false;
            }
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"device", required_argument, NULL, 'd'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static const char usage[] =
        "usage: spotlight [--device D] [--json] PICTURE... [-o OVERLAY.png]\n";
    const char *select = NULL, *overlay = NULL;
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        if (c == 'h')
            return fputs(usage, stdout), 0;
        if (c == '?')
            return fputs(usage, stderr), 2;
        select = c == 'd' ? optarg : select;
        overlay = c == 'o' ? optarg : overlay;
        json |= c == 'j';
    }
    if (optind == argc)
        return fputs(usage, stderr), 2;
    if (!is_picture(overlay)) {
        fprintf(stderr, "spotlight: the output '%s' must end in .png or .jpg\n", overlay);
        return 2;
    }
    if (!names_differ(overlay, argv + optind, argc - optind))
        return 2;
    struct spotlight s = {0};
    int code = open_all(&s, select);
    for (int i = optind; i < argc && code == 0; i++)
        code = show(&s, argv[i], overlay_name(overlay, argv[i], argc - optind), json);
    close_all(&s);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "spotlight: writing to stdout failed\n");
        return 1;
    }
    return code;
}
