"""Feeds that the issuer did not make, or made wrongly, are refused with the last good list in force, whatever was
changed and wherever the node died (threats 90 and 115)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import StoreFailure
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.feed import FeedOutcome, SqlFeed
from gateway.registry_authoring.feed_file import AgencyLine, FeedKind
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.store.memory import Memory
from tests.hostile import feed_child
from tests.support import feeds, pki, stores
from tests.support.clock import START, ManualClock

OLD = [feeds.agency("Z91", "UBND tỉnh Sao Mai"), feeds.agency("Z91.01", "Sở Một", parent="Z91")]
NEW = [OLD[0], feeds.agency("Z91.01", "Sở Một mới", parent="Z91"), feeds.agency("Z91.02", "Sở Hai")]


class Office:
    """A node that follows the issuer, with the list `OLD`, number 5, in force."""

    def __init__(self, room: FeedRoom, folder: Path, clock: ManualClock) -> None:
        self.room, self.folder, self.clock = room, folder, clock
        self.feed = SqlFeed(room)
        self.directory = SqlDirectory(room.reader, Memory(room.reader), clock)
        self.directory_changes = SqlDirectoryChanges(room.writer, room.reader, clock, room.pool)

    async def accept_file(self, raw: bytes, name: str = "given.feed") -> FeedOutcome:
        path = self.folder / name
        path.write_bytes(raw)
        return await self.feed.accept(path, "axis")

    async def standing(self) -> tuple[Any, ...]:
        """Return all rows that a feed may change."""
        rows = (await self.directory.entries(limit=1000)).items
        return (
            rows,
            await self.feed.in_force(),
            await self.feed.proposals(),
            await self.directory_changes.list_applied(),
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    clock = ManualClock()
    await asyncio.to_thread(stores.migrated, tmp_path)
    room = feed_child.room_in(tmp_path, clock)
    feeds.permit(room, feeds.ISSUER)
    office = Office(room, tmp_path, clock)
    assert (await office.accept_file(feeds.feed(OLD, 5))).verdict == "applied"
    yield office
    await feed_child.close(room)


def with_rows(*lines: AgencyLine | bytes, **header: Any) -> Callable[[], bytes]:
    return lambda: feeds.feed(lines, 6, **header)


def chain(length: int, column: str) -> list[AgencyLine]:
    codes = [f"Z91.{n:03}" for n in range(length)]
    return [feeds.agency(code, **({column: codes[n - 1]} if n else {})) for n, code in enumerate(codes)]


def twice_proposed() -> bytes:
    key = pki.key("p256", "shared")
    proposals = [feeds.proposal(c, pki.der(pki.root().issue(c, key))) for c in ("Z91", "Z91.01")]
    return feeds.feed([*OLD, *proposals], 6)


GOOD = feeds.agency("Z91.02")
WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "FEED-FORM"),
    "one line": (lambda: b"{}\n", "FEED-FORM"),
    "no line feed": (lambda: b"x" * 100, "FEED-FORM"),
    "a long line": (lambda: b"x" * 100_000 + b"\n", "FEED-FORM"),
    "unsigned": (lambda: feeds.feed(NEW, 6).rsplit(b"\n", 2)[0] + b"\n", "FEED-FORM"),
    "signed by a stranger": (lambda: feeds.feed(NEW, 6, signer=feeds.STRANGER), "FEED-ISSUER"),
    "for another issuer": (lambda: feeds.feed(NEW, 6, issuer="Z95"), "FEED-ISSUER"),
    "rolled back": (lambda: feeds.feed(NEW, 4), "FEED-ROLLED-BACK"),
    "rolled back, same rows": (lambda: feeds.feed(OLD, 4), "FEED-ROLLED-BACK"),
    "two lists of one number": (lambda: feeds.feed(NEW, 5), "FEED-CONFLICT"),
    "from the future": (lambda: feeds.feed(NEW, 6, made_at=START + timedelta(minutes=11)), "FEED-TIME"),
    "two rows of one code": (with_rows(*OLD, GOOD, GOOD), "FEED-ROWS"),
    "two rows of one code, apart": (with_rows(*OLD, GOOD, OLD[1]), "FEED-ROWS"),
    "two codes of one alias": (
        with_rows(feeds.agency("Z91", alias="A1"), feeds.agency("Z92", alias="A1")),
        "FEED-ROWS",
    ),
    "an alias that is a code": (
        with_rows(feeds.agency("Z91"), feeds.agency("Z92", alias="Z91")),
        "FEED-ROWS",
    ),
    "an alias of its own code": (with_rows(feeds.agency("Z91", alias="Z91")), "FEED-ROWS"),
    "a parent nobody has": (with_rows(feeds.agency("Z92.01", parent="Z92")), "FEED-ROWS"),
    "a parent that goes": (with_rows(feeds.agency("Z91.01", parent="Z91")), "FEED-ROWS"),
    "a successor nobody has": (with_rows(feeds.agency("Z92", successor="Z93")), "FEED-ROWS"),
    "its own parent": (with_rows(feeds.agency("Z92", parent="Z92")), "FEED-ROWS"),
    "successors in a circle": (
        with_rows(feeds.agency("Z92", successor="Z93"), feeds.agency("Z93", successor="Z92")),
        "FEED-ROWS",
    ),
    "a chain without end": (with_rows(*chain(52, "parent")), "FEED-ROWS"),
    "one key under two codes": (twice_proposed, "FEED-BINDING"),
    "more rows than stated": (with_rows(*NEW, rows=2), "FEED-LIMIT"),
    "fewer rows than stated": (with_rows(*NEW, rows=4), "FEED-FORM"),
    "a million rows and one": (with_rows(*NEW, rows=1_000_001), "FEED-LIMIT"),
    "a row without end": (with_rows(feeds.agency("Z91", "x" * 40_000)), "FEED-LIMIT"),
    "a long name": (with_rows(feeds.agency("Z91", "x" * 501)), "FEED-FORM"),
    "a control character": (with_rows(feeds.agency("Z91", "a\u0007b")), "FEED-FORM"),
    "not composed": (with_rows(feeds.agency("Z91", "So\u031b\u0309")), "FEED-FORM"),
    "small letters": (with_rows(feeds.agency("z91")), "FEED-FORM"),
    "a short code": (with_rows(feeds.agency("07.Z91")), "FEED-FORM"),
    "days the wrong way round": (
        with_rows(feeds.agency("Z91", valid_from=date(2026, 2, 1), valid_to=date(2026, 1, 1))),
        "FEED-FORM",
    ),
    "a node called sink": (with_rows(feeds.agency("Z91", host="sink")), "FEED-FORM"),
    "a row twice in one": (with_rows(b'{"code":"Z91","code":"Z91","name":"A"}\n'), "FEED-FORM"),
    "a row spelled otherwise": (with_rows(b'{"code": "Z91","name":"A"}\n'), "FEED-FORM"),
    "an unknown field": (with_rows(b'{"code":"Z91","name":"A","anchor":"x"}\n'), "FEED-FORM"),
    "half a character": (with_rows(b'{"code":"Z91","name":"\\ud800"}\n'), "FEED-FORM"),
    "not UTF-8": (with_rows(b'{"code":"Z91","name":"\xff"}\n'), "FEED-FORM"),
    "deep nesting": (with_rows(b"[" * 30_000 + b"\n"), "FEED-FORM"),
    "a huge number": (lambda: feeds.feed(NEW, 2**53), "FEED-FORM"),
    "changes without a base": (with_rows(*NEW, kind=FeedKind.CHANGES), "FEED-FORM"),
    "a digest of another list": (with_rows(*NEW, digest="0" * 64), "FEED-FORM"),
    "bytes behind the seal": (lambda: feeds.feed(NEW, 6) + b"{}\n", "FEED-FORM"),
    "an empty line behind": (lambda: feeds.feed(NEW, 6) + b"\n", "FEED-FORM"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_threat_090_a_wrong_feed_is_refused_and_the_last_good_list_stays(
    office: Office, name: str
) -> None:
    make, code = WRONG[name]
    old_standing = await office.standing()

    outcome = await office.accept_file(make())

    assert (outcome.verdict, outcome.code) == ("refused", code), outcome.reason
    assert await office.standing() == old_standing
    (refusal,) = await office.feed.refusals()
    assert (refusal.code, refusal.by) == (code, "axis")
    assert refusal.reason
    assert (await office.accept_file(feeds.feed(NEW, 6))).verdict == "applied"


async def test_threat_090_every_byte_of_a_feed_changed_left_out_or_doubled_is_refused(office: Office) -> None:
    raw = feeds.feed([*NEW, feeds.proposal("Z91.02", pki.signer("Z91.02", "p256").certificate_der)], 6)
    path = office.folder / "changed.feed"
    old_standing = await office.standing()
    accepted = []
    for place, octet in enumerate(raw):
        for piece in (bytes([octet ^ 0x01]), bytes([octet ^ 0x20]), b"", bytes([octet, octet])):
            changed = raw[:place] + piece + raw[place + 1 :]
            path.write_bytes(changed)
            if changed != raw and (await office.feed.check(path)).verdict != "refused":
                accepted.append((place, piece))
    assert accepted == []
    assert await office.standing() == old_standing
    path.write_bytes(raw)
    assert (await office.feed.check(path)).verdict == "acceptable"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=3000) | st.lists(st.binary(max_size=80)).map(b"\n".join))
def test_threat_090_any_bytes_are_refused_by_name(
    raw: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Before a key is asked for: nothing but our own refusal comes out."""
    path = tmp_path_factory.getbasetemp() / "any.feed"
    path.write_bytes(raw)

    with pytest.raises(feed_file.FeedRefused):
        feed_file.ends(path)


