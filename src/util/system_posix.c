// SPDX-License-Identifier: MIT
//
// The system by POSIX's calls: Linux with any C library, Android, macOS, the BSDs.
#include "util/system.h"

#ifndef _WIN32
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#ifdef __linux__
#include <sched.h>
#endif

static enum vka_kind kind_of(const struct stat *info)
{
    return S_ISREG(info->st_mode)   ? VKA_KIND_FILE
           : S_ISDIR(info->st_mode) ? VKA_KIND_FOLDER
           : S_ISLNK(info->st_mode) ? VKA_KIND_LINK
                                    : VKA_KIND_OTHER;
}

enum vka_kind vka_sys_kind(const char *path, bool follow)
{
    struct stat info;
    int failed = follow ? stat(path, &info) : lstat(path, &info);
    return failed ? VKA_KIND_NONE : kind_of(&info);
}

bool vka_sys_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

const char *vka_sys_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *vka_sys_real_path(const char *path)
{
    return realpath(path, NULL);
}

int vka_sys_open(const char *path, enum vka_open how)
{
    static const int flags[] = {O_RDONLY | O_NONBLOCK, O_WRONLY, O_WRONLY | O_CREAT | O_EXCL};
    return open(path, flags[how] | O_CLOEXEC, 0666);
}

enum vka_kind vka_sys_size(int file, uint64_t *size)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return VKA_KIND_NONE;
    *size = (uint64_t)info.st_size;
    return kind_of(&info);
}

void *vka_sys_map(int file, uint64_t size)
{
    void *memory = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void vka_sys_unmap(void *memory, uint64_t size)
{
    munmap(memory, (size_t)size);
}

bool vka_sys_rename(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

bool vka_sys_remove(const char *path)
{
    return unlink(path) == 0;
}

bool vka_sys_list(const char *folder, bool (*take)(void *user, const char *name), void *user)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return false;
    for (const struct dirent *entry; (entry = readdir(dir)) && take(user, entry->d_name);)
        ;
    closedir(dir);
    return true;
}

const char *vka_sys_own_folder(const char *path)
{
    struct stat info;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return strerror(errno);
    if (lstat(path, &info) != 0)
        return strerror(errno);
    if (!S_ISDIR(info.st_mode))
        return "it isn't a folder";
    if (info.st_uid != geteuid())
        return "it belongs to another user";
    if (info.st_mode & (S_IWGRP | S_IWOTH))
        return "others may write to it";
    return NULL;
}

double vka_sys_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

// Those that this process may use, which may be fewer than the machine has.
int vka_sys_processors(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

uint64_t vka_sys_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

long vka_sys_process(void)
{
    return (long)getpid();
}

void vka_sys_keep_streams(void)
{
    for (int file = 0; file <= STDERR_FILENO; file++) {
        if (fcntl(file, F_GETFD) == -1 && errno == EBADF)
            open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY); // becomes that one
    }
}

const char *vka_getenv(const char *name)
{
#ifdef __GLIBC__
    return secure_getenv(name);
#else
    return getenv(name);
#endif
}
#else
typedef int vka_windows_is_no_posix; // a file must hold something
#endif
