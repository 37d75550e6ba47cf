// SPDX-License-Identifier: MIT
//
// vkattn see: an attention map laid over the picture that it comes from.
#include "cli/npy.h"
#include "cli/session.h"
#include "io/model.h"
#include "util/system.h"

#include <stdlib.h>
#include <string.h>

struct call {
    const char *model, *weights, *device, *picture, *map, *out;
    long head, y, x;    // -1: not given
    long rows, columns; // of the grid of positions; 0: not given
    bool json, official;
};

// The map's plane as a picture sees it.
struct plane {
    const float *data;
    int width, height;
};

// The node that makes the map; NULL: none does.
static const struct vka_model_node *maker_of(const vka_model *m, const char *map)
{
    struct vka_model_reference from;
    bool found = vka_model_resolve(m, map, &from);
    for (size_t i = 0; i < m->output_count; i++) {
        if (strcmp(m->outputs[i].name, map) == 0) {
            from = m->outputs[i].from;
            found = true;
        }
    }
    return found && from.input < 0 ? &m->nodes[from.node] : NULL;
}

// What the node takes there; NULL: nothing.
static const char *taken_by(const struct vka_model_node *node, const char *port)
{
    for (size_t i = 0; node && i < node->edge_count; i++) {
        if (strcmp(node->edges[i].port, port) == 0)
            return node->edges[i].text;
    }
    return NULL;
}

static bool refuse(const struct cli_tensor *map, const char *why)
{
    char text[VKA_SHAPE_TEXT];
    fprintf(stderr, "vkattn see: the map '%s' of shape %s: %s\n", map->name,
            vka_shape_text(&map->shape, text), why);
    return false;
}

// [P, Q]: the row of one position. Q is the grid itself, or the grid pooled by two.
static bool pick_row(const struct call *call, const struct cli_tensor *map, const float *data,
                     int64_t rows, int64_t columns, const int64_t grid[2], struct plane *plane)
{
    if (call->y < 0)
        return refuse(map, "every position has a map of its own: choose one with --at Y,X");
    if (call->y >= grid[0] || call->x >= grid[1]) {
        fprintf(stderr, "vkattn see: --at %ld,%ld lies outside the grid of %lld x %lld\n", call->y,
                call->x, (long long)grid[0], (long long)grid[1]);
        return false;
    }
    int64_t height = grid[0], width = grid[1];
    if (columns != rows) {
        height /= 2;
        width /= 2;
    }
    if (height * width != columns)
        return refuse(map, "its keys are no grid");
    *plane =
        (struct plane){data + (call->y * grid[1] + call->x) * columns, (int)width, (int)height};
    return true;
}

// [N, 1 or K, H, W], [N, H, W], [N, P, Q] or [N, heads, P, Q]; the first of the batch.
static bool pick_plane(const struct call *call, const struct cli_tensor *map, const int64_t grid[2],
                       struct plane *plane)
{
    const vka_shape *s = &map->shape;
    if (map->dtype != VKA_F32 || s->rank < 3 || s->rank > 4)
        return refuse(map, "not [N, 1, H, W], [N, P, Q] or [N, heads, P, Q]");
    const float *data = map->data;
    int64_t rows = s->dim[s->rank - 2], columns = s->dim[s->rank - 1];
    if (rows > IMAGE_MAX_SIDE * 64 || columns > IMAGE_MAX_SIDE * 64)
        return refuse(map, "too large");
    if (s->rank == 3 && call->head >= 0)
        return refuse(map, "it has no heads for --head to choose from");
    if (s->rank == 4) {
        long head = call->head < 0 ? 0 : call->head;
        if (s->dim[1] > 1 && call->head < 0)
            return refuse(map, "there are several heads: choose one with --head");
        if (head >= s->dim[1])
            return refuse(map, "--head is past the last one");
        data += head * rows * columns;
    }
    if (grid[0] * grid[1] == rows && (rows > 1 || call->y >= 0))
        return pick_row(call, map, data, rows, columns, grid, plane);
    if (call->y >= 0)
        return refuse(map, "it is one map for all positions, --at chooses none");
    *plane = (struct plane){data, (int)columns, (int)rows};
    return true;
}

