/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls made directly: no libc function that somebody may interpose, no cancellation point, no errno.
 * Each returns the kernel's result, negative errno on failure. x86_64 System V ABI, syscall(2).
 */
#ifndef CPROBE_BASE_SYS_H
#define CPROBE_BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define SYS_CALL(n, a, b, c, d, e, f) sys_call6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int sys_open(const char *path, int flags, int mode)
{
    return (int)SYS_CALL(SYS_openat, -100 /* AT_FDCWD */, path, flags, mode, 0, 0);
}
static inline int sys_close(int fd)
{
    return (int)SYS_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}
static inline long sys_read(int fd, void *buffer, size_t size)
{
    return SYS_CALL(SYS_read, fd, buffer, size, 0, 0, 0);
}
static inline long sys_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
    return SYS_CALL(SYS_pread64, fd, buffer, size, offset, 0, 0);
}
static inline long sys_write(int fd, const void *buffer, size_t size)
{
    return SYS_CALL(SYS_write, fd, buffer, size, 0, 0, 0);
}
static inline int sys_mkdir(const char *path, int mode)
{
    return (int)SYS_CALL(SYS_mkdir, path, mode, 0, 0, 0, 0);
}
static inline int sys_unlink(const char *path)
{
    return (int)SYS_CALL(SYS_unlink, path, 0, 0, 0, 0, 0);
}
static inline int sys_truncate(const char *path, uint64_t size)
{
    return (int)SYS_CALL(SYS_truncate, path, size, 0, 0, 0, 0);
}
static inline int sys_ftruncate(int fd, uint64_t size)
{
    return (int)SYS_CALL(SYS_ftruncate, fd, size, 0, 0, 0, 0);
}
static inline int sys_fallocate(int fd, uint64_t offset, uint64_t size)
{
    return (int)SYS_CALL(SYS_fallocate, fd, 0, offset, size, 0, 0);
}
static inline void *sys_mmap(void *address, size_t size, int protection, int flags, int fd, long offset)
{
    return (void *)SYS_CALL(SYS_mmap, address, size, protection, flags, fd, offset);
}
static inline int sys_munmap(void *address, size_t size)
{
    return (int)SYS_CALL(SYS_munmap, address, size, 0, 0, 0, 0);
}
static inline int sys_madvise(void *address, size_t size, int advice)
{
    return (int)SYS_CALL(SYS_madvise, address, size, advice, 0, 0, 0);
}
static inline int sys_getpid(void)
{
    return (int)SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
}
static inline int sys_getppid(void)
{
    return (int)SYS_CALL(SYS_getppid, 0, 0, 0, 0, 0, 0);
}
static inline int sys_gettid(void)
{
    return (int)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
}
static inline long sys_readlink(const char *path, char *buffer, size_t size)
{
    return SYS_CALL(SYS_readlink, path, buffer, size, 0, 0, 0);
}

/* Whether a result of sys_mmap is a negative errno. */
static inline int sys_is_error(const void *result)
{
    return (uintptr_t)result >= (uintptr_t)-4095;
}

#endif
