/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python.h"

#include <string.h>

#include "capture/elf.h"
#include "capture/python_classes.h"
#include "capture/python_code.h"
#include "capture/record.h"
#include "python/layout.h"
#include "trace/format.h"

#define FAILURES_MAX 4u  /* walks that fail before the first success; then the layout is taken to be wrong */
#define FIBER_STEPS 1024 /* frames that a fiber's chain may have */

enum python_state {
    PYTHON_NONE = 0,       /* no interpreter here */
    PYTHON_FOUND = 1,      /* somebody is filling in the struct */
    PYTHON_UNREADABLE = 2, /* an interpreter whose frames cannot be read: only this_thread may be used */
    PYTHON_READY = 3,
};

/* Written by the thread that moves `state` from NONE to FOUND, published by its release store of a later state. */
static struct {
    uint32_t state;    /* any */
    uint32_t failures; /* any */
    uint32_t verified; /* any; 1: a real frame has passed every check */
    uint16_t version;  /* 0x030b = 3.11 */
    const struct python_layout *layout;
    struct python_types types;
    void *(*this_thread)(void); /* the thread's PyThreadState or NULL, GIL held or not */
    void *(*current)(void);     /* 3.12 on: the thread's while it holds the GIL; before: that of whoever holds it */
    int (*is_initialized)(void);
    const char *trouble; /* why it is not readable; NULL: it is */
    char path[256];
    uintptr_t start, end; /* of its code and variables */
} interpreter;

