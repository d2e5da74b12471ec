/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jumps. Expected: see hook_case.h; that waits are recorded after a jump out of a call is jumps.c's. */
#include "hook_case.h"

#include <setjmp.h>

void __longjmp_chk(struct __jmp_buf_tag *target, int value) __attribute__((noreturn));

#define JUMPING(name, set)           \
    CASE(name, "usleep 1 0 0 none")  \
    {                                \
        sigjmp_buf target;           \
        volatile int value = 4;      \
        if (show("value", set) == 0) \
            name(target, value);     \
        usleep(1);                   \
    }
JUMPING(longjmp, setjmp(target))
JUMPING(_longjmp, _setjmp(target))
JUMPING(siglongjmp, sigsetjmp(target, 1))
JUMPING(__longjmp_chk, setjmp(target))
