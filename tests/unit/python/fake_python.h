/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects as CPython lays them out, for tests of what reads them. All live until fake_clear. */
#ifndef CPROBE_TESTS_FAKE_PYTHON_H
#define CPROBE_TESTS_FAKE_PYTHON_H

#include "python/layout.h"

/* Type objects: only their addresses and tp_flags matter. */
extern const struct python_types fake_types;
extern uint64_t fake_text_subclass[64];

/* Forgets all objects: the next ones get the same addresses. */
void fake_clear(void);

/* `size` zeroed bytes, the `type` in the place of an object's. */
uintptr_t fake_object(size_t size, uintptr_t type);
void fake_put_pointer(uintptr_t object, size_t offset, uintptr_t value);
void fake_put_int(uintptr_t object, size_t offset, int32_t value);
void fake_put_byte(uintptr_t object, size_t offset, uint8_t value);

/* A str of `length` characters of `kind` (1, 2, 4) bytes each; ASCII if kind is 0. */
uintptr_t fake_text(const struct python_layout *l, const void *characters, size_t length, unsigned kind);
uintptr_t fake_ascii(const struct python_layout *l, const char *text);
uintptr_t fake_bytes(const void *data, size_t size);
uintptr_t fake_code(const struct python_layout *l, uintptr_t name, uintptr_t file, int32_t line, uintptr_t linetable);

#endif
