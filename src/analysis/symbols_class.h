/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of code a native module and a function of the Python interpreter are, judged by their names. Pure. */
#ifndef CPROBE_ANALYSIS_SYMBOLS_CLASS_H
#define CPROBE_ANALYSIS_SYMBOLS_CLASS_H

#include <stdbool.h>

#define MODULE_SYSTEM 0x01u      /* the operating system's, the language's or the loop's (see struct frame.system) */
#define MODULE_INTERPRETER 0x02u /* python3.11, libpython3.11.so.1.0 */
#define MODULE_GREENLET 0x04u    /* the extension module of greenlet: outside of it lies another greenlet's stack */
#define MODULE_RECORDER 0x08u    /* libcprobe.so */
#define MODULE_VIRTUAL 0x10u     /* no file: [vdso], anonymous memory */

/* MODULE_* of the file `path`. */
unsigned symbols_class_module(const char *path);

/* The part of `path` after the last slash. */
const char *symbols_class_base(const char *path);

/* True for functions of the interpreter that say what it waits in (time_sleep, PyEval_RestoreThread), false for those
   that only pass calls on (_PyObject_Vectorcall, slot_tp_call) and for addresses without name. */
bool symbols_class_telling(const char *function);

/* True for the name of a generated function that the user wrote, as V8 ("JS:*handler /srv/app.js:3:1") and Java
   ("int com.shop.View.get()", "Lcom/shop/View;::get") name them: not for their own libraries, nor for interpreters and
   stubs. */
bool symbols_class_generated(const char *name);

/* True for the C function that executes Python code. */
bool symbols_class_eval(const char *function);

#endif
