"""Watches the calls of a node's ports: names the points at which a kill strikes, the beginning or the end of calls, and
lets one call break. In: the ports, wrapped. Out: the points of a kill; errors that no code foresees. A wrapped call takes
no further step of the loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from gateway.bootstrap.node import Wrap
from tests.simulation.disk import Disk

P = TypeVar("P")
# Calls that only ask or wait change nothing that a crash could tear.
_HARMLESS = frozenset({"wait", "wait_events", "counts", "hosted"})


class Broke(Exception):
    """An error that no code foresees, as of a library."""


class Calls(Protocol):
    """Observer of the calls of ports. Both methods may raise: then the call breaks, before or after its work."""

    def begin(self, name: str) -> None: ...

    def end(self, name: str) -> None: ...


class ProcessCalls:
    """Calls of one process since its disk last changed. A kill leaves the same folder at the beginning and at the end of
    each of them, so that it is a crash at all of these points. `broken` is the point at which each call breaks now."""

    def __init__(self, disk: Disk, names: dict[str, None], reaches: Callable[[str], None]) -> None:
        """`names` collects the names of calls; `reaches` is called at each point."""
        self._disk, self._changes = disk, -1
        self._names, self._reaches = names, reaches
        self._points: set[str] = set()
        self.broken = ""

    def begin(self, name: str) -> None:
        self._names[name] = None
        self._reach(f"before {name}")

    def end(self, name: str) -> None:
        self._reach(f"after {name}")

    def points(self) -> list[str]:
        """Return the points at which the process stands."""
        return sorted(self._points) if self._disk.changes == self._changes else []

    def _reach(self, point: str) -> None:
        if self._disk.changes != self._changes:
            self._changes = self._disk.changes
            self._points.clear()
        self._points.add(point)
        self._reaches(point)
        if point == self.broken:
            raise Broke(point)


class Watched:
    """A port whose calls are noted; units of work that it opens are watched too."""

    def __init__(self, name: str, inner: object, calls: Calls) -> None:
        self._name, self._inner, self._calls = name, inner, calls

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._inner, attribute)
        name = f"{self._name}.{attribute}"
        if callable(value):
            return value if attribute in _HARMLESS else self._watched(name, value)
        if type(value).__module__.startswith(("gateway.store", "gateway_office.store")):
            return Watched(name, value, self._calls)
        return value

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            plain = [arg._inner if isinstance(arg, Watched) else arg for arg in args]
            if name == "store.share":
                plain[1] = partial(self._shared, plain[1])  # the body of a unit
            self._calls.begin(name)
            result = call(*plain, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(name, result)
            if hasattr(result, "__aenter__"):
                return _Opened(name, result, self._calls)
            self._calls.end(name)
            return result

        return run

    async def _shared(self, body: Any, work: object) -> Any:
        return await body(Watched("store.share", work, self._calls))

    async def _awaited(self, name: str, result: Any) -> Any:
        answer = await result
        self._calls.end(name)
        return answer


class _Opened:
    """A unit of work, and its commit."""

    def __init__(self, name: str, inner: Any, calls: Calls) -> None:
        self._name, self._inner, self._calls = name, inner, calls

    async def __aenter__(self) -> Any:
        work = await self._inner.__aenter__()
        try:
            self._calls.end(self._name)
        except BaseException as error:  # it is open, and no other code would close it
            await self._inner.__aexit__(type(error), error, error.__traceback__)
            raise
        return Watched(self._name, work, self._calls)

    async def __aexit__(self, *error: Any) -> Any:
        if not self._name.endswith(".changing") or error[0] is not None:
            return await self._inner.__aexit__(*error)
        try:
            self._calls.begin(f"{self._name}.commit")
        except BaseException as broke:
            await self._inner.__aexit__(type(broke), broke, broke.__traceback__)
            raise
        outcome = await self._inner.__aexit__(*error)
        self._calls.end(f"{self._name}.commit")
        return outcome


class WatchPorts(Wrap):
    """The wrapper that `open_node` puts around each port."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __call__(self, name: str, port: P) -> P:
        watched: Any = Watched(name, port, self._calls)
        return watched  # type: ignore[no-any-return]  # it answers like the port
