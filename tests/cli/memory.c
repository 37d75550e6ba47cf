// SPDX-License-Identifier: MIT
//
// The command's host memory runs out: its main() is called in this process over and over, its n-th
// allocation failing (that one, or all from there on), for every n until there are no more. The
// linker puts the allocators below in the place of the C library's, for the command's own
// allocations and the library's alike. Each time it is a message and exit code 1, or the work is
// done as ever; no block is lost, and each output file is whole or not there.
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int vkattn_main(int argc, char **argv);

// --- the allocators ---

enum { MOST_BLOCKS = 1 << 16 };

static struct {
    pthread_mutex_t lock;
    bool on;        // else everything goes through uncounted
    size_t asked;   // allocations so far
    size_t fail_at; // from 1; 0: none
    bool fail_on;   // and all behind it
    void *block[MOST_BLOCKS];
    size_t live;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
char *__real_strdup(const char *text);
char *__real_realpath(const char *path, char *into);
FILE *__real_fdopen(int file, const char *mode);
DIR *__real_opendir(const char *path);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
char *__wrap_realpath(const char *path, char *into);
FILE *__wrap_fdopen(int file, const char *mode);
DIR *__wrap_opendir(const char *path);

static bool refused(void)
{
    pthread_mutex_lock(&heap.lock);
    bool no = heap.on && ++heap.asked >= heap.fail_at && heap.fail_at &&
              (heap.fail_on || heap.asked == heap.fail_at);
    pthread_mutex_unlock(&heap.lock);
    if (no)
        errno = ENOMEM;
    return no;
}

static void *keep(void *block)
{
    pthread_mutex_lock(&heap.lock);
    if (heap.on && block) {
        if (heap.live == MOST_BLOCKS)
            abort();
        heap.block[heap.live++] = block;
    }
    pthread_mutex_unlock(&heap.lock);
    return block;
}

// Most blocks go soon after they came. What isn't found was made by another library.
static void drop(const void *block)
{
    pthread_mutex_lock(&heap.lock);
    for (size_t i = heap.live; i-- > 0;) {
        if (heap.block[i] == block) {
            heap.block[i] = heap.block[--heap.live];
            break;
        }
    }
    pthread_mutex_unlock(&heap.lock);
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : keep(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : keep(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (refused())
        return NULL;
    drop(block);
    return keep(__real_realloc(block, size));
}

void __wrap_free(void *block)
{
    drop(block);
    __real_free(block);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : keep(__real_strdup(text));
}

char *__wrap_realpath(const char *path, char *into)
{
    return refused() ? NULL : keep(__real_realpath(path, into));
}

FILE *__wrap_fdopen(int file, const char *mode)
{
    return refused() ? NULL : __real_fdopen(file, mode);
}

DIR *__wrap_opendir(const char *path)
{
    return refused() ? NULL : __real_opendir(path);
}

// --- a call ---

enum { MOST_WORDS = 32, MOST_OUTPUTS = 4, TEXT = 1 << 16 };

struct call {
    const char *name;
    const char *words;                 // of the command line; @ is the folder of the test
    const char *outputs[MOST_OUTPUTS]; // in that folder
    bool varies;                       // stdout is another one each time: it has times in it
    bool none;                         // no allocations
};

static char folder[256];

static struct {
    int code;
    char out[TEXT], err[TEXT];
    char *file[MOST_OUTPUTS]; // NULL: not there
    size_t size[MOST_OUTPUTS];
} got, whole;

static void expand(const char *text, char *into, size_t size)
{
    size_t at = 0;
    for (; *text && at + 1 < size; text++) {
        into[at] = *text;
        at += *text == '@' ? (size_t)snprintf(into + at, size - at, "%s", folder) : 1;
    }
    assert_true(at < size);
    into[at] = '\0';
}

static void read_back(const char *name, char text[TEXT])
{
    size_t size;
    char *all = unit_read_file(unit_path(name), &size);
    snprintf(text, TEXT, "%s", all);
    free(all);
}

static int open_for(const char *name)
{
    int file = open(unit_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    return file;
}

// main() with stdout and stderr in files.
static int call_main(const char *words)
{
    static char line[4096];
    char *argv[MOST_WORDS + 1] = {(char *)(uintptr_t) "vkattn"};
    int argc = 1, kept[2] = {dup(1), dup(2)}, to[2] = {open_for("stdout"), open_for("stderr")};
    expand(words, line, sizeof line);
    for (char *word = strtok(line, " "); word && argc < MOST_WORDS; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    for (int i = 0; i < 2; i++)
        dup2(to[i], i + 1);
    optind = 0; // getopt begins anew
    heap.on = true;
    int code = vkattn_main(argc, argv);
    heap.on = false;
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
        close(to[i]);
    }
    return code;
}

static void path_of(const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", folder, name);
}

static void forget(char **files)
{
    for (int i = 0; i < MOST_OUTPUTS; i++) {
        free(files[i]);
        files[i] = NULL;
    }
}

static void run(const struct call *call, size_t fail_at, bool on)
{
    char path[512];
    for (int i = 0; i < MOST_OUTPUTS && call->outputs[i]; i++) {
        path_of(call->outputs[i], path);
        remove(path);
    }
    heap.asked = heap.live = 0;
    heap.fail_at = fail_at;
    heap.fail_on = on;
    got.code = call_main(call->words);
    heap.fail_at = 0;
    read_back("stdout", got.out);
    read_back("stderr", got.err);
    forget(got.file);
    for (int i = 0; i < MOST_OUTPUTS && call->outputs[i]; i++) {
        path_of(call->outputs[i], path);
        if (vka_sys_kind(path, false) != VKA_KIND_NONE)
            got.file[i] = unit_read_file(path, &got.size[i]);
    }
}

// --- what must be so ---

static bool count_part(void *user, const char *name)
{
    *(size_t *)user += strstr(name, ".part") != NULL;
    return true;
}

static size_t parts(void)
{
    size_t count = 0;
    assert_true(vka_sys_list(folder, count_part, &count));
    return count;
}

static const char *wrong_file(const struct call *call)
{
    for (int i = 0; i < MOST_OUTPUTS && call->outputs[i]; i++) {
        bool same = got.file[i] && got.size[i] == whole.size[i] &&
                    memcmp(got.file[i], whole.file[i], got.size[i]) == 0;
        if (got.file[i] && !same)
            return "an output is another one";
        if (!got.file[i] && got.code == 0)
            return "an output is missing";
    }
    return parts() ? "a file is left half written" : NULL;
}

static const char *what_is_wrong(const struct call *call)
{
    if (heap.live)
        return "memory was lost";
    if (got.code == 1 && !strstr(got.err, "memory") && !strstr(got.out, "out of host memory"))
        return "no message tells of memory";
    if (got.code != 1 && got.code != 0)
        return "the exit code";
    if (got.code == 0 && !call->varies && strcmp(got.out, whole.out) != 0)
        return "the output isn't what it was";
    return wrong_file(call);
}

// Returns how many allocations there are.
static size_t sweep(const struct call *call, bool on, size_t *done)
{
    for (size_t n = 1;; n++) {
        run(call, n, on);
        const char *wrong = what_is_wrong(call);
        if (wrong)
            fail_msg("%s: allocation %zu%s: %s; exit code %d, %zu blocks left\n%.800s%.800s",
                     call->name, n, on ? " and on" : "", wrong, got.code, heap.live, got.err,
                     got.out);
        if (heap.asked < n)
            return n - 1;
        *done += got.code == 0;
    }
}

static void in_turn(void **state)
{
    const struct call *call = *state;
    size_t done = 0;
    run(call, 0, false);
    if (got.code != 0)
        fail_msg("%s: exit code %d: %s%s", call->name, got.code, got.err, got.out);
    memcpy(&whole, &got, sizeof whole);
    memset(got.file, 0, sizeof got.file);
    assert_int_equal(heap.live, 0);
    for (int i = 0; i < MOST_OUTPUTS && call->outputs[i]; i++)
        assert_non_null(whole.file[i]);
    size_t once = sweep(call, false, &done), on = sweep(call, true, &done);
    print_message("%s: %zu allocations failed in turn, %zu with all behind them; the work was done "
                  "all the same in %zu\n",
                  call->name, once, on, done);
    assert_int_equal(once == 0, call->none);
    assert_int_equal(once, on);
    forget(whole.file);
    forget(got.file);
}

// --- the calls ---

#define SCENE   VKA_SOURCE "/tests/samples/spotlight/scene0.png"
#define RUN     "run @/net.json --weights @/w.safetensors --device cpu "
#define SAME    "run @/same.json --device cpu "
#define RESUMED SAME "--input image=@/in --output y=@/kept.safetensors --resume --shard 1/2"

static struct call calls[] = {
    {.name = "run",
     .words = RUN "--input image=@/a.png --output y=@/y.npy --output map=@/map.safetensors "
                  "--profile",
     .outputs = {"y.npy", "map.safetensors"},
     .varies = true},
    {.name = "run, a list",
     .words = RUN "--input image=@/in --output map=@/{}.npy --output y=@/to.png --json",
     .outputs = {"a.npy", "b.npy", "a.to.png", "b.to.png"}},
    {.name = "run, tensors",
     .words = SAME "--input image=@/t.safetensors --output y=@/t.jpg",
     .outputs = {"t.jpg"}},
    {.name = "run, an array",
     .words = SAME "--input image=@/t.npy --output y=@/u.npy",
     .outputs = {"u.npy"}},
    // Without memory it can't tell what is there, and makes it again.
    {.name = "run, resumed", .words = RESUMED, .varies = true},
    {.name = "see",
     .words =
         "see @/net.json --weights @/w.safetensors --image @/t.jpg --map map --at 1,2 -o @/m.png "
         "--device cpu",
     .outputs = {"m.png", "m.npy"}},
    {.name = "verify",
     .words = "verify --device cpu " VKA_CASES "/se/defaults.safetensors " VKA_CASES
              "/embedding/table_bf16.safetensors"},
    {.name = "verify, as JSON",
     .words = "verify --device cpu --json --expand " VKA_CASES "/nonlocal/dot_2d.safetensors"},
    {.name = "bench, a block",
     .words = "bench se --shape x=1,4,3,3 --attr reduction=2 --rounds 1 --device cpu --all",
     .varies = true},
    {.name = "bench, a case",
     .words = "bench " VKA_CASES "/se/defaults.safetensors --rounds 1 --device cpu --json",
     .varies = true},
    {.name = "bench, a model",
     .words = "bench @/net.json --weights @/w.safetensors --rounds 1 --device cpu --expand",
     .varies = true},
    {.name = "blocks", .words = "blocks", .none = true},
    {.name = "blocks, one", .words = "blocks cbam --json", .none = true},
    {.name = "devices", .words = "devices --json"},
};

static void write_model(const char *name, const char *inputs, const char *nodes,
                        const char *outputs)
{
    char text[1024];
    int size = snprintf(text, sizeof text,
                        "{\"vkattn\": 1, \"inputs\": {%s}, \"nodes\": [%s], \"outputs\": {%s}}",
                        inputs, nodes, outputs);
    unit_write_file(unit_path(name), text, (size_t)size);
}

static void must(const char *words)
{
    int code = call_main(words);
    read_back("stderr", got.err);
    if (code != 0)
        fail_msg("%s: exit code %d: %s", words, code, got.err);
}

static int make_files(void **state)
{
    static const char relu[] = "{\"name\": \"r\", \"block\": \"relu\", \"in\": {\"x\": \"image\"}}";
    (void)state;
    snprintf(folder, sizeof folder, "%s", unit_path("x"));
    folder[strlen(folder) - 2] = '\0';
    write_model("same.json", "\"image\": [1, 3, 6, 8]", relu, "\"y\": \"r\"");
    write_model("out.json", "\"image\": [1, 3, 6, 8]", relu, "\"image\": \"r\"");
    write_model("weights.json", "\"image\": [1, 3, 1, 3]",
                "{\"name\": \"r\", \"block\": \"reshape\", \"attrs\": {\"shape\": [3, 3]}, "
                "\"in\": {\"x\": \"image\"}}",
                "\"att.g.weight\": \"r\", \"att.conv_out.weight\": \"r\"");
    write_model(
        "net.json", "\"image\": [1, 3, 6, 8]",
        "{\"name\": \"att\", \"block\": \"nonlocal\", \"in\": {\"x\": \"image\"}, \"attrs\": "
        "{\"mode\": \"gaussian\", \"bn\": false, \"sub_sample\": false}}",
        "\"y\": \"att\", \"map\": \"att.attn\"");
    assert_int_equal(mkdir(unit_path("in"), 0700), 0);
    must("run @/weights.json --input image=" SCENE " --output att.g.weight=@/w.safetensors "
         "--output att.conv_out.weight=@/w.safetensors");
    must("run @/out.json --input image=" SCENE " --output image=@/t.safetensors");
    must(SAME "--input image=" SCENE " --output y=@/a.png");
    must(SAME "--input image=@/a.png --output y=@/t.npy");
    must(SAME "--input image=@/a.png --output y=@/in/a.png");
    must(SAME "--input image=@/a.png --output y=@/in/b.png");
    must(RESUMED);
    unit_setenv("VK_DRIVER_FILES", "/nonexistent"); // drivers' own memory isn't ours
    unit_setenv("VK_ICD_FILENAMES", "/nonexistent");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unit_remove_folder(unit_path("in"));
    return 0;
}

int main(void)
{
    enum { COUNT = VKA_COUNT(calls) };
    struct CMUnitTest tests[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){calls[i].name, in_turn, NULL, NULL, &calls[i]};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
