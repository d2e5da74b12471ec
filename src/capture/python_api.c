/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_api.h"

#include "python/layout.h"

struct python_api python_api;

enum { IF_THERE, NEEDED };

static const struct {
    const char *name;
    size_t offset; /* of the pointer, in struct python_api */
    int needed;
} rows[] = {
#define PYTHON_FUNCTION(needed, ret, name, params) {#name, offsetof(struct python_api, name), needed},
#define PYTHON_OBJECT(name) {#name, offsetof(struct python_api, name), NEEDED},
#include "capture/python_api.def"
#undef PYTHON_FUNCTION
#undef PYTHON_OBJECT
};

const char *python_api_load(const struct link_map *map, uint16_t version,
                            void *(*resolve)(const struct link_map *map, const char *name))
{
    const char *missing = NULL;

    python_api.version = version;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        void *found = resolve(map, rows[i].name);
        *(void **)((char *)&python_api + rows[i].offset) = found;
        if (!found && rows[i].needed == NEEDED && !missing)
            missing = rows[i].name;
    }
    if (!python_api.PyInterpreterState_Get)
        python_api.PyInterpreterState_Get = python_api._PyInterpreterState_Get;
    if (!python_api.PyInterpreterState_Get && !missing)
        missing = "PyInterpreterState_Get";
    return missing;
}

bool python_api_main(void)
{
    return PYTHON(PyInterpreterState_Get)() == PYTHON(PyInterpreterState_Main)();
}

const char *python_api_text(py_object *object)
{
    if (!object || !(*python_word(python_type_of(object), PYTHON_TYPE_FLAG_WORD) & PYTHON_TYPE_UNICODE_SUBCLASS))
        return NULL;
    const char *text = PYTHON(PyUnicode_AsUTF8)(object);
    if (!text) /* lone surrogates */
        PYTHON(PyErr_Clear)();
    return text;
}
