"""The spool of parts is cut short before each of its file operations, as by a kill -9: acknowledged parts are there,
others may come again, and every set ends whole once. Parts that the spool reports as kept have reached the disk."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.transport.amqp.parts_spool import JoinedParts, Landed, Spool
from gateway.transport.amqp.publisher import Part
from tests.support.clock import ManualClock
from tests.support.parts import LIMITS, bytes_of, cut, files_in, land, opened

PACKET = b"a packet that is cut into three"
PARTS = cut(PACKET, 12)
FALSE = Part(
    **{name: getattr(PARTS[1], name) for name in Part.__slots__ if name != "body"}, body=b"twelve other"
)
OPERATIONS = ("open", "write", "fsync", "rename", "mkdir", "unlink", "rmdir", "utime")
Say = Callable[[str], None]


def whole_set(spool: Spool, say: Say) -> None:
    """Bring a packet through the spool: its parts are kept, the whole is handed on, then the set is forgotten."""
    for part in (PARTS[2], PARTS[0], PARTS[1]):
        assert land(spool, part).landed is Landed.STORED
        say(f"kept {part.n}")
    (joined,) = spool.complete(1)
    assert bytes_of(joined) == PACKET
    say("owned")
    spool.end_set(joined.token)
    say("done")


def refused_set(spool: Spool, say: Say) -> None:
    """Bring a part with two contents: the set is refused, reported, and remembered."""
    assert land(spool, PARTS[1]).landed is Landed.STORED
    say("kept 2")
    assert land(spool, FALSE).landed is Landed.REFUSED
    say("refused")
    (flawed,) = spool.overdue(ManualClock().now())
    assert "part 2 came twice" in flawed.flaw
    say("owned")
    spool.end_set(flawed.token)
    say("done")


def unfinished_set(spool: Spool, say: Say) -> None:
    """Bring two of three parts, which are then found a day old."""
    for part in PARTS[:2]:
        assert land(spool, part).landed is Landed.STORED
        say(f"kept {part.n}")
    (flawed,) = spool.overdue(ManualClock().now() + LIMITS.age)
    say("owned")
    spool.end_set(flawed.token)
    say("done")


def killed(folder: Path, story: Callable[[Spool, Say], None], at: int) -> tuple[bool, list[str]]:
    """Run this story in a child that dies at operation number `at`; return whether it died, and its lines before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            say = os.write  # as it was before each operation was counted
            _die_at(at)
            story(opened(folder), lambda line: void(say(writer, f"{line}\n".encode())))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        lines = pipe.read().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0, lines


def void(_: object) -> None:
    """Ignore a line."""


def _die_at(at: int) -> None:
    """Count every file operation of this child process, and let it die before one of them; a write is torn."""
    count = 0

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return run

    for name in OPERATIONS:
        setattr(os, name, counted(name, getattr(os, name)))
    setattr(fcntl, "flock", counted("flock", fcntl.flock))  # noqa: B010 - a module's function, in a child alone


