#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything about the methods of a watched class that a program can see, as JSON: the same whether it is recorded or not.

The one thing left out is type(f) itself, which is another class of the same name in CPython 3.11 (src/capture/python_function.h).
"""

import abc
import collections
import copy
import functools
import gc
import inspect
import json
import pickle
import sys
import traceback
import types
import weakref
from unittest import mock

import cachetools

seen = {}


def observe(function):
    seen[function.__name__] = function()
    return function


class LruCache(collections.OrderedDict):
    """Watched, as an OrderedDict of that name is."""

    limit: int = 3

    def put(self, key: str, value=None, *rest, strict: bool = False, **more) -> int:
        """Puts."""
        if strict and key in self:
            raise KeyError(key)
        self[key] = value
        while len(self) > self.limit:
            self.popitem(last=False)
        return len(self) + len(rest) + len(more)

    def get(self, key, default=None):
        return super().get(key, default)

    def pop(self, key):
        return [super(LruCache, self).pop(key), depth()]

    def update(self, *args, **kwargs):
        yield from args

    async def expire(self):
        return 1

    def clear(self, deep=0):
        return 0 if deep == 0 else 1 + self.clear(deep - 1)


class Sub(LruCache):
    def put(self, key, value=None):
        return ("sub", super().put(key, value))


class Slotted(cachetools.LRUCache):
    def __getitem__(self, key):
        return ("slotted", cachetools.LRUCache.__getitem__(self, key))

    def __missing__(self, key):
        self[key] = key * 2
        return key * 2


def depth():
    frame, count = sys._getframe(), 0
    while frame:
        frame, count = frame.f_back, count + 1
    return count


def frames_of(error):
    return [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]


def error_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except BaseException as error:  # any
        return [type(error).__name__, str(error), frames_of(error), repr(error.__context__)]
    return None


def closed(coroutine):
    coroutine.close()
    return coroutine


METHODS = [LruCache.put, LruCache.get, cachetools.Cache.__getitem__, cachetools.TTLCache.__setitem__, cachetools.LRUCache.popitem]


@observe
def attributes():
    names = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__kwdefaults__", "__dict__")
    return [[repr(getattr(f, name)) for name in names] + [len(f.__defaults__ or ()), f.__code__.co_name, f.__globals__["__name__"]]
            for f in METHODS]


@observe
def kinds():
    tests = (inspect.isfunction, inspect.isroutine, inspect.ismethod, inspect.isgeneratorfunction, inspect.iscoroutinefunction,
             inspect.ismethoddescriptor, inspect.isdatadescriptor, callable)
    return [[test(f) for test in tests] + [isinstance(f, types.FunctionType), f.__class__.__name__, f.__class__ is types.FunctionType,
                                           type(f).__name__, hasattr(f, "__wrapped__"), repr(type(f))] for f in METHODS]


@observe
def listing():
    own = {"__copy__", "__deepcopy__", "__slots__"}
    return [sorted(set(dir(METHODS[0])) - own), sorted(vars(LruCache)), sorted(vars(cachetools.TTLCache)),
            [kind for name, kind, _, _ in map(tuple, inspect.classify_class_attrs(LruCache)) if name == "put"]]


@observe
def signatures():
    text = [str(inspect.signature(f)).split(" at 0x")[0] for f in METHODS]
    return text + [str(inspect.signature(LruCache().put)), inspect.getsource(LruCache.put),
                   inspect.getfullargspec(LruCache.put).kwonlyargs]


@observe
def identity():
    class Late(LruCache):
        def put(self, key):
            return key
    function = vars(LruCache)["put"]
    return [function is LruCache.put, LruCache().put.__func__ is function, hash(function) == hash(LruCache.put),
            Late().put(4), Late.put is not LruCache.put, Late.get is LruCache.get, weakref.ref(function)() is function,
            any(o is function for o in gc.get_referents(vars(LruCache))) or vars(LruCache)["put"] is function]


@observe
def calls():
    c = LruCache()
    return [c.put("a"), c.put("b", 2, 3, 4), c.put("c", value=1, other=2), LruCache.put(c, "d"), c.put(*["e"], **{"value": 3}),
            list(c.items()), functools.partial(c.put, "f")(1), (lambda m: m("g"))(c.put), list(map(c.get, "efg")), c.clear(40),
            sorted(c.pop("g")[1:]) == [depth() + 1],
            list(c.update(1, 2)), inspect.iscoroutine(closed(c.expire()))]


@observe
def errors():
    c = LruCache(a=1)
    t = cachetools.TTLCache(3, 60)
    return [error_of(c.put, "a", strict=True), error_of(c.put), error_of(c.put, "a", key="b"), error_of(LruCache.put), error_of(c.pop, "x"),
            error_of(lambda: t["x"]), error_of(t.pop, "x"), error_of(t.popitem), error_of(t.__delitem__, "x"), error_of(lambda: t.get()),
            error_of(LruCache.get, 5, 6), error_of(c.clear, -1)[:2]]


@observe
def pickles():
    t = cachetools.LRUCache(3)
    t.update(a=1, b=2)
    back = pickle.loads(pickle.dumps(t))
    bound = pickle.loads(pickle.dumps(t.get))
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    return [dict(back), back.currsize, bound("a"), [pickle.loads(pickle.dumps(f, n)) is f for f in METHODS for n in protocols],
            [pickle._loads(pickle._dumps(f)) is f for f in METHODS]]


@observe
def copies():
    t = cachetools.TTLCache(3, 60)
    t["a"] = [1]
    deep = copy.deepcopy(t)
    return [copy.copy(LruCache.put) is LruCache.put, copy.deepcopy([LruCache.put])[0] is LruCache.put, deep["a"], deep["a"] is not t["a"]]


@observe
def inheritance():
    s, x = Sub(), Slotted(2)
    return [s.put("a", 1), s.get("a"), x[4], x[4], x.currsize, isinstance(x, cachetools.Cache), issubclass(Slotted, abc.ABC),
            [k.__name__ for k in Slotted.__mro__], x.setdefault(5), x.pop(5), len(x), list(x), 4 in x, 9 in x]


@observe
def patching():
    c = LruCache()
    before = LruCache.put
    with mock.patch.object(LruCache, "put", return_value=9) as put:
        result = [c.put("z"), put.call_count]
    with mock.patch.object(LruCache, "put", autospec=True) as put:
        c.put("y", 1)
        result += [error_of(c.put)[0], put.call_args[0][1:]]
    with mock.patch.object(LruCache, "get", lambda self, key: key):
        result += [c.get(3)]
    with mock.patch.object(LruCache, "put", wraps=before) as put:
        result += [put(c, "w")]
    return result + [LruCache.put is before, c.put("a")]


@observe
def wrapping():
    @functools.wraps(LruCache.put)
    def wrapper(*args, **kwargs):
        return LruCache.put(*args, **kwargs)
    method = functools.partialmethod(LruCache.put, "p")
    New = type("NewCache", (collections.OrderedDict,), {"put": LruCache.put, "one": method, "get": staticmethod(len)})
    return [wrapper.__name__, wrapper.__doc__, wrapper.__wrapped__ is LruCache.put, str(inspect.signature(wrapper)), wrapper(LruCache(), 1),
            error_of(New().put, 1)[0], New.get("abc")]


@observe
def changing():
    def put(self, key, value=8):
        return ("new", key, value)
    class Own(LruCache):
        def put(self, key):
            return key
    f, result = Own.put, [Own().put(1)]
    f.__defaults__, f.__doc__, f.mark = (5,), "changed", 1
    result += [Own().put(), f.__doc__, f.mark, f.__dict__]
    f.__code__ = put.__code__
    result += [Own().put(1)]
    Own.put = put
    result += [Own().put(2)]
    del Own.put
    return result + [Own().put(3)]


def events_of(set_function):
    c, events = LruCache(), []

    def tracer(frame, event, arg):
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name in ("put", "get", "clear"):
            events.append((event, frame.f_code.co_name, frame.f_lineno))
        return tracer
    set_function(tracer)
    try:
        c.put("a", 1)
        c.get("a")
        c.clear(2)
    finally:
        set_function(None)
    return events


@observe
def tracing():
    return [events_of(sys.settrace), events_of(sys.setprofile)]


@observe
def references():
    c, value = LruCache(), object()
    before = sys.getrefcount(value), sys.getrefcount(c)
    for _ in range(100):
        c.put("a", value)
        c.get("a")
        error_of(c.put, "a", strict=True)
    del c["a"]
    gc.collect()
    ref = weakref.ref(c)
    after = sys.getrefcount(value), sys.getrefcount(c)
    del c
    return [before == after, ref() is None]


@observe
def many():
    """Objects and classes come and go at the same addresses."""
    total = 0
    for number in range(6000):
        c = LruCache()
        total += c.put(number)
        if number % 50 == 0:
            class Own(LruCache):
                def put(self, key):
                    return 1
            total += Own().put(1)
    kept = [cachetools.LRUCache(2) for _ in range(6000)]
    for c in kept:
        c[1] = 1
    return [total, sum(map(len, kept))]


json.dump(seen, sys.stdout, indent=1)
