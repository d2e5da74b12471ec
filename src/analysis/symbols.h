/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a recorded stack to frames with names: function, module, file and line by elfutils, Python frames put in the
 * place of the interpreter's own. Results are cached by (trace, stack id) and shared; a stack is resolved only when
 * asked for.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_H
#define CPROBE_ANALYSIS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/reader.h"

enum frame_kind { FRAME_NATIVE, FRAME_PYTHON, FRAME_KERNEL };

struct frame {
    enum frame_kind kind;
    const char *function; /* demangled, with parameters (function_name_short); "0x1234" where unknown */
    const char *module;   /* native: base name of the file (libmariadb.so.3); Python: dotted module (app.views) */
    const char *file;     /* source file or NULL */
    uint32_t line;        /* 0: unknown */
    bool inlined;
    bool system; /* belongs to the operating system, the language's standard library or the loop's framework, i.e.
                    neither to the user's code nor to a third-party driver: left out of fingerprints */
};

struct stack {
    struct frame *frames; /* innermost first */
    size_t count;
    bool complete; /* reached the thread's (or greenlet's) start */
};

struct symbols;

struct symbols *symbols_new(void);
void symbols_free(struct symbols *s); /* frees every stack and string it returned */

/* The recorded stack, innermost first; `call` (calls.def number, 0: none) adds the waiting function itself ("poll" in
   libc.so.6) as innermost frame. Frames of libcprobe.so are left out. Never NULL; an unknown id gives an empty stack.
 */
const struct stack *symbols_stack(struct symbols *s, struct trace *t, uint32_t stack_id, uint16_t call);

/* One native address (a waitset's return address). Never NULL. */
const struct frame *symbols_address(struct symbols *s, struct trace *t, uint64_t pc, uint32_t module_generation);

/* A global or static variable. */
struct variable {
    const char *name; /* demangled, with an offset: "pool", "table+64"; NULL: not known */
    const char *module;
};

/* The variable at an address. False: it lies in no module (heap, stack). */
bool symbols_variable(struct symbols *s, struct trace *t, uint64_t address, uint32_t module_generation,
                      struct variable *out);

/* Sentences for the user about what could not be resolved: build-id mismatch, missing file, … */
size_t symbols_warning_count(const struct symbols *s);
const char *symbols_warning_at(const struct symbols *s, size_t i);

#endif
