// SPDX-License-Identifier: MIT
//
// The sample window on a display that nobody sees: its own picture of itself is hottest on the
// target, on the device as by the CPU path; it has one VkDevice and one submission a frame; it
// outlives what users do; the validation layer is silent, and speaks where barriers are taken out.
#include "cli/image.h"
#include "display.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/vkattn-window-XXXXXX";
static char said[1 << 16];
static const char *missing = "nothing"; // what these tests lack
static const char *validate = "";

// --- the program ---

static FILE *start(const char *options)
{
    char command[2048];
    snprintf(command, sizeof command,
             "cd '%s' && rm -f count && COUNT_FILE=count exec timeout 600 '%s' %s 2>&1", folder,
             WINDOW_PROGRAM, options);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    return pipe;
}

static int finish(FILE *pipe)
{
    size_t got = fread(said, 1, sizeof said - 1, pipe);
    said[got] = '\0';
    while (got == sizeof said - 1 && fgetc(pipe) != EOF)
        ;
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int run(const char *options)
{
    return finish(start(options));
}

static void expect(const char *options, int code, const char *text)
{
    int got = run(options);
    if (got != code || !strstr(said, text))
        fail_msg("window %s: exit %d (want %d), wanted to read '%s' in:\n%.3000s", options, got,
                 code, text, said);
}

// Lines of the layer's count that are `what`.
static int counted(const char *what)
{
    char path[64], line[64];
    int count = 0;
    snprintf(path, sizeof path, "%s/count", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strncmp(line, what, strlen(what)) == 0;
    fclose(file);
    return count;
}

// --- what there is ---

// VK_ADD_LAYER_PATH is passed over where VK_LAYER_PATH is set.
static void add_layer(void)
{
    char path[2048];
    const char *old = getenv("VK_LAYER_PATH");
    snprintf(path, sizeof path, "%s%s%s", old ? old : "", old ? ":" : "", COUNT_LAYER);
    setenv(old ? "VK_LAYER_PATH" : "VK_ADD_LAYER_PATH", path, 1);
    setenv("VK_INSTANCE_LAYERS", "VK_LAYER_VKATTN_count", 1);
}

// What SDL loads leaks by itself (libdbus). The sample's own objects are looked at by the
// validation layer, which tells of those that outlive their device.
static void pass_over_leaks(void)
{
    char options[1024];
    const char *old = getenv("ASAN_OPTIONS");
    snprintf(options, sizeof options, "%s%sdetect_leaks=0", old ? old : "", old ? ":" : "");
    setenv("ASAN_OPTIONS", options, 1);
}

static int set_up(void **state)
{
    (void)state;
    missing = NULL;
    pass_over_leaks();
    if (!display_start())
        missing = "Xvfb isn't installed, or doesn't start";
    if (missing)
        return 0;
    if (!mkdtemp(folder))
        return -1;
    add_layer();
    if (run("--frames 1 --validate") == 0)
        validate = "--validate";
    else if (strstr(said, "isn't installed"))
        fprintf(stderr, "no validation layer here\n");
    else if (strstr(said, "none of 0 Vulkan devices"))
        missing = "there is no Vulkan driver";
    else
        return fputs(said, stderr), -1;
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    char command[128];
    display_stop();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return strstr(folder, "XXXXXX") ? 0 : system(command);
}

static void need_all(void)
{
    if (!missing)
        return;
    printf("skipped: %s (sh tests/setup.sh test)\n", missing);
    skip();
}

// --- pictures ---

struct shot {
    struct image image;
    double x, y, radius; // of the target
};

static void take(const char *options, struct shot *shot)
{
    char line[512], path[64], error[IMAGE_ERROR];
    snprintf(line, sizeof line, "--size 256x320 --screenshot shot.png %s %s", validate, options);
    expect(line, 0, "the target at x");
    assert_int_equal(sscanf(strstr(said, "the target"), "the target at x %lf, y %lf, radius %lf",
                            &shot->x, &shot->y, &shot->radius),
                     3);
    snprintf(path, sizeof path, "%s/shot.png", folder);
    if (!image_load(path, &shot->image, error))
        fail_msg("%s", error);
    assert_int_equal(shot->image.width, 256);
    assert_int_equal(shot->image.height, 320);
}

// At full opacity the picture is the map alone, and the sum of its colours is its heat.
static void expect_hottest_on_target(const struct shot *shot)
{
    size_t pixels = 256 * 320, best = 0;
    const float *rgb = shot->image.rgb;
    for (size_t i = 1; i < pixels; i++) {
        if (rgb[i] + rgb[pixels + i] + rgb[2 * pixels + i] >
            rgb[best] + rgb[pixels + best] + rgb[2 * pixels + best])
            best = i;
    }
    double x = (double)(best % 256), y = (double)(best / 256);
    if (hypot(x - shot->x, y - shot->y) > shot->radius)
        fail_msg("hottest at x %.0f, y %.0f; the target is at x %.0f, y %.0f, radius %.0f", x, y,
                 shot->x, shot->y, shot->radius);
}

static double largest_difference(const struct shot *a, const struct shot *b)
{
    double most = 0;
    for (size_t i = 0; i < 3 * 256 * 320; i++)
        most = fmax(most, fabs((double)a->image.rgb[i] - (double)b->image.rgb[i]));
    return most * 255;
}

static void test_hottest_on_target(void **state)
{
    (void)state;
    need_all();
    static const char *const when[] = {"--frames 4 --time 1", "--time 19"}; // a star, a heart
    for (int i = 0; i < 2; i++) {
        struct shot shot;
        char options[64];
        snprintf(options, sizeof options, "--opacity 1 %s", when[i]);
        take(options, &shot);
        expect_hottest_on_target(&shot);
        image_free(&shot.image);
    }
}

// The CPU path draws what the device does, and not what is there without a map.
static void test_cpu_path(void **state)
{
    (void)state;
    need_all();
    struct shot device, cpu, none;
    take("--opacity 1 --time 3", &device);
    take("--opacity 1 --time 3 --device cpu", &cpu);
    take("--map none --time 3", &none);
    expect_hottest_on_target(&cpu);
    assert_true(largest_difference(&device, &cpu) <= 3);
    assert_true(largest_difference(&device, &none) > 50);
    image_free(&device.image);
    image_free(&cpu.image);
    image_free(&none.image);
}

// --- Vulkan ---

// vkattn makes no instance and no device; between scene and window nothing waits for the host.
static void test_one_device(void **state)
{
    (void)state;
    need_all();
    expect("--frames 2", 0, "attention: the same device");
    assert_int_equal(counted("instance"), 1);
    assert_int_equal(counted("device"), 1);
    int submits = counted("submit"), maps = counted("map");
    expect("--frames 7", 0, "7 frames");
    assert_int_equal(counted("submit") - submits, 5);
    assert_int_equal(counted("map"), maps);
    expect("--frames 2 --device cpu", 0, "attention: cpu");
    assert_int_equal(counted("instance"), 1);
    assert_int_equal(counted("device"), 1);
    assert_int_equal(counted("submit"), 4);
}

static void test_without_barriers(void **state)
{
    (void)state;
    need_all();
    if (!*validate) {
        printf("skipped: no validation layer here\n");
        skip();
    }
    setenv("COUNT_DROP", "1", 1);
    int code = run("--frames 2 --validate");
    unsetenv("COUNT_DROP");
    assert_int_equal(code, 1);
    assert_non_null(strstr(said, "SYNC-HAZARD"));
}

static void test_compare(void **state)
{
    (void)state;
    need_all();
    expect("--frames 10 --compare --size 64x64", 0, "ms a frame, with");
}

// --- users ---

static void test_user(void **state)
{
    (void)state;
    need_all();
    FILE *pipe = start(validate);
    bool ok = user_sits_down() && user_waits();
    ok = ok && user_resizes(300, 200) && user_resizes(17, 400) && user_hides();
    ok = ok && user_presses("m") && user_presses("Down") && user_presses("d");
    ok = ok && user_resizes(200, 240) && user_closes();
    int code = finish(pipe);
    user_leaves();
    if (!ok || code != 0 || !strstr(said, "frames of 200 x 240 on"))
        fail_msg("exit %d: %.3000s", code, said);
    assert_int_equal(counted("instance"), 1);
    assert_int_equal(counted("device"), 2); // one after the other
}

static void test_wrong_calls(void **state)
{
    (void)state;
    need_all();
    expect("--device nix", 2, "'nix' fits none");
    expect("--map nix", 2, "'nix'");
    expect("--opacity 1.5", 2, "'1.5' is no number from 0 to 1");
    expect("--size 300", 2, "'300' is no size");
    expect("--frames 0", 2, "'0' is no whole number");
    expect("--screenshot a.bmp", 2, "'a.bmp'");
    expect("--compare", 2, "wants --frames");
    expect("nix", 2, "'nix' is no option");
    expect("--screenshot none/a.png", 1, "none/a.png");
    char *display = strdup(getenv("DISPLAY"));
    unsetenv("DISPLAY");
    int code = run("--frames 1");
    setenv("DISPLAY", display, 1);
    free(display);
    assert_int_equal(code, 1);
    assert_non_null(strstr(said, "no window system"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hottest_on_target), cmocka_unit_test(test_cpu_path),
        cmocka_unit_test(test_one_device),        cmocka_unit_test(test_without_barriers),
        cmocka_unit_test(test_compare),           cmocka_unit_test(test_user),
        cmocka_unit_test(test_wrong_calls),
    };
    return cmocka_run_group_tests_name("window", tests, set_up, take_down);
}
