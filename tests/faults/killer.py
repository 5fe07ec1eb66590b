"""Wraps every port of a node and kills the process before or after one call. Run as a program: tells the demo story in a
folder, `--count` prints how many calls it made, `--point N --when before|after` sends SIGKILL there."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway.bootstrap import Wrap
from gateway.demo import story

P = TypeVar("P")
# Calls that only ask for the time of day or wait change nothing that a crash could tear.
_HARMLESS = frozenset({"wait", "wait_events", "counts", "hosted"})


class Counter:
    """Counts calls over all ports, and dies at one of them."""

    def __init__(self, point: int | None, when: str) -> None:
        self.calls = 0
        self.names: list[str] = []
        self._point, self._when = point, when

    def before(self, name: str) -> int:
        self.calls += 1
        self.names.append(name)
        self._die(self.calls, "before")
        return self.calls

    def after(self, number: int) -> None:
        self._die(number, "after")

    def _die(self, number: int, when: str) -> None:
        if number == self._point and when == self._when:
            os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """A port whose every call is counted; units of work that it opens are counted too."""

    def __init__(self, name: str, inner: object, counter: Counter) -> None:
        self._name, self._inner, self._counter = name, inner, counter

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._inner, attribute)
        if attribute in _HARMLESS or not callable(value):
            if not callable(value) and type(value).__module__.startswith("gateway.store"):
                return Counted(f"{self._name}.{attribute}", value, self._counter)
            return value
        return self._counted(f"{self._name}.{attribute}", value)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            plain = [arg._inner if isinstance(arg, Counted) else arg for arg in args]
            number = self._counter.before(name)
            result = call(*plain, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(number, result)
            if hasattr(result, "__aenter__"):
                return _Opened(name, result, self._counter, number)
            self._counter.after(number)
            return result

        return run

    async def _awaited(self, number: int, result: Any) -> Any:
        value = await result
        self._counter.after(number)
        return value


class _Opened:
    """A unit of work being opened."""

    def __init__(self, name: str, inner: Any, counter: Counter, number: int) -> None:
        self._name, self._inner, self._counter, self._number = name, inner, counter, number

    async def __aenter__(self) -> Any:
        work = await self._inner.__aenter__()
        self._counter.after(self._number)
        return Counted(self._name, work, self._counter)

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)


class Killer(Wrap):
    """The wrapper that `open_node` puts around each port."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def __call__(self, name: str, port: P) -> P:
        counted: Any = Counted(name, port, self._counter)
        return counted  # type: ignore[no-any-return]  # it answers like the port


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("--point", type=int)
    words.add_argument("--when", choices=("before", "after"), default="before")
    told = words.parse_args()
    counter = Counter(told.point, told.when)
    result = asyncio.run(story.once(told.folder, wrap=Killer(counter)))
    json.dump({"calls": counter.calls, "ok": result.ok, "wrong": result.wrong, **result.as_json()}, sys.stdout)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