// The grid of the map's positions: what the call says, else that of the `x` of `node`, which makes
// the map. 0 x 0: the map is a plane itself. False where the positions are tokens, which may lie
// anyhow.
static bool find_grid(const struct session *s, const struct call *call,
                      const struct vka_model_node *node, const struct cli_tensor *map,
                      int64_t grid[2])
{
    const char *x = taken_by(node, "x");
    vka_shape shape = {0};
    grid[0] = call->rows;
    grid[1] = call->columns;
    int64_t rows = map->shape.rank < 2 ? 0 : map->shape.dim[map->shape.rank - 2];
    if (call->rows > 0)
        return grid[0] * grid[1] == rows || refuse(map, "its positions aren't those of --grid");
    bool known = x && vka_output_info(s->graph, x, NULL, &shape);
    if (known && shape.rank == 4)
        memcpy(grid, shape.dim + 2, 2 * sizeof *grid);
    bool tokens = taken_by(node, "q") || (known && shape.rank == 3 && shape.dim[1] == rows);
    return !tokens || refuse(map, "its positions are tokens: say by --grid H,W how they lie");
}

static void print_result(const struct call *call, const char *raw, const struct plane *plane,
                         const struct image *image)
{
    int y, x;
    image_peak(plane->data, plane->width, plane->height, image->width, image->height, &y, &x);
    if (!call->json) {
        printf("%s: map '%s' of %d x %d, peak at y %d, x %d; raw map in %s\n", call->out, call->map,
               plane->height, plane->width, y, x, raw);
        return;
    }
    printf("{\"image\": ");
    cli_json_string(call->picture);
    printf(", \"output\": ");
    cli_json_string(call->out);
    printf(", \"raw\": ");
    cli_json_string(raw);
    printf(", \"map\": ");
    cli_json_string(call->map);
    printf(", \"height\": %d, \"width\": %d, \"peak\": {\"y\": %d, \"x\": %d}}\n", plane->height,
           plane->width, y, x);
}

// The raw map's file, beside the picture's; malloc'd.
static char *raw_name(const struct call *call)
{
    size_t length = strlen(call->out) + 8;
    char *raw = malloc(length);
    if (raw) {
        snprintf(raw, length, "%s", call->out);
        snprintf(strrchr(raw, '.'), 8, ".npy");
    }
    return raw;
}

// What is written must not take the place of what is read.
static int check_files(const struct call *call)
{
    const char *inputs[] = {call->picture, call->model, call->weights};
    char *raw = raw_name(call);
    int code = raw ? EXIT_DONE : cli_no_memory("the raw map's name");
    for (size_t i = 0; i < VKA_COUNT(inputs) && code == EXIT_DONE; i++) {
        const char *in = inputs[i];
        const char *out = !in                           ? NULL
                          : vka_sys_same(in, call->out) ? call->out
                          : vka_sys_same(in, raw)       ? raw
                                                        : NULL;
        if (out)
            code = cli_usage_error(&cli_see, "the output %s would take the place of the input %s",
                                   out, in);
    }
    free(raw);
    return code;
}

static bool save(struct session *s, const struct call *call, const struct plane *plane,
                 struct image *image)
{
    char *raw = raw_name(call), error[IMAGE_ERROR];
    if (!raw) {
        s->code = cli_no_memory("the raw map's name");
        return false;
    }
    vka_shape shape = {2, {plane->height, plane->width}};
    s->code = EXIT_WRONG;
    bool ok = image_overlay(image, plane->data, plane->width, plane->height);
    if (!ok)
        fprintf(stderr, "vkattn see: out of memory\n");
    else if (!(ok = image_save(call->out, image, error)))
        fprintf(stderr, "vkattn see: %s\n", error);
    else if (vka_npy_write(s->context, raw, VKA_F32, &shape, plane->data) != VKA_OK)
        ok = (cli_failed(VKA_ERROR_IO), false);
    if (ok)
        print_result(call, raw, plane, image);
    free(raw);
    return ok;
}

// The model's input that takes a picture: the only one.
static const vka_model_input *picture_input(const vka_model *model)
{
    const vka_model_input *found = NULL, *input;
    for (int i = 0; (input = vka_model_get_input(model, i)); i++) {
        if (input->optional)
            continue;
        if (found) {
            fprintf(stderr, "vkattn see: the model has inputs besides a picture\n");
            return NULL;
        }
        found = input;
    }
    if (!found)
        fprintf(stderr, "vkattn see: the model has no input\n");
    return found;
}

static bool see_image(struct session *s, const struct call *call, struct image *image)
{
    const vka_model_input *input = picture_input(s->model);
    const struct vka_model_node *node = maker_of(s->model, call->map);
    const char *outputs[] = {call->map, taken_by(node, "x"), NULL};
    struct cli_tensor in, map = {0};
    struct plane plane = {0};
    int64_t grid[2] = {0, 0};
    s->code = input ? cli_load_image(s->model, input, call->picture, image, &in) : EXIT_USAGE;
    if (s->code != EXIT_DONE || !session_add(s, &in) || !session_plan(s, outputs, false))
        return false;
    bool ok = session_run(s, outputs, 1, &map);
    if (ok) {
        s->code = EXIT_USAGE;
        ok = find_grid(s, call, node, &map, grid) && pick_plane(call, &map, grid, &plane) &&
             save(s, call, &plane, image);
    }
    cli_tensor_free(&map);
    return ok;
}

