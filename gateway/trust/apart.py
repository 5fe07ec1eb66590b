"""A process apart, for what parses hostile files: both ends of it. The node's end (`ReaderProcess`) starts a module of
ours, puts one question a line to it and waits no longer than it was told; it is kept from file to file (`KeptProcess`), and
several are lent in turn (`Lent`). The inner end (`serve`) limits the memory of its own process, puts up a fence against
connections, programs and writing, and answers one line a question; its own alarm ends it over a file that holds it too
long, should nobody be left to do that. Neither end knows what is asked; what a file does to either is that file's fault."""

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


class Told(Protocol):
    """What is told of a file, or its fault."""

    @property
    def fault(self) -> str | None: ...


T = TypeVar("T")
F = TypeVar("F", bound=Told)
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
    """The running process. `words` are told to the module when it starts."""

    def __init__(self, module: str, words: Sequence[str]) -> None:
        self.asked = 0
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
        """Whether it ended since it answered last, for whatever reason."""
        return self._process.poll() is not None

    def ask(self, asked: Mapping[str, object], seconds: float) -> bytes:
        """The answer to one question."""
        assert self._process.stdin is not None  # noqa: S101 - asked for as a pipe
        self.asked += 1
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return self.answer(seconds)

    def answer(self, seconds: float) -> bytes:
        """One line of answer. TimeoutError when it does not come; EOFError when the process is gone."""
        assert self._process.stdout is not None  # noqa: S101 - asked for as a pipe
        deadline = time.monotonic() + seconds
        held = bytearray()
        place = self._process.stdout.fileno()
        waiting = select.poll()
        waiting.register(place, select.POLLIN)
        while not held.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or len(held) > _MOST_ANSWER or not waiting.poll(left * 1000):
                raise TimeoutError
            piece = os.read(place, _PIECE)
            if not piece:
                raise EOFError
            held += piece
        return bytes(held)

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
    """What one file may cost."""

    max_bytes: int = 100 * MB
    seconds: float
    start_seconds: float = 60.0
    memory: int


class KeptProcess:
    """One process, started at the first question and kept; questions wait for each other. Safe to share between threads.
    `folder` is what it is told of when it starts. Faults begin with `area`; `does` are words for people: the work, and who
    does it."""

    module: ClassVar[str]
    most_asked: ClassVar[int]
    area: ClassVar[str]
    does: ClassVar[tuple[str, str]]

    def __init__(self, folder: Path, limits: ReadingLimits) -> None:
        self._folder, self._limits = folder, limits
        self._turn = threading.Lock()
        self._process: ReaderProcess | None = None

    def warm(self) -> None:
        """Has the process running before somebody waits for it."""
        with self._turn:
            if self._process is None:
                try:
                    self._started()
                except (OSError, EOFError):
                    self._end()

    def close(self) -> None:
        """Ends the process, also in the middle of a file: who closes the node does not wait for it."""
        if (process := self._process) is not None:
            process.kill()
        with self._turn:
            self._end()

    def look(
        self, path: Path, about: Mapping[str, object], read: Callable[[bytes], F], made: Callable[..., F]
    ) -> F:
        """What the process tells of the file at `path`, or a fault of that file. StoreFailure when it cannot be opened."""
        work, worker = self.does
        try:
            if (over := self.too_large(path.stat().st_size)) is not None:
                return made(fault=f"{self.area}-LIMIT", detail=over)
            return self._ask({"path": str(path.resolve()), **about}, read)
        except TimeoutError:
            detail = f"{work} takes longer than {self._limits.seconds:.0f} s"
            return made(fault=f"{self.area}-LIMIT", detail=detail)
        except EOFError:
            return made(fault=f"{self.area}-READER", detail=f"{worker} ended, or did not start")
        except OSError as error:
            raise StoreFailure(f"file {path.name} cannot be read: {error.strerror}") from error

    def _ask(self, asked: Mapping[str, object], read: Callable[[bytes], F]) -> F:
        """The answer. TimeoutError when it takes too long; EOFError when the process ended, did not start, or says what
        cannot be read: the next question gets a new one."""
        with self._turn:
            if self._process is not None and self._process.is_gone:
                self._end()
            try:
                process = self._process or self._started()
                told = read(process.ask(asked, self._limits.seconds))
            except TimeoutError:
                self._end()
                raise
            except (OSError, EOFError, ValueError, KeyError, TypeError) as why:
                self._end()
                raise EOFError from why
            # What the libraries keep of old files counts against the memory of later ones.
            if told.fault == f"{self.area}-LIMIT" or process.asked >= self.most_asked:
                self._end()
            return told

    def too_large(self, size: int) -> str | None:
        """Why a file of that size is not handed over."""
        most = self._limits.max_bytes
        return f"it is larger than {most // MB} MB" if size > most else None

    def _started(self) -> ReaderProcess:
        """A process that has loaded what it needs: the time for that is no file's. EOFError when it does not come up."""
        limits = self._limits
        # Its own alarm is the later one: it matters when the node died and nobody else ends it.
        told = [str(limits.memory), str(limits.seconds + GRACE_S), str(self._folder.resolve())]
        self._process = process = ReaderProcess(self.module, told)
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
    """Some of one kind, as many files at a time as there are of them; each waits in a thread of the pool. The one used last
    is taken first: its process is warm, and others need not start."""

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
    """What finds the same program, and nothing else: secrets may stand in the node's own environment."""
    paths = os.pathsep.join(each for each in sys.path if each)
    return {"PYTHONPATH": paths, "PATH": os.defpath, "LC_ALL": "C.UTF-8"}


def folder_told() -> Path:
    """The folder that `KeptProcess` told of when it started this process."""
    return Path(sys.argv[3])


def serve(
    answer: Callable[[dict[str, Any]], bytes],  # Any: JSON that the node wrote
    fence: Callable[[str, tuple[object, ...]], None],
) -> None:
    """Serves until stdin ends, which is also what happens when the node dies. Over a file that holds it longer than the
    limit it is ended by the alarm, in whatever code it is. What libraries print goes nowhere."""
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
        told = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(answers, told)


def _say(answers: BinaryIO, line: bytes) -> None:
    answers.write(line + b"\n")
    answers.flush()


def told_of_file(look: Callable[[], F], made: Callable[..., F], area: str, work: str) -> F:
    """What `look` tells; whatever a file does to it is a fact about the file."""
    try:
        return look()
    except MemoryError:
        return made(fault=f"{area}-LIMIT", detail=f"{work} needs too much memory")
    except Exception as why:
        return made(fault=f"{area}-UNREADABLE", detail=f"{type(why).__name__}: {why}"[:500])


class FenceError(PermissionError):
    """This process may not do that."""


def fence(event: str, arguments: tuple[object, ...]) -> None:
    """Refuses network, programs and writing. The event loop's own pair of sockets reaches nobody."""
    if event.startswith(_FORBIDDEN) and event not in ("socket.__new__", "ctypes.seh_exception"):
        raise FenceError(f"reading a file from outside does not {event}")
    if event == "open" and len(arguments) == 3:
        _, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            raise FenceError("reading a file from outside does not write files")
