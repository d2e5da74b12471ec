/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_function.h"

#include <string.h>

#include "capture/put.h"
#include "capture/python.h"
#include "capture/python_use.h"
#include "capture/record.h"
#include "capture/recorder.h"

#define METHODS 1024u /* a power of two */
#define GOES_ON 0x2a0 /* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR */

static struct {
    uint16_t count, number; /* entries; number given last */
    ptrdiff_t vectorcall;   /* offset in a function object */
    python_vectorcall call; /* what is there in every plain function */
    py_object *subtype;     /* 3.11: of bracketed functions; NULL: not made yet */
    struct python_method table[METHODS];
} methods;

static struct python_method *method_place(const py_object *function)
{
    uint32_t at = (uint32_t)(((uintptr_t)function * UINT64_C(0x9E3779B97F4A7C15)) >> 54);
    while (methods.table[at].function && methods.table[at].function != function)
        at = (at + 1) % METHODS;
    return &methods.table[at];
}

_Static_assert(METHODS == 1u << (64 - 54), "method_place");

/* ---- the bracket ---- */

/* From 3.11 on calls from Python to Python need no C stack, unless they go through here: a method that recurses deep is
   left alone from then on. 3.12 counts levels besides, and allows 1500 (C_RECURSION_LIMIT, cpython/pystate.h). */
#define DEEP (UINT64_C(512) << 10) /* bytes of C stack in use */
#define DEEP_3_12 (UINT64_C(128) << 10)

static bool is_deep(void)
{
    const struct thread *t = &thread_self;
    uintptr_t used = t->stack.high - FRAME_ADDRESS;
    return unlikely(used > DEEP_3_12) && thread_owns(t, FRAME_ADDRESS) &&
           (python_api.version == 0x030c || (python_api.version > 0x030a && used > DEEP));
}

static COLD void function_release(py_object *function, const struct python_method *m)
{
    char text[sizeof(m->name) + 100];
    char *end = put_text(put_text(text, m->name), " was called deep in the stack; it is not watched any more");
    if (PYTHON(PyFunction_SetVectorcall)) {
        PYTHON(PyFunction_SetVectorcall)(function, methods.call);
    } else {
        *python_word(function, (size_t)methods.vectorcall) = (uintptr_t)methods.call;
        *python_word(function, 8) = (uintptr_t)PYTHON(PyFunction_Type);
        PYTHON(Py_DecRef)(methods.subtype);
    }
    record_note(RECORD_INFO, text, (size_t)(end - text));
}

/* The object that the call is an operation on, NULL: none that is watched. */
static struct python_object *object_of(py_object *function, const struct python_method *m, py_object *const *arguments,
                                       size_t count)
{
    if (unlikely(!(count & ~PYTHON_COUNT_OFFSET) || !m->function || !recorder_on()))
        return NULL;
    if (is_deep())
        function_release(function, m);
    return python_object_find(arguments[0]);
}

static py_object *bracket(py_object *function, py_object *const *arguments, size_t count, py_object *names)
{
    const struct python_method *m = method_place(function);
    struct python_object *o = object_of(function, m, arguments, count);
    uint16_t use = o ? python_use_begin(o, m) : 0;
    if (!use)
        return methods.call(function, arguments, count, names);
    py_object *result = methods.call(function, arguments, count, names);
    python_use_end(use, result == NULL);
    return result;
}

/* ---- 3.11's subtype ---- */

/* pickle and copy go by the exact type; what they do with a function is this. */
static py_object *function_reduce(py_object *self, py_object *unused)
{
    (void)unused;
    return PYTHON(PyObject_GetAttrString)(self, "__qualname__");
}

static py_object *function_copy(py_object *self, py_object *unused)
{
    (void)unused;
    PYTHON(Py_IncRef)(self);
    return self;
}

static py_object *function_class(py_object *self, void *closure)
{
    (void)self, (void)closure;
    PYTHON(Py_IncRef)(PYTHON(PyFunction_Type));
    return PYTHON(PyFunction_Type);
}

/* Straight into the class's dictionary: setting __class__ would be taken for an attempt to change the class's own. */
static bool attribute_set(py_object *type, const char *name, py_object *value)
{
    py_object *members = (py_object *)*python_word(type, PYTHON_TYPE_DICT);
    bool done = value && PYTHON(PyDict_SetItemString)(members, name, value) == 0;
    if (value)
        PYTHON(Py_DecRef)(value);
    return done;
}

/* The function's own, which the class's of the same name would hide. */
static bool attribute_uncover(py_object *type, const char *name)
{
    py_object *members = (py_object *)*python_word(PYTHON(PyFunction_Type), PYTHON_TYPE_DICT);
    py_object *value = members ? PYTHON(PyDict_GetItemString)(members, name) : NULL;
    if (value)
        PYTHON(Py_IncRef)(value);
    return attribute_set(type, name, value);
}