static int see(const struct call *call)
{
    struct session s;
    struct image image = {0};
    char error[IMAGE_ERROR];
    bool ok = session_open(&s, call->device, call->model, call->weights, call->official);
    if (ok && !image_load(call->picture, &image, error)) {
        fprintf(stderr, "vkattn see: %s\n", error);
        s.code = image.no_memory ? EXIT_WRONG : EXIT_USAGE;
        ok = false;
    }
    ok = ok && see_image(&s, call, &image);
    int code = ok ? EXIT_DONE : s.code;
    image_free(&image);
    session_close(&s);
    return code;
}

static bool parse_long(const char *text, char **end, long *value)
{
    *value = strtol(text, end, 10);
    return *end != text && *value >= 0 && *value <= IMAGE_MAX_SIDE;
}

static bool parse_pair(const char *text, long *first, long *second)
{
    char *end;
    return parse_long(text, &end, first) && *end == ',' && parse_long(end + 1, &end, second) &&
           *end == '\0';
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"weights", required_argument, NULL, 'w'}, {"weights-as", required_argument, NULL, 'f'},
        {"image", required_argument, NULL, 'i'},   {"map", required_argument, NULL, 'm'},
        {"output", required_argument, NULL, 'o'},  {"device", required_argument, NULL, 'd'},
        {"at", required_argument, NULL, 'a'},      {"grid", required_argument, NULL, 'g'},
        {"head", required_argument, NULL, 'n'},    {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct cli_options options = {&cli_see, "hi:o:", "", table, {0}};
    struct call call = {.head = -1, .y = -1, .x = -1};
    char *end;
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        if (c == 'h')
            return cli_help(&cli_see);
        if (c == '?')
            return cli_usage_error(&cli_see, "the call is wrong");
        if (c == 'a' && !parse_pair(optarg, &call.y, &call.x))
            return cli_usage_error(&cli_see, "--at takes Y,X, not '%s'", optarg);
        if (c == 'g' &&
            (!parse_pair(optarg, &call.rows, &call.columns) || call.rows < 1 || call.columns < 1))
            return cli_usage_error(&cli_see, "--grid takes H,W, not '%s'", optarg);
        if (c == 'n' && (!parse_long(optarg, &end, &call.head) || *end))
            return cli_usage_error(&cli_see, "--head takes a number, not '%s'", optarg);
        if (c == 'f' && cli_weights_as(&cli_see, optarg, &call.official) >= 0)
            return EXIT_USAGE;
        call.json |= c == 'j';
        const char **value = c == 'w'   ? &call.weights
                             : c == 'i' ? &call.picture
                             : c == 'm' ? &call.map
                             : c == 'o' ? &call.out
                             : c == 'd' ? &call.device
                                        : NULL;
        if (value)
            *value = optarg;
    }
    if (optind + 1 != argc)
        return cli_usage_error(&cli_see, optind == argc ? "no model is given"
                                                        : "more than one model is given");
    call.model = argv[optind];
    if (!call.picture || !call.map || !call.out)
        return cli_usage_error(&cli_see, "--image, --map and -o must be given");
    const char *dot = strrchr(call.out, '.');
    if (!dot || (strcmp(dot, ".png") != 0 && strcmp(dot, ".jpg") != 0))
        return cli_usage_error(&cli_see, "the output '%s' must end in .png or .jpg", call.out);
    int code = check_files(&call);
    return code == EXIT_DONE ? see(&call) : code;
}

const struct cli_command cli_see = {
    "see",
    "MODEL --weights W [--weights-as official] --image IN.png --map NAME -o OUT.png "
    "[--grid H,W] [--at Y,X] [--head N] [--device D] "
    "[--json]",
    "lays an attention map over a picture, and writes the raw map beside it as .npy",
    "--at: of a map for each position, the position's row and column; --head: of several, from 0;\n"
    "--grid: the rows and columns of positions, where they are tokens (mha, sdpa, ..)\n"
    "--json: {\"image\", \"output\", \"raw\": the files, \"map\", \"height\", \"width\": of the "
    "map,\n"
    "\"peak\": {\"y\", \"x\"} in pixels of the picture}\n",
    run};
