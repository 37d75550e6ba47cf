// SPDX-License-Identifier: MIT
//
// window: a network's attention over a moving scene, in a window, on one Vulkan device: the
// application's, which vkattn takes over its own header. attention.c and frame.c show how.
#include "options.h"
#include "window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 10 }; // frames that --compare times together

struct program {
    struct options options;
    struct screen screen;
    struct show show;
    struct view view;
    int gpu;      // of the screen's choices
    bool on_host; // the CPU path computes, the device draws
    bool quit, failed;
    int frames;
    double seconds, told_at; // of drawing; when the title was written
    int told_frames;
};

static double now(void)
{
    return (double)SDL_GetPerformanceCounter() / (double)SDL_GetPerformanceFrequency();
}

// --- choices ---

static int rank(VkPhysicalDeviceType type)
{
    static const int ranks[] = {[VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU] = 4,
                                [VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU] = 3,
                                [VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU] = 2,
                                [VK_PHYSICAL_DEVICE_TYPE_OTHER] = 1,
                                [VK_PHYSICAL_DEVICE_TYPE_CPU] = 0};
    return type <= VK_PHYSICAL_DEVICE_TYPE_CPU ? ranks[type] : 1;
}

static int best_gpu(const struct screen *s)
{
    int best = 0;
    for (int i = 1; i < s->choices; i++) {
        if (rank(s->choice[i].properties.deviceType) > rank(s->choice[best].properties.deviceType))
            best = i;
    }
    return best;
}

static bool fits(const struct gpu_choice *choice, const char *text)
{
    char raw[32];
    snprintf(raw, sizeof raw, "vulkan:%d", choice->index);
    return strcmp(text, raw) == 0 || strcasestr(choice->properties.deviceName, text);
}

static bool choose_device(struct program *p, const char *text)
{
    const struct screen *s = &p->screen;
    int found = 0;
    p->gpu = best_gpu(s);
    p->on_host = strcmp(text, "cpu") == 0;
    if (p->on_host || strcmp(text, "auto") == 0)
        return true;
    for (int i = 0; *text && i < s->choices; i++) {
        if (fits(&s->choice[i], text)) {
            p->gpu = i;
            found++;
        }
    }
    if (found == 1)
        return true;
    failed("--device: '%s' fits %s of the devices that can draw here:", text,
           found ? "several" : "none");
    for (int i = 0; i < s->choices; i++)
        fprintf(stderr, "  vulkan:%d  %s\n", s->choice[i].index,
                s->choice[i].properties.deviceName);
    fprintf(stderr, "  cpu\n");
    return false;
}

static bool choose_map(struct program *p, const char *text)
{
    if (strcmp(text, "none") == 0)
        p->view.map = -1;
    for (int i = 0; i < MAPS; i++) {
        if (strcmp(text, attention_names[i]) == 0)
            p->view.map = i;
    }
    return p->view.map > -2 || failed("--map: no map is called '%s', see --help", text);
}

static bool open_show(struct program *p)
{
    show_close(&p->show);
    return show_open(&p->show, &p->screen, &p->screen.choice[p->gpu], p->on_host,
                     p->options.compare);
}

// --- what the user does ---

// Each device that can draw here, then the CPU path (drawn by the last of them).
static void next_device(struct program *p)
{
    if (p->on_host)
        p->gpu = 0;
    else if (p->gpu + 1 < p->screen.choices)
        p->gpu++;
    else {
        p->on_host = true;
        p->failed |= !open_show(p);
        return;
    }
    p->on_host = false;
    p->failed |= !open_show(p);
}

static void press(struct program *p, SDL_Keycode key)
{
    struct view *v = &p->view;
    if (key == SDLK_d)
        next_device(p);
    else if (key == SDLK_m)
        v->map = v->map + 1 < MAPS ? v->map + 1 : -1;
    else if (key == SDLK_UP)
        v->opacity = v->opacity < 0.9f ? v->opacity + 0.1f : 1;
    else if (key == SDLK_DOWN)
        v->opacity = v->opacity > 0.1f ? v->opacity - 0.1f : 0;
    else if (key == SDLK_ESCAPE || key == SDLK_q)
        p->quit = true;
}

static void listen(struct program *p)
{
    for (SDL_Event event; !p->failed && SDL_PollEvent(&event);) {
        if (event.type == SDL_QUIT)
            p->quit = true;
        else if (event.type == SDL_KEYDOWN)
            press(p, event.key.keysym.sym);
        else if (event.type == SDL_WINDOWEVENT &&
                 event.window.event == SDL_WINDOWEVENT_SIZE_CHANGED)
            p->show.chain.stale = true;
    }
}

// --- what the user is told ---

static const char *computer(const struct program *p)
{
    return p->view.map < 0 ? "none" : p->on_host ? "cpu" : "the same device";
}

static void tell(struct program *p)
{
    double since = now() - p->told_at;
    char title[512];
    if (since < 0.5)
        return;
    snprintf(title, sizeof title, "%s: %.1f ms a frame; attention: %s, map: %s, opacity %.1f",
             p->show.gpu.choice->properties.deviceName, 1000 * since / (p->frames - p->told_frames),
             computer(p), p->view.map < 0 ? "none" : attention_names[p->view.map],
             (double)p->view.opacity);
    SDL_SetWindowTitle(p->screen.window, title);
    p->told_at = now();
    p->told_frames = p->frames;
}

