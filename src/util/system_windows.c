// SPDX-License-Identifier: MIT
//
// The system by the calls of Windows: names in UTF-16, bytes as they are.
#include "util/system.h"

#ifdef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

// MAX_PATH less the 12 that Windows keeps for a file's name in a folder that is made.
enum { ENVIRONMENT_TEXT = 16384, FOLDER_PATH = MAX_PATH - 12 };

// --- names ---

// A path that is longer than MAX_PATH, alone or after the current folder, opens only in full and
// with this prefix. Takes the path over.
static wchar_t *lengthen(wchar_t *path)
{
    static const wchar_t here[] = L"\\\\?\\", server[] = L"\\\\?\\UNC\\";
    DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    if (size <= FOLDER_PATH || wcsncmp(path, here, 4) == 0 || wcsncmp(path, L"\\\\.\\", 4) == 0)
        return path;
    wchar_t *full = malloc(size * sizeof *full), *out = NULL;
    DWORD used = full ? GetFullPathNameW(path, size, full, NULL) : 0;
    if (used > 0 && used < size)
        out = malloc(sizeof server + used * sizeof *out);
    if (out) {
        bool remote = full[0] == L'\\' && full[1] == L'\\';
        wcscpy(out, remote ? server : here);
        wcscat(out, full + (remote ? 2 : 0));
    } else {
        errno = ENOMEM;
    }
    free(full);
    free(path);
    return out;
}

// By malloc, like what comes back below; NULL with errno set.
static wchar_t *wide(const char *text)
{
    int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *out = size > 0 ? malloc((size_t)size * sizeof *out) : NULL;
    if (!out) {
        errno = size > 0 ? ENOMEM : ENOENT; // no file has a name that isn't UTF-8
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, 0, text, -1, out, size);
    return lengthen(out);
}

static char *narrow(const wchar_t *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = size > 0 ? malloc((size_t)size) : NULL;
    if (out)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, out, size, NULL, NULL);
    return out;
}

static bool told(bool done)
{
    static const struct {
        DWORD code;
        int number;
    } known[] = {{ERROR_FILE_NOT_FOUND, ENOENT},
                 {ERROR_PATH_NOT_FOUND, ENOENT},
                 {ERROR_INVALID_NAME, ENOENT},
                 {ERROR_BAD_PATHNAME, ENOENT},
                 {ERROR_BAD_NETPATH, ENOENT},
                 {ERROR_INVALID_DRIVE, ENOENT},
                 {ERROR_ACCESS_DENIED, EACCES},
                 {ERROR_SHARING_VIOLATION, EACCES},
                 {ERROR_LOCK_VIOLATION, EACCES},
                 {ERROR_WRITE_PROTECT, EROFS},
                 {ERROR_FILE_EXISTS, EEXIST},
                 {ERROR_ALREADY_EXISTS, EEXIST},
                 {ERROR_DISK_FULL, ENOSPC},
                 {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
                 {ERROR_DIRECTORY, ENOTDIR},
                 {ERROR_USER_MAPPED_FILE, EACCES},
                 {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG}};
    DWORD code = GetLastError();
    if (done)
        return true;
    errno = EIO;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == code)
            errno = known[i].number;
    }
    return false;
}

// INVALID_HANDLE_VALUE with errno set. Others may read, write, rename and remove meanwhile, as
// elsewhere. FILE_FLAG_BACKUP_SEMANTICS lets folders be opened, too.
static HANDLE open_handle(const char *path, DWORD access, DWORD disposition, DWORD flags)
{
    wchar_t *name = wide(path);
    if (!name)
        return INVALID_HANDLE_VALUE;
    HANDLE handle =
        CreateFileW(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    disposition, FILE_ATTRIBUTE_NORMAL | flags, NULL);
    told(handle != INVALID_HANDLE_VALUE);
    free(name);
    return handle;
}

static enum vka_kind kind_of(HANDLE handle, BY_HANDLE_FILE_INFORMATION *info)
{
    if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileInformationByHandle(handle, info))
        return VKA_KIND_OTHER;
    return info->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? VKA_KIND_LINK
           : info->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY   ? VKA_KIND_FOLDER
                                                                 : VKA_KIND_FILE;
}