async def test_threat_090_the_mirror_of_a_signature_or_one_over_something_else_does_not_count(
    office: Office,
) -> None:
    """ECDSA: with s also n - s would hold, and one list would have two files. The key signed the very header bytes, but not
    as a feed."""
    raw = feeds.feed(NEW, 6)
    start, _, last = raw.removesuffix(b"\n").rpartition(b"\n")
    mirrored = json.loads(last)
    signature = base64.b64decode(mirrored["signature"])
    s = pki.ORDERS["secp256r1"] - int.from_bytes(signature[32:], "big")
    mirrored["signature"] = base64.b64encode(signature[:32] + s.to_bytes(32, "big")).decode()
    header = raw.split(b"\n", 1)[0]
    other = feed_file.FeedSeal(
        signature=base64.b64encode(feeds.ISSUER.sign(header + b"\n")).decode(),
        algorithm="ecdsa-sha256",
        certificate=hashlib.sha256(feeds.ISSUER.certificate_der).hexdigest(),
    )
    for seal in (json.dumps(mirrored, separators=(",", ":")).encode() + b"\n", feed_file.encode(other)):
        outcome = await office.accept_file(start + b"\n" + seal)
        assert (outcome.verdict, outcome.code) == ("refused", "FEED-SIGNATURE")


