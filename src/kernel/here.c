/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/here.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool build_is_same(int fd, const struct image *image)
{
    const void *id;
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    bool same = elf && image->build_id_size && dwelf_elf_gnu_build_id(elf, &id) == (ssize_t)image->build_id_size &&
                memcmp(id, image->build_id, image->build_id_size) == 0;
    elf_end(elf);
    return same;
}

bool here_has(const struct image *image)
{
    struct stat st;
    int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool has = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_ino == image->inode || build_is_same(fd, image));
    close(fd);
    return has;
}
