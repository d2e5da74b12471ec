/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the file name of a Python code object to the module's dotted name, and whose code it is. */
#ifndef CPROBE_ANALYSIS_PYMODULE_H
#define CPROBE_ANALYSIS_PYMODULE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes the dotted module name of `file` (co_filename), cut to `size` bytes and NUL-terminated:
 * /usr/lib/python3/dist-packages/gevent/hub.py -> gevent.hub; /srv/app/views.py -> app.views where /srv/app has an
 * __init__.py on this machine, else views; <frozen importlib._bootstrap> -> importlib._bootstrap; <string> stays.
 */
void pymodule_name(const char *file, char *name, size_t size);

/* True for Python's standard library and the frameworks whose event loop runs the program (asyncio, gevent, …): neither
   the user's code nor a driver. `name`: what pymodule_name wrote for `file`. */
bool pymodule_is_system(const char *file, const char *name);

#endif
