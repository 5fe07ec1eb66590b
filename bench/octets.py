"""Counts how often the bytes of one document are hashed, coded, read and written, there and back with its 01, both sides in
this process; `tests/bench/unit/test_octets.py` holds them to limits. In: the document's size. Out: each count as a multiple
of that size, with the modules that hash and code. `python -m bench.octets [SIZE]` prints them as JSON."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from bench import pair, stage, traffic
from bench.machine import MB
from gateway.edxml import attachment

_CODERS = ("b64encode", "b64decode")


class _Octets:
    def __init__(self) -> None:
        self.hashed: Counter[str] = Counter()
        self.coded: Counter[str] = Counter()


class _Hash:
    """A hash that notes what passes it. Any: it stands for the library's."""

    def __init__(self, octets: _Octets, data: Any = b"", plain: Any = hashlib.sha256) -> None:
        self._octets, self._plain = octets, plain()
        self.update(data)

    def update(self, data: Any) -> None:
        if data:
            self._octets.hashed[_caller(sys._getframe(1))] += len(data)
            self._plain.update(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


@contextmanager
def counting(octets: _Octets) -> Iterator[None]:
    """Count what passes through the hash and the coder."""

    def coder(plain: Callable[..., Any]) -> Callable[..., Any]:
        def coded(data: Any, *more: Any, **words: Any) -> Any:
            octets.coded[_caller(sys._getframe(1))] += len(data)
            return plain(data, *more, **words)

        return coded

    with ExitStack() as stack:
        stack.enter_context(patch.object(hashlib, "sha256", lambda data=b"", **_: _Hash(octets, data)))
        for name in _CODERS:
            stack.enter_context(patch.object(attachment, name, coder(getattr(attachment, name))))
        yield


def _caller(frame: FrameType | None) -> str:
    while frame is not None and not str(frame.f_globals.get("__name__", "")).startswith("gateway"):
        frame = frame.f_back
    return "other" if frame is None else f"{frame.f_globals['__name__']}:{frame.f_code.co_name}"


async def measure(folder: Path, size: int) -> dict[str, Any]:
    """Measure one document after another of the same size has passed."""
    papers = await pair.papers(folder / "papers", size, 2)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    octets = _Octets()
    async with stage.opened(folder, "node") as node:
        await traffic.there_and_back(node, papers[:1], 1, 1)
        with counting(octets):
            start = _moved()
            await traffic.there_and_back(node, papers[1:], 2, 1)
            moved = {name: number - start[name] for name, number in _moved().items()}
        moved["read"] -= size  # the bench itself, as the caller, reads its paper once
    counted = {"hashed": octets.hashed.total(), "coded": octets.coded.total(), **moved}
    return {
        "bytes": size,
        "counted": {name: round(number / size, 2) for name, number in counted.items()},
        "who": {
            name: {
                caller: round(number / size, 2)
                for caller, number in counter.most_common()
                if number > size / 100
            }
            for name, counter in (("hashed", octets.hashed), ("coded", octets.coded))
        },
    }


def _moved() -> dict[str, int]:
    """Return the bytes that this process has read and written, files and the database alike."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {"read": int(lines["rchar"]), "written": int(lines["wchar"])}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.octets", description=__doc__)
    parser.add_argument("size", nargs="?", type=int, default=10 * MB, help="bytes (%(default)s)")
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), parser.parse_args().size)), indent=1))


if __name__ == "__main__":
    main()
