/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python/layout.h"

static const struct python_layout layouts[] = {
#define PYTHON_LAYOUT(minor, ...) {.version = 0x0300 | (minor), __VA_ARGS__},
#include "python/layout.def"
#undef PYTHON_LAYOUT
};

const struct python_layout *python_layout_find(uint16_t version)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].version == version)
            return &layouts[i];
    return NULL;
}
