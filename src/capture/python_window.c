/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_window.h"

#include "base/compiler.h"

#define SECOND_NS UINT64_C(1000000000)
#define WINDOW_NS (SECOND_NS / 10)
#define WINDOW_MAX 2000u /* operations of one window: 20 000 a second while it is open */
#define WINDOW_MIN 200u  /* a window of fewer is not worth it */
#define SHARE 20u
#define RENEWAL_NS (300 * SECOND_NS)

static struct {
    uint64_t end_ns, next_ns;
    uint64_t renewed_ns; /* when `allowance` was last added to */
    uint64_t most, allowance;
    uint32_t number;
    uint32_t left; /* of this window */
} window;

void python_window_begin(uint64_t records)
{
    window.most = records / SHARE;
    window.allowance = window.most;
    window.end_ns = window.next_ns = window.renewed_ns = 0;
    window.number = window.left = 0;
}

static COLD void renew(uint64_t now_ns)
{
    uint64_t passed = window.renewed_ns ? now_ns - window.renewed_ns : 0;
    if (passed > RENEWAL_NS)
        passed = RENEWAL_NS;
    window.allowance += window.most * passed / RENEWAL_NS;
    if (window.allowance > window.most)
        window.allowance = window.most;
    window.renewed_ns = now_ns;
}

static COLD uint32_t window_open(uint64_t now_ns)
{
    renew(now_ns);
    window.next_ns = now_ns + SECOND_NS;
    if (window.allowance < WINDOW_MIN)
        return 0;
    window.end_ns = now_ns + WINDOW_NS;
    window.left = window.allowance < WINDOW_MAX ? (uint32_t)window.allowance : WINDOW_MAX;
    window.left--;
    window.allowance--;
    return ++window.number;
}

uint32_t python_window_now(uint64_t now_ns)
{
    if (now_ns >= window.next_ns)
        return window_open(now_ns);
    if (now_ns >= window.end_ns || !window.left)
        return 0;
    window.left--;
    window.allowance--;
    return window.number;
}
