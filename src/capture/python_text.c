/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPython's str objects (PEP 393: one, two or four bytes a character, whichever the widest needs) as UTF-8. */
#include <string.h>

#include "capture/python_code.h"

#define TEXT_MAX (INT64_C(1) << 24) /* characters; a name longer than this is no name */
#define REPLACEMENT 0xfffdu

static size_t utf8_put(char *out, size_t room, uint32_t c)
{
    char bytes[4];
    size_t n;

    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = REPLACEMENT;
    if (c < 0x80) {
        n = 1;
        bytes[0] = (char)c;
    } else if (c < 0x800) {
        n = 2;
        bytes[0] = (char)(0xc0 | (c >> 6));
    } else if (c < 0x10000) {
        n = 3;
        bytes[0] = (char)(0xe0 | (c >> 12));
        bytes[1] = (char)(0x80 | ((c >> 6) & 0x3f));
    } else {
        n = 4;
        bytes[0] = (char)(0xf0 | (c >> 18));
        bytes[1] = (char)(0x80 | ((c >> 12) & 0x3f));
        bytes[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    }
    if (n > 1)
        bytes[n - 1] = (char)(0x80 | (c & 0x3f));
    if (n > room)
        return 0;
    memcpy(out, bytes, n);
    return n;
}

static uint32_t character_at(const uint8_t *data, size_t i, unsigned kind)
{
    uint16_t two;
    uint32_t four;

    if (kind == 1)
        return data[i];
    if (kind == 2) {
        memcpy(&two, data + 2 * i, sizeof(two));
        return two;
    }
    memcpy(&four, data + 4 * i, sizeof(four));
    return four;
}

static bool type_is_unicode(const struct python_types *types, uintptr_t type)
{
    if (type == types->unicode)
        return true;
    return python_pointer_plausible(type) &&
           (python_load_pointer(type, PYTHON_TYPE_FLAGS) & PYTHON_TYPE_UNICODE_SUBCLASS);
}

/* Instances of subclasses are not compact: their text lies elsewhere. */
static const uint8_t *text_data(const struct python_layout *layout, uintptr_t object, uint32_t state)
{
    if (PYTHON_UNICODE_COMPACT(state))
        return (const uint8_t *)(object +
                                 (PYTHON_UNICODE_ASCII(state) ? layout->unicode_ascii : layout->unicode_compact));
    uintptr_t data = python_load_pointer(object, layout->unicode_compact);
    return (const uint8_t *)(python_pointer_plausible(data) ? data : 0);
}

size_t python_text_read(const struct python_layout *layout, const struct python_types *types, uintptr_t object,
                        char *buffer, size_t size)
{
    if (!python_pointer_plausible(object) || !type_is_unicode(types, python_load_pointer(object, PYTHON_OBJECT_TYPE)))
        return SIZE_MAX;
    uint32_t state = (uint32_t)python_load_int(object, PYTHON_UNICODE_STATE);
    unsigned kind = PYTHON_UNICODE_KIND(state);
    int64_t length = (int64_t)python_load_pointer(object, PYTHON_UNICODE_LENGTH);
    if ((kind != 1 && kind != 2 && kind != 4) || length < 0 || length > TEXT_MAX)
        return SIZE_MAX;
    const uint8_t *data = text_data(layout, object, state);
    if (!data)
        return SIZE_MAX;
    size_t used = 0;
    for (int64_t i = 0; i < length; i++) {
        size_t n = utf8_put(buffer + used, size - used, character_at(data, (size_t)i, kind));
        if (!n)
            break;
        used += n;
    }
    return used;
}
