"""The process that reads PDFs from outside: started by `sandbox`, it says that it is ready, then takes one question a line
on stdin and gives one answer a line on stdout. Its memory is limited, it may open nothing for writing, start nothing and
reach no network; whoever asks kills it when it takes too long, and so does its own alarm, should nobody be left to.
Everything that parses a hostile PDF runs here and nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

# Everything is loaded before the fence goes up.
from pydantic import TypeAdapter

from gateway.domain.page_text import PdfText
from gateway.domain.signatures import PdfFacts
from gateway.errors import Misconfigured
from gateway.trust import pdf_layout
from gateway.trust.pdf_signatures import facts
from gateway.trust.pdf_signatures.folder import PdfFolder

ANSWER = TypeAdapter(PdfFacts)
TEXT = TypeAdapter(PdfText)
READY = b"ready"
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


class FenceError(PermissionError):
    """This process may not do that."""


def main() -> None:
    """Serves until stdin ends, which is also what happens when the node dies. Over a file that holds it longer than the
    limit it is ended by the alarm, in whatever code it is."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr
    sys.dont_write_bytecode = True
    memory, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), PdfFolder(Path(sys.argv[3]))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(fence)
    _say(answers, READY)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        asked = json.loads(line)
        answer = _text(asked) if asked.get("what") == "text" else _answer(asked, folder)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(answers, answer)


def _say(answers: BinaryIO, line: bytes) -> None:
    answers.write(line + b"\n")
    answers.flush()


def fence(event: str, arguments: tuple[object, ...]) -> None:
    """Refuses network, programs and writing. The event loop's own pair of sockets reaches nobody."""
    if event.startswith(_FORBIDDEN) and event not in ("socket.__new__", "ctypes.seh_exception"):
        raise FenceError(f"reading a PDF does not {event}")
    if event == "open" and len(arguments) == 3:
        _, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            raise FenceError("reading a PDF does not write files")


def _answer(asked: dict[str, str], folder: PdfFolder) -> bytes:
    seen_at, now = datetime.fromisoformat(asked["seen_at"]), datetime.fromisoformat(asked["now"])
    try:
        with Path(asked["path"]).open("rb") as file:
            return ANSWER.dump_json(_collected(file, folder, seen_at, now))
    except Misconfigured as why:
        return _fault(seen_at, now, "PDF-TRUST", f"{why} ({why.hint})")
    except MemoryError:
        return _fault(seen_at, now, "PDF-LIMIT", "reading it needs too much memory")
    except Exception as why:  # the guard of this process: whatever a file does to it is a fact about the file
        return _fault(seen_at, now, "PDF-UNREADABLE", f"{type(why).__name__}: {why}"[:500])


def _text(asked: dict[str, str]) -> bytes:
    """The words of the pages with their places."""
    try:
        with Path(asked["path"]).open("rb") as file, contextlib.redirect_stdout(sys.stderr):
            return TEXT.dump_json(pdf_layout.read_text(file))
    except MemoryError:
        return TEXT.dump_json(PdfText(fault="PDF-LIMIT", detail="reading it needs too much memory"))
    except Exception as why:  # the guard of this process, as above
        detail = f"{type(why).__name__}: {why}"[:500]
        return TEXT.dump_json(PdfText(fault="PDF-UNREADABLE", detail=detail))


def _collected(file: BinaryIO, folder: PdfFolder, seen_at: datetime, now: datetime) -> PdfFacts:
    with contextlib.redirect_stdout(sys.stderr):
        return facts.collect(file, folder.read(), seen_at, now)


def _fault(seen_at: datetime, now: datetime, code: str, detail: str) -> bytes:
    return ANSWER.dump_json(PdfFacts(seen_at=seen_at, now=now, fault=code, detail=detail))


if __name__ == "__main__":
    main()
