"""Which parts of the demonstration were laid out already, kept as a file in its folder. In: the name of a part, and how it
is laid out. Out: it is there, once, however often the demonstration is started in that folder."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

_FILE = "laid-out.json"


class Steps:
    """A part is written down when it is whole, so one that was cut short is laid out again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        self._done: list[str] = json.loads(self._file.read_text("utf-8")) if self._file.is_file() else []

    def done(self, name: str) -> bool:
        return name in self._done

    async def once(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        if name in self._done:
            return
        await step()
        self._done.append(name)
        growing = self._file.with_name(f".{_FILE}.new")
        growing.write_text(json.dumps(self._done), "utf-8")
        growing.replace(self._file)