static uint32_t state_load(void)
{
    return __atomic_load_n(&interpreter.state, __ATOMIC_ACQUIRE);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

/* Writes as much of text as there is room for, without end mark; returns the bytes used so far. */
static size_t text_append(char *buffer, size_t used, size_t size, const char *text)
{
    for (; *text && used < size; text++)
        buffer[used++] = *text;
    return used;
}

static size_t number_append(char *buffer, size_t used, size_t size, unsigned n)
{
    char digits[12];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    return text_append(buffer, used, size, digits + at);
}

static void trouble_note(void)
{
    char text[512];
    size_t n = text_append(text, 0, sizeof(text), "Python ");

    n = number_append(text, n, sizeof(text), interpreter.version >> 8);
    n = text_append(text, n, sizeof(text), ".");
    n = number_append(text, n, sizeof(text), interpreter.version & 0xff);
    n = text_append(text, n, sizeof(text), " (");
    n = text_append(text, n, sizeof(text), interpreter.path);
    n = text_append(text, n, sizeof(text), "): ");
    n = text_append(text, n, sizeof(text), interpreter.trouble);
    n = text_append(text, n, sizeof(text), "; stacks show the interpreter's C functions instead of Python lines");
    record_note(RECORD_WARNING, text, n);
}

/* ---- the interpreter ------------------------------------------------------------------------------------ */

/* As the dynamic linker binds: a program that links to the interpreter's library may own a copy of its variables. */
static void *symbol_resolve(const struct link_map *map, const char *name)
{
    const struct link_map *program = map;

    while (program->l_prev)
        program = program->l_prev;
    void *found = elf_symbol(program, name);
    return found ? found : elf_symbol(map, name);
}

static unsigned number_parse(const char **text)
{
    unsigned n = 0;

    for (; **text >= '0' && **text <= '9' && n < 1000; (*text)++)
        n = n * 10 + (unsigned)(**text - '0');
    return n;
}

/* 0x030b for 3.11; 0: unknown. Py_Version exists from 3.11 on. Before, Py_GetVersion ("3.9.18 (main, …") writes to a
   buffer of its own, the same bytes at every call. */
static uint16_t version_find(const struct link_map *map)
{
    const unsigned long *hex = symbol_resolve(map, "Py_Version");
    const char *(*get)(void) = (const char *(*)(void))symbol_resolve(map, "Py_GetVersion");

    if (hex)
        return (uint16_t)(*hex >> 16);
    const char *text = get ? get() : "";
    unsigned major = number_parse(&text);
    if (*text++ != '.')
        return 0;
    return (uint16_t)(major << 8 | (number_parse(&text) & 0xff));
}

/* From 3.13 on _PyRuntime begins with a description of the build (_Py_DebugOffsets in internal/pycore_runtime.h):
   cookie, version, and whether it does without the GIL, which makes every object's head larger. */
static bool build_is_free_threaded(const struct link_map *map)
{
    const uint64_t *words = symbol_resolve(map, "_PyRuntime");

    return words && memcmp(words, "xdebugpy", 8) == 0 && words[2];
}

/* Fills in `interpreter`; returns why its frames cannot be read, NULL: they can. */
static const char *interpreter_resolve(const struct link_map *map)
{
    void *current = symbol_resolve(map, "PyThreadState_GetUnchecked");

    if (!current)
        current = symbol_resolve(map, "_PyThreadState_UncheckedGet");
    interpreter.current = (void *(*)(void))current;
    interpreter.is_initialized = (int (*)(void))symbol_resolve(map, "Py_IsInitialized");
    interpreter.types = (struct python_types){
        .code = (uintptr_t)symbol_resolve(map, "PyCode_Type"),
        .unicode = (uintptr_t)symbol_resolve(map, "PyUnicode_Type"),
        .bytes = (uintptr_t)symbol_resolve(map, "PyBytes_Type"),
        .frame = (uintptr_t)symbol_resolve(map, "PyFrame_Type"),
    };
    interpreter.version = version_find(map);
    interpreter.layout = python_layout_find(interpreter.version);
    if (!interpreter.layout)
        return "frames of this version cannot be read (those of 3.8 to 3.13 can)";
    if (!interpreter.current || !interpreter.is_initialized || !interpreter.types.code || !interpreter.types.unicode ||
        !interpreter.types.bytes || !interpreter.types.frame)
        return "it does not export what is needed to find its frames";
    if (interpreter.version >= 0x030d && build_is_free_threaded(map))
        return "frames of the free-threaded build cannot be read";
    return NULL;
}

static void path_copy(const char *path)
{
    size_t n = path ? text_append(interpreter.path, 0, sizeof(interpreter.path) - 1, path) : 0;

    interpreter.path[n] = '\0';
}

void python_module_loaded(const struct link_map *map, const char *path)
{
    uint32_t none = PYTHON_NONE;

    if (state_load() != PYTHON_NONE || !elf_symbol(map, "Py_GetVersion"))
        return;
    void *this_thread = symbol_resolve(map, "PyGILState_GetThisThreadState");
    if (!this_thread || !__atomic_compare_exchange_n(&interpreter.state, &none, PYTHON_FOUND, false, __ATOMIC_ACQUIRE,
                                                     __ATOMIC_RELAXED))
        return;
    interpreter.this_thread = (void *(*)(void))this_thread;
    interpreter.failures = 0;
    interpreter.verified = 0;
    path_copy(path && *path ? path : map->l_name);
    interpreter.trouble = interpreter_resolve(map);
    struct elf_headers headers;
    if (elf_headers_find(map, &headers) < 0 || !elf_load_range(&headers, &interpreter.start, &interpreter.end))
        interpreter.start = interpreter.end = 0;
    if (interpreter.trouble)
        trouble_note();
    __atomic_store_n(&interpreter.state, interpreter.trouble ? PYTHON_UNREADABLE : PYTHON_READY, __ATOMIC_RELEASE);
    if (!interpreter.trouble)
        python_classes_begin(map, interpreter.version, symbol_resolve);
}

void python_module_unloaded(uintptr_t start, uintptr_t end)
{
    uint32_t state = state_load();

    if (state < PYTHON_UNREADABLE)
        return;
    uintptr_t code = (uintptr_t)interpreter.this_thread;
    if (code >= start && code < end)
        __atomic_store_n(&interpreter.state, PYTHON_NONE, __ATOMIC_RELEASE);
}

bool python_owns(uintptr_t address)
{
    return python_active() && address >= interpreter.start && address < interpreter.end;
}

bool python_active(void)
{
    return state_load() >= PYTHON_UNREADABLE;
}

/*
 * What PyGILState_Check compares, without its "1 where I do not know". The pointers are compared only: before 3.12
 * `current` may be another thread's. From 3.12 on it is thread-local and set exactly while the thread holds its
 * interpreter's GIL.
 */
bool python_gil_held(void)
{
    if (state_load() != PYTHON_READY)
        return false;
    const void *current = interpreter.current();
    return current && (interpreter.version >= 0x030c || current == interpreter.this_thread());
}

/*
 * The thread state whose frames may be read, 0: none. When the interpreter finalises it frees the states of threads
 * that are still running (daemon threads), also of those inside a call of ours: from then on only who holds the GIL has
 * one for sure.
 */
static uintptr_t thread_find(uint16_t *flags)
{
    uintptr_t thread = (uintptr_t)interpreter.this_thread();
    uintptr_t current = (uintptr_t)interpreter.current();

    if (interpreter.version >= 0x030c && current)
        thread = current;
    if (!thread)
        return 0;
    if (current != thread && !interpreter.is_initialized()) {
        *flags |= STACK_PYTHON_LOST;
        return 0;
    }
    return thread;
}

/* ---- the walk ------------------------------------------------------------------------------------------- */

struct walk {
    const struct python_layout *layout;
    uint64_t *out;
    size_t count, max;
    uint16_t *flags;
};

/* false: the chain leads to something that is not a frame. */
static bool frame_put(struct walk *w, uintptr_t code, int64_t lasti, bool entry)
{
    uint32_t id;

    if (!python_code_find(w->layout, &interpreter.types, code, &id))
        return false;
    /* Before its first instruction, a new frame's position is negative. */
    w->out[w->count++] = PY_FRAME(entry, id, lasti > 0 && lasti <= INT32_MAX ? lasti : 0);
    return true;
}

/* 3.8 to 3.10: PyFrameObject, each run by an interpreter's C function of its own. Returns the next one. */
static bool frame_object_step(struct walk *w, uintptr_t *frame)
{
    const struct python_layout *l = w->layout;

    if (python_load_pointer(*frame, PYTHON_OBJECT_TYPE) != interpreter.types.frame)
        return false;
    int64_t lasti = python_load_int(*frame, l->frame_lasti);
    if (!frame_put(w, python_load_pointer(*frame, l->frame_code), lasti * l->lasti_scale, true))
        return false;
    *frame = python_load_pointer(*frame, l->frame_previous);
    return true;
}

/* Entered anew: 3.11 marks the frame itself, later versions put a marker frame behind it. */
static bool frame_is_entry(const struct python_layout *l, uintptr_t frame, uintptr_t previous)
{
    if (l->frame_entry != PYTHON_ABSENT)
        return python_load_byte(frame, l->frame_entry);
    return !python_pointer_plausible(previous) || python_load_byte(previous, l->frame_owner) == PYTHON_OWNER_C_STACK;
}

/* 3.11 on: _PyInterpreterFrame. A frame that is still being set up is left out, as CPython does, unless the interpreter
   was entered for it: without it the native frames of that entry would be taken for the next one's. */
static bool interpreter_frame_step(struct walk *w, uintptr_t *at)
{
    const struct python_layout *l = w->layout;
    uintptr_t frame = *at, previous = python_load_pointer(frame, l->frame_previous);
    uint8_t owner = python_load_byte(frame, l->frame_owner);

    *at = previous;
    if (owner == PYTHON_OWNER_C_STACK)
        return true;
    uintptr_t code = python_load_pointer(frame, l->frame_code);
    if (owner > PYTHON_OWNER_C_STACK || !python_pointer_plausible(code))
        return false;
    int64_t lasti = (int64_t)(python_load_pointer(frame, l->frame_lasti) - (code + l->code_instructions));
    bool entry = frame_is_entry(l, frame, previous);
    if (!entry && owner != PYTHON_OWNER_GENERATOR) {
        if (python_load_pointer(code, PYTHON_OBJECT_TYPE) != interpreter.types.code)
            return false;
        if (lasti < (int64_t)PYTHON_CODE_UNIT * python_load_int(code, l->code_first_traceable))
            return true;
    }
    return frame_put(w, code, lasti, entry);
}

/* false: the chain could not be followed to its end. */
static bool frames_walk(struct walk *w, uintptr_t frame)
{
    size_t steps = 3 * w->max; /* for each frame at most one marker and one that is being set up */

    for (; frame; steps--) {
        if (w->count == w->max || !steps) {
            *w->flags |= STACK_TRUNCATED;
            return true;
        }
        if (!python_pointer_plausible(frame))
            return false;
        if (!(w->layout->lasti_scale ? frame_object_step(w, &frame) : interpreter_frame_step(w, &frame)))
            return false;
    }
    return true;
}

/* Whether the layout is right shows at the first frames. Until one was read whole, few attempts are made. */
static void walk_judge(bool whole, size_t count)
{
    uint32_t ready = PYTHON_READY;

    if (__atomic_load_n(&interpreter.verified, __ATOMIC_RELAXED))
        return;
    if (whole && count)
        __atomic_store_n(&interpreter.verified, 1, __ATOMIC_RELAXED);
    if (whole || __atomic_add_fetch(&interpreter.failures, 1, __ATOMIC_RELAXED) < FAILURES_MAX)
        return;
    if (!__atomic_compare_exchange_n(&interpreter.state, &ready, PYTHON_FOUND, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    interpreter.trouble = "its frames do not look as they should (a modified build?)";
    trouble_note();
    __atomic_store_n(&interpreter.state, PYTHON_UNREADABLE, __ATOMIC_RELEASE);
}

/* The innermost frame of the calling thread; 0: none, or, with *whole false, not to be found. */
static uintptr_t frame_innermost(const struct python_layout *l, uintptr_t thread, bool *whole)
{
    uintptr_t frame = python_load_pointer(thread, l->thread_frame);

    *whole = true;
    if (l->cframe_frame != PYTHON_ABSENT) {
        *whole = python_pointer_plausible(frame);
        frame = *whole ? python_load_pointer(frame, l->cframe_frame) : 0;
    }
    return frame;
}

uintptr_t python_fiber(void)
{
    uint16_t flags = 0;
    uintptr_t thread = state_load() == PYTHON_READY ? thread_find(&flags) : 0;
    bool whole;

    if (!python_pointer_plausible(thread))
        return 0;
    uintptr_t frame = frame_innermost(interpreter.layout, thread, &whole), outermost = 0;
    for (size_t steps = 0; frame; steps++) {
        if (!python_pointer_plausible(frame) || steps == FIBER_STEPS)
            return 0;
        outermost = frame;
        frame = python_load_pointer(frame, interpreter.layout->frame_previous);
    }
    return outermost;
}

static size_t thread_frames(uintptr_t thread, uint64_t *out, size_t max, uint16_t *flags)
{
    if (!python_pointer_plausible(thread))
        return 0;
    struct walk w = {.layout = interpreter.layout, .out = out, .max = max, .flags = flags};
    bool whole;
    uintptr_t frame = frame_innermost(w.layout, thread, &whole);
    whole = whole && frames_walk(&w, frame);
    walk_judge(whole, w.count);
    if (!whole)
        *flags |= STACK_PYTHON_LOST;
    return w.count;
}

size_t python_frames(uint64_t *out, size_t max, uint16_t *flags)
{
    uint32_t state = state_load();

    if (state == PYTHON_UNREADABLE && interpreter.this_thread())
        *flags |= STACK_PYTHON_LOST;
    return state == PYTHON_READY ? thread_frames(thread_find(flags), out, max, flags) : 0;
}

size_t python_frames_of(uintptr_t state, uint64_t *out, size_t max, uint16_t *flags)
{
    /* When the interpreter finalises it frees the states of threads that are still running. */
    return state_load() == PYTHON_READY && interpreter.is_initialized() ? thread_frames(state, out, max, flags) : 0;
}

uintptr_t python_thread(void)
{
    return state_load() == PYTHON_READY ? (uintptr_t)interpreter.current() : 0;
}
