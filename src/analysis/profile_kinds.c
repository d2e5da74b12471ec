/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which waits belong to which kind of flame graph: profile_kinds.def. */
#include <string.h>

#include "analysis/profile.h"
#include "analysis/profile_offcpu.h"
#include "analysis/waits.h"
#include "base/compiler.h"

static bool wait_is_blocked(const struct wait_row *row)
{
    (void)row;
    return true;
}

static bool wait_is_lock(const struct wait_row *row)
{
    return trace_call_category(row->call) == CALL_LOCK;
}

static bool offcpu_is_offcpu(const struct offcpu_row *row)
{
    return row->part == OFFCPU_BLOCKED || row->part == OFFCPU_RUNNABLE;
}

static bool offcpu_is_wakeup(const struct offcpu_row *row)
{
    return row->part == OFFCPU_WAKER;
}

static const struct profile_kind kinds[] = {
#define PROFILE_KIND(name, by, matches, matches_offcpu, needs, description) {#name, by, needs, description},
#include "analysis/profile_kinds.def"
#undef PROFILE_KIND
};

static const struct {
    bool (*wait)(const struct wait_row *);
    bool (*offcpu)(const struct offcpu_row *);
} predicates[] = {
#define PROFILE_KIND(name, by, matches, matches_offcpu, needs, description) {matches, matches_offcpu},
#include "analysis/profile_kinds.def"
#undef PROFILE_KIND
};
_Static_assert(ARRAY_SIZE(kinds) <= 32, "profile_stack.kinds has a bit for each");

size_t profile_kind_count(void)
{
    return ARRAY_SIZE(kinds);
}

const struct profile_kind *profile_kind_at(size_t i)
{
    return &kinds[i];
}

size_t profile_kind_find(const char *name)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

size_t profile_kind_side(size_t kind, const char *by)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(kinds) &&
           (strcmp(kinds[i].name, kinds[kind].name) != 0 || !kinds[i].by || strcmp(kinds[i].by, by) != 0))
        i++;
    return i;
}

uint32_t profile_kinds_of(const struct wait_row *row)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        mask |= predicates[i].wait && predicates[i].wait(row) ? UINT32_C(1) << i : 0;
    return mask;
}

uint32_t profile_kinds_of_offcpu(const struct offcpu_row *row)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        mask |= predicates[i].offcpu && predicates[i].offcpu(row) ? UINT32_C(1) << i : 0;
    return mask;
}
