/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python/fake_python.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE (4u << 20)
#define CODE_SIZE 512u

static uint64_t code_type[64], unicode_type[64], bytes_type[64], frame_type[64];
uint64_t fake_text_subclass[64] = {[PYTHON_TYPE_FLAGS / 8] = PYTHON_TYPE_UNICODE_SUBCLASS};
const struct python_types fake_types = {(uintptr_t)code_type, (uintptr_t)unicode_type, (uintptr_t)bytes_type,
                                        (uintptr_t)frame_type};

static uint64_t arena[ARENA_SIZE / 8];
static size_t arena_used;

void fake_clear(void)
{
    arena_used = 0;
}

uintptr_t fake_object(size_t size, uintptr_t type)
{
    uint64_t *object = arena + arena_used;

    arena_used += (size + 7) / 8;
    if (arena_used > ARENA_SIZE / 8)
        abort();
    memset(object, 0, size);
    object[1] = type;
    return (uintptr_t)object;
}

void fake_put_pointer(uintptr_t object, size_t offset, uintptr_t value)
{
    memcpy((char *)object + offset, &value, sizeof(value));
}

void fake_put_int(uintptr_t object, size_t offset, int32_t value)
{
    memcpy((char *)object + offset, &value, sizeof(value));
}

void fake_put_byte(uintptr_t object, size_t offset, uint8_t value)
{
    memcpy((char *)object + offset, &value, sizeof(value));
}

uintptr_t fake_text(const struct python_layout *l, const void *characters, size_t length, unsigned kind)
{
    size_t head = kind ? l->unicode_compact : l->unicode_ascii, size = length * (kind ? kind : 1);
    uintptr_t text = fake_object(head + size, fake_types.unicode);

    fake_put_pointer(text, PYTHON_UNICODE_LENGTH, length);
    fake_put_int(text, PYTHON_UNICODE_STATE, (int32_t)((kind ? kind : 1) << 2 | 1u << 5 | (kind ? 0 : 1u << 6)));
    memcpy((char *)text + head, characters, size);
    return text;
}

uintptr_t fake_ascii(const struct python_layout *l, const char *text)
{
    return fake_text(l, text, strlen(text), 0);
}

uintptr_t fake_bytes(const void *data, size_t size)
{
    uintptr_t bytes = fake_object(PYTHON_BYTES_DATA + size + 8, fake_types.bytes);

    fake_put_pointer(bytes, PYTHON_VAR_SIZE, size);
    memcpy((char *)bytes + PYTHON_BYTES_DATA, data, size);
    return bytes;
}

uintptr_t fake_code(const struct python_layout *l, uintptr_t name, uintptr_t file, int32_t line, uintptr_t linetable)
{
    uintptr_t code = fake_object(CODE_SIZE, fake_types.code);

    fake_put_pointer(code, l->code_name, name);
    fake_put_pointer(code, l->code_file, file);
    fake_put_pointer(code, l->code_linetable, linetable);
    fake_put_int(code, l->code_first_line, line);
    return code;
}
