/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of one CPython version's structs (layout.def), and careful reads from them: of the process itself, for the
 * recorder inside it. src/kernel reads the same structs of other processes.
 */
#ifndef CPROBE_PYTHON_LAYOUT_H
#define CPROBE_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYTHON_ABSENT UINT16_MAX /* this version has no such member */

struct python_layout {
    uint16_t version; /* 0x030b = 3.11 */

    uint16_t
        runtime_interpreters;  /* _PyRuntimeState: first interpreter; this and the next four are not used in-process */
    uint16_t interpreter_next; /* PyInterpreterState */
    uint16_t interpreter_threads; /* first PyThreadState */
    uint16_t thread_next;         /* PyThreadState */
    uint16_t thread_id;           /* what pthread_self() returned */

    uint16_t thread_frame; /* PyThreadState: innermost frame, or the _PyCFrame that has it */
    uint16_t cframe_frame; /* _PyCFrame: innermost frame */

    uint16_t frame_code; /* PyFrameObject up to 3.10, _PyInterpreterFrame from 3.11 on */
    uint16_t frame_previous;
    uint16_t frame_lasti;
    uint16_t lasti_scale; /* frame_lasti is an int in units of so many bytes; 0: a pointer into the instructions */
    uint16_t frame_owner; /* char, enum python_frame_owner */
    uint16_t frame_entry; /* char: the interpreter's C function was entered anew for this frame */

    uint16_t code_file; /* PyCodeObject */
    uint16_t code_name; /* the qualified name from 3.11 on */
    uint16_t code_first_line;
    uint16_t code_linetable;
    uint16_t code_instructions;
    uint16_t code_first_traceable; /* int, in code units: before it a frame is still being set up */

    uint16_t unicode_ascii;   /* size of PyASCIIObject: text of compact ASCII strings */
    uint16_t unicode_compact; /* size of PyCompactUnicodeObject: text of other compact strings */
};

/* _PyInterpreterFrame.owner, the same numbers in 3.11 to 3.13 */
enum python_frame_owner {
    PYTHON_OWNER_THREAD = 0,
    PYTHON_OWNER_GENERATOR = 1,
    PYTHON_OWNER_FRAME_OBJECT = 2,
    PYTHON_OWNER_C_STACK = 3, /* marks where the interpreter's C function was entered (3.12 on) */
};

#define PYTHON_CODE_UNIT 2u /* bytes */

/* The same in all versions: PyObject, PyVarObject, PyBytesObject, PyTypeObject, PyASCIIObject, PyCompactUnicodeObject
 */
#define PYTHON_OBJECT_TYPE 8u
#define PYTHON_VAR_SIZE 16u
#define PYTHON_BYTES_DATA 32u
#define PYTHON_TYPE_FLAGS 168u
#define PYTHON_TYPE_UNICODE_SUBCLASS (UINT64_C(1) << 28)
#define PYTHON_UNICODE_LENGTH 16u
#define PYTHON_UNICODE_STATE 32u
#define PYTHON_UNICODE_KIND(state) (((state) >> 2) & 7u) /* bytes a character: 1, 2, 4 */
#define PYTHON_UNICODE_COMPACT(state) (((state) >> 5) & 1u)
#define PYTHON_UNICODE_ASCII(state) (((state) >> 6) & 1u)

/* Addresses of type objects, by which an object is recognised. frame: 3.8 to 3.10 only */
struct python_types {
    uintptr_t code, unicode, bytes, frame;
};

/* NULL: no row for this version (0x030b = 3.11). */
const struct python_layout *python_layout_find(uint16_t version);

/* Could this be the address of a struct: aligned, in the user half of the address space, not in the first page? */
static inline bool python_pointer_plausible(uintptr_t p)
{
    return p >= 4096 && p < (UINT64_C(1) << 47) - 4096 && (p & 7) == 0;
}

/* Reads of what other threads may write at the same time (reference counts lie nearby): relaxed, never torn. `at` must
   be plausible. */
static inline uintptr_t python_load_pointer(uintptr_t at, size_t offset)
{
    return __atomic_load_n((const uintptr_t *)(at + offset), __ATOMIC_RELAXED);
}

static inline int32_t python_load_int(uintptr_t at, size_t offset)
{
    return __atomic_load_n((const int32_t *)(at + offset), __ATOMIC_RELAXED);
}

static inline uint8_t python_load_byte(uintptr_t at, size_t offset)
{
    return __atomic_load_n((const uint8_t *)(at + offset), __ATOMIC_RELAXED);
}

#endif
