"""A wrapper around one port that fails while it is told to: the only fake there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from gateway.bootstrap import Wrap

P = TypeVar("P")


class Faulty(Wrap):
    """Passes every call of the port through, or raises instead while `error` is set for that call."""

    def __init__(self, port: str, call: str) -> None:
        self.port, self.call = port, call
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self, name: str, port: P) -> P:
        return cast(P, _Proxy(port, self)) if name == self.port else port


class _Proxy:
    def __init__(self, real: object, faulty: Faulty) -> None:
        self._real, self._faulty = real, faulty

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._counted(found) if name == self._faulty.call else found

    def _counted(self, found: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **keywords: Any) -> Any | Awaitable[Any]:
            self._faulty.calls += 1
            if self._faulty.error is not None:
                raise self._faulty.error
            return found(*args, **keywords)

        return called
