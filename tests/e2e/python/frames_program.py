# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs under frames_probe.so and any CPython 3.8 to 3.13: in every situation that changes how frames are chained, what the
probe read must be what the interpreter says itself (sys._getframe), and the entry marks must be as many as the interpreter's
C function is on the native stack. Prints one line a situation; exit status 1 where any differs."""

import ctypes
import dis
import functools
import os
import signal
import sys
import threading
import time

LOST, TRUNCATED = 4, 2
probe = ctypes.PyDLL(os.environ["PROBE"])
probe.probe_frame.restype = ctypes.c_uint64
probe.probe_cost_ns.restype = ctypes.c_double
for name in ("probe_code_name", "probe_code_file", "probe_notes"):
    getattr(probe, name).restype = ctypes.c_char_p
held_getppid = ctypes.PyDLL(None).getppid
released_getppid = ctypes.CDLL(None).getppid
failures = []
results = {}


def line_of(code, lasti):
    if hasattr(code, "co_lines"):
        return next((line for begin, end, line in code.co_lines() if begin <= lasti < end), None)
    return [line for begin, line in dis.findlinestarts(code) if begin <= lasti][-1]


def opcode_at(code, lasti):
    """The instruction that covers byte lasti: inline caches belong to the one before them."""
    return [i.opname for i in dis.get_instructions(code) if i.offset <= lasti][-1]


def expected_frames(frame):
    while frame:
        yield frame
        frame = frame.f_back


def linetable_of(code):
    return code.co_linetable if hasattr(code, "co_linetable") else code.co_lnotab


def compare(situation, frame, gil, greenlet=False, leaf_call=True):
    """Called in the frame that has just made a probed call on the line before or on the same line; `frame` is that frame."""
    shot = [probe.probe_frame(i) for i in range(probe.probe_count())]
    flags, native = probe.probe_flags(), probe.probe_native_entries()
    wrong = []
    frames = list(expected_frames(frame))[:256]
    if len(shot) != len(frames):
        wrong.append(f"{len(shot)} frames, not {len(frames)}")
    if flags & LOST:
        wrong.append(f"flags {flags}")
    if probe.probe_gil_held() != gil:
        wrong.append(f"GIL held: {probe.probe_gil_held()}")
    for depth, (word, real) in enumerate(zip(shot, frames)):
        code, ident, lasti = real.f_code, (word >> 32) & 0x7fffffff, word & 0xffffffff
        name = getattr(code, "co_qualname", code.co_name).encode(errors="replace")[:256]
        buffer = ctypes.create_string_buffer(24 << 10)
        size = probe.probe_code_linetable(ident, buffer, len(buffer))
        seen = (probe.probe_code_name(ident), probe.probe_code_file(ident), probe.probe_code_first_line(ident),
                probe.probe_code_version(ident), buffer.raw[:size])
        real_code = (name, code.co_filename.encode(), code.co_firstlineno, sys.hexversion >> 16, linetable_of(code)[:24 << 10])
        if seen != real_code:
            wrong.append(f"#{depth} code {seen[:4]}, not {real_code[:4]}")
            continue
        line = real.f_lineno if depth else CALL_LINES.get(situation, real.f_lineno)
        if line_of(code, lasti) != line:
            wrong.append(f"#{depth} {name} line {line_of(code, lasti)}, not {line}")
        if depth and lasti // 2 * 2 != real.f_lasti:
            wrong.append(f"#{depth} {name} lasti {lasti}, not {real.f_lasti}")
        if not depth and leaf_call and not opcode_at(code, lasti).startswith(("CALL", "PRECALL")):
            wrong.append(f"#0 {name} stands at {opcode_at(code, lasti)}")
    entries = sum(word >> 63 for word in shot)
    if not greenlet and len(frames) < 200 and entries != native:
        wrong.append(f"{entries} entry frames, the interpreter's function is {native} times on the stack")
    results[situation] = len(shot)
    print("ok  " if not wrong else "FAIL", situation, len(shot), "frames", entries, "entries", *wrong, sep="  ")
    failures.extend(wrong)


CALL_LINES = {}


def take(situation, call=os.getppid, gil=1, **options):
    call(); compare(situation, sys._getframe(), gil, **options)


class Base:
    def __init__(self, situation):
        self.situation = situation
        take(situation + " in __init__")

    def method(self, *args, **kwargs):
        take(self.situation, *args, **kwargs)

    @property
    def attribute(self):
        take(self.situation + " in a property")
        return 1

    @classmethod
    def of_class(cls):
        take("class method")

    def __add__(self, other):
        take(self.situation + " in an operator")
        return self

    def __eq__(self, other):
        take(self.situation + " in ==")
        return True

    __hash__ = None

    def __getitem__(self, i):
        take(self.situation + " in []")
        if i:
            raise IndexError
        return 1

    def __enter__(self):
        take(self.situation + " in with")
        return self

    def __exit__(self, *error):
        take(self.situation + " at the end of with")

    def __del__(self):
        take(self.situation + " in a finalizer")


class Plain:
    def __init__(self):
        take("specialised constructor")


def construct():
    """3.13 puts a helper frame between the two once the call is specialised."""
    for _ in range(100):
        Plain()


def generator(situation):
    take(situation)
    yield 1
    yield from inner_generator(situation + ", second step")


def inner_generator(situation):
    take(situation)
    yield 2


def recursion(depth, action):
    return recursion(depth - 1, action) if depth else action()


async def coroutine(situation):
    await awaited(situation)
    return [x async for x in async_generator(situation + ", async generator")]


async def awaited(situation):
    take(situation)


async def async_generator(situation):
    take(situation)
    yield 1


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@decorated
@functools.lru_cache(maxsize=None)
def cached(situation):
    take(situation)


def calls():
    take("plain function")
    (lambda: take("lambda"))()
    recursion(30, lambda: take("deep recursion"))
    recursion(300, lambda: take("more frames than are kept"))
    cached("decorator and C wrapper")
    functools.partial(take, "partial")()
    exec(compile("\n\ntake('exec')", "<generated ü\U0001f40d>", "exec"), globals())
    eval("take('eval')")
    exec(compile("def " + "x" * 300 + "(): take('a long name')\n" + "x" * 300 + "()", "<long>", "exec"), globals())
    exec(compile("def größe(): take('a name in Latin 1')\ngröße()", "<latin ü>", "exec"), dict(globals()))
    exec(compile("def 函数(): take('a name in Chinese')\n函数()", "<中文>", "exec"), dict(globals()))
    exec(compile("take('a file name of another class')", type("Text", (str,), {})("<text>"), "exec"), globals())
    exec(compile("take('a great line number')", "<x>", "exec").replace(co_firstlineno=70000), globals())


def objects():
    thing = Base("method")
    thing.method()
    thing.attribute
    Base.of_class()
    thing + 1
    thing == 1
    [1 for _ in thing]
    with thing:
        pass
    del thing
    construct()


def iteration():
    for _ in generator("generator"):
        pass
    list(generator("generator run by C"))
    [take("comprehension") for _ in [1]]
    {take("dict comprehension"): 1 for _ in [1]}
    sum(take("generator expression") or 1 for _ in [1])
    sorted([2, 1], key=lambda x: take("sorted key") or x)
    list(map(lambda x: take("map"), [1]))
    max([1, 2], key=functools.cmp_to_key(lambda a, b: take("cmp_to_key") or 0))
    sorted(map(lambda x: recursion(3, lambda: take("C in Python in C")) or x, [1]), key=lambda x: [take("again")] and x)
    try:
        coroutine("coroutine").send(None)
    except StopIteration:
        pass


def hooks():
    old = signal.signal(signal.SIGUSR1, lambda *_: take("signal handler"))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, old)
    import importlib.util
    sys.meta_path.insert(0, type("Finder", (), {"find_spec": staticmethod(lambda *_: take("import hook"))}))
    importlib.util.find_spec("no_such_module")
    try:
        import no_such_module  # noqa: F401
    except ImportError:
        pass
    del sys.meta_path[0]
    sys.setprofile(lambda frame, event, arg: None)
    take("profiled")
    sys.setprofile(None)
    sys.settrace(lambda frame, event, arg: None)
    take("traced")
    sys.settrace(None)


def gil():
    take("ctypes, GIL held", held_getppid, 1)
    take("ctypes, GIL released", released_getppid, 0)
    take("time.sleep", lambda_free_sleep, 0)
    callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: take("ctypes callback") or 0)
    callback()
    qsort = ctypes.CDLL(None).qsort
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    qsort(ctypes.create_string_buffer(2), 2, 1, compare_type(lambda a, b: take("callback of C, GIL released", released_getppid, 0) or 0))


lambda_free_sleep = functools.partial(time.sleep, 0.001)


def threads():
    """Another thread runs Python all the time, so that the interpreter's current thread is not the one that is read."""
    stop = threading.Event()
    spinner = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    spinner.start()
    for i in range(4):
        workers = [threading.Thread(target=lambda: recursion(5, lambda: [
            take("thread", os.getppid, 1), take("thread, GIL released", released_getppid, 0), take("thread sleeping", lambda_free_sleep, 0)]))
            for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    stop.set()
    spinner.join()


def child():
    pid = os.fork()
    if not pid:
        before = len(failures)
        take("forked child")
        take("forked child, GIL released", released_getppid, 0)
        sys.stdout.flush()
        os._exit(len(failures) != before)
    if os.waitpid(pid, 0)[1]:
        failures.append("forked child")


def greenlets():
    try:
        import gevent
        import greenlet
    except ImportError:
        print("skip  greenlets: no gevent here")
        return
    probe.probe_native_off(1)

    def worker(n):
        for i in range(3):
            recursion(n, lambda: take("greenlet", greenlet=True))
            gevent.sleep(0.001 * n)
            recursion(n, lambda: take("greenlet, GIL released", released_getppid, 0, greenlet=True))
            list(map(lambda _: gevent.sleep(0), [1]))
            take("greenlet that was switched in C", greenlet=True)

    gevent.joinall([gevent.spawn(worker, n) for n in range(1, 6)])
    gevent.get_hub().threadpool.apply(take, ("gevent's thread pool", os.getppid, 1), {"greenlet": True})
    outer = greenlet.greenlet(lambda: take("greenlet in greenlet", greenlet=True) or greenlet.getcurrent().parent.switch(1))
    list(map(lambda _: outer.switch(), [1]))
    outer.switch()
    probe.probe_native_off(0)
    take("after greenlets")


def reuse():
    """Code that is compiled over and over: addresses are used again, what is equal is entered once."""
    before = probe.probe_code_count()
    for i in range(3000):
        exec(compile("probed()", "<again>", "exec"), {"probed": os.getppid})
    if probe.probe_code_count() > before + 3:
        failures.append("equal code is entered again")
    for i in range(500):
        exec(compile("\n" * i + "def f%d(): probed()\nf%d()" % (i, i), "<new>", "exec"), {"probed": os.getppid})
        word = probe.probe_frame(0)
        if probe.probe_code_name((word >> 32) & 0x7fffffff) != b"f%d" % i:
            failures.append("another code object at the same address was not noticed")
            return
    print("ok    reuse", probe.probe_code_count() - before, "code objects", sep="  ")


def cost():
    """20 frames, all known."""
    def here():
        os.getppid()
        count = probe.probe_count()
        print("cost  %.0f ns for %d frames" % (probe.probe_cost_ns(2000), count))
    recursion(20 - 4, here)


if __name__ == "__main__":
    print("Python", sys.version.split()[0])
    sections = [calls, objects, iteration, hooks, gil, threads, child, greenlets, reuse, cost]
    for section in sections:
        section()
    # Once more: code is specialised by then, and everything is known.
    for _ in range(20):
        sys.stdout = open(os.devnull, "w")
        objects(), iteration()
        sys.stdout = sys.__stdout__
    notes = probe.probe_notes().decode()
    if notes:
        failures.append("noted: " + notes)
    print(len(results), "situations,", len(failures), "failures", failures[:10])
    sys.exit(bool(failures))
