# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits in time.sleep below 80 calls, each of an object that is called: the interpreter's C function is entered for each.

Expected: stacks of more than 32 KiB are whole, with all their Python frames.
"""

import time


class Layer:
    def __call__(self, depth):
        if depth:
            return self(depth - 1)
        return time.sleep(0.01)


print("ready", flush=True)
while True:
    Layer()(79)
