/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which classes and methods are watched: those of python_watched.def, and what CPROBE_WATCH_PY asks for,
 *
 *     module:Class[.method,method…] …     globs (* and ?); several are separated by spaces or commas
 *
 * where a word without ':' is one more method of the class before it. Without methods, all of a class's own public
 * ones. "off": nothing is watched. Pure: nothing here knows of the interpreter.
 */
#ifndef CPROBE_CAPTURE_PYTHON_RULES_H
#define CPROBE_CAPTURE_PYTHON_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum python_rule_flags {
    PYTHON_RULE_ORDERED = 0x01, /* only subclasses of OrderedDict */
    PYTHON_RULE_TOUCHES = 0x02, /* reading changes the order */
    PYTHON_RULE_ASKED = 0x04,   /* by CPROBE_WATCH_PY */
};

struct python_rule {
    const char *module, *class; /* globs, lower and upper case alike; end at ':', '.', ' ', ',' or the text's end */
    const char *methods;        /* ASKED: what stands behind Class, up to the next class; NULL: all public ones */
    uint8_t flags;
};

/* Checks CPROBE_WATCH_PY. */
bool python_rules_valid(const char *text);

/* Takes over what is asked for; `text` must stay. At most as many classes as there is room for. */
void python_rules_begin(const char *text);

/* The rule for a class, NULL: it is not watched. ordered: it descends from OrderedDict. */
const struct python_rule *python_rule_find(const char *module, const char *class, bool ordered);

/* METHOD_* flags of the method (0: it only reads), or -1: it is not watched. */
int python_rule_method(const struct python_rule *rule, const char *name);

#endif