def points(folder: Path, story: Callable[[Spool, Say], None]) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder for each operation of the story at which it is cut short, with the lines that it printed."""
    at, died = 0, True
    while died:
        at += 1
        died, lines = killed(folder / str(at), story, at)
        if died:
            yield folder / str(at), lines
        else:
            assert lines[-1] == "done"
    assert at > 40


def finished(folder: Path, clock: ManualClock) -> None:
    """Check that only the memory of finished sets is left, and in the end not even that."""
    spool = opened(folder, clock)
    assert spool.complete(10) == []
    assert spool.counts()["sets"] == 0
    clock.advance(LIMITS.age * 2)
    assert spool.overdue(clock.now()) == []
    assert files_in(folder) == 0


def test_whenever_it_dies_every_kept_part_is_there_and_the_packet_is_whole_once(tmp_path: Path) -> None:
    for folder, lines in points(tmp_path, whole_set):
        spool, clock = opened(folder), ManualClock()
        for part in PARTS:  # the broker gives again what it was not told to forget
            if f"kept {part.n}" not in lines:
                assert land(spool, part).landed in (Landed.STORED, Landed.REPEAT), lines

        remembered = list(folder.glob("*/over/*"))
        joined = spool.complete(10)

        assert not (remembered and joined), lines
        assert [bytes_of(s) for s in joined] in ([PACKET], [] if "owned" in lines else [PACKET]), lines
        for s in joined:
            spool.end_set(s.token)
        assert {land(spool, part).landed for part in PARTS} == {Landed.REPEAT}, lines
        finished(folder, clock)


def test_whenever_it_dies_a_refused_set_is_told_stays_refused_and_may_be_sent_again_from_its_first_part(
    tmp_path: Path,
) -> None:
    for folder, lines in points(tmp_path, refused_set):
        spool, clock = opened(folder), ManualClock()
        if "kept 2" not in lines:
            assert land(spool, PARTS[1]).landed in (Landed.STORED, Landed.REPEAT)
        if "refused" not in lines:
            assert land(spool, FALSE).landed is Landed.REFUSED

        overdue_sets: list[JoinedParts] = list(spool.overdue(clock.now()))

        assert len(overdue_sets) == 1 or (not overdue_sets and "owned" in lines), lines
        for overdue in overdue_sets:
            spool.end_set(overdue.token)
        assert {land(spool, part).landed for part in PARTS[1:]} == {Landed.REFUSED}, lines
        assert {land(spool, part).landed for part in PARTS} == {Landed.STORED}, lines
        (joined,) = spool.complete(10)
        assert bytes_of(joined) == PACKET
        spool.end_set(joined.token)
        finished(folder, clock)


def test_whenever_it_dies_an_unfinished_set_is_reported_and_may_be_resent(tmp_path: Path) -> None:
    for folder, lines in points(tmp_path, unfinished_set):
        spool, clock = opened(folder), ManualClock()
        clock.advance(LIMITS.age)
        if "owned" not in lines:
            for part in PARTS[:2]:
                if f"kept {part.n}" not in lines:
                    land(spool, part)
            clock.advance(LIMITS.age)
            (overdue,) = spool.overdue(clock.now())
            spool.end_set(overdue.token)

        for part in PARTS:
            land(spool, part)
        (joined,) = spool.complete(10)
        assert bytes_of(joined) == PACKET
        spool.end_set(joined.token)
        finished(folder, clock)


# --- the disk -------------------------------------------------------------------------------------------------


class Unsynced:
    """Files and folders that a power cut would take back: written or named, and not yet synced."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()

    @contextmanager
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        real = {name: getattr(os, name) for name in ("open", "fsync", "rename", "mkdir")}

        def open_(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            handle = real["open"](path, flags, *args, **kwargs)
            if flags & os.O_CREAT and Path(path).name != "lock":  # a lock says nothing that must last
                self.paths |= {Path(path), Path(path).parent}
            return int(handle)

        def fsync(handle: int) -> None:
            real["fsync"](handle)
            self.paths.discard(Path(os.readlink(f"/proc/self/fd/{handle}")))

        def rename(source: Any, target: Any) -> None:
            real["rename"](source, target)
            old, new = Path(source), Path(target)
            self.paths = {new / p.relative_to(old) if p.is_relative_to(old) else p for p in self.paths}
            self.paths.add(new.parent)

        def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
            real["mkdir"](path, *args, **kwargs)
            self.paths.add(Path(path).parent)

        with monkeypatch.context() as patched:
            for name, call in (("open", open_), ("fsync", fsync), ("rename", rename), ("mkdir", mkdir)):
                patched.setattr(os, name, call)
            yield

    def that_matter(self) -> set[Path]:
        """Return the paths without drafts, which have no owner until they are renamed."""
        return {path for path in self.paths if "drafts" not in path.parts}


def test_what_is_said_to_be_kept_or_over_has_reached_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: the broker forgets a part after this."""
    unsynced, spool = Unsynced(), opened(tmp_path / "parts")
    with unsynced.watched(monkeypatch):
        for part in PARTS:
            assert land(spool, part).landed is Landed.STORED
            assert unsynced.that_matter() == set()
        (joined,) = spool.complete(1)
        spool.end_set(joined.token)
        assert unsynced.that_matter() == set()


def test_a_refusal_has_reached_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsynced, spool = Unsynced(), opened(tmp_path / "parts")
    with unsynced.watched(monkeypatch):
        land(spool, PARTS[1])
        assert land(spool, FALSE).landed is Landed.REFUSED

        assert unsynced.that_matter() == set()
