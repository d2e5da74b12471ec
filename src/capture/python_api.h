/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The C API of the CPython interpreter in this process: no headers, no link dependency, every function by name from the
 * interpreter's own symbol table (python_api.def). Only with the GIL held, only in the main interpreter.
 *
 * Members of PyTypeObject are at the same place in 3.8 to 3.13 (Include/cpython/object.h).
 */
#ifndef CPROBE_CAPTURE_PYTHON_API_H
#define CPROBE_CAPTURE_PYTHON_API_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

typedef struct py_object py_object;
typedef py_object *(*python_vectorcall)(py_object *callable, py_object *const *arguments, size_t count,
                                        py_object *names);

/* PyMethodDef, PyGetSetDef: part of the stable ABI. */
struct python_method_definition {
    const char *name;
    py_object *(*call)(py_object *self, py_object *argument);
    int flags; /* PYTHON_CALL_* */
    const char *doc;
};
struct python_getter_definition {
    const char *name;
    py_object *(*get)(py_object *self, void *closure);
    int (*set)(py_object *self, py_object *value, void *closure);
    const char *doc;
    void *closure;
};
#define PYTHON_CALL_NO_ARGUMENTS 0x0004
#define PYTHON_CALL_ONE_ARGUMENT 0x0008

/* Vectorcall: set in the count where the place in front of the arguments may be written. */
#define PYTHON_COUNT_OFFSET (SIZE_MAX / 2 + 1)

enum python_type_member {
    PYTHON_TYPE_NAME = 24,
    PYTHON_TYPE_VECTORCALL_OFFSET = 56,
    PYTHON_TYPE_FLAG_WORD = 168,
    PYTHON_TYPE_DICT = 264,
    PYTHON_TYPE_ALLOC = 304,
    PYTHON_TYPE_NEW = 312,
    PYTHON_TYPE_FREE = 320,
    PYTHON_TYPE_MRO = 344,
};
#define PYTHON_TUPLE_ITEMS 24

#define PYTHON_FLAG_HEAP (UINT64_C(1) << 9)
#define PYTHON_FLAG_BASE (UINT64_C(1) << 10)
#define PYTHON_FLAG_VECTORCALL (UINT64_C(1) << 11)
#define PYTHON_FLAG_GC (UINT64_C(1) << 14)
#define PYTHON_FLAG_METHOD (UINT64_C(1) << 17)

struct python_api {
    uint16_t version; /* 0x030b = 3.11 */
#define PYTHON_FUNCTION(needed, ret, name, params) ret(*name) params;
#define PYTHON_OBJECT(name) py_object *name;
#include "capture/python_api.def"
#undef PYTHON_FUNCTION
#undef PYTHON_OBJECT
};

extern HIDDEN struct python_api python_api;

#define PYTHON(name) (python_api.name)

/* Fills in python_api by `resolve`. NULL, or the name of what is missing. */
const char *python_api_load(const struct link_map *map, uint16_t version,
                            void *(*resolve)(const struct link_map *map, const char *name));

/* The calling thread is in the main interpreter. */
bool python_api_main(void);

/* A word of an object, and its type. */
static inline uintptr_t *python_word(const py_object *object, size_t offset)
{
    return (uintptr_t *)((uintptr_t)object + offset);
}

static inline py_object *python_type_of(const py_object *object)
{
    return (py_object *)*python_word(object, 8);
}

/* The text of a str, NULL where it is none. Valid as long as the object is. */
const char *python_api_text(py_object *object);

#endif
