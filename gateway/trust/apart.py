"""Runs code that parses hostile files in a child process. In the node, `ReaderProcess` starts a module of ours, sends it
one JSON question per line and waits at most a time limit for the answer; `KeptProcess` keeps one process from file to
file, and `Lent` lends several of them in turn. In the child, `serve` limits the memory, sets up a fence against
connections, programs and writing, and answers each question with one line; an alarm ends the child when a file takes too
long and the node cannot end it. An error that a file causes on either side is a fault of that file."""

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeVar

from gateway import time_source
from gateway.errors import StoreFailure
from gateway.ports.services import Pool


class HasFault(Protocol):
    """Answer about a file; `fault` is the code of the reason where the file could not be read."""

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
    """Child process that runs one module with the arguments `words` and answers questions over pipes."""

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
        """Send one question to the process and return its answer, as `answer` does."""
        assert self._process.stdin is not None  # noqa: S101 - asked for as a pipe
        self.question_count += 1
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return self.answer(seconds)

    def answer(self, seconds: float) -> bytes:
        """Return one line of the process. Raise TimeoutError when it is late or too long, EOFError when the process
        ended."""
        assert self._process.stdout is not None  # noqa: S101 - asked for as a pipe
        deadline = time_source.monotonic() + seconds
        line = bytearray()
        descriptor = self._process.stdout.fileno()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        while not line.endswith(b"\n"):
            remaining_s = deadline - time_source.monotonic()
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
    """Limits for reading one file: its size, seconds for the answer and for the process to start, memory of the process."""

    max_bytes: int = 100 * MB
    seconds: float
    start_seconds: float = 60.0
    memory: int


class KeptProcess:
    """Reader process that is started at the first question and kept; one question is asked at a time. Safe to share
    between threads. The module gets `folder` as its last argument. Codes of faults begin with `area`; `does` names the
    work and the worker in the texts of faults."""

    module: ClassVar[str]
    max_questions: ClassVar[int]
    area: ClassVar[str]
    does: ClassVar[tuple[str, str]]

    def __init__(self, folder: Path, limits: ReadingLimits) -> None:
        self._folder, self._limits = folder, limits
        self._turn = threading.Lock()
        self._process: ReaderProcess | None = None

    def warm(self) -> None:
        """Start the process before the first question needs it; after a failed start that question tries again."""
        with self._turn:
            if self._process is None:
                try:
                    self._start()
                except (OSError, EOFError):
                    self._end()

    def close(self) -> None:
        """End the process, also while it reads a file, so that closing the node does not wait for it."""
        if (process := self._process) is not None:
            process.kill()
        with self._turn:
            self._end()

    def look(
        self, path: Path, question: Mapping[str, object], read: Callable[[bytes], F], make: Callable[..., F]
    ) -> F:
        """Ask the process about the file at `path`. Return the answer that `read` parses, or a fault that `make` builds
        when the file is too large or no answer comes. Raise StoreFailure when the file cannot be opened."""
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
        """Start a process where none runs, ask it and return the parsed answer. Raise TimeoutError when the answer takes
        too long, EOFError when the process ended, did not start or answered illegibly. After either the process is
        ended, and the next question starts a new one."""
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
            # Memory that the libraries keep from earlier files counts against the limit of later ones.
            if answer.fault == f"{self.area}-LIMIT" or process.question_count >= self.max_questions:
                self._end()
            return answer

    def too_large(self, size: int) -> str | None:
        """Return the reason why a file of that size is not read, or None where it is small enough."""
        most = self._limits.max_bytes
        return f"it is larger than {most // MB} MB" if size > most else None

    def _start(self) -> ReaderProcess:
        """Start a process and wait until it has loaded its modules. Raise EOFError when it does not get ready in time."""
        limits = self._limits
        # The child's own alarm comes later than the node's limit: it matters only when the node has died.
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
    """Pool of reader processes of one kind, each lent to one file at a time; the work runs in a thread of `pool`. The
    process used last is lent first, because it is warm and the others need not start."""

    def __init__(self, boxes: Sequence[B], pool: Pool) -> None:
        self._free: asyncio.LifoQueue[B] = asyncio.LifoQueue()
        for box in reversed(boxes):
            self._free.put_nowait(box)
        self._pool = pool

    async def run(self, work: Callable[[B], T]) -> T:
        """Wait for a free reader, run `work` with it in a thread and return the result."""
        box = await self._free.get()
        try:
            return await self._pool.run(partial(work, box))
        finally:
            self._free.put_nowait(box)


def _environment() -> dict[str, str]:
    """Return environment variables that let the child find our modules and hold no secret of the node."""
    paths = os.pathsep.join(folder for folder in sys.path if folder)
    return {"PYTHONPATH": paths, "PATH": os.defpath, "LC_ALL": "C.UTF-8"}


def folder_argument() -> Path:
    """Return the folder that `KeptProcess` passed to this child process as its last argument."""
    return Path(sys.argv[3])


def serve(
    answer: Callable[[dict[str, Any]], bytes],  # Any: JSON that the node wrote
    fence: Callable[[str, tuple[object, ...]], None],
) -> None:
    """Limit this child process, then answer the questions on stdin until it ends, which also happens when the node dies.
    An alarm ends the process, whatever code it runs, when one file takes longer than the limit. Output of libraries goes
    to stderr, which is discarded."""
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
    """Return the result of `look`; turn any error that the file causes into a fault built by `make`."""
    try:
        return look()
    except MemoryError:
        return make(fault=f"{area}-LIMIT", detail=f"{work} needs too much memory")
    except Exception as why:
        return make(fault=f"{area}-UNREADABLE", detail=f"{type(why).__name__}: {why}"[:500])


class FenceError(PermissionError):
    """Operation that the fence forbids."""


def fence(event: str, arguments: tuple[object, ...]) -> None:
    """Raise FenceError for audit events of network, programs and writing. Sockets may be made but not connected, because
    the event loop needs a pair of its own."""
    if event.startswith(_FORBIDDEN) and event not in ("socket.__new__", "ctypes.seh_exception"):
        raise FenceError(f"reading a file from outside does not {event}")
    if event == "open" and len(arguments) == 3:
        _, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            raise FenceError("reading a file from outside does not write files")
