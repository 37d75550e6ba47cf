// SPDX-License-Identifier: MIT
//
// What the operating system is asked for: files by their paths, the clock, the machine's size. One
// file for each kind of system implements it. Paths are UTF-8; calls that fail leave their reason
// in errno, as strerror reads it.
#ifndef VKA_UTIL_SYSTEM_H
#define VKA_UTIL_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h> // read, write, close

enum vka_kind { VKA_KIND_NONE, VKA_KIND_FILE, VKA_KIND_FOLDER, VKA_KIND_LINK, VKA_KIND_OTHER };
enum vka_open { VKA_OPEN_READ, VKA_OPEN_WRITE, VKA_OPEN_NEW }; // WRITE: of what is there

// What a path names; VKA_KIND_LINK only where links aren't followed.
enum vka_kind vka_sys_kind(const char *path, bool follow);
bool vka_sys_same(const char *a, const char *b); // one file or folder that is there
// Without the folders before it.
const char *vka_sys_base(const char *path);
// Where a link leads to, by malloc. NULL: nowhere, or there is none on the way.
char *vka_sys_real_path(const char *path);

// A descriptor, for bytes as they are; -1 where it fails. Reading never waits for a pipe's other
// end; writing does.
int vka_sys_open(const char *path, enum vka_open how);
// The kind and the size of what is open.
enum vka_kind vka_sys_size(int file, uint64_t *size);
// A file's bytes as memory, for reading; NULL where it can't be done. `size` isn't 0.
void *vka_sys_map(int file, uint64_t size);
void vka_sys_unmap(void *memory, uint64_t size);

bool vka_sys_rename(const char *from, const char *to); // takes the place of what is there
bool vka_sys_remove(const char *path);
// Calls `take` with each name in the folder until it returns false. False: the folder can't be
// read.
bool vka_sys_list(const char *folder, bool (*take)(void *user, const char *name), void *user);
// Makes the folder where it is absent. NULL, or why it isn't one that this user alone writes to.
const char *vka_sys_own_folder(const char *path);

double vka_sys_ms(void); // of a clock that never goes back
int vka_sys_processors(void);
uint64_t vka_sys_memory(void); // bytes; 0: not known
long vka_sys_process(void);
// Where stdin, stdout or stderr is closed: something that can neither be read nor written, so that
// no file that is opened becomes it. For programs, at their beginning.
void vka_sys_keep_streams(void);

// The environment, unless the process runs with rights that its user doesn't have. On Windows it
// stays until the thread's next call.
const char *vka_getenv(const char *name);

#endif
