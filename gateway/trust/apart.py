"""Runs code that parses hostile files in a process apart; both ends of it stand here. The node's end (`ReaderProcess`)
starts a module of ours, puts one question a line to it and waits no longer than a limit; it is kept from file to file
(`KeptProcess`), and several are lent in turn (`Lent`). The inner end (`serve`) limits its own memory, puts up a fence
against connections, programs and writing, and answers one line a question; its alarm ends it over a file that holds it
too long when the node cannot. An error that a file causes at either end is its fault."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeVar

from gateway.errors import StoreFailure
from gateway.ports.services import Pool


class HasFault(Protocol):
    """Answer about a file; `fault` is set where the file could not be read."""

    @property
    def fault(self) -> str | None: ...


T = TypeVar("T")
F = TypeVar("F", bound=HasFault)
B = TypeVar("B")
MB = 1024 * 1024
READY = b"ready"
GRACE_S = 5.0
_PIECE = 256 * 1024
_MOST_ANSWER = 16 * 1024 * 1024
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "os.spawn",
    "ctypes.",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class ReaderProcess:
    """Running reader process. Its module gets `words` as arguments."""

    def __init__(self, module: str, words: Sequence[str]) -> None:
        self.question_count = 0
        self._process = subprocess.Popen(  # noqa: S603 - fixed words, no shell
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            bufsize=0,
        )

    @property
    def is_gone(self) -> bool:
        """True once the process has ended, for whatever reason."""
        return self._process.poll() is not None

    def ask(self, question: Mapping[str, object], seconds: float) -> bytes:
        """Put one question to the process and return its answer."""
        assert self._process.stdin is not None  # noqa: S101 - asked for as a pipe
        self.question_count += 1
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return self.answer(seconds)

    def answer(self, seconds: float) -> bytes:
        """Wait for one line of answer. Raise TimeoutError when it does not come, EOFError when the process is gone."""
        assert self._process.stdout is not None  # noqa: S101 - asked for as a pipe
        deadline = time.monotonic() + seconds
        line = bytearray()
        descriptor = self._process.stdout.fileno()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        while not line.endswith(b"\n"):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or len(line) > _MOST_ANSWER or not poller.poll(remaining_s * 1000):
                raise TimeoutError
            piece = os.read(descriptor, _PIECE)
            if not piece:
                raise EOFError
            line += piece
        return bytes(line)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """Limits on the cost of one file."""

    max_bytes: int = 100 * MB
    seconds: float
    start_seconds: float = 60.0
    memory: int


class KeptProcess:
    """Reader process that is started at the first question and kept; questions wait for each other. Safe to share between
    threads. Its module gets `folder` as an argument. Codes of faults begin with `area`; `does` are words for people: the
    work, and the worker."""

    module: ClassVar[str]
    max_questions: ClassVar[int]
    area: ClassVar[str]
    does: ClassVar[tuple[str, str]]

    def __init__(self, folder: Path, limits: ReadingLimits) -> None:
        self._folder, self._limits = folder, limits
        self._turn = threading.Lock()
        self._process: ReaderProcess | None = None

    def warm(self) -> None:
        """Start the process before the first question needs it."""
        with self._turn:
            if self._process is None:
                try:
                    self._start()
                except (OSError, EOFError):
                    self._end()

    def close(self) -> None:
        """End the process, also in the middle of a file, so that closing the node does not wait for it."""
        if (process := self._process) is not None:
            process.kill()
        with self._turn:
            self._end()

    def look(
        self, path: Path, question: Mapping[str, object], read: Callable[[bytes], F], make: Callable[..., F]
    ) -> F:
        """Ask about the file at `path`; return the answer or a fault. Raise StoreFailure when it cannot be opened."""
        work, worker = self.does
        try:
            if (size_fault := self.too_large(path.stat().st_size)) is not None:
                return make(fault=f"{self.area}-LIMIT", detail=size_fault)
            return self._ask({"path": str(path.resolve()), **question}, read)
        except TimeoutError:
            detail = f"{work} takes longer than {self._limits.seconds:.0f} s"
            return make(fault=f"{self.area}-LIMIT", detail=detail)
        except EOFError:
            return make(fault=f"{self.area}-READER", detail=f"{worker} ended, or did not start")
        except OSError as error:
            raise StoreFailure(f"file {path.name} cannot be read: {error.strerror}") from error

    def _ask(self, question: Mapping[str, object], read: Callable[[bytes], F]) -> F:
        """Return the answer. Raise TimeoutError when it takes too long, EOFError when the process ended, did not start, or
        gave an unreadable answer: the next question gets a new process."""
        with self._turn:
            if self._process is not None and self._process.is_gone:
                self._end()
            try:
                process = self._process or self._start()
                answer = read(process.ask(question, self._limits.seconds))
            except TimeoutError:
                self._end()
                raise
            except (OSError, EOFError, ValueError, KeyError, TypeError) as why:
                self._end()
                raise EOFError from why
            # Memory that the libraries keep of old files counts against the limit of later ones.
            if answer.fault == f"{self.area}-LIMIT" or process.question_count >= self.max_questions:
                self._end()
            return answer

    def too_large(self, size: int) -> str | None:
        """Return why a file of that size is not handed over, or None."""
        most = self._limits.max_bytes
        return f"it is larger than {most // MB} MB" if size > most else None

    def _start(self) -> ReaderProcess:
        """Start a process and wait until it has loaded its modules. Raise EOFError when it does not come up."""
        limits = self._limits
        # The alarm of the process comes after the node's own limit: it matters only when the node has died.
        arguments = [str(limits.memory), str(limits.seconds + GRACE_S), str(self._folder.resolve())]
        self._process = process = ReaderProcess(self.module, arguments)
        try:
            process.answer(limits.start_seconds)
        except TimeoutError as why:
            raise EOFError from why
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class Lent(Generic[B]):
    """Boxes of one kind, each lent to one file at a time; the work runs in a thread of the pool. The box used last is lent
    first: its process is warm, and others need not start."""

    def __init__(self, boxes: Sequence[B], pool: Pool) -> None:
        self._free: asyncio.LifoQueue[B] = asyncio.LifoQueue()
        for box in reversed(boxes):
            self._free.put_nowait(box)
        self._pool = pool

    async def run(self, work: Callable[[B], T]) -> T:
        box = await self._free.get()
        try:
            return await self._pool.run(partial(work, box))
        finally:
            self._free.put_nowait(box)


def _environment() -> dict[str, str]:
    """Return an environment that finds the same program and holds no secrets of the node's own."""
    paths = os.pathsep.join(folder for folder in sys.path if folder)
    return {"PYTHONPATH": paths, "PATH": os.defpath, "LC_ALL": "C.UTF-8"}


