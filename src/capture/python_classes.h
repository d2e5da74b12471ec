/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sees every class that a Python program defines, through type.__new__ (PyType_Type.tp_new), and brackets the methods
 * of those that are watched. Calls that define no class cost nothing; an audit hook, the other way to be told, would
 * make every audited call of the program build its arguments.
 *
 * Must begin before the interpreter does: metaclasses that exist already would find another type.__new__ than they were
 * made with. Main interpreter only; after Py_Finalize nothing is watched any more.
 */
#ifndef CPROBE_CAPTURE_PYTHON_CLASSES_H
#define CPROBE_CAPTURE_PYTHON_CLASSES_H

#include <link.h>
#include <stdint.h>

/* The interpreter `map`, of a known version and with the GIL, was loaded. resolve: as the linker binds its symbols. */
void python_classes_begin(const struct link_map *map, uint16_t version,
                          void *(*resolve)(const struct link_map *map, const char *name));

#endif
