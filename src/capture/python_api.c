/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_api.h"

#include "python/layout.h"

struct python_api python_api;

const char *python_api_load(const struct link_map *map, uint16_t version,
                            void *(*resolve)(const struct link_map *map, const char *name))
{
    const char *missing = NULL;
    enum { IF_THERE, NEEDED };

    python_api.version = version;
#define PYTHON_FUNCTION(needed, ret, name, params)          \
    python_api.name = (ret(*) params)resolve(map, #name);   \
    if (!python_api.name && (needed) == NEEDED && !missing) \
        missing = #name;
#define PYTHON_OBJECT(name)                \
    python_api.name = resolve(map, #name); \
    if (!python_api.name && !missing)      \
        missing = #name;
#include "capture/python_api.def"
#undef PYTHON_FUNCTION
#undef PYTHON_OBJECT
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
