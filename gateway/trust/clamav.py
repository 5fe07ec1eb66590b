"""Scanner over a ClamAV daemon (the `Scanner` protocol; threat 65, malware). In: the address of clamd, and files by
path. Out: the verdict on each file, or the reason why there is none; a file that was not scanned is never called clean.
Files are streamed to the daemon over its socket in small pieces, so the daemon needs no access to our folders."""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import SEEK_END

from gateway import time_source
from gateway.domain.identity import Digest
from gateway.domain.signatures import Scan
from gateway.errors import Misconfigured, StoreFailure
from gateway.ports.services import Pool, Readable, ScannerState

DOWN, LATE, TOO_LARGE = "down", "late", "too-large"
_PIECE = 64 * 1024
_LONGEST_REPLY = 4096
_AT_ONCE = 4
_REMEMBERED = 4096
_REMEMBERED_S = 600.0
_VERSION_S = 60.0
# Less than the checks wait (`ops.subject.SOON_S`), so that they name the scanner and its cure.
_STATE_S = 1.0
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """Address of clamd: the path of a socket file, or a host with its port."""

    path: str = ""
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """Limits of one scan. After a failure the daemon is left alone for `rest_s` seconds, so that a hanging one delays
    little."""

    timeout_s: float = 30.0
    max_bytes: int = 100 * 1024 * 1024
    rest_s: float = 10.0


def read_address(text: str) -> DaemonAddress:
    """Parse `unix:/path` or `tcp://host:port`; raise Misconfigured for anything else."""
    kind, _, target = text.strip().partition(":")
    host, _, port = target.removeprefix("//").rpartition(":")
    if kind == "unix" and target.startswith("/"):
        return DaemonAddress(path=target)
    if kind == "tcp" and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return DaemonAddress(host=host.strip("[]"), port=int(port))
    raise Misconfigured(
        f"scanner.address is {text!r}, which is no address of a scanner",
        hint="write unix:/run/clamav/clamd.ctl or tcp://127.0.0.1:3310",
    )


class NoScanner:
    """Scanner for a node without one: every file passes with an empty result."""

    waits = False

    async def scan(self, file: Readable, digest: Digest | None) -> Scan:
        return Scan()

    async def state(self) -> ScannerState:
        return ScannerState(word="off")


class _NoVerdictError(Exception):
    """Failure to get a verdict; `why` is the last part of the `unscanned.` label that the file gets."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class ClamScanner:
    """Scanner over clamd, one for the process. It opens a connection for each file, as clamd requires."""

    waits = True

    def __init__(self, address: DaemonAddress, pool: Pool, limits: ScanLimits | None = None) -> None:
        self._address, self._pool, self._limits = address, pool, limits or ScanLimits()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._remembered: OrderedDict[tuple[Digest, str], tuple[float, Scan]] = OrderedDict()
        self._version: tuple[float, str] | None = None
        self._failed: tuple[float, _NoVerdictError] | None = None

    async def scan(self, file: Readable, digest: Digest | None) -> Scan:
        """Return the verdict on the file, or the reason why there is none. A recent verdict on the same bytes by the
        same virus signatures is used again."""
        try:
            size = await self._pool.run(partial(_size_of, file))
        except OSError as cause:
            raise _unreadable(file, cause) from cause
        if size > self._limits.max_bytes:
            return Scan(unscanned=TOO_LARGE)
        async with self._turns:
            try:
                return await self._scan(file, digest)
            except _NoVerdictError as none:
                return Scan(unscanned=none.why)

    async def state(self) -> ScannerState:
        """Return the daemon's state by asking it for its version, even shortly after a failure."""
        try:
            async with self._line(min(self._limits.timeout_s, _STATE_S), rests=False) as line:
                version = await line.ask(b"VERSION")
        except _NoVerdictError as none:
            return ScannerState(word=none.why, detail=str(none))
        self._failed = None
        return ScannerState(word="ok", detail=version)

    async def _scan(self, file: Readable, digest: Digest | None) -> Scan:
        if digest is None:
            return await self._send(file)
        key = (digest, await self._signatures())
        if (hit := self._remembered.get(key)) is not None and time_source.monotonic() - hit[
            0
        ] < _REMEMBERED_S:
            return hit[1]
        scan = await self._send(file)
        self._remembered[key] = (time_source.monotonic(), scan)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return scan

    async def _signatures(self) -> str:
        """Return the version of clamd and its virus signatures, as clamd names them; asked again after a minute."""
        if self._version is None or time_source.monotonic() - self._version[0] > _VERSION_S:
            async with self._line(self._limits.timeout_s) as line:
                self._version = (time_source.monotonic(), await line.ask(b"VERSION"))
        return self._version[1]

    async def _send(self, file: Readable) -> Scan:
        async with self._line(self._limits.timeout_s) as line:
            return _read_verdict(await line.stream(file, self._pool))

    @asynccontextmanager
    async def _line(self, timeout_s: float, *, rests: bool = True) -> AsyncIterator[_Conversation]:
        """Open a connection for at most `timeout_s`. Raise _NoVerdictError for any error on it, and, where `rests` is
        set, shortly after an earlier failure without connecting."""
        if (
            rests
            and self._failed is not None
            and time_source.monotonic() - self._failed[0] < self._limits.rest_s
        ):
            raise _NoVerdictError(self._failed[1].why, str(self._failed[1]))
        try:
            async with asyncio.timeout(timeout_s):
                line = _Conversation(*await self._connect())
                try:
                    yield line
                finally:
                    await line.close()
        except TimeoutError as cause:
            raise self._no_verdict(LATE, f"no answer within {timeout_s:g} s") from cause
        except (OSError, EOFError, asyncio.LimitOverrunError) as cause:
            raise self._no_verdict(DOWN, str(cause) or type(cause).__name__) from cause
        except _NoVerdictError as none:
            if none.why != TOO_LARGE:
                self._failed = (time_source.monotonic(), none)
            raise

    def _no_verdict(self, why: str, detail: str) -> _NoVerdictError:
        none = _NoVerdictError(why, detail)
        self._failed = (time_source.monotonic(), none)
        return none

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.path:
            return await asyncio.open_unix_connection(self._address.path, limit=_LONGEST_REPLY)
        return await asyncio.open_connection(self._address.host, self._address.port, limit=_LONGEST_REPLY)


