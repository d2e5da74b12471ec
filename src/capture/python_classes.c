/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_classes.h"

#include <string.h>

#include "capture/put.h"
#include "capture/python.h"
#include "capture/python_function.h"
#include "capture/python_objects.h"
#include "capture/python_rules.h"
#include "capture/python_window.h"
#include "capture/record.h"
#include "capture/recorder.h"

static struct {
    uint32_t watching; /* 0: not yet, or not any more */
    bool ends_told;
    py_object *(*type_new)(py_object *metatype, py_object *arguments, py_object *names);
} classes;

/* ---- classes ---- */

static size_t bases_of(const py_object *type, py_object *const **items)
{
    const py_object *mro = (const py_object *)*python_word(type, PYTHON_TYPE_MRO);
    *items = mro ? (py_object *const *)python_word(mro, PYTHON_TUPLE_ITEMS) : NULL;
    return mro ? *python_word(mro, 16) : 0;
}

static bool is_ordered(const py_object *type)
{
    py_object *const *bases;
    size_t count = bases_of(type, &bases);
    for (size_t i = 1; i < count; i++)
        if (bases[i] == PYTHON(PyODict_Type))
            return true;
    return false;
}

/* The rule of the nearest base that is watched. */
static const struct python_rule *rule_inherited(const py_object *type)
{
    py_object *const *bases;
    size_t count = bases_of(type, &bases);
    for (size_t i = 1; i < count; i++) {
        const struct python_class *class = python_class_find(bases[i]);
        if (class)
            return class->rule;
    }
    return NULL;
}

static void methods_bracket(const struct python_class *class, py_object *members)
{
    py_object *key, *value;
    ssize_t at = 0;
    while (PYTHON(PyDict_Next)(members, &at, &key, &value)) {
        const char *name = python_type_of(value) == PYTHON(PyFunction_Type) ? python_api_text(key) : NULL;
        int flags = name ? python_rule_method(class->rule, name) : -1;
        if (flags >= 0)
            python_function_bracket(class, value, name, flags);
    }
}

/* The interpreter is gone; another one would have other objects at the same addresses. */
static void python_ended(void)
{
    store_relaxed(&classes.watching, 0);
}

static void class_made(py_object *type)
{
    const char *name = (const char *)*python_word(type, PYTHON_TYPE_NAME);
    py_object *members = (py_object *)*python_word(type, PYTHON_TYPE_DICT);
    const char *module = members ? python_api_text(PYTHON(PyDict_GetItemString)(members, "__module__")) : NULL;
    if (!module || !name)
        return;
    const struct python_rule *rule = python_rule_find(module, name, is_ordered(type));
    if (!rule)
        rule = rule_inherited(type);
    if (!rule || !python_api_main())
        return;
    if (!classes.ends_told)
        classes.ends_told = PYTHON(Py_AtExit)(python_ended) == 0;
    const struct python_class *class = classes.ends_told ? python_class_enter(type, rule, module, name) : NULL;
    if (class)
        methods_bracket(class, members);
}

static py_object *type_new(py_object *metatype, py_object *arguments, py_object *names)
{
    py_object *type = classes.type_new(metatype, arguments, names);
    if (type && load_relaxed(&classes.watching) && recorder_on())
        class_made(type);
    return type;
}

/* ---- the interpreter ---- */

static void trouble_note(uint16_t version, const char *trouble, const char *what)
{
    char text[300];
    char *p = put_unsigned(put_text(text, "Python "), version >> 8, 10);
    p = put_unsigned(put_text(p, "."), version & 0xff, 10);
    p = put_text(put_text(put_text(p, ": "), trouble), what);
    p = put_text(p, "; its caches are not watched");
    record_note(RECORD_WARNING, text, (size_t)(p - text));
}

static bool interpreter_fits(const struct link_map *map, uint16_t version,
                             void *(*resolve)(const struct link_map *map, const char *name))
{
    const char *missing = python_api_load(map, version, resolve), *trouble = NULL;
    if (!python_api.PyType_Type)
        return false;
    if (missing)
        trouble = "it does not export ";
    else if (resolve(map, "_Py_RefTotal") || resolve(map, "_Py_GetGlobalRefTotal"))
        trouble = "a debug build";
    else if (PYTHON(Py_IsInitialized)())
        trouble = "it was running before it was seen";
    else if (!python_owns(*python_word(PYTHON(PyType_Type), PYTHON_TYPE_NEW)))
        trouble = "its types do not look as they should";
    else
        trouble = python_functions_begin();
    if (trouble)
        trouble_note(version, trouble, missing ? missing : "");
    return !trouble;
}

void python_classes_begin(const struct link_map *map, uint16_t version,
                          void *(*resolve)(const struct link_map *map, const char *name))
{
    if (classes.type_new || strcmp(recorder.settings.watch_py, "off") == 0 || !interpreter_fits(map, version, resolve))
        return; /* a second interpreter, after the first was unloaded, is none of ours */
    python_rules_begin(recorder.settings.watch_py);
    python_window_begin(writer_budget(&recorder.writer, WRITER_RINGS) / RING_RECORD_SIZE);
    uintptr_t *slot = python_word(PYTHON(PyType_Type), PYTHON_TYPE_NEW);
    classes.type_new = (py_object * (*)(py_object *, py_object *, py_object *)) * slot;
    *slot = (uintptr_t)type_new;
    store_relaxed(&classes.watching, 1);
}
