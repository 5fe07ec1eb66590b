"""A threat is tried at these doors, each in one way: `deliver(bytes)` brings the bytes in and says what became of them.
After every delivery the same is asked of the node: it still works, the next good packet goes its whole way through the same
door, no file is left half-way, and memory stays bounded."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from gateway import program
from gateway.cli import main
from gateway.domain.document import InState, Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.queues import InboxPacket
from gateway.edxml.verify import CODES
from gateway.ports.axis import Parcel
from tests.support import envelopes
from tests.support.waiting import wait_until
from tests.threats.ground import ELLIPTIC, NOW, RECEIVER, SENDER, Ground, letter

MB = 1024 * 1024
MOST_MEMORY = 400 * MB
"""What one packet may make the process grow by for a moment: an envelope of 32 MiB is held a few times on the general
path (G1). An expansion, or a tree of a hundred thousand attributes for each reader, would take gigabytes."""
_STATUS = re.compile(rb"<edXML:StatusCode>(\w+)<")
_TO_THE_SENDER = f"outbox WHERE kind = 'status' AND targets LIKE '%{SENDER}%'"
_FINAL = frozenset({"done", "held", "quarantined", "malformed", "returned", "waiting", "sealed"})


class Word(StrEnum):
    """Outcome of a packet, in the words of the list of threats."""

    ADMITTED = "admitted"
    REJ_SEC = "rej-sec"
    REJ_FMT = "rej-fmt"
    DEDUP = "dedup"
    SHOWN = "shown"
    HELD = "held"
    RETRY = "retry"
    EXPLAINED = "explained"
    """`explain` reads without trusting: it says what it saw, or why it cannot."""


_OF_CODE = {"REJ-SEC": Word.REJ_SEC, "REJ-FMT": Word.REJ_FMT, "HOLD": Word.HELD, "DEDUP": Word.DEDUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`answered`: the codes of the statuses that the sender got. `code` is None where nothing was wrong."""

    word: Word
    code: str | None = None
    answered: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The statement of the axis about a packet; by default the truth about the sender's document."""

    packet_id: str = envelopes.PACKET_ID
    kind: str = "edoc"
    sender: str = SENDER


class Door(Protocol):
    """One way in. `is_axis`: what comes in here is stored, answered and remembered."""

    name: str
    is_axis: bool

    @property
    def now(self) -> datetime:
        """Return the time of the clock that judges here."""
        ...

    async def deliver(self, raw: bytes, routing: Routing | None = None) -> Outcome:
        """Bring these bytes in and return their outcome. Fail the test where the node does not go on as before."""


def word_of(code: str | None) -> Word:
    """Return the outcome that a code of the verification always has."""
    assert code is not None
    return _OF_CODE[CODES[code].outcome]


@dataclass(kw_only=True)
class AxisDoor:
    """The receiving node's axis, on which any publisher may put any bytes."""

    name: str
    ground: Ground
    is_axis: bool = True
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(50_000))
    _answers_read: int = 0

    @property
    def now(self) -> datetime:
        return self.ground.town.clock.now()

    async def deliver(self, raw: bytes, routing: Routing | None = None) -> Outcome:
        stored_before = await self._count_kept()
        with bounded_memory():
            await self.publish(raw, routing or Routing())
            row = await self.settled(raw)
        outcome = self._outcome(row, await self.answers(), is_held=await self._is_held(row))
        stored = stored_before + (row.incoming_id is not None and outcome.word is not Word.DEDUP)
        assert await self._count_kept() == stored, "stored half-way"
        if row.sender_code is None:
            assert outcome.answered == (), "a sender who proved nothing was answered"
        await self.takes_the_next()
        return outcome

    async def publish(self, raw: bytes, routing: Routing, to: str = RECEIVER) -> None:
        parcel = Parcel(
            packet_id=routing.packet_id,
            kind=routing.kind,
            sender=routing.sender,
            lane=Lane.NORMAL,
            digest=digest_of(raw),
            size=len(raw),
            open=partial(io.BytesIO, raw),
        )
        outcomes = await self.ground.sender.publish(parcel, [to])
        assert outcomes[to].fate == "delivered", outcomes

    async def settled(self, raw: bytes) -> InboxPacket:
        """Carry until the row of these bytes is at its end, with everything that follows from it on its way; return the
        row."""
        town, digest = self.ground.town, digest_of(raw)

        async def last_row() -> InboxPacket | None:
            await town.carry()
            row = await self._row(digest)
            return row if row is not None and row.state in _FINAL else None

        row = await wait_until(last_row, "the end of these bytes")
        assert row is not None
        return row

    async def takes_the_next(self, files: envelopes.Files = ()) -> None:
        """Check that a good packet is admitted and answered with 01, and that no stray file is left."""
        n = next(self._numbers)
        raw = envelopes.native(letter(n, files), files, signer=ELLIPTIC, packet_id=f"good-{n}")
        await self.publish(raw, Routing(packet_id=f"good-{n}"))
        row = await self.settled(raw)
        assert (row.state, row.code) == ("done", None), f"the next good packet: {row}"
        assert await self.answers() == ("01",)
        assert self.ground.stray_files() == []

    async def answers(self) -> tuple[str, ...]:
        """Return the codes of the statuses that the sender received since it looked last: as many as the node has sent."""
        codes: list[str] = []

        async def count_equals() -> bool:
            return self._answers_read + len(codes) == await self.ground.town.count(_TO_THE_SENDER)

        async def have_all_arrived() -> bool:
            if await count_equals():
                return True
            for arrival in await self.ground.sender.take(50, 60.0):
                if arrival.kind == Kind.STATUS:
                    with arrival.open() as source:
                        codes.extend(match.decode() for match in _STATUS.findall(source.read()))
                await self.ground.sender.settle(arrival, is_done=True)
            if await count_equals():
                return True
            await self.ground.town.carry()
            return False

        await wait_until(have_all_arrived, "the answers that the node has sent")
        self._answers_read += len(codes)
        return tuple(codes)

    async def _row(self, digest: Digest) -> InboxPacket | None:
        """Find the row among the newest ones, or further back where the bytes are a repeat."""
        async with self.ground.town.node.store.read(await self.ground.town.scope(RECEIVER)) as work:
            for limit in (5, 1000):
                rows = (await work.inbox.page(limit=limit)).items
                if (landed_row := next((row for row in rows if row.file_digest == digest), None)) is not None:
                    return landed_row
        return None

    async def _is_held(self, row: InboxPacket) -> bool:
        """Tell whether it became a document that waits for the clerk's decision."""
        if row.incoming_id is None:
            return False
        async with self.ground.town.node.store.read(await self.ground.town.scope(RECEIVER)) as work:
            return (await work.incoming.get(row.incoming_id)).state is InState.HELD

    def _outcome(self, row: InboxPacket, answered: tuple[str, ...], *, is_held: bool) -> Outcome:
        make = partial(Outcome, code=row.code, answered=answered, detail=row.reason or "")
        if row.state == "held" or is_held:
            return make(word=Word.HELD)
        if row.state in ("landed", "waiting"):
            return make(word=Word.RETRY)
        if row.state == "done":
            return make(word=_SETTLED_WORDS[row.code])
        return make(word=word_of(row.code) if row.code in CODES else Word.REJ_FMT)

    async def _count_kept(self) -> int:
        return await self.ground.town.count("incoming_document")


