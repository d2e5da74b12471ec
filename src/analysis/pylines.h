/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Line tables of CPython code objects, as three generations of the interpreter store them:
 *   3.8, 3.9    co_lnotab      Objects/lnotab_notes.txt of those versions
 *   3.10        co_linetable   Objects/lnotab_notes.txt of 3.10 (PEP 626)
 *   3.11-3.13   co_linetable   Objects/locations.md (PEP 657)
 */
#ifndef CPROBE_ANALYSIS_PYLINES_H
#define CPROBE_ANALYSIS_PYLINES_H

#include <stddef.h>
#include <stdint.h>

/*
 * The line of the instruction at byte offset `lasti` of co_code. version: 0x030b = 3.11; first_line: co_firstlineno.
 * 0: unknown (the instruction has no line, the table ends before it, or the version's format is not known). Reads no
 * byte beyond `size`, whatever the table holds. Pure; any number of threads.
 */
uint32_t pylines_find(uint16_t version, const uint8_t *table, size_t size, uint32_t lasti, uint32_t first_line);

#endif