def folder_argument() -> Path:
    """Return the folder that `KeptProcess` gave this process as an argument."""
    return Path(sys.argv[3])


def serve(
    answer: Callable[[dict[str, Any]], bytes],  # Any: JSON that the node wrote
    fence: Callable[[str, tuple[object, ...]], None],
) -> None:
    """Answer questions until stdin ends, which also happens when the node dies. The alarm ends the process, in whatever
    code it is, when a file holds it longer than the limit. Output of libraries is discarded."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(fence)
    _say(answers, READY)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        line_out = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(answers, line_out)


def _say(answers: BinaryIO, line: bytes) -> None:
    answers.write(line + b"\n")
    answers.flush()


def read_safely(look: Callable[[], F], make: Callable[..., F], area: str, work: str) -> F:
    """Run `look`; turn any error that the file causes into a fault of the file."""
    try:
        return look()
    except MemoryError:
        return make(fault=f"{area}-LIMIT", detail=f"{work} needs too much memory")
    except Exception as why:
        return make(fault=f"{area}-UNREADABLE", detail=f"{type(why).__name__}: {why}"[:500])


class FenceError(PermissionError):
    """Operation that the fence forbids."""


def fence(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse network, programs and writing. The event loop's own pair of sockets connects to no other process."""
    if event.startswith(_FORBIDDEN) and event not in ("socket.__new__", "ctypes.seh_exception"):
        raise FenceError(f"reading a file from outside does not {event}")
    if event == "open" and len(arguments) == 3:
        _, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            raise FenceError("reading a file from outside does not write files")
