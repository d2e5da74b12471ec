/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a method of a watched class is bracketed: its own function object stays where it is, and what the interpreter
 * calls through it, PyFunctionObject.vectorcall, becomes python_function.c's. So its identity, code, signature,
 * documentation, pickle and place in the class are what they were, tracebacks have no frame more, and what is done to
 * the class afterwards (mock.patch) works as ever.
 *
 *   3.8 to 3.10   every call goes through that member
 *   3.11          calls from Python are inlined, whatever it says, unless the object's type is not exactly `function`:
 *                 it is given a subtype of it with the same name. type(f), and three names more in dir(f), tell them
 *                 apart; nothing else does.
 *   3.12, 3.13    PyFunction_SetVectorcall says that such a function must not be inlined
 *
 * (Python/ceval.c, Objects/funcobject.c of each version.) With the GIL held, in the main interpreter.
 */
#ifndef CPROBE_CAPTURE_PYTHON_FUNCTION_H
#define CPROBE_CAPTURE_PYTHON_FUNCTION_H

#include "capture/python_objects.h"

/* NULL, or why functions of this interpreter cannot be bracketed. */
const char *python_functions_begin(void);

/* Brackets the plain function `function`, method `name` of the class. Generators and coroutines, which go on after they
   have returned, and what is not a plain function are left alone. */
void python_function_bracket(const struct python_class *class, py_object *function, const char *name, int flags);

#endif
