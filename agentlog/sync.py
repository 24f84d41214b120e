"""A store for programs without asyncio: the same handles, methods and arguments, without `await`.

    with agentlog.sync.open("./data") as store:
        store.conversation.append("agent:main", {"role": "user", "content": "hello"})
        for message in store.conversation.load("agent:main"): ...

Nothing is written twice: every class here is made from the asynchronous one, and its methods hand their
calls to that, in an event loop of its own thread (loop_thread.py). Coroutines become calls that wait,
asynchronous iterators become iterators. Threads may share a store: what they append at once shares a batch.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, cached_property, wraps
from typing import Any, ParamSpec, TypeVar

from agentlog import opening
from agentlog import store as asynchronous
from agentlog.loop_thread import LoopThread

PACKAGES = ("agentlog.", "eventlog.")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_END = object()
_ENDING: set[asyncio.Future[None]] = set()


class Handle:
    """Something asynchronous, and the thread it lives in. Made by what gives it out."""

    def __init__(self, thread: LoopThread, target: Any) -> None:
        self._thread = thread
        self._target = target

    def __getattr__(self, name: str) -> Any:
        # Only what the class does not have comes here: what the target's `__init__` made.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return _given(self._thread, getattr(self._target, name))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in vars(self._target) if name[0] != "_")})

    def __repr__(self) -> str:
        return f"<synchronous {self._target!r}>"


class Iteration(Iterator[T]):
    """What an asynchronous iterator gives, one after the other; the next waits where there is none yet.

    Left before its end, it is let go of when nobody has it any more, or by `close`.
    """

    def __init__(self, thread: LoopThread, source: AsyncIterator[T]) -> None:
        self._thread = thread
        self._source = source
        self._ended = False

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        try:
            found: Any = self._thread.call(anext, self._source, _END)
        except BaseException:
            self._ended = True  # as of any generator that raised
            raise
        if found is _END:
            self._ended = True
            raise StopIteration
        return _given(self._thread, found)  # type: ignore[no-any-return]

    def close(self) -> None:
        """End it now. Again is harmless, and so is a store that was closed before."""
        if not self._thread.stopped:
            self._thread.call(self._close)
        self._ended = True

    def __del__(self) -> None:
        # In whatever thread the collector runs: it must not wait.
        self._thread.tell(self._abandon)

    async def _close(self) -> None:
        if inspect.isasyncgen(self._source):
            await self._source.aclose()

    def _abandon(self) -> None:
        if inspect.isasyncgen(self._source) and not self._ended:
            ending = asyncio.ensure_future(self._source.aclose())
            _ENDING.add(ending)  # a loop keeps no tasks: it would be collected half done
            ending.add_done_callback(_ENDING.discard)


@cache
def synchronous(kind: type[Any]) -> type[Handle]:
    """Return the class whose methods do what those of `kind` do, and wait for it."""
    members: dict[str, Any] = {"__doc__": kind.__doc__, "__module__": __name__}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        if name.startswith("_"):
            continue
        if inspect.isfunction(member):
            members[name] = _method(member)
        elif isinstance(member, property | cached_property):
            members[name] = _property(name, member)
    if hasattr(kind, "__aiter__"):
        members["__iter__"] = lambda self: Iteration(self._thread, aiter(self._target))
    return type(kind.__name__, (Handle,), members)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(self: Handle, *arguments: Any, **keywords: Any) -> Any:
        found = self._thread.call(function, self._target, *arguments, **keywords)
        return _given(self._thread, found)

    signature = inspect.signature(function)
    returned = str(signature.return_annotation).replace("Async", "")
    call.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    return call


def _property(name: str, member: property | cached_property[Any]) -> property:
    def get(self: Handle) -> Any:
        return _given(self._thread, self._thread.call(getattr, self._target, name))

    return property(get, doc=member.__doc__)


def _given(thread: LoopThread, value: Any) -> Any:
    """Return what a caller gets for what the asynchronous side gave."""
    if isinstance(value, AsyncIterator):
        return Iteration(thread, value)
    kind: Any = type(value)
    return synchronous(kind)(thread, value) if _waits(kind) else value


@cache
def _waits(kind: type[Any]) -> bool:
    """Whether a class of ours has methods that are to be awaited, or is iterated over like that."""
    return kind.__module__.startswith(PACKAGES) and (
        hasattr(kind, "__aiter__")
        or any(
            inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
            for name, member in inspect.getmembers_static(kind)
            if not name.startswith("_")
        )
    )


class Store(synchronous(asynchronous.Store)):  # type: ignore[misc]
    """An open store. Made by `agentlog.sync.open`; close it, or use it in `with`.

    Its attributes and methods are those of `agentlog.Store`: sessions, conversation, archive, queue, plan,
    log, local …; nothing is to be awaited. Threads may share it. What is still open when the process
    ends is let go of as by a kill: nothing that was acknowledged is lost.
    """

    def close(self) -> None:
        """Append what was submitted, sync, and let everything go. Safe to call twice.

        An interrupt meanwhile does not stop it; call it again to wait for its end.
        """
        if self._thread.stopped:
            return
        try:
            # Of the store's own closing an interrupt cancels the waiting alone.
            self._thread.call(self._target.close)
        except Exception:
            self._thread.stop()
            raise
        self._thread.stop()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _with_arguments_of(
    source: Callable[P, Any],
) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function the arguments of another, for people and for type checkers."""

    def give(function: Callable[..., R]) -> Callable[P, R]:
        signature = inspect.signature(source)
        returned = inspect.signature(function).return_annotation
        function.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
        return function

    return give


@_with_arguments_of(opening.open)
def open(*arguments: Any, **keywords: Any) -> Store:
    """Open a store and return it, open: `with agentlog.sync.open("./data") as store:`.

    Takes what `agentlog.open` takes, and raises what that raises when it is awaited.
    """
    thread = LoopThread()
    try:
        return Store(thread, thread.call(opening.open, *arguments, **keywords))
    except BaseException:
        thread.stop()
        raise
