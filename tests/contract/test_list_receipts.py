"""Receipts of signed lists, on either database: the issuer sees who has a list, who lacks it since when, and which planned
change is known where; a forged receipt changes nothing; a node tells its issuer once, and again after a failure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from gateway.domain.delegated import ListState
from gateway.domain.event import EventKind
from gateway.domain.registry_reform import DecidingDocument, Reform, ReformKind, Target
from gateway.errors import Clash
from gateway.pool import ThreadPool
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.directory import SqlDirectory
from gateway.registry.endings import adapter
from gateway.registry.tables import REFORM, as_utc
from gateway.registry_authoring import feed_file, receipts
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.feed import SqlFeed
from gateway.registry_authoring.feed_file import Header, ReceiptLine
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.registry_authoring.receipts import DueReceipt, Overview, SqlReceipts, write_receipt
from gateway.store.store import SqlStore
from gateway.trust.key_material import RECEIPTS
from tests.support import feeds, pki
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.stores import opened

KNOWN_AGENCIES = """code,name,parent,host
Z91,UBND tỉnh Sao Mai,,issuer
Z91.01,Sở Tài chính,Z91,north
Z91.02,Sở Nội vụ,Z91,south
Z91.03,Sở Y tế,Z91,south
"""


@dataclass(kw_only=True)
class Issuer:
    """A node that issues lists, and what other nodes say to it."""

    feed: SqlFeed
    directory: SqlDirectory
    directory_changes: SqlDirectoryChanges
    clock: ManualClock
    folder: Path

    @property
    def receipts(self) -> SqlReceipts:
        return self.feed.receipts

    async def issue(self, sequence: int) -> Header:
        return await self.feed.export(self.folder / f"{sequence}.feed", feeds.ISSUER, sequence=sequence)

    def write(self, header: Header, code: str = "Z91.01", **changed: Any) -> bytes:
        """Write the receipt that a node of the code signs now."""
        now = self.clock.now()
        due = DueReceipt(
            issuer=header.issuer,
            sequence=header.sequence,
            digest=header.digest,
            state=ListState.DONE,
            taken_at=now,
        )
        signer, at = changed.pop("signer", pki.signer(code, "p256")), changed.pop("now", now)
        return write_receipt(replace(due, **changed), signer, at, "1.2.3")

    async def take(self, raw: bytes) -> bool:
        return await self.receipts.take(raw, self.directory.bindings)

    async def overview(self) -> Overview:
        return await self.receipts.overview("issuer")

    async def events(self, kind: EventKind) -> Sequence[Any]:
        async with self.feed._room.reader.connect() as connection:
            return await SqlBindingLog(self.clock).of_kinds(connection, (kind,))

    def tick(self) -> datetime:
        self.clock.advance(timedelta(hours=1))
        return self.clock.now()


@pytest.fixture
async def issuer(
    store_url: str, clock: ManualClock, pool: ThreadPool, tmp_path: Path
) -> AsyncIterator[Issuer]:
    async with opened(store_url, clock) as store:
        yield await issuing(store, clock, pool, tmp_path)


async def issuing(store: SqlStore, clock: ManualClock, pool: ThreadPool, folder: Path) -> Issuer:
    changes = SqlDirectoryChanges(store.writer, store.reader, clock, pool)
    await changes.apply(await changes.plan_import(KNOWN_AGENCIES.encode()), "operator")
    for code in ("Z91.01", "Z91.02"):
        der = pki.signer(code, "p256").certificate_der
        await changes.bind(code, der, pki.NOT_BEFORE, pki.NOT_AFTER, "an", "binh")
    room = FeedRoom(
        writer=store.writer,
        reader=store.reader,
        clock=clock,
        pool=pool,
        issuers=folder / "feed",
        scratch=folder,
    )
    return Issuer(
        feed=SqlFeed(room),
        directory=SqlDirectory(store.reader, store.memory, clock),
        directory_changes=changes,
        clock=clock,
        folder=folder,
    )


async def test_the_issuer_sees_who_has_its_lists_and_who_is_behind_since_when(issuer: Issuer) -> None:
    assert await issuer.overview() == Overview()
    first = await issuer.issue(1)
    issuer.tick()
    assert await issuer.take(issuer.write(first))
    told_at = issuer.clock.now()
    issuer.tick()
    second = await issuer.issue(2)

    overview = await issuer.overview()

    assert overview.issued is not None
    assert (overview.issued.sequence, overview.issued.digest) == (2, second.digest)
    south, north = overview.nodes
    assert (south.node, south.code, south.codes, south.receipt) == ("south", "Z91.02", 2, None)
    assert south.behind_since == first.made_at, "the longest behind stands first"
    assert north.receipt is not None
    assert (north.node, north.receipt.sequence, north.receipt.received_at) == ("north", 1, told_at)
    assert (north.receipt.state, north.receipt.version) == ("done", "1.2.3")
    assert north.behind_since == second.made_at

    issuer.tick()
    assert await issuer.take(issuer.write(second))
    assert [x.behind_since for x in (await issuer.overview()).nodes] == [first.made_at, None]
    issued = await issuer.events(EventKind.LIST_ISSUED)
    assert [(event.data["sequence"], event.principal_id) for event in issued] == [
        (1, "operator"),
        (2, "operator"),
    ]


async def test_a_receipt_is_recorded_once_and_only_a_newer_one_changes_it(issuer: Issuer) -> None:
    header = await issuer.issue(1)
    waiting = issuer.write(header, state=ListState.WAITING)
    assert [await issuer.take(waiting) for _ in range(3)] == [True, False, False]
    issuer.tick()
    assert not await issuer.take(issuer.write(header, state=ListState.WAITING)), "it says nothing new"
    done_receipt = issuer.write(header)
    assert await issuer.take(done_receipt)
    issuer.tick()
    assert not await issuer.take(waiting), "an old one that is played again"

    (event, last) = await issuer.events(EventKind.LIST_RECEIPT)
    assert [event.data["state"], last.data["state"]] == ["waiting", "done"]
    assert (
        last.data["fingerprint"] == hashlib.sha256(pki.signer("Z91.01", "p256").certificate_der).hexdigest()
    )
    (north,) = [x for x in (await issuer.overview()).nodes if x.receipt is not None]
    assert north.receipt is not None
    assert north.receipt.state == "done"

    second = await issuer.issue(2)
    assert await issuer.take(issuer.write(second))
    assert not await issuer.take(done_receipt), "of an earlier list"
    for n in range(2, receipts.MOST_TELLINGS + 1):
        issuer.tick()
        assert await issuer.take(issuer.write(second, state=(ListState.DONE, ListState.HELD)[n % 2 == 0]))
    issuer.tick()
    with pytest.raises(Clash) as refused:
        await issuer.take(issuer.write(second, state=ListState.OPEN))
    assert refused.value.code == receipts.MANY


async def test_threat_155_a_forged_or_foreign_receipt_changes_nothing(issuer: Issuer, cases: Cases) -> None:
    header = await issuer.issue(1)
    issuer.tick()
    good = issuer.write(header)
    line, seal = receipts.read_receipt(good)
    other = pki.signer("Z91.02", "p256")
    withdrawn = replace(pki.signer("Z91.03", "p256"), agency_code="Z91.03")
    await issuer.directory_changes.bind(
        "Z91.03", withdrawn.certificate_der, pki.NOT_BEFORE, pki.NOT_AFTER, "an", "binh"
    )
    fingerprint = hashlib.sha256(withdrawn.certificate_der).hexdigest()
    await issuer.directory_changes.unbind("Z91.03", fingerprint, issuer.clock.now(), "an", "The key was lost")
    issuer.tick()

    def sealed(changed: ReceiptLine, by: pki.KeySigner = other, tag: bytes = RECEIPTS) -> bytes:
        """Write a line with a seal that is right for other bytes, or by another key."""
        raw = feed_file.encode(changed)
        signature = base64.b64encode(by.sign(tag + raw)).decode()
        return raw + feed_file.encode(seal.model_copy(update={"signature": signature}))

    ours, an_hour_ahead = pki.signer("Z91.01", "p256"), issuer.clock.now() + timedelta(hours=1)
    rows: dict[str, tuple[bytes, str]] = {
        "another key under the certificate's name": (sealed(line), receipts.SIGNER),
        "a seal of another line": (
            feed_file.encode(line.model_copy(update={"state": ListState.HELD})) + feed_file.encode(seal),
            receipts.SIGNER,
        ),
        "another agency's line, with this agency's seal": (
            feed_file.encode(line.model_copy(update={"code": "Z91.02"})) + feed_file.encode(seal),
            receipts.SIGNER,
        ),
        "another agency's certificate": (
            issuer.write(header, signer=replace(other, agency_code="Z91.01")),
            receipts.SIGNER,
        ),
        "a signature of another purpose": (
            sealed(line, ours, tag=b"lienthong-registry/1 header\n"),
            receipts.SIGNER,
        ),
        "a withdrawn certificate": (issuer.write(header, signer=withdrawn), receipts.SIGNER),
        "an unknown agency": (issuer.write(header, code="Z91.99"), receipts.SIGNER),
        "a number that was never issued": (issuer.write(header, sequence=2), receipts.UNKNOWN_LIST),
        "another list of that number": (issuer.write(header, digest="0" * 64), receipts.UNKNOWN_LIST),
        "another issuer's list": (issuer.write(header, issuer="Other"), receipts.UNKNOWN_LIST),
        "said in the future": (issuer.write(header, now=an_hour_ahead), receipts.TIME),
        "taken after it was said": (issuer.write(header, taken_at=an_hour_ahead), receipts.TIME),
        "no receipt": (b"{}\n{}\n", receipts.FORM),
        "nothing": (b"", receipts.FORM),
        "cut short": (good[:-20], receipts.FORM),
        "in another spelling": (good.replace(b'":"', b'": "', 1), receipts.FORM),
        "with more behind it": (good + b"\n", receipts.FORM),
        "too long": (good + b" " * receipts.LONGEST_RECEIPT, receipts.FORM),
    }

    async def check(row: tuple[bytes, str]) -> None:
        raw, code = row
        with pytest.raises(Clash) as refusal:
            await issuer.take(raw)
        assert refusal.value.code == code

    await cases.check_rows_async(rows, check)

    assert not await issuer.events(EventKind.LIST_RECEIPT)
    assert [x.receipt for x in (await issuer.overview()).nodes] == [None, None]
    assert await issuer.take(good), "the true one is taken after all of them"


async def test_a_change_that_is_to_come_names_the_nodes_that_lack_it(issuer: Issuer) -> None:
    first = await issuer.issue(1)
    issuer.tick()
    reform = Reform(
        kind=ReformKind.MERGE,
        decision=DecidingDocument(number="12/QĐ-UBND", issued_on=date(2026, 11, 1), issuer="UBND tỉnh"),
        effective_on=date(2027, 1, 1),
        sources=("Z91.02",),
        targets=(Target(code="Z91.03"),),
    )
    await approved(issuer, reform)
    assert await issuer.take(issuer.write(first))
    (unlisted,) = (await issuer.overview()).changes
    assert (unlisted.sequence, set(unlisted.lacking)) == (None, {"north", "south"})

    issuer.tick()
    second = await issuer.issue(2)
    await issuer.take(issuer.write(second, code="Z91.02"))

    (change,) = (await issuer.overview()).changes
    assert (change.kind, change.decision, change.effective_on) == ("merge", "12/QĐ-UBND", date(2027, 1, 1))
    assert (change.sequence, change.lacking) == (2, ("north",))
    issuer.clock.advance(timedelta(days=90))
    assert (await issuer.overview()).changes == [], "it was long ago"


async def approved(issuer: Issuer, reform: Reform) -> None:
    values = {
        "id": "prp_1",
        "kind": reform.kind.value,
        "effective_on": reform.effective_on,
        "state": "approved",
        "content": adapter(Reform).dump_json(reform).decode(),
        "lives_before": "{}",
        "lives_after": "{}",
        "proposed_by": "an",
        "approved_by": "binh",
        "approved_at": as_utc(issuer.clock.now()),
    }
    async with issuer.feed._room.writer.begin() as connection:
        await connection.execute(insert(REFORM).values(values))


async def test_a_node_tells_its_issuer_once_for_each_list_and_again_after_a_failure(
    issuer: Issuer, clock: ManualClock
) -> None:
    """The same database follows here: the list in force, and what its issuer was told of it."""
    feed, folder = issuer.feed, issuer.folder
    feeds.permit(feed._room, feeds.ISSUER)

    async def follow(sequence: int) -> None:
        (folder / "given.feed").write_bytes(feeds.feed([feeds.agency("Z95")], sequence))
        assert (await feed.accept(folder / "given.feed", "operator")).verdict == "applied"

    assert await feed.receipts.claim_due() is None, "nothing is in force"
    await follow(4)
    due = await feed.receipts.claim_due()
    assert due is not None
    assert (due.issuer, due.sequence, due.state) == ("Registry issuer", 4, ListState.DONE)
    assert due.taken_at == clock.now()
    assert await feed.receipts.claim_due() is None, "another process has it"
    await feed.receipts.note_fault(due, "nobody answers")
    in_force = await feed.in_force()
    assert in_force is not None
    assert (in_force.receipt_state, in_force.receipt_fault) == (None, "nobody answers")

    clock.advance(receipts.RETRY)
    assert await feed.receipts.claim_due() == due
    await feed.receipts.note_sent(due, "Z91.01")
    clock.advance(receipts.RETRY)
    assert await feed.receipts.claim_due() is None, "the issuer has it"
    in_force = await feed.in_force()
    assert in_force is not None
    assert (in_force.receipt_state, in_force.receipt_fault) == ("done", None)
    (event,) = await issuer.events(EventKind.LIST_RECEIPT_SENT)
    assert (event.subject_id, event.data["sequence"]) == ("receipt:Z91.01", 4)

    await follow(5)
    next_receipt = await feed.receipts.claim_due()
    assert next_receipt is not None
    assert next_receipt.sequence == 5
    await feed.receipts.note_sent(due, "Z91.01")
    in_force = await feed.in_force()
    assert in_force is not None
    assert in_force.receipt_state is None, "an answer about the earlier list says nothing of this one"
