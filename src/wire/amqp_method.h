/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods of AMQP 0-9-1 and what their arguments say: a table, amqp_methods.def, and who reads it. Pure functions. */
#ifndef CPROBE_WIRE_AMQP_METHOD_H
#define CPROBE_WIRE_AMQP_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/path.h"

enum amqp_kind { AMQP_ASK, AMQP_SEND, AMQP_REPLY, AMQP_PUSH, AMQP_SILENT };

struct amqp_method {
    uint8_t class_id;
    uint8_t method_id;
    uint8_t kind; /* enum amqp_kind */
    uint8_t reply;
    uint32_t flags;        /* enum wire_flags */
    const char *arguments; /* amqp_methods.def */
    const char *verb;
};

struct amqp_arguments {
    struct path_text text; /* `text` and `room` are the caller's */
    const uint8_t *vhost;
    uint8_t vhost_length;
    bool no_wait;
    bool content;
    uint16_t status; /* 0: none */
    uint32_t elements;
};

/* Where in amqp_methods.def a method stands, or -1: there is none. */
int amqp_method_find(uint16_t class_id, uint16_t method_id);
const struct amqp_method *amqp_method_at(int index);

/* Fills what the arguments, of which `length` bytes are there, say; what is missing stays zero. */
void amqp_arguments_read(const struct amqp_method *m, const uint8_t *bytes, size_t length, struct amqp_arguments *a);

#endif