static void tell_target(const struct program *p, double time)
{
    struct push push;
    VkRect2D square = painter_square(p->show.chain.extent);
    float side = (float)square.extent.width;
    scene_at(time, &push);
    printf("%s: %u x %u, the target at x %.0f, y %.0f, radius %.0f\n", p->options.screenshot,
           p->show.chain.extent.width, p->show.chain.extent.height,
           (double)((float)square.offset.x + push.target[0] * side),
           (double)((float)square.offset.y + push.target[1] * side),
           (double)(push.target[2] * side));
}

static void tell_end(const struct program *p)
{
    printf("%d frames of %u x %u on %s, attention: %s", p->frames, p->show.chain.extent.width,
           p->show.chain.extent.height, p->show.gpu.choice->properties.deviceName, computer(p));
    if (p->frames > 1)
        printf(", %.2f ms a frame", 1000 * p->seconds / (p->frames - 1));
    printf("\n");
}

// --- running ---

static bool minimised(const struct program *p)
{
    return SDL_GetWindowFlags(p->screen.window) & (SDL_WINDOW_MINIMIZED | SDL_WINDOW_HIDDEN);
}

// One more frame. Automatic runs go through the scene in equal steps.
static bool step(struct program *p, double began)
{
    const struct options *o = &p->options;
    double time = o->time + (o->frames ? p->frames / 30.0 : now() - began);
    bool last = p->frames + 1 == o->frames, drawn = false;
    if (minimised(p)) {
        SDL_WaitEventTimeout(NULL, 100);
        return true;
    }
    if (!show_frame(&p->show, &p->screen, time, &p->view, last ? o->screenshot : NULL, &drawn))
        return false;
    if (!drawn) // no area, or the window has just changed
        SDL_WaitEventTimeout(NULL, 10);
    else if (++p->frames == 1) // it compiles the shaders
        p->seconds = -now();
    if (drawn && last && o->screenshot)
        tell_target(p, time);
    p->quit |= drawn && last;
    return true;
}

static bool run(struct program *p)
{
    double began = now();
    p->told_at = began;
    while (!p->quit && !p->failed) {
        listen(p);
        if (!p->quit && !p->failed)
            p->failed = !step(p, began);
        if (p->frames > p->told_frames)
            tell(p);
    }
    p->seconds += now();
    if (!p->failed)
        tell_end(p);
    return !p->failed;
}

// The time of a block of frames, from the first command to the end of the last, in ms a frame.
static bool time_block(struct program *p, const struct view *view, double *ms)
{
    double began = now();
    for (int drawn_frames = 0; drawn_frames < BLOCK;) {
        bool drawn;
        listen(p);
        if (p->quit || p->failed)
            return false;
        if (!show_frame(&p->show, &p->screen, p->frames / 30.0, view, NULL, &drawn))
            return false;
        drawn_frames += drawn;
        p->frames += drawn;
    }
    if (!VK(vkDeviceWaitIdle(p->show.gpu.device)))
        return false;
    *ms = 1000 * (now() - began) / BLOCK;
    return true;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool compare(struct program *p)
{
    const struct view without = {.map = -1};
    int blocks = (p->options.frames + BLOCK - 1) / BLOCK;
    double *ms = calloc(2 * (size_t)blocks, sizeof *ms), unused;
    bool ok = ms && time_block(p, &without, &unused) && time_block(p, &p->view, &unused);
    for (int i = 0; ok && i < blocks; i++)
        ok = time_block(p, &without, &ms[i]) && time_block(p, &p->view, &ms[blocks + i]);
    if (ok) {
        qsort(ms, (size_t)blocks, sizeof *ms, ascending);
        qsort(ms + blocks, (size_t)blocks, sizeof *ms, ascending);
        double off = ms[blocks / 2], on = ms[blocks + blocks / 2];
        printf(
            "%s, attention: %s%s\nwithout %.2f ms a frame, with %.2f, %.2f more (medians of %d x "
            "%d frames)\n",
            p->show.gpu.choice->properties.deviceName, computer(p),
            p->show.chain.mode == VK_PRESENT_MODE_FIFO_KHR ? ", held to the display's rate" : "",
            off, on, on - off, blocks, BLOCK);
    }
    free(ms);
    return ok || p->quit;
}

int main(int argc, char **argv)
{
    static struct program p;
    if (!options_read(&p.options, argc, argv)) {
        fputs("window: --help tells the options\n", stderr);
        return 2;
    }
    if (p.options.help)
        return fputs(options_usage, stdout), 0;
    p.view = (struct view){.map = -2, .opacity = (float)p.options.opacity};
    if (!choose_map(&p, p.options.map))
        return 2;
    int code = 1;
    if (screen_open(&p.screen, p.options.width, p.options.height, p.options.validate)) {
        if (!choose_device(&p, p.options.device))
            code = 2;
        else if (open_show(&p) && (p.options.compare ? compare(&p) : run(&p)))
            code = 0;
    }
    show_close(&p.show);
    screen_close(&p.screen);
    if (p.screen.messages)
        failed("%d validation messages", p.screen.messages);
    return p.screen.messages ? 1 : code;
}
