/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/amqp_method.h"

#include "wire/fields.h"
#include "wire/wire.h"

enum method_index {
#define METHOD(class, method, verb, kind, reply, arguments, flags) M_##class##_##method,
#include "wire/amqp_methods.def"
#undef METHOD
};

static const struct amqp_method methods[] = {
#define METHOD(class, method, verb, kind, reply, arguments, flags) \
    {class, method, AMQP_##kind, reply, flags, arguments, verb},
#include "wire/amqp_methods.def"
#undef METHOD
};

#define METHOD(class, method, verb, kind, reply, arguments, flags) \
    _Static_assert(sizeof(verb) - 1 <= WIRE_VERB_MAX, verb " is short enough");
#include "wire/amqp_methods.def"
#undef METHOD

int amqp_method_find(uint16_t class_id, uint16_t method_id)
{
    switch ((uint32_t)class_id << 16 | method_id) {
#define METHOD(class, method, verb, kind, reply, arguments, flags) \
    case class << 16 | method:                                     \
        return M_##class##_##method;
#include "wire/amqp_methods.def"
#undef METHOD
    default:
        return -1;
    }
}

const struct amqp_method *amqp_method_at(int index)
{
    return &methods[index];
}

/* A short string: a length in a byte, and so many bytes. False: it is not all there. */
static bool short_string(const uint8_t **at, const uint8_t *end, const uint8_t **text, uint8_t *length)
{
    if (*at == end)
        return false;
    *length = **at;
    *text = *at + 1;
    if ((size_t)(end - *text) < *length)
        return false;
    *at = *text + *length;
    return true;
}

static bool name_read(const uint8_t **at, const uint8_t *end, struct amqp_arguments *a, bool slash)
{
    const uint8_t *text;
    uint8_t length;
    if (!short_string(at, end, &text, &length)) {
        a->text.cut = true;
        return false;
    }
    if (slash)
        path_append(&a->text, "/", 1);
    path_name_template(text, length, &a->text);
    return true;
}

static bool number_read(const uint8_t **at, const uint8_t *end, size_t size)
{
    if ((size_t)(end - *at) < size)
        return false;
    *at += size;
    return true;
}

void amqp_arguments_read(const struct amqp_method *m, const uint8_t *bytes, size_t length, struct amqp_arguments *a)
{
    const uint8_t *at = bytes, *end = bytes + length, *text;
    uint8_t size;
    bool there = true;
    for (const char *p = m->arguments; *p; p++) {
        if (*p == 'C')
            a->content = true;
        else if (!there)
            continue;
        else if (*p == 's')
            there = short_string(&at, end, &text, &size);
        else if (*p == 'n' || *p == '/')
            there = name_read(&at, end, a, *p == '/');
        else if (*p == 'v')
            there = short_string(&at, end, &a->vhost, &a->vhost_length);
        else if (*p == 'c' && (there = number_read(&at, end, 4)))
            a->elements = field_be32(at - 4);
        else if (*p == 'k' && (there = number_read(&at, end, 2)))
            a->status = field_be16(at - 2);
        else if (*p == 'w' && (p++, there = number_read(&at, end, 1)))
            a->no_wait = at[-1] >> (*p - '0') & 1;
        else if (field_is_digit((uint8_t)*p))
            there = number_read(&at, end, (size_t)(*p - '0'));
    }
}