async def test_threat_090_without_an_issuer_or_with_one_out_of_its_time_every_feed_is_refused(
    office: Office,
) -> None:
    office.clock.advance(pki.NOT_AFTER - START + timedelta(seconds=1))
    outcome = await office.accept_file(feeds.feed(NEW, 6))
    assert (outcome.verdict, outcome.code) == ("refused", "FEED-ISSUER")
    feeds.permit(office.room)
    assert (await office.accept_file(feeds.feed(NEW, 6))).code == "FEED-ISSUER"


async def test_threat_090_a_body_changed_after_it_was_checked_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two looks at one file: what is written is what was hashed."""
    raw = feeds.feed(NEW, 6)
    check = feed_file.check_body

    def then_change(path: Path, ends: feed_file.Ends) -> None:
        check(path, ends)
        path.write_bytes(raw.replace("mới".encode(), "giả".encode()))

    monkeypatch.setattr(feed_file, "check_body", then_change)
    old_standing = await office.standing()

    outcome = await office.accept_file(raw)

    assert (outcome.verdict, outcome.code) == ("refused", "FEED-SIGNATURE")
    assert await office.standing() == old_standing


async def test_threat_090_a_folder_that_takes_no_file_is_our_own_failure_and_refuses_nobody(
    office: Office,
) -> None:
    old_standing = await office.standing()
    full_room = replace(office.room, scratch=office.folder / "gone")
    path = office.folder / "given.feed"
    path.write_bytes(feeds.feed(NEW, 6))

    with pytest.raises(StoreFailure, match="check the disk"):
        await SqlFeed(full_room).accept(path, "axis")
    with pytest.raises(StoreFailure):
        await SqlFeed(office.room).export(office.folder / "gone" / "1.feed", feeds.ISSUER)
    assert await office.standing() == old_standing
    assert await office.feed.refusals() == []


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, int]:
    """Kill the import of a feed at each of its statements; return a folder and how many copies `folder-1` and on lie
    beside it."""
    folder = tmp_path / "node"
    folder.mkdir()
    stores.migrated(folder)

    async def prepare() -> None:
        room = feed_child.room_in(folder)
        feeds.permit(room, feeds.ISSUER)
        await Office(room, folder, ManualClock()).accept_file(feeds.feed(OLD, 5), "old.feed")
        await feed_child.close(room)

    asyncio.run(prepare())
    proposed = feeds.proposal("Z91.02", pki.signer("Z91.02", "p256").certificate_der)
    (folder / "new.feed").write_bytes(feeds.feed([*NEW[:1], NEW[2], proposed], 6))
    lines = subprocess.run(
        [sys.executable, "-m", "tests.hostile.feed_child", str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout.splitlines()
    assert lines[-1] == "through"
    return folder, len(lines) - 1


def test_threat_090_a_kill_at_any_statement_leaves_the_old_list_or_the_new(killed: tuple[Path, int]) -> None:
    folder, points = killed
    ends = []

    async def look(path: Path) -> tuple[Any, ...]:
        room = feed_child.room_in(path, ManualClock(START + timedelta(minutes=5)))
        office = Office(room, path, ManualClock())
        try:
            rows, in_force, proposals, changes = await office.standing()
            state = ([row.name for row in rows], in_force.sequence, len(proposals), len(changes))
            outcome = await office.feed.accept(path / "new.feed", "operator")
            in_force = await office.feed.in_force()
            return state, outcome.verdict, in_force.sequence if in_force else 0
        finally:
            await feed_child.close(room)

    for point in range(1, points + 1):
        ends.append(asyncio.run(look(folder.with_name(f"node-{point}"))))
        assert not list(folder.with_name(f"node-{point}").glob(".feed*"))

    old = (["UBND tỉnh Sao Mai", "Sở Một"], 5, 0, 1)
    assert points >= 8
    assert set(map(str, ends)) == {str((old, "applied", 6))}
