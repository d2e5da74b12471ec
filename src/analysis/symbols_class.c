/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_class.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Runtimes of C, threads and C++, then event loops, then the Java runtime: "libc" stands for libc.so.6 and
 * libc-2.31.so. */
static const char *const SYSTEM_LIBRARIES[] = {
    "libc",   "libpthread", "libdl",         "libm",           "libmvec",
    "librt",  "libresolv",  "libutil",       "libanl",         "libstdc++",
    "libc++", "libc++abi",  "libgcc_s",      "libthread_db",   "libev",
    "libuv",  "libevent",   "libevent_core", "libevent_extra", "libevent_pthreads",
    "libjvm", "libjli",     "libjava",       "libnio",         "libnet",
};

/* The dynamic loader, name services, musl. */
static const char *const SYSTEM_PREFIXES[] = {"ld-", "libnss_", "libc.musl-"};

/* Extension modules by their place below site-packages. */
static const char *const SYSTEM_FOLDERS[] = {"/gevent/", "/greenlet/", "/uvloop/", "/lib-dynload/"};

/* Functions of the interpreter that only pass calls on, by how their name begins. */
static const char *const PLUMBING[] = {
    "0x",
    "Py",
    "_Py",
    "slot_",
    "wrap_",
    "wrapper_",
    "method_",
    "cfunction_",
    "builtin_",
    "call_",
    "do_call",
    "object_",
    "type_",
    "function_",
    "fast_",
    "gen_",
    "trace_call_",
    "property_",
    "partial_",
    "classmethod_",
    "bound_",
    "tp_new_wrapper",
    "run_mod",
    "run_eval",
    "pyrun_",
    "pymain_",
    "import_",
    "exec_code_in_module",
    "thread_run",
    "thread_bootstrap",
    "pythread_wrapper",
    "t_bootstrap",
    "_start",
    "main",
    "coro_",
    "async_gen_",
    "context_run",
    "cm_descr_",
    "map_next",
    "list_extend",
    "module_",
};

/* Exported functions in which a thread waits for the GIL or a lock. */
static const char *const WAITS[] = {
    "PyEval_RestoreThread", "PyEval_AcquireThread",        "PyEval_AcquireLock",
    "PyGILState_Ensure",    "PyThread_acquire_lock_timed", "PyThread_acquire_lock",
    "_PyMutex_LockTimed",   "_PySemaphore_Wait",           "_PyParkingLot_Park",
};

static bool begins_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

const char *symbols_class_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_library(const char *base, const char *stem)
{
    if (!begins_with(base, stem))
        return false;
    const char *rest = base + strlen(stem);
    return begins_with(rest, ".so") || (*rest == '-' && isdigit((unsigned char)rest[1]));
}

/* "python", "python3", "python3.11", "python3.13t", "libpython3.11.so.1.0" */
static bool is_interpreter(const char *base)
{
    if (begins_with(base, "libpython"))
        return true;
    if (!begins_with(base, "python"))
        return false;
    const char *rest = base + strlen("python");
    rest += strspn(rest, "0123456789.");
    return !rest[strspn(rest, "dmtu")];
}

static bool is_system(const char *path, const char *base)
{
    for (size_t i = 0; i < COUNT(SYSTEM_LIBRARIES); i++) {
        if (is_library(base, SYSTEM_LIBRARIES[i]))
            return true;
    }
    for (size_t i = 0; i < COUNT(SYSTEM_PREFIXES); i++) {
        if (begins_with(base, SYSTEM_PREFIXES[i]) && strstr(base, ".so"))
            return true;
    }
    for (size_t i = 0; i < COUNT(SYSTEM_FOLDERS); i++) {
        if (strstr(path, SYSTEM_FOLDERS[i]))
            return true;
    }
    return false;
}

unsigned symbols_class_module(const char *path)
{
    const char *base = symbols_class_base(path);
    if (!*base || *path == '[' || begins_with(base, "linux-vdso") || begins_with(base, "linux-gate"))
        return MODULE_SYSTEM | MODULE_VIRTUAL;
    if (begins_with(base, "libcprobe.so"))
        return MODULE_SYSTEM | MODULE_RECORDER;
    unsigned traits = 0;
    if (is_interpreter(base))
        traits |= MODULE_SYSTEM | MODULE_INTERPRETER;
    if (strstr(base, ".so") && (begins_with(base, "_greenlet.") || begins_with(base, "greenlet.")))
        traits |= MODULE_SYSTEM | MODULE_GREENLET;
    if (is_system(path, base))
        traits |= MODULE_SYSTEM;
    return traits;
}

bool symbols_class_telling(const char *function)
{
    for (size_t i = 0; i < COUNT(WAITS); i++) {
        if (!strcmp(function, WAITS[i]))
            return true;
    }
    for (size_t i = 0; i < COUNT(PLUMBING); i++) {
        if (begins_with(function, PLUMBING[i]))
            return false;
    }
    return !strstr(function, "vectorcall");
}

/* The method in "int com.shop.View.get(java.lang.String)", as the JVM's Compiler.perfmap has it, from its package on;
   NULL: the name is of another kind. */
static const char *java_method(const char *name)
{
    const char *end = strchr(name, '('), *at = end;
    while (at && at > name && at[-1] != ' ')
        at--;
    return at && at > name && memchr(at, '.', (size_t)(end - at)) ? at : NULL;
}

bool symbols_class_generated(const char *name)
{
    static const char *const OWN[] = {"java.", "Ljava/", "javax.", "Ljavax/",  "jdk.",
                                      "Ljdk/", "sun.",   "Lsun/",  "com.sun.", "Lcom/sun/"};
    if (strstr(name, " node:") || strstr(name, "/node_modules/"))
        return false;
    const char *method = java_method(name), *from = method ? method : name;
    for (size_t i = 0; i < COUNT(OWN); i++)
        if (begins_with(from, OWN[i]))
            return false;
    return method || strstr(name, " /") || strstr(name, " file:") || strstr(name, "::");
}

bool symbols_class_eval(const char *function)
{
    return !strcmp(function, "_PyEval_EvalFrameDefault");
}
