/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython's code objects as numbers of the trace (event_code). Lock-free, allocates nothing, safe on any thread and in
 * signal handlers; a code object must be held by somebody (a frame that runs it) during the call.
 *
 * Two tables: by address, which is fast but may be forgotten at any time, since addresses are used again for other
 * code; and by content, so that code that a program compiles over and over (templates, reloads) is entered into the
 * trace once. A fork's child keeps all numbers: its trace takes over their records (writer_inherit).
 */
#ifndef CPROBE_CAPTURE_PYTHON_CODE_H
#define CPROBE_CAPTURE_PYTHON_CODE_H

#include "python/layout.h"

/*
 * The number of the code object at `code`, entered by record_code when it is new. false: this is no code object that
 * can be read. true with *id 0: it is one, but there is no room for it.
 */
bool python_code_find(const struct python_layout *layout, const struct python_types *types, uintptr_t code,
                      uint32_t *id);

/*
 * Writes the text of the str object at `object` as UTF-8, cut to `size` bytes at a character's end; lone surrogates
 * become U+FFFD. Returns the number of bytes, SIZE_MAX where the object is not a readable str.
 */
size_t python_text_read(const struct python_layout *layout, const struct python_types *types, uintptr_t object,
                        char *buffer, size_t size);

#endif
