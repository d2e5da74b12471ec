/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/hook.h"

EXPORT unsigned sleep(unsigned seconds)
{
    uint64_t begin = wait_begin();
    unsigned left = REAL(sleep)(seconds);
    wait_end_plain(CALL_sleep, begin, (long)left, 0);
    return left;
}

EXPORT int usleep(useconds_t time)
{
    return TIMED_PLAIN(usleep, REAL(usleep)(time));
}

EXPORT int nanosleep(const struct timespec *time, struct timespec *left)
{
    return TIMED_PLAIN(nanosleep, REAL(nanosleep)(time, left));
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    return TIMED_ERROR(clock_nanosleep, REAL(clock_nanosleep)(clock, flags, time, left));
}

EXPORT int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    uint64_t begin = wait_begin();
    int result = REAL(thrd_sleep)(time, left);
    wait_end_plain(CALL_thrd_sleep, begin, result, result == -1 ? EINTR : result ? EINVAL : 0);
    return result;
}

EXPORT int pause(void)
{
    return TIMED_PLAIN(pause, REAL(pause)());
}

EXPORT int sigwait(const sigset_t *set, int *signal)
{
    return TIMED_ERROR(sigwait, REAL(sigwait)(set, signal));
}

EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return TIMED_PLAIN(sigwaitinfo, REAL(sigwaitinfo)(set, info));
}

EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    return TIMED_PLAIN(sigtimedwait, REAL(sigtimedwait)(set, info, timeout));
}

EXPORT int sigsuspend(const sigset_t *mask)
{
    return TIMED_PLAIN(sigsuspend, REAL(sigsuspend)(mask));
}
