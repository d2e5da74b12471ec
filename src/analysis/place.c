/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/place.h"

#include <fnmatch.h>
#include <string.h>

#include "base/compiler.h"

/* Libraries between a driver and the system, and between an interpreter and C functions: who is blocked there is
   blocked by their caller. */
static const char *const transports[] = {"libssl.so*",   "libcrypto.so*", "libgnutls.so*", "libz.so*",
                                         "libsasl2.so*", "libnss_*",      "libresolv.so*", "libjemalloc*",
                                         "libtcmalloc*", "libffi.so*",    "_cffi_backend*"};

uint64_t place_hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++);
    return hash;
}

static bool file_is_installed(const char *file)
{
    return file && (strstr(file, "/site-packages/") || strstr(file, "/dist-packages/"));
}

enum frame_origin frame_origin(const struct frame *frame, const char *program)
{
    if (frame->system || frame->kind == FRAME_KERNEL)
        return ORIGIN_SYSTEM;
    if (frame->kind == FRAME_PYTHON)
        return file_is_installed(frame->file) ? ORIGIN_DRIVER : ORIGIN_USER;
    if (strcmp(frame->module, program) == 0)
        return ORIGIN_USER;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        if (fnmatch(transports[i], frame->module, 0) == 0)
            return ORIGIN_SYSTEM;
    }
    return ORIGIN_DRIVER;
}

static size_t driver_length(const struct frame *frame)
{
    return frame->kind == FRAME_PYTHON ? strcspn(frame->module, ".") : strlen(frame->module);
}

static bool driver_same(const struct frame *a, const struct frame *b)
{
    size_t length = driver_length(a);
    return a->kind == b->kind && length == driver_length(b) && strncmp(a->module, b->module, length) == 0;
}

static uint64_t hash_driver(uint64_t hash, const struct frame *frame)
{
    char name[256];
    size_t length = driver_length(frame);
    if (length >= sizeof(name))
        length = sizeof(name) - 1;
    memcpy(name, frame->module, length);
    name[length] = '\0';
    return place_hash_text(hash, name);
}

/* Functions without a name are known by their address only, which changes with every build. */
static uint64_t hash_user(uint64_t hash, const struct frame *frame)
{
    hash = place_hash_text(hash, frame->module);
    return place_hash_text(hash, strncmp(frame->function, "0x", 2) == 0 ? "?" : frame->function);
}

/* How far the fingerprint of a stack has got. */
struct print {
    uint64_t hash;
    size_t drivers, users;
    const struct frame *last_driver;
};

static void print_driver(struct print *print, const struct frame *frame)
{
    bool repeated = print->last_driver && driver_same(print->last_driver, frame);
    print->last_driver = frame;
    if (repeated || print->users > 0 || print->drivers == PLACE_DRIVERS)
        return;
    print->hash = hash_driver(print->hash, frame);
    print->drivers++;
}

static void print_user(struct print *print, const struct frame *frame)
{
    if (print->drivers + print->users == PLACE_FRAMES)
        return;
    print->hash = hash_user(print->hash, frame);
    print->users++;
}

struct place place_of_range(const struct stack *stack, size_t first, size_t count, const char *program)
{
    struct place place = {.hash = 0};
    struct print print = {.hash = PLACE_HASH_START};
    const struct frame *native_user = NULL;
    for (size_t i = first; i < count; i++) {
        const struct frame *frame = &stack->frames[i];
        enum frame_origin origin = frame_origin(frame, program);
        if (origin == ORIGIN_DRIVER) {
            if (!place.driver && print.users == 0)
                place.driver = frame;
            print_driver(&print, frame);
        } else if (origin == ORIGIN_USER) {
            print_user(&print, frame);
            if (frame->kind == FRAME_PYTHON && !place.user)
                place.user = frame;
            else if (frame->kind == FRAME_NATIVE && !native_user)
                native_user = frame;
        }
    }
    if (!place.user)
        place.user = native_user;
    place.hash = print.drivers + print.users > 0 ? print.hash : 0;
    return place;
}

struct place place_of(const struct stack *stack, const char *program)
{
    return place_of_range(stack, 0, stack->count, program);
}

const char *driver_name(const struct frame *frame, struct arena *arena)
{
    return arena_format(arena, "%.*s", (int)driver_length(frame), frame->module);
}
