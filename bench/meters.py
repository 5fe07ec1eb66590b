"""Meters between the flows and the ports: how often each promise is called and how long the calls take; and how busy the
one writer of the database is. In: a `Wrap` for `open_node`. Out: tables of counts and seconds. A call's time contains its
waiting, so the times of concurrent documents add up to more than the clock's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Any, TypeVar, cast

from gateway.bootstrap.node import Wrap
from gateway.store import sqlite_file

P = TypeVar("P")


@dataclass(slots=True)
class Tally:
    """Calls of one promise and their seconds together."""

    calls: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds


@dataclass(slots=True)
class Ports:
    """Every promise that was called, by `port.method`."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def tally_for(self, name: str) -> Tally:
        return self.tallies.setdefault(name, Tally())

    def reset(self) -> None:
        self.tallies.clear()

    def longest(self, most: int) -> Iterator[tuple[str, Tally]]:
        """Yield those that took longest together, first."""
        yield from sorted(self.tallies.items(), key=lambda row: -row[1].seconds)[:most]


class Metered(Wrap):
    """A wrapper that puts a meter around each port."""

    def __init__(self) -> None:
        self.ports = Ports()

    def __call__(self, name: str, port: P) -> P:
        return cast("P", _Meter(name, port, self.ports))


class _Meter:
    """A meter in place of a port; every method of it is timed."""

    def __init__(self, name: str, port: object, ports: Ports) -> None:
        self._name, self._port, self._ports = name, port, ports

    def __getattr__(self, method: str) -> Any:  # Any: it answers for every port
        real = getattr(self._port, method)
        if not callable(real):
            return real
        return _timed(real, f"{self._name}.{method}", self._ports)


def _timed(real: Callable[..., Any], name: str, ports: Ports) -> Callable[..., Any]:
    def called(*args: object, **words: object) -> Any:
        begun = perf_counter()
        returned = real(*args, **words)
        if inspect.isawaitable(returned):
            return _awaited(returned, name, ports, begun)
        if isinstance(returned, AbstractAsyncContextManager):
            return _Entered(returned, name, ports)
        ports.tally_for(name).add(perf_counter() - begun)
        return returned

    return called


async def _awaited(awaitable: Any, name: str, ports: Ports, begun: float) -> Any:
    try:
        return await awaitable
    finally:
        ports.tally_for(name).add(perf_counter() - begun)


class _Entered:
    """A unit of work, whose waiting and working are timed apart."""

    def __init__(self, context: AbstractAsyncContextManager[Any], name: str, ports: Ports) -> None:
        self._made, self._name, self._ports = context, name, ports
        self._begun = 0.0

    async def __aenter__(self) -> Any:
        began = perf_counter()
        entered = await self._made.__aenter__()
        self._begun = perf_counter()
        self._ports.tally_for(f"{self._name}, waiting").add(self._begun - began)
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._made.__aexit__(kind, error, trace)
        finally:
            self._ports.tally_for(f"{self._name}, open").add(perf_counter() - self._begun)


@dataclass(slots=True)
class Writer:
    """The database's one writing connection: how often and for how long it was taken, and the part of that in commits. It
    serves one transaction at a time, so a time here is a share of the clock's."""

    acquired: Tally = field(default_factory=Tally)
    committing: Tally = field(default_factory=Tally)
    _since: float = 0.0

    def watch(self) -> None:
        """Count all writers of this process that are opened from now on. Any: the methods of the store are replaced."""
        lock: Any = sqlite_file.StoreWriter._locked
        commit: Any = sqlite_file.StoreDriver.commit
        close: Any = sqlite_file.StoreDriver.close

        async def locked(writer: Any) -> Any:
            driver = await lock(writer)
            self._since = perf_counter()
            return driver

        async def committed(driver: Any) -> None:
            began = perf_counter()
            await commit(driver)
            self.committing.add(perf_counter() - began)

        async def closed(driver: Any) -> None:
            await close(driver)
            self.acquired.add(perf_counter() - self._since)

        for holder, name, stands_in in (
            (sqlite_file.StoreWriter, "_locked", locked),
            (sqlite_file.StoreDriver, "commit", committed),
            (sqlite_file.StoreDriver, "close", closed),
        ):
            setattr(holder, name, stands_in)

    def reset(self) -> None:
        self.acquired, self.committing = Tally(), Tally()