static bool subtype_complete(py_object *type)
{
    static struct python_method_definition reduce = {"__reduce__", function_reduce, PYTHON_CALL_NO_ARGUMENTS, NULL};
    static struct python_method_definition copy = {"__copy__", function_copy, PYTHON_CALL_NO_ARGUMENTS, NULL};
    static struct python_method_definition deepcopy = {"__deepcopy__", function_copy, PYTHON_CALL_ONE_ARGUMENT, NULL};
    static struct python_getter_definition class = {"__class__", function_class, NULL, NULL, NULL};
    bool done = attribute_uncover(type, "__module__") && attribute_uncover(type, "__doc__") &&
                attribute_set(type, "__reduce__", PYTHON(PyDescr_NewMethod)(type, &reduce)) &&
                attribute_set(type, "__copy__", PYTHON(PyDescr_NewMethod)(type, &copy)) &&
                attribute_set(type, "__deepcopy__", PYTHON(PyDescr_NewMethod)(type, &deepcopy)) &&
                attribute_set(type, "__class__", PYTHON(PyDescr_NewGetSet)(type, &class));
    *python_word(type, PYTHON_TYPE_FLAG_WORD) |= PYTHON_FLAG_VECTORCALL | PYTHON_FLAG_METHOD;
    PYTHON(PyType_Modified)(type);
    return done && *python_word(type, PYTHON_TYPE_VECTORCALL_OFFSET) == (uintptr_t)methods.vectorcall;
}

/* type("function", (FunctionType,), {"__slots__": ()}), which CPython permits once the base says so. */
static bool subtype_make(void)
{
    py_object *base = PYTHON(PyFunction_Type);
    if (methods.subtype)
        return true;
    *python_word(base, PYTHON_TYPE_FLAG_WORD) |= PYTHON_FLAG_BASE;
    py_object *type = PYTHON(PyObject_CallFunction)(PYTHON(PyType_Type), "s(O){s()}", "function", base, "__slots__");
    *python_word(base, PYTHON_TYPE_FLAG_WORD) &= ~PYTHON_FLAG_BASE;
    if (!type || !subtype_complete(type)) {
        PYTHON(PyErr_Clear)();
        return false;
    }
    methods.subtype = type;
    return true;
}

/* ---- bracketing ---- */

/* Whether what the function returns is not yet what it does. */
static bool goes_on(py_object *function)
{
    py_object *code = PYTHON(PyObject_GetAttrString)(function, "__code__");
    py_object *flags = code ? PYTHON(PyObject_GetAttrString)(code, "co_flags") : NULL;
    long long value = flags ? PYTHON(PyLong_AsLongLong)(flags) : -1;
    if (flags)
        PYTHON(Py_DecRef)(flags);
    if (code)
        PYTHON(Py_DecRef)(code);
    if (!flags)
        PYTHON(PyErr_Clear)();
    return value & GOES_ON;
}

static bool function_redirect(py_object *function)
{
    uintptr_t *call = python_word(function, (size_t)methods.vectorcall);
    if (!methods.call && python_owns(*call)) /* a class is just being made: nobody else had its functions yet */
        methods.call = (python_vectorcall)*call;
    if (*call != (uintptr_t)methods.call)
        return false; /* somebody else's */
    if (PYTHON(PyFunction_SetVectorcall)) {
        PYTHON(PyFunction_SetVectorcall)(function, bracket);
        return true;
    }
    if (python_api.version == 0x030b) {
        if (!subtype_make())
            return false;
        PYTHON(Py_IncRef)(methods.subtype); /* every object of a heap type holds it */
        *python_word(function, 8) = (uintptr_t)methods.subtype;
    }
    *call = (uintptr_t)bracket;
    return true;
}

void python_function_bracket(const struct python_class *class, py_object *function, const char *name, int flags)
{
    struct python_method *m = method_place(function);
    if (python_type_of(function) != PYTHON(PyFunction_Type) || goes_on(function))
        return;
    if ((!m->function && methods.count >= METHODS / 2) || methods.number == UINT16_MAX || !function_redirect(function))
        return;
    methods.count += !m->function; /* else of a function that is gone */
    m->function = function;
    m->id = ++methods.number;
    m->flags = (uint8_t)flags;
    m->written = 0;
    char *end = put_text(put_text(m->name, class->name), ".");
    size_t room = sizeof(m->name) - (size_t)(end - m->name) - 1, length = strnlen(name, room);
    memcpy(end, name, length);
    end[length] = '\0';
}

const char *python_functions_begin(void)
{
    methods.vectorcall = (ptrdiff_t)*python_word(PYTHON(PyFunction_Type), PYTHON_TYPE_VECTORCALL_OFFSET);
    if (methods.vectorcall < 64 || methods.vectorcall > 256 || methods.vectorcall % 8)
        return "its functions do not look as they should";
    methods.call = PYTHON(_PyFunction_Vectorcall);
    if (python_api.version >= 0x030c && !PYTHON(PyFunction_SetVectorcall))
        return "it lacks PyFunction_SetVectorcall";
    return NULL;
}
