/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executable files that one process has mapped, and the unwinding of its threads' copied stacks through their call
 * frame information (DWARF 5, section 6.4) by elfutils' libdwfl. Frame pointers are not needed.
 *
 * Files are opened when they are first seen, through /proc/PID/map_files: that works for files that were deleted or
 * replaced since, and in other mount namespaces. Where it is not permitted the file of that name below the process's
 * root is taken, if it is the one that is mapped. They stay open when the process is gone. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_IMAGES_H
#define CPROBE_KERNEL_IMAGES_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct images;

struct image {
    uint64_t start, end, bias; /* address in the file's own terms = address - bias */
    const char *path;          /* as the process sees it; " (deleted)" behind it where it was */
    const uint8_t *build_id;
    size_t build_id_size;
    Elf *elf; /* the file */
    uint64_t inode;
};

/* NULL: no memory. Knows nothing before images_refresh. */
struct images *images_new(pid_t pid);
void images_free(struct images *i);

/* Reads the process's mappings. 1: something was mapped or unmapped since; 0: nothing; negative errno: the process is
   gone (-ENOENT, -ESRCH) or not readable; what is known stays. */
int images_refresh(struct images *i);

/* Calls `take` for each image; its pointers are valid until the next images_refresh. */
typedef void images_take(void *context, const struct image *image);
void images_each(struct images *i, images_take *take, void *context);

/* Whether `pc` lies in an image. */
bool images_has(const struct images *i, uint64_t pc);

/* The function of the image's own symbols that covers `pc`, at [*start, *end); NULL: none. Valid until the next
   images_refresh. */
const char *images_symbol(const struct images *i, uint64_t pc, uint64_t *start, uint64_t *end);

/* Registers by DWARF number and `size` bytes of stack from the stack pointer (register 7) upwards. */
struct images_thread {
    pid_t tid;
    const uint64_t *registers;
    size_t register_count;
    const uint8_t *bytes;
    size_t size;
};

/* The thread's return addresses, innermost first: the first is the program counter itself. Returns how many of at most
   `room`. *complete: the thread's start was reached; *truncated: there was no room for more. */
size_t images_unwind(struct images *i, const struct images_thread *thread, uint64_t *frames, size_t room,
                     bool *complete, bool *truncated);

#endif
