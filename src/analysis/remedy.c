/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/remedy.h"

#include <fnmatch.h>
#include <string.h>

#include "analysis/conversation.h"
#include "base/compiler.h"

#define CLASS_ANY (-1)

struct remedy_row {
    int class;
    const char *module, *loop, *text;
};

static const struct remedy_row rows[] = {
#define REMEDY(class, module, loop, text) {CLASS_##class, module, loop, text},
#include "analysis/remedies.def"
#undef REMEDY
};

/* "*" fits a wait without any driver as well; "@mysql" any that spoke this protocol. */
static bool module_fits(const struct share *share, const char *pattern)
{
    const char *program = share->row->thread->process->program;
    if (strcmp(pattern, "*") == 0)
        return true;
    if (pattern[0] == '@')
        return share->operation &&
               strcmp(pattern + 1, wire_protocol_name((enum wire_protocol)share->operation->protocol)) == 0;
    for (size_t i = 0; i < share->stack->count; i++) {
        const struct frame *frame = &share->stack->frames[i];
        if (frame_origin(frame, program) == ORIGIN_DRIVER && fnmatch(pattern, frame->module, 0) == 0)
            return true;
    }
    return false;
}

const char *remedy_of(const struct share *share, const char *loop_kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if ((rows[i].class == CLASS_ANY || rows[i].class == (int)share->class) &&
            fnmatch(rows[i].loop, loop_kind, 0) == 0 && module_fits(share, rows[i].module))
            return rows[i].text;
    }
    return "";
}