class _Conversation:
    """Connection to clamd for one command and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, command: bytes) -> str:
        self._writer.write(b"z" + command + b"\0")
        return await self._answer()

    async def stream(self, file: Readable, pool: Pool) -> str:
        """Send the whole file and return the answer. Each piece follows its length, and a length of zero ends the file.
        The daemon may answer before the end: it stops reading above its own size limit."""
        self._writer.write(b"zINSTREAM\0")
        answer = asyncio.create_task(self._answer())
        try:
            await self._pour(file, pool, answer.done)
            return await answer
        finally:
            answer.cancel()
            with suppress(asyncio.CancelledError, OSError, EOFError, asyncio.LimitOverrunError):
                await answer

    async def _pour(self, file: Readable, pool: Pool, is_answered: Callable[[], bool]) -> None:
        try:
            opened = await pool.run(lambda: file.open("rb"))
        except OSError as cause:
            raise _unreadable(file, cause) from cause
        # When the connection is lost, reading still yields the answer on its way, or an error.
        with opened, suppress(ConnectionError):
            while not is_answered() and (piece := await pool.run(partial(opened.read, _PIECE))):
                self._writer.write(_LENGTH.pack(len(piece)) + piece)
                await self._writer.drain()
            self._writer.write(_LENGTH.pack(0))
            await self._writer.drain()

    async def _answer(self) -> str:
        raw = await self._reader.readuntil(b"\0")
        return raw[:-1].decode("ascii", "replace").strip()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def _size_of(file: Readable) -> int:
    """Return the size of the content in bytes. OSError when it cannot be opened."""
    with file.open("rb") as opened:
        return opened.seek(0, SEEK_END)


def _unreadable(file: Readable, cause: OSError) -> StoreFailure:
    return StoreFailure(f"file {file.name} cannot be read to scan it: {cause.strerror}")


def _read_verdict(answer: str) -> Scan:
    """Return the verdict in clamd's answer; raise _NoVerdictError for any other answer."""
    reply = answer.removeprefix("stream:").strip()
    if reply == "OK":
        return Scan(clean=True)
    if reply.endswith(" FOUND"):
        name = reply.removesuffix(" FOUND")[:200]
        return Scan(malware="".join(letter if letter.isprintable() else "?" for letter in name))
    if "size limit exceeded" in reply:
        raise _NoVerdictError(TOO_LARGE, reply)
    raise _NoVerdictError(DOWN, reply[:200] or "an empty answer")
