/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_executable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

int program_find(const char *name, char *path, size_t size)
{
    const char *search = getenv("PATH");

    if (strchr(name, '/')) {
        snprintf(path, size, "%s", name);
        return is_executable(path) ? 0 : -ENOENT;
    }
    for (const char *dir = search ? search : "/bin:/usr/bin"; dir;) {
        size_t length = strcspn(dir, ":");
        int written = snprintf(path, size, "%.*s%s%s", (int)length, dir, length > 0 ? "/" : "", name);
        if (written > 0 && (size_t)written < size && is_executable(path))
            return 0;
        dir = dir[length] ? dir + length + 1 : NULL;
    }
    return -ENOENT;
}

/* Whether the program headers name an interpreter, that is the dynamic linker. */
static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t offset = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);
        if (pread(fd, &segment, sizeof(segment), offset) != (ssize_t)sizeof(segment))
            return true;
        if (segment.p_type == PT_INTERP)
            return true;
    }
    return false;
}

static const char *elf_obstacle(int fd)
{
    Elf64_Ehdr header;

    if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return NULL;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
        return "it is built for another machine than the recorder (x86-64)";
    if (!has_interpreter(fd, &header))
        return "it is statically linked: preloading cannot reach it";
    return NULL;
}

const char *program_obstacle(const char *path)
{
    struct stat status;
    const char *obstacle = NULL;

    if (stat(path, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)))
        return "it is set-uid or set-gid: the dynamic linker ignores preloading there";
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return "it has file capabilities: the dynamic linker ignores preloading there";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        obstacle = elf_obstacle(fd);
        close(fd);
    }
    return obstacle;
}
