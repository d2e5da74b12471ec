/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jumps out of signal handlers may leave frames of the recorder or of a hook whose call is one wait (getaddrinfo)
 * without their ends being run: what those had marked is taken back here.
 */
#include "capture/hook.h"

#define SAVED_SP 6 /* index in jmp_buf: glibc sysdeps/x86_64/jmpbuf-offsets.h, JB_RSP */

/* glibc mangles saved pointers: PTR_DEMANGLE, sysdeps/unix/sysv/linux/x86_64/pointer_guard.h. */
static uintptr_t saved_sp(const struct __jmp_buf_tag *target)
{
    uintptr_t sp = (uintptr_t)target->__jmpbuf[SAVED_SP], guard;
    __asm__("mov %%fs:0x30, %0" : "=r"(guard));
    return ((sp >> 17) | (sp << 47)) ^ guard;
}

#define JUMP(name)                                              \
    EXPORT void name(struct __jmp_buf_tag target[1], int value) \
    {                                                           \
        thread_jumped(&thread_self, saved_sp(target));          \
        REAL(name)(target, value);                              \
        __builtin_unreachable();                                \
    }

JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