_SETTLED_WORDS = {None: Word.ADMITTED, "MSG-REPEAT": Word.DEDUP, "MSG-STALE": Word.SHOWN}


@dataclass(kw_only=True)
class CommandDoor:
    """A command that reads an envelope's file, typed in this process."""

    name: str
    words: Sequence[str]
    folder: Path
    is_axis: bool = False

    @property
    def now(self) -> datetime:
        return NOW

    async def deliver(self, raw: bytes, routing: Routing | None = None) -> Outcome:
        with bounded_memory():
            outcome = self._read(raw)
        assert self._read(envelopes.native()).word in (Word.ADMITTED, Word.EXPLAINED), "the next good file"
        return outcome

    def _read(self, raw: bytes) -> Outcome:
        path = self.folder / "packet.edxml"
        path.write_bytes(raw)
        code, out = run_command([self.name, str(path), *self.words, "-o", "json"])
        report = json.loads(out)
        assert [p.name for p in self.folder.iterdir()] == [path.name], "something was left beside the file"
        return self._judged(code, report) if self.name == "verify" else self._explained(code, report)

    def _judged(self, code: int, report: dict[str, Any]) -> Outcome:
        if report["verdict"] == "valid":
            assert code == 0
            return Outcome(word=Word.ADMITTED)
        assert code == 7
        failed = [step["detail"] for step in report["steps"] if step["ok"] is False]
        return Outcome(word=word_of(report["code"]), code=report["code"], detail="; ".join(failed))

    def _explained(self, code: int, report: dict[str, Any]) -> Outcome:
        assert code in (0, 7)  # as `verify` ends
        return Outcome(word=Word.EXPLAINED, code=report["error"]["code"] if code else None)


_APP = cache(main.build)


def run_command(words: Sequence[str]) -> tuple[int, str]:
    """Run a command and return its exit code and stdout; a stack trace anywhere fails the test."""
    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    main.build = _APP  # the same program; making it anew takes longer than what it does
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program.run(words)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return code, out.getvalue()


@contextlib.contextmanager
def bounded_memory(limit: int = MOST_MEMORY) -> Iterator[None]:
    """Check that the process never holds so much more than before; ask the kernel, so that C libraries count too."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    rss_before = _memory("VmRSS")
    yield
    assert _memory("VmHWM") - rss_before < limit


def _memory(name: str) -> int:
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def digest_of(raw: bytes) -> Digest:
    return Digest(hashlib.sha256(raw).hexdigest())


def verify_door(folder: Path, trust: Path) -> CommandDoor:
    return CommandDoor(name="verify", words=("--trust", str(trust), "--at", NOW.isoformat()), folder=folder)


def explain_door(folder: Path) -> CommandDoor:
    return CommandDoor(name="explain", words=(), folder=folder)
