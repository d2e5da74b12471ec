/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_files.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUG_ROOT "/usr/lib/debug"

/* A trace names the path: it may have become a device or a pipe meanwhile, which must neither block nor be read. */
static int regular_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    int err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -ENOEXEC;
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* /usr/lib/debug/.build-id/xx/yyyy.debug; false where the id is too short or the buffer too small. */
static bool build_id_path(const uint8_t *id, size_t size, char *path, size_t path_size)
{
    int used = snprintf(path, path_size, DEBUG_ROOT "/.build-id/");
    if (size < 2 || (size_t)used + size * 2 + sizeof("/.debug") > path_size)
        return false;
    for (size_t i = 0; i < size; i++)
        used += snprintf(path + used, path_size - (size_t)used, i == 0 ? "%02x/" : "%02x", id[i]);
    snprintf(path + used, path_size - (size_t)used, ".debug");
    return true;
}

/* The CRC-32 that a .gnu_debuglink section holds (IEEE 802.3 polynomial, reflected; GDB manual, "Separate Debug
 * Files"). */
static int file_crc(int fd, uint32_t *crc)
{
    uint8_t buffer[65536];
    uint32_t state = UINT32_MAX;
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, buffer, sizeof(buffer), at)) > 0; at += n) {
        for (ssize_t i = 0; i < n; i++) {
            state ^= buffer[i];
            for (int bit = 0; bit < 8; bit++)
                state = (state >> 1) ^ (UINT32_C(0xedb88320) & -(state & 1));
        }
    }
    *crc = ~state;
    return n < 0 ? -errno : 0;
}

static bool elf_has_build_id(int fd, const uint8_t *id, size_t size)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    const void *found;
    bool same = elf && dwelf_elf_gnu_build_id(elf, &found) == (ssize_t)size && !memcmp(found, id, size);
    elf_end(elf);
    return same;
}

/* Opens a file that a debug link names if it is the right one: by build-id, and by checksum where there is none. */
static int link_open(const char *path, const uint8_t *id, int id_size, uint32_t expected_crc)
{
    uint32_t crc;
    int fd = regular_open(path);
    if (fd < 0)
        return fd;
    if (id_size > 0 ? elf_has_build_id(fd, id, (size_t)id_size) : !file_crc(fd, &crc) && crc == expected_crc)
        return fd;
    close(fd);
    return -ENOENT;
}

/* Directories where GDB and elfutils look for the file that a .gnu_debuglink names. */
static int debuglink_open(const char *file, const char *link, uint32_t crc, const uint8_t *id, int id_size, char **name)
{
    static const struct {
        const char *root, *below;
    } PLACES[] = {{"", ""}, {"", "/.debug"}, {DEBUG_ROOT, ""}};

    const char *slash = strrchr(file, '/');
    for (size_t i = 0; slash && !strchr(link, '/') && i < sizeof(PLACES) / sizeof(*PLACES); i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s%.*s%s/%s", PLACES[i].root, (int)(slash - file), file, PLACES[i].below,
                         link);
        if (n < 0 || (size_t)n >= sizeof(path))
            continue;
        int fd = link_open(path, id, id_size, crc);
        if (fd >= 0) {
            *name = strdup(path);
            return fd;
        }
    }
    return -1;
}

/* libdwfl's question for a debug file (see Dwfl_Callbacks): a descriptor, or -1. */
static int debuginfo_find(Dwfl_Module *module, void **data, const char *module_name, Dwarf_Addr base,
                          const char *file_name, const char *link, GElf_Word crc, char **found_name)
{
    (void)data, (void)module_name, (void)base;
    const unsigned char *id;
    GElf_Addr id_address;
    char path[PATH_MAX];
    int id_size = dwfl_module_build_id(module, &id, &id_address);
    if (id_size > 0 && build_id_path(id, (size_t)id_size, path, sizeof(path))) {
        int fd = link_open(path, id, id_size, 0);
        if (fd >= 0) {
            *found_name = strdup(path);
            return fd;
        }
    }
    return link && file_name ? debuglink_open(file_name, link, crc, id, id_size, found_name) : -1;
}

/* No find_elf: every module is reported with its file. */
static const Dwfl_Callbacks CALLBACKS = {
    .find_debuginfo = debuginfo_find,
    .section_address = dwfl_offline_section_address,
};

static int file_load(const char *path, const uint8_t *build_id, size_t id_size, struct symbols_file *out)
{
    int fd = regular_open(path);
    if (fd < 0)
        return fd;
    const unsigned char *id;
    GElf_Addr id_address;
    struct symbols_file file = {.dwfl = dwfl_begin(&CALLBACKS)};
    int err = -ENOMEM;
    if (!file.dwfl)
        goto fail;
    err = -ENOEXEC;
    dwfl_report_begin(file.dwfl);
    file.module = dwfl_report_elf(file.dwfl, path, path, fd, 0, true);
    if (!file.module)
        goto fail;
    fd = -1; /* libdwfl's now */
    if (dwfl_report_end(file.dwfl, NULL, NULL))
        goto fail;
    err = -ESTALE;
    if (id_size &&
        (dwfl_module_build_id(file.module, &id, &id_address) != (int)id_size || memcmp(id, build_id, id_size) != 0))
        goto fail;
    *out = file;
    return 0;
fail:
    if (file.dwfl)
        dwfl_end(file.dwfl);
    if (fd >= 0)
        close(fd);
    return err;
}

int symbols_file_open(const char *path, const uint8_t *build_id, size_t id_size, struct symbols_file *out)
{
    char debug_path[PATH_MAX];
    int err = file_load(path, build_id, id_size, out);
    if (!err || !build_id_path(build_id, id_size, debug_path, sizeof(debug_path)))
        return err;
    return file_load(debug_path, build_id, id_size, out) ? err : 0;
}

void symbols_file_close(struct symbols_file *file)
{
    if (file->dwfl)
        dwfl_end(file->dwfl);
    *file = (struct symbols_file){0};
}
