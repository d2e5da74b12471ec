# SPDX-License-Identifier: GPL-2.0-or-later
"""One thread computes in calls that keep the GIL for long, the other one wants it back after each short sleep."""

import threading
import time

done = False


def hog():
    numbers = list(range(300000, 0, -1))
    while not done:
        sorted(numbers, key=abs)


thread = threading.Thread(target=hog)
thread.start()
for _ in range(40):
    time.sleep(0.001)
done = True
thread.join()
