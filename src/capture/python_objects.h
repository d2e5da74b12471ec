/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watched objects of a Python program: from their creation, seen through their type's tp_alloc, to the moment their
 * memory is freed, seen through tp_free. So an address never stands for two of them. A bounded table; objects that find
 * no room are left alone.
 *
 * Everything here is called with the GIL held, which is the lock of all that these files keep.
 */
#ifndef CPROBE_CAPTURE_PYTHON_OBJECTS_H
#define CPROBE_CAPTURE_PYTHON_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/python_api.h"
#include "capture/python_rules.h"

#define PYTHON_OBJECTS 4096u   /* watched at once */
#define PYTHON_BIRTH_FRAMES 12 /* innermost Python frames kept of where an object was created */
#define PYTHON_COMBINATIONS 24 /* of method and locks, of which an example is recorded for each object */
#define PYTHON_PAIRS 8         /* of methods that overlapped, counted for each object */
#define PYTHON_CLASS_TEXT 96

struct python_class {
    py_object *type;
    const struct python_rule *rule;
    uint8_t links; /* python_drift.c: which attribute has the order; 0: not looked for yet */
    char module[PYTHON_CLASS_TEXT], name[PYTHON_CLASS_TEXT];
};

struct python_method {
    py_object *function; /* NULL: free */
    uint16_t id;
    uint8_t flags;   /* METHOD_* */
    uint8_t written; /* its number is in the trace */
    char name[2 * PYTHON_CLASS_TEXT];
};

/* Two methods that were inside one object at the same time. */
struct python_pair {
    uint16_t first, second; /* numbers; 0: free */
    uint32_t recorded;
    uint64_t count;
    uint8_t protected; /* it turned out that both had taken the same lock inside */
    uint8_t confirmed; /* it turned out that they had not */
};

struct python_drift {
    uint64_t next_ns;     /* when to look again; 0: never looked */
    uint64_t recorded_ns; /* when a difference was last recorded */
    uint64_t checks;
    int64_t difference; /* recorded last */
    uint32_t records;
};

struct python_object {
    py_object *address; /* NULL: free */
    struct python_class *class;
    uint16_t next;  /* in its bucket, or of the free ones; 0: last */
    uint16_t first; /* python_use.c: operations inside, innermost list; 0: none */
    uint16_t inside;
    uint8_t frames;                 /* how many of `birth` */
    uint8_t refused;                /* no number was left, not even for one that threads share */
    uint32_t id;                    /* in the trace, 0: none yet */
    uint32_t pid;                   /* process whose trace has it */
    uint32_t born_tid;              /* 0: its creation was not seen */
    uint32_t first_tid, second_tid; /* threads that used it first; 0: none yet */
    uint64_t sample_ns;             /* when the next example is due */
    uint64_t overlap_ns;            /* when an overlap was last recorded */
    uint32_t combinations[PYTHON_COMBINATIONS];
    struct python_pair pairs[PYTHON_PAIRS];
    struct python_drift drift;
    uint64_t birth[PYTHON_BIRTH_FRAMES]; /* PY_FRAME */
};

/* A new watched class: from now on its instances are followed. NULL: it allocates in a way of its own, or no room. */
struct python_class *python_class_enter(py_object *type, const struct python_rule *rule, const char *module,
                                        const char *name);

/* The watched class, NULL: it is none. */
struct python_class *python_class_find(const py_object *type);

/* NULL: not a watched one. */
struct python_object *python_object_find(const py_object *address);

/* The object has a number in this process's trace; *written: so has been its record. The thread has entered. */
void python_object_number(struct python_object *o, uint64_t now_ns);

#endif
