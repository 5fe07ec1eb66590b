"""A wrapper around one port that fails while a test says so: the only fake there is. And a truly broken database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from gateway.bootstrap.node import Wrap
from tests.support.node import Town

P = TypeVar("P")


class Faulty(Wrap):
    """Passes every call of the port through, or raises instead while `error` is set for those calls."""

    def __init__(self, port: str, *names: str) -> None:
        self.port, self.names = port, names
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self, name: str, port: P) -> P:
        return cast(P, _Proxy(port, self)) if name == self.port else port


class _Proxy:
    def __init__(self, real: object, faulty: Faulty) -> None:
        self._real, self._faulty = real, faulty

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        return self._counted(method) if name in self._faulty.names else method

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **keywords: Any) -> Any | Awaitable[Any]:
            self._faulty.calls += 1
            if self._faulty.error is not None:
                raise self._faulty.error
            return method(*args, **keywords)

        return called


class Meanwhile:
    """Passes every call of the port through; once, before the first call of that name, something else happens."""

    def __init__(self, real: object, call: str, act: Callable[[], Awaitable[object]]) -> None:
        self._real, self._call, self._acts = real, call, [act]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name != self._call:
            return method

        async def called(*args: Any, **keywords: Any) -> Any:
            if self._acts:
                await self._acts.pop()()
            return await method(*args, **keywords)

        return called


async def lose_database(town: Town) -> None:
    """Leave the files as a broken disk does."""
    await town.node.store.close()
    for file in town.node.settings.node.data_dir.glob("gateway.db*"):
        file.write_bytes(b"this is no database " * 1000)
