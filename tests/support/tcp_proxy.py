"""Tests can cut the line between a program and a service with this proxy: at once, after so many bytes in a direction, or
stalled without a word. It can also change bytes, and it counts those of each direction, over all connections. In: the
service's address. Out: an address to use instead of it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from types import TracebackType
from typing import Self

from tests.support.waiting import wait_until

_PIECE = 64 * 1024
# Larger than the head of a request or of an answer.
_LARGE = 4096


class Direction(StrEnum):
    """To the service, or back from it."""

    TO = "to"
    BACK = "back"


class TcpProxy:
    """`async with TcpProxy(host, port) as line:` then use `line.host` and `line.port`."""

    host = "127.0.0.1"

    def __init__(self, host: str, port: int, own_port: int = 0) -> None:
        self._target = (host, port)
        self.port = own_port
        self.passed = {Direction.TO: 0, Direction.BACK: 0}
        self.connections = 0
        self._lines: set[asyncio.Task[None]] = set()
        self._cut_after: dict[Direction, int] = {}
        self._spoiled = dict.fromkeys(Direction, False)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open = True
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self._open = False
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection now, without goodbye; new ones are taken as before."""
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    def cut_after(self, passing: int, direction: Direction = Direction.TO) -> None:
        """Break every connection once so many more bytes have passed that way; exactly so many get through."""
        self._cut_after[direction] = self.passed[direction] + passing

    def spoil(self, direction: Direction = Direction.BACK) -> None:
        """Change the last byte of every large piece that passes that way, until `heal`."""
        self._spoiled[direction] = True

    async def refuse(self) -> None:
        """Break all connections now and drop new ones at once, until `heal`, as if the service had ended."""
        self._open = False
        await self.cut()

    def stall(self) -> None:
        """Let nothing pass, without an error, until `heal`."""
        self._flowing.clear()

    def heal(self) -> None:
        self._cut_after.clear()
        self._spoiled = dict.fromkeys(Direction, False)
        self._open = True
        self._flowing.set()

    async def until_passed(self, total: int, direction: Direction = Direction.TO) -> None:
        """Wait until so many bytes have passed that way since the start."""
        await wait_until(lambda: self.passed[direction] >= total, f"{total} bytes")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        far: asyncio.StreamWriter | None = None
        try:
            if self._open:
                back, far = await asyncio.open_connection(*self._target)
                self.connections += 1
                await self._both_ways(reader, writer, back, far)
        except (OSError, asyncio.CancelledError, _Cut):
            pass  # a broken line is what this is for
        finally:
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()
            self._lines.discard(line)

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        far: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.create_task(self._pump(reader, far, Direction.TO)),
            asyncio.create_task(self._pump(back, writer, Direction.BACK)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in ways:
                pump.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, direction: Direction
    ) -> None:
        while piece := await source.read(_PIECE):
            await self._flowing.wait()
            limit = self._cut_after.get(direction)
            passing = piece if limit is None else piece[: max(0, limit - self.passed[direction])]
            if self._spoiled[direction] and len(passing) > _LARGE:
                passing = passing[:-1] + bytes([passing[-1] ^ 1])
            target.write(passing)
            await target.drain()
            self.passed[direction] += len(passing)
            if limit is not None and self.passed[direction] >= limit:
                await self._break_lines()
                raise _Cut

    async def _break_lines(self) -> None:
        mine = {asyncio.current_task()}
        for line in self._lines - mine:
            line.cancel()


class _Cut(Exception):
    """The line is to break here."""
