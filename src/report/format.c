/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/format.h"

#include <string.h>

#include "base/compiler.h"

static const struct report_format formats[] = {
#define FORMAT(name, ending, description) {#name, ending, description, name##_write},
#include "report/formats.def"
#undef FORMAT
};

size_t report_format_count(void)
{
    return ARRAY_SIZE(formats);
}

const struct report_format *report_format_at(size_t i)
{
    return &formats[i];
}

const struct report_format *report_format_find(const char *name)
{
    for (size_t i = 0; i < report_format_count(); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const struct report_format *report_format_of_path(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < report_format_count(); i++) {
        size_t ending = formats[i].ending ? strlen(formats[i].ending) : 0;
        if (ending > 0 && length > ending && strcmp(path + length - ending, formats[i].ending) == 0)
            return &formats[i];
    }
    return NULL;
}