static enum vka_kind look(const char *path, bool follow, BY_HANDLE_FILE_INFORMATION *info)
{
    DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | (follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
    HANDLE handle = open_handle(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, flags);
    if (handle == INVALID_HANDLE_VALUE)
        return VKA_KIND_NONE;
    memset(info, 0, sizeof *info);
    enum vka_kind kind = kind_of(handle, info);
    CloseHandle(handle);
    // Files that a cloud keeps are reparse points, too: what is open by following is no link.
    return follow && kind == VKA_KIND_LINK ? VKA_KIND_FILE : kind;
}

enum vka_kind vka_sys_kind(const char *path, bool follow)
{
    BY_HANDLE_FILE_INFORMATION info;
    return look(path, follow, &info);
}

bool vka_sys_same(const char *a, const char *b)
{
    BY_HANDLE_FILE_INFORMATION x, y;
    enum vka_kind kind = look(a, true, &x);
    return (kind == VKA_KIND_FILE || kind == VKA_KIND_FOLDER) && look(b, true, &y) == kind &&
           x.dwVolumeSerialNumber == y.dwVolumeSerialNumber &&
           x.nFileIndexHigh == y.nFileIndexHigh && x.nFileIndexLow == y.nFileIndexLow;
}

const char *vka_sys_base(const char *path)
{
    const char *base = path;
    for (const char *p = path; *p; p++) {
        if (*p == '/' || *p == '\\' || (*p == ':' && p == path + 1))
            base = p + 1;
    }
    return base;
}

// "\\?\C:\a" is C:\a, "\\?\UNC\server\a" is \\server\a.
static char *plain_path(wchar_t *path)
{
    if (wcsncmp(path, L"\\\\?\\UNC\\", 8) == 0) {
        path[6] = L'\\';
        return narrow(path + 6);
    }
    return narrow(wcsncmp(path, L"\\\\?\\", 4) == 0 ? path + 4 : path);
}

char *vka_sys_real_path(const char *path)
{
    if (vka_sys_kind(path, false) != VKA_KIND_LINK)
        return NULL;
    HANDLE handle =
        open_handle(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
    if (handle == INVALID_HANDLE_VALUE)
        return NULL;
    DWORD size = GetFinalPathNameByHandleW(handle, NULL, 0, 0);
    wchar_t *name = size ? malloc((size + 1) * sizeof *name) : NULL;
    DWORD used = name ? GetFinalPathNameByHandleW(handle, name, size + 1, 0) : 0;
    char *out = used > 0 && used <= size ? plain_path(name) : NULL;
    free(name);
    CloseHandle(handle);
    return out;
}

// --- files ---

int vka_sys_open(const char *path, enum vka_open how)
{
    HANDLE handle = open_handle(path, how == VKA_OPEN_READ ? GENERIC_READ : GENERIC_WRITE,
                                how == VKA_OPEN_NEW ? CREATE_NEW : OPEN_EXISTING,
                                how == VKA_OPEN_READ ? FILE_FLAG_BACKUP_SEMANTICS : 0);
    if (handle == INVALID_HANDLE_VALUE)
        return -1;
    int file = _open_osfhandle((intptr_t)handle, how == VKA_OPEN_READ ? _O_RDONLY | _O_BINARY
                                                                      : _O_WRONLY | _O_BINARY);
    if (file < 0)
        CloseHandle(handle);
    return file;
}

enum vka_kind vka_sys_size(int file, uint64_t *size)
{
    BY_HANDLE_FILE_INFORMATION info = {0};
    enum vka_kind kind = kind_of((HANDLE)_get_osfhandle(file), &info);
    *size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    return kind == VKA_KIND_LINK ? VKA_KIND_FILE : kind;
}

void *vka_sys_map(int file, uint64_t size)
{
    HANDLE handle =
        CreateFileMappingW((HANDLE)_get_osfhandle(file), NULL, PAGE_READONLY, 0, 0, NULL);
    if (!handle)
        return NULL;
    void *memory = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, (size_t)size);
    CloseHandle(handle); // the view holds it
    return memory;
}

void vka_sys_unmap(void *memory, uint64_t size)
{
    (void)size;
    UnmapViewOfFile(memory);
}

bool vka_sys_rename(const char *from, const char *to)
{
    wchar_t *a = wide(from), *b = wide(to);
    bool done = a && b && told(MoveFileExW(a, b, MOVEFILE_REPLACE_EXISTING));
    free(a);
    free(b);
    return done;
}

bool vka_sys_remove(const char *path)
{
    wchar_t *name = wide(path);
    bool done = name && told(DeleteFileW(name));
    free(name);
    return done;
}

// --- folders ---

static HANDLE first_in(const char *folder, WIN32_FIND_DATAW *found)
{
    size_t size = strlen(folder) + 3;
    char *pattern = *folder ? malloc(size) : NULL;
    if (!pattern) {
        errno = *folder ? ENOMEM : ENOENT;
        return INVALID_HANDLE_VALUE;
    }
    memcpy(pattern, folder, size - 3);
    memcpy(pattern + size - 3, "/*", 3);
    wchar_t *name = wide(pattern);
    HANDLE search = name ? FindFirstFileW(name, found) : INVALID_HANDLE_VALUE;
    if (name)
        told(search != INVALID_HANDLE_VALUE);
    free(name);
    free(pattern);
    return search;
}

bool vka_sys_list(const char *folder, bool (*take)(void *user, const char *name), void *user)
{
    WIN32_FIND_DATAW found;
    HANDLE search = first_in(folder, &found);
    if (search == INVALID_HANDLE_VALUE)
        return false;
    bool more = true;
    do {
        char *name = narrow(found.cFileName);
        more = name && take(user, name);
        free(name);
    } while (more && FindNextFileW(search, &found));
    FindClose(search);
    return true;
}

// Who may write to a folder stands in its access list, which it has from its parent: under the
// user's profile, that is the user.
const char *vka_sys_own_folder(const char *path)
{
    wchar_t *name = wide(path);
    bool made = name && (told(CreateDirectoryW(name, NULL)) || errno == EEXIST);
    free(name);
    if (!made)
        return strerror(errno);
    return vka_sys_kind(path, false) == VKA_KIND_FOLDER ? NULL : "it isn't a folder";
}

// --- the machine ---

double vka_sys_ms(void)
{
    LARGE_INTEGER now, each;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&each);
    return (double)now.QuadPart * 1e3 / (double)each.QuadPart;
}

