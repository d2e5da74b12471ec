/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPython's str objects as UTF-8. */
#include "capture/python_code.h"
#include "python/utf8.h"

#define TEXT_MAX (INT64_C(1) << 24) /* characters; a name longer than this is no name */

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
    return python_utf8(data, (size_t)length, kind, buffer, size);
}