int vka_sys_processors(void)
{
    DWORD_PTR mine, all;
    int count = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        count = __builtin_popcountll((unsigned long long)mine);
    return count > 0 ? count : 1;
}

uint64_t vka_sys_memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};
    return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

void vka_sys_keep_streams(void)
{
    // The C library keeps 0 to 2 for them, whether they are open or not.
}

long vka_sys_process(void)
{
    return (long)GetCurrentProcessId();
}

// A text that is longer is cut, not passed over: whoever reads it tells that it is wrong.
const char *vka_getenv(const char *name)
{
    static _Thread_local char text[ENVIRONMENT_TEXT];
    wchar_t key[64];
    if (MultiByteToWideChar(CP_UTF8, 0, name, -1, key, 64) == 0)
        return NULL;
    DWORD size = GetEnvironmentVariableW(key, NULL, 0);
    wchar_t *value = size ? malloc(size * sizeof *value) : NULL;
    DWORD length = value ? GetEnvironmentVariableW(key, value, size) : 0;
    int used = 0;
    if (length > 0 && length < size) {
        int most = (ENVIRONMENT_TEXT - 1) / 3; // of which each takes three bytes at most
        used = WideCharToMultiByte(CP_UTF8, 0, value, length < (DWORD)most ? (int)length : most,
                                   text, ENVIRONMENT_TEXT - 1, NULL, NULL);
    }
    free(value);
    text[used] = '\0';
    return used > 0 ? text : NULL;
}
#else
typedef int vka_posix_is_no_windows; // a file must hold something
#endif
