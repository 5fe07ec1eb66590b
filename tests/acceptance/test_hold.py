"""The sealed hold (R4): frozen at once and at every door, sealed so that no plain byte is left on the node, given back byte
for byte or purged by a person's recorded decision, whatever breaks between two steps."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway import holding
from gateway.api import inbox_view
from gateway.deciding import proposals
from gateway.domain.document import InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.hold import Decision, Hold, HoldState
from gateway.domain.person import Person, Role, SignedIn
from gateway.errors import Clash, Denied, NotFound, Refused, StoreFailure, Unreachable
from gateway.incoming import admit, check, handover, seal, verify
from gateway.incoming import process as deciding_packets
from gateway.incoming.document_context import load_context
from gateway.incoming.reading import open_envelope, open_file
from gateway.ops import backup
from gateway.ops.backup_file import BackupManifest
from gateway.outgoing import dispatch, manage, package
from gateway.outgoing import files as outgoing_seal
from gateway.policy.incoming import Admission, Ruling
from gateway.ports.axis import ManagedAxis, Outcome, Parcel
from gateway.store import dump
from gateway.store.blobs import FileBlobs
from tests.long.acceptance.test_cli import CommandRun, run_command
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.comments import add_comment
from tests.support.faulty import Faulty, Meanwhile
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    LEASE_S,
    PDF,
    PROVINCE,
    Town,
    document,
    opened,
    replacement_of,
    update_of,
)
from tests.support.passphrases import make_cheap, plain_pair
from tests.support.secret import FILES, SECRET, deliver_secret, key, with_recipient
from tests.support.secret import plain_places as in_plain
from tests.support.stamped import stamped
from tests.unit.outgoing.test_sign_again import key_end, new_key, signing

pytestmark = pytest.mark.usefixtures("lies_in")
SENT_FILES = (("15.pdf", PDF), ("phu-luc.pdf", SECRET))
OTHER_PRIVATE, _ = plain_pair()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(tmp_path / "node", change=with_recipient) as new_town:
        yield new_town


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)


def head(town: Town, *roles: Role) -> SignedIn:
    """Return a person who has just signed in; the proof of that does not concern the hold."""
    now = town.clock.now()
    person = Person(
        id="prs_1",
        name="A. Head",
        roles=frozenset(roles or (Role.HEAD,)),
        added_by="operator",
        added_at=now,
        roles_by="operator",
        roles_at=now,
        enrolled_at=now,
    )
    return SignedIn(person=person, at=now)


def plain_places(town: Town, raw: bytes = SECRET) -> list[str]:
    return in_plain(town.node.settings.node.data_dir, raw)


async def seal_only(town: Town) -> Hold:
    """Seal the one document that arrived, as a clerk."""
    arrived, scope = await town.only(), await town.scope(PROVINCE)
    return await seal.document(town.node.inn, town.node.hold, scope, arrived.id, "Có dấu mật")


async def sealed(town: Town) -> Hold:
    """Bring in a secret document and seal it, as a clerk."""
    await deliver_secret(town)
    return await seal_only(town)


async def seal_sent(town: Town, sent: OutgoingDocument) -> Hold:
    scope = await town.scope(DEPARTMENT)
    return await outgoing_seal.seal_document(town.node.out, town.node.hold, scope, sent.id, "Gửi nhầm")


def no_secret(town: Town) -> Decision:
    """Decide as a head that it is no secret."""
    return holding.make_decision(town.node.hold, head(town), "Không phải văn bản mật")


async def lift(town: Town, hold: Hold) -> Hold:
    scope = await town.scope(PROVINCE)
    return await seal.lift(town.node.inn, town.node.hold, scope, hold.id, no_secret(town), key())


async def lift_sent(town: Town, hold: Hold) -> None:
    scope = await town.scope(DEPARTMENT)
    await outgoing_seal.lift_seal(town.node.out, town.node.hold, scope, hold.id, no_secret(town), key())


async def test_after_sealing_no_byte_of_it_lies_in_plain_on_the_node(town: Town) -> None:
    packet = town.forge(document(files=FILES), FILES)
    await town.deliver(packet)
    assert plain_places(town)  # what is looked for can be found
    await town.carry()

    arrived = await town.only()
    scope = await town.scope(PROVINCE)
    hold = await seal.document(town.node.inn, town.node.hold, scope, arrived.id, "Có dấu mật")

    assert (hold.state, hold.is_settled) == (HoldState.SEALED, True)
    assert plain_places(town) == []
    assert [content.digest for content in hold.contents] == [packet.digest]
    assert (await town.reload(arrived)).state is InState.SEALED


async def test_a_hold_is_settled_only_when_no_reader_keeps_its_bytes_in_the_journal(town: Town) -> None:
    packet = await deliver_secret(town)
    database = town.node.store.writer.url.database or ""
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM blob WHERE digest = ?", (packet.digest,)).fetchone() == (
            1,
        )
        hold = await seal_only(town)
        settled_now = await holding.settle_all(town.node.hold)
        reader.execute("COMMIT")

    assert (hold.state, hold.is_settled, settled_now) == (HoldState.SEALED, False, 0)
    assert await holding.settle_all(town.node.hold) == 1
    assert plain_places(town) == []


async def test_after_sealing_no_door_gives_a_byte_of_it(town: Town, tmp_path: Path) -> None:
    """R4 (sealed hold)."""
    hold = await sealed(town)
    node, scope = town.node, await town.scope(PROVINCE)
    (arrived,) = await town.incoming()

    for reading in (
        open_file(node.inn, scope, arrived.id, 1),
        open_envelope(node.inn, scope, arrived.id),
    ):
        with pytest.raises(Clash, match="sealed"):
            await reading
    async with node.store.read(scope) as work:
        with pytest.raises(NotFound):
            await node.blobs.open(work, arrived.envelope_digest)
        assert (await work.incoming.page(limit=10, query="phối hợp")).items == ()
        assert (await work.incoming.page(limit=10, handover="available")).items == ()
    assert await handover.lease(node.inn, scope, "qlvb", 10, 60) == []
    with pytest.raises(Clash):
        await town.status(arrived, "03")
    pulled = await at_terminal(town, "inbox", "pull", tmp_path / "pulled", "-o", "json")
    assert json.loads(pulled.out)["data"] == []
    assert not list((tmp_path / "pulled").rglob("*"))
    assert hold.recipient is not None


async def test_no_backup_has_it_not_even_one_that_is_made_while_it_is_frozen(
    town: Town, tmp_path: Path
) -> None:
    packet = await deliver_secret(town)
    unsealable, scope = replace(town.node.hold, sealer=None), await town.scope(PROVINCE)
    frozen = await seal.document(town.node.inn, unsealable, scope, (await town.only()).id, "Có dấu mật")
    assert frozen.state is HoldState.FROZEN
    early, early_contents = await backed_up(town, tmp_path / "early")
    await holding.settle_all(town.node.hold)
    late, late_contents = await backed_up(town, tmp_path / "late")

    for manifest in (early, late):
        assert (manifest.lacks, manifest.tables["hold"].rows) == ({}, 1)
        assert not any(name.startswith("sealed") for name in manifest.files)
    assert packet.digest not in early_contents | late_contents
    assert early_contents == late_contents


async def backed_up(town: Town, folder: Path) -> tuple[BackupManifest, set[str]]:
    """Read the manifest and the digests of the content that a backup made now would copy."""
    settings = town.node.settings
    source = backup.BackupSource(
        node="town",
        database_url=settings.database.url,
        content=settings.node.data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=None,
    )
    target, clock, pool = folder / "copy.backup", town.clock, town.node.pool
    manifest = await backup.make(source, target, b"words of a test", clock, pool, lambda *_: None)
    async with dump.snapshot(settings.database.url) as view:
        files = {x.digest async for batch in view.contents() for x in batch}
        return manifest, files | {x.digest async for batch in view.small() for x in batch}


async def test_lifting_gives_the_exact_bytes_back_and_the_document_stands_as_before(town: Town) -> None:
    hold = await sealed(town)
    node, scope = town.node, await town.scope(PROVINCE)
    decision = holding.make_decision(node.hold, head(town), "Không phải văn bản mật")

    lifted = await seal.lift(node.inn, node.hold, scope, hold.id, decision, key())

    assert (lifted.state, lifted.is_settled) == (HoldState.LIFTED, True)
    (arrived,) = await town.incoming()
    assert arrived.state is InState.NEW
    assert await town.read(arrived) == SECRET
    assert len(await handover.lease(node.inn, scope, "qlvb", 10, 60)) == 1
    assert not (node.settings.node.data_dir / "content" / "sealed" / hold.id).exists()
    kinds = [event.kind for event in await town.events(PROVINCE, arrived.id)]
    *kinds, reading = kinds
    assert reading is EventKind.DOCUMENT_READ
    assert kinds[-3:] == [EventKind.HOLD_BEGUN, EventKind.HOLD_SEALED, EventKind.HOLD_LIFTED]
    with pytest.raises(Clash):
        await seal.lift(node.inn, node.hold, scope, hold.id, decision, key())


async def test_a_wrong_key_says_so_and_nothing_is_given_back(town: Town) -> None:
    hold = await sealed(town)
    node, scope = town.node, await town.scope(PROVINCE)
    decision = holding.make_decision(node.hold, head(town), "Không phải văn bản mật")

    with pytest.raises(Denied, match="does not open the hold") as wrong:
        await seal.lift(node.inn, node.hold, scope, hold.id, decision, key(OTHER_PRIVATE))

    assert wrong.value.code == "GW-SEAL-KEY"
    assert plain_places(town) == []


async def test_a_sealed_form_that_was_tampered_with_is_not_given_back(town: Town, cases: Cases) -> None:
    hold = await sealed(town)
    (path,) = (town.node.settings.node.data_dir / "content" / "sealed" / hold.id).iterdir()
    raw, something_else = path.read_bytes(), io.BytesIO()
    assert town.node.hold.sealer is not None
    town.node.hold.sealer.seal(io.BytesIO(b"sealed for the same head"), something_else)
    tampered = {
        "changed": raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:],
        "cut": raw[:-20],
        "longer": raw + b"x",
        "exchanged": something_else.getvalue(),
    }

    for how, other in tampered.items():
        path.write_bytes(other)
        with cases.case(how), pytest.raises(StoreFailure, match=r"damaged|is not the content") as excinfo:
            await lift(town, hold)
        assert excinfo.value.code == "GW-SEAL-DAMAGED"

    assert plain_places(town) == []
    assert (await town.only()).state is InState.SEALED


async def test_only_a_person_with_the_heads_role_and_a_reason_decides(town: Town) -> None:
    holder = head(town, Role.TRUST, Role.PEOPLE)

    with pytest.raises(Denied, match="head"):
        holding.make_decision(town.node.hold, holder, "Không phải văn bản mật")
    blocked = replace(head(town), person=replace(head(town).person, blocked_at=town.clock.now()))
    with pytest.raises(Denied, match="head"):
        holding.make_decision(town.node.hold, blocked, "Không phải văn bản mật")
    with pytest.raises(Refused):
        holding.make_decision(town.node.hold, head(town), "  ")


async def test_purged_content_is_gone_and_digest_header_and_decision_stay(town: Town) -> None:
    packet = await deliver_secret(town)
    arrived = await town.only()
    node, scope = town.node, await town.scope(PROVINCE)
    await add_comment(town, scope, arrived.id, "Hình như là văn bản mật")
    hold = await seal.document(node.inn, node.hold, scope, arrived.id, "Có dấu mật")
    decider = head(town)

    purged = await holding.purge(
        node.hold, scope, hold.id, holding.make_decision(node.hold, decider, "Quyết định 12")
    )

    assert (purged.state, purged.is_settled) == (HoldState.PURGED, True)
    assert not (node.settings.node.data_dir / "content" / "sealed" / hold.id).exists()
    async with node.store.read(scope) as work:
        hold_kept = await work.holds.get(hold.id)
        assert not await work.comments.of_document(arrived.id, 9)
    assert hold_kept.decision is not None
    assert (hold_kept.decision.by, hold_kept.decision.why) == (decider.person.id, "Quyết định 12")
    assert hold_kept.digests == (packet.digest,)
    assert (await town.reload(arrived)).number == "200"
    with pytest.raises(Clash):
        await holding.purge(node.hold, scope, hold.id, hold_kept.decision)


@pytest.mark.parametrize("purged", [False, True])
async def test_the_same_packet_coming_again_touches_no_disk_and_is_answered(town: Town, purged: bool) -> None:
    packet = await deliver_secret(town)
    node, scope = town.node, await town.scope(PROVINCE)
    hold = await seal_only(town)
    if purged:
        decision = holding.make_decision(node.hold, head(town), "Quyết định 12")
        await holding.purge(node.hold, scope, hold.id, decision)
    answered = await town.statuses(PROVINCE)
    town.clock.advance(timedelta(minutes=5))

    await town.brought(packet)

    assert plain_places(town) == []
    assert await town.statuses(PROVINCE) == answered + 1
    assert len(await town.incoming()) == 1


async def test_the_same_content_in_another_wrapping_leaves_nothing_behind_either(town: Town) -> None:
    """The same signed body, laid out by an intermediary: other bytes, and once more the same."""
    packet = await deliver_secret(town)
    await seal_only(town)
    wrapped = replace(packet, raw=b"\xef\xbb\xbf" + packet.raw)

    for _ in range(2):
        row = await town.brought(wrapped)
        assert (row.state, row.code) == ("done", "MSG-REPEAT")
        assert plain_places(town) == []


async def test_an_update_of_it_is_sealed_with_it_whichever_is_named(town: Town) -> None:
    await deliver_secret(town)
    new = SECRET.replace(b"secret", b"mystery")
    await town.brought(town.forge(update_of(files=(("moi.txt", new),)), (("moi.txt", new),)))
    update = next(x for x in await town.incoming() if x.target_id is not None)
    scope = await town.scope(PROVINCE)

    hold = await seal.document(town.node.inn, town.node.hold, scope, update.id, "Có dấu mật")

    assert hold.subject_id == update.target_id
    assert len(hold.contents) == 2
    assert plain_places(town) == plain_places(town, new) == []
    with pytest.raises(Clash, match="sealed"):
        await open_envelope(town.node.inn, scope, update.id)


@pytest.mark.parametrize("comes", ["before", "after"])
async def test_an_update_or_replacement_of_it_tells_nobody_its_words_and_stands_again_when_the_seal_is_lifted(
    town: Town, comes: str
) -> None:
    """The change comes before or after the seal; one that comes after goes unread into a hold of its own."""
    words = "Phương án ZQXJ"
    node, scope = town.node, await town.scope(PROVINCE)
    await town.brought(town.forge(document("200", subject=words), (("a.pdf", PDF),)))
    first = await town.only()
    parts = (
        town.forge(update_of("200", subject=words, files=(("b.pdf", PDF),)), (("b.pdf", PDF),)),
        town.forge(replacement_of("200", "201", subject=words), (("van-ban.pdf", PDF),)),
    )
    if comes == "before":
        for part in parts:
            await town.brought(part)
    hold = await seal.document(node.inn, node.hold, scope, first.id, "Có dấu mật")
    if comes == "after":
        for part in parts:
            assert (await town.brought(part)).state == "sealed"
    await town.number()
    await holding.settle_all(node.hold)

    async with node.store.read(scope) as work:
        assert (await work.incoming.page(limit=9, query="ZQXJ")).items == ()
        for document_ in await town.incoming():
            surroundings = await load_context(work, document_, await node.inn.office(scope.agency_id))
            shown_json = inbox_view.inbox_item(document_, surroundings, None, "vi").model_dump_json(
                by_alias=True
            )
            assert "ZQXJ" not in shown_json
            assert ".pdf" not in shown_json
        holds = (await work.holds.page(limit=9)).items
    assert len(holds) == (1 if comes == "before" else 3)
    assert all(h.is_settled for h in holds)

    for open_hold in sorted(holds, key=lambda h: h.id != hold.id):
        decision = holding.make_decision(node.hold, head(town), "Không mật")
        await seal.lift(node.inn, node.hold, scope, open_hold.id, decision, key())
    await town.process()
    states = {(d.kind.value, d.state.value) for d in await town.incoming()}
    assert states == {("edoc", "new"), ("update", "new"), ("replace", "new")}


async def test_nothing_is_sent_that_updates_or_replaces_a_sealed_document(town: Town) -> None:
    """Only a recall may follow it. An update and a replacement from before are sealed with it."""
    sent = await town.act_and_carry(town.send("15"))
    newer = await town.replacement(sent, "16")
    await seal_sent(town, sent)

    assert (await town.document(newer)).is_sealed
    for act_ in (town.update(sent), town.replacement(sent, "17"), town.update(newer)):
        with pytest.raises(Refused, match="parent-sealed"):
            await act_
    await town.recall(sent)


async def test_a_packet_in_quarantine_is_sealed_and_given_back_to_where_it_was(town: Town) -> None:
    packet = town.forge(document(files=FILES), FILES)
    forged = replace(packet, raw=packet.raw.replace("phối hợp".encode(), "phối hộp".encode()))
    row = await town.brought(forged)
    assert row.state == "quarantined"
    node, scope = town.node, await town.scope(PROVINCE)

    hold = await seal.packet(node.inn, node.hold, scope, row.id, "Có dấu mật")

    assert plain_places(town) == []
    assert (await town.row(PROVINCE, forged)).state == "sealed"
    with pytest.raises(Clash):
        await deciding_packets.release(node.inn, scope, row.id, "Thử")
    await lift(town, hold)
    later_row = await town.row(PROVINCE, forged)
    assert (later_row.state, later_row.code) == ("quarantined", row.code)
    async with node.store.read(scope) as work:
        opener = await node.blobs.open(work, forged.digest)
    with opener() as file:
        assert file.read() == forged.raw


async def test_a_packet_that_declares_itself_a_secret_goes_unread_into_the_hold(town: Town) -> None:
    """No dialect of the wire can say so today; the day one does, the ruling is there."""
    packet = town.forge(document(files=FILES), FILES)
    await town.deliver(packet)
    await town.land()
    (leased,) = await town.node.store.claim_inbox(1, 60)
    proved = await verify.run(town.node.inn, leased.item)
    ruling = Ruling(decision=Admission.SEALED, code="SECRET")

    await admit.run(
        town.node.inn,
        leased,
        proved,
        check.CheckedPacket(ruling=ruling, files=(), source=leased.item.file_digest),
    )
    await holding.settle_all(town.node.hold)

    row = await town.row(PROVINCE, packet)
    assert (row.state, row.code) == ("sealed", "SECRET")
    assert await town.incoming() == ()
    assert await town.statuses(PROVINCE) == 0
    assert plain_places(town) == []


async def test_a_document_that_waits_for_another_try_never_leaves_not_even_after_its_seal_is_lifted(
    tmp_path: Path,
) -> None:
    axis = Faulty("axis", "publish")
    async with opened(tmp_path / "node", change=with_recipient, wrap=axis) as town:
        await town._host()
        axis.error = Unreachable("the axis does not answer")
        sent = await town.send("15", COMMUNE, files=SENT_FILES)
        await town.pack()
        await town.dispatch()
        assert (await town.delivery(sent)).state == "sending"

        hold = await seal_sent(town, sent)
        await lift_sent(town, hold)
        axis.error = None
        town.clock.advance(timedelta(hours=2))
        await town.carry()

        assert await town.incoming(COMMUNE) == ()
        assert (await town.delivery(sent)).state == "cancelled"


async def test_what_a_courier_has_in_hand_when_it_is_sealed_has_left_and_is_not_called_cancelled(
    town: Town,
) -> None:
    node = town.node
    await town._host()
    sent = await town.send("15", COMMUNE, files=SENT_FILES)
    await town.pack()

    async def publish(parcel: Parcel, codes: list[str]) -> Mapping[str, Outcome]:
        outcomes = await node.out.axis.publish(parcel, codes)
        await seal_sent(town, sent)
        return outcomes

    services = replace(node.out, axis=cast(ManagedAxis, SimpleNamespace(publish=publish)))
    await dispatch.run(services, await node.store.claim_outbox(1, LEASE_S))

    assert (await town.delivery(sent)).state == "sent"


async def test_of_what_was_sealed_under_a_courier_only_what_it_had_read_leaves(
    town: Town, lies_in: str
) -> None:
    node = town.node
    await town._host()
    sent = await town.send("15", COMMUNE, files=SENT_FILES)
    await town.pack()
    holds: list[Hold] = []

    async def sealed() -> None:
        holds.append(await seal_sent(town, sent))

    services = replace(node.out, axis=cast(ManagedAxis, Meanwhile(node.out.axis, "publish", sealed)))
    await dispatch.run(services, await node.store.claim_outbox(1, LEASE_S))
    await lift_sent(town, holds[0])
    town.clock.advance(timedelta(hours=2))
    await town.carry()

    outcome = len(await town.incoming(COMMUNE)), (await town.delivery(sent)).state
    assert outcome == {"rows": (1, "delivered"), "files": (0, "cancelled")}[lies_in]


async def test_a_document_that_was_packed_never_leaves_and_comes_back_as_it_was(town: Town) -> None:
    sent = await town.send("15", COMMUNE, files=SENT_FILES)
    await town.pack()
    node, scope = town.node, await town.scope(DEPARTMENT)
    packed = await town.document(sent)

    hold = await town.act_and_carry(seal_sent(town, sent))

    assert hold.state is HoldState.SEALED
    assert plain_places(town) == []
    assert await town.incoming(COMMUNE) == ()
    assert (await town.delivery(sent)).state == "cancelled"
    with pytest.raises(Clash, match="sealed"):
        await manage.resend(node.out, scope, sent.id, [COMMUNE])
    async with node.store.read(scope) as work:
        assert (await work.outgoing.page(limit=10, query="15/STD-VP")).items == ()
    await lift_sent(town, hold)
    back = await town.document(sent)
    assert not back.is_sealed
    assert back.envelope_digest is not None
    async with node.store.read(scope) as work:
        opener = await node.blobs.open(work, back.envelope_digest)
    with opener() as file:
        assert hashlib.sha256(file.read()).hexdigest() == packed.envelope_digest


async def test_what_is_sealed_while_it_is_signed_again_leaves_nothing_behind_and_stays(town: Town) -> None:
    sent = await town.send("15", COMMUNE, files=SENT_FILES)
    await town._host()
    await town.pack()
    node, old = town.node, signing(town)
    await new_key(town)
    await proposals.retire_key(node.deciding, key_end(town, old))

    async def meanwhile() -> None:
        await seal_sent(town, sent)

    blobs = cast(FileBlobs, Meanwhile(node.out.blobs, "keep", meanwhile))
    (rows,) = dispatch.group_into_passes(await node.store.claim_outbox(10, 60))
    await town.act_and_carry(dispatch.run(replace(node.out, blobs=blobs), rows))

    assert plain_places(town) == []
    assert await town.incoming(COMMUNE) == ()
    (row,) = await town.outbox(DEPARTMENT)
    assert "sealed" in (row.last_error or "")


async def test_a_document_that_was_sent_can_still_be_recalled_and_its_other_holders_are_counted(
    town: Town,
) -> None:
    """Two agencies of one node: each seals its own, and learns of the other's copy."""
    sent = await town.act_and_carry(town.send("15", COMMUNE, files=SENT_FILES))
    node = town.node

    hold = await seal_sent(town, sent)
    (their_copy,) = await town.incoming(COMMUNE)
    theirs = await seal.document(node.inn, node.hold, await town.scope(COMMUNE), their_copy.id, "Có dấu mật")

    assert (hold.others, theirs.others) == (1, 0)
    assert plain_places(town) == []
    await town.act_and_carry(town.recall(sent))
    assert (await town.delivery(sent)).state == "recall_asked"


@pytest.mark.usefixtures("keys_away")
@pytest.mark.parametrize("send", [True, False])
async def test_what_is_not_packed_yet_is_never_packed(town: Town, send: bool) -> None:
    unpacked_document = await town.send("15", COMMUNE, files=SENT_FILES, send=send)
    node, scope = town.node, await town.scope(DEPARTMENT)

    await town.act_and_carry(seal_sent(town, unpacked_document))

    assert plain_places(town) == []
    assert await town.outbox(DEPARTMENT) == ()
    with pytest.raises(Clash):
        await manage.send_draft(node.out, scope, unpacked_document.id)


@pytest.mark.usefixtures("keys_away")
async def test_a_document_whose_packer_is_at_work_leaves_no_envelope_behind(town: Town) -> None:
    unpacked_document = await town.send("15", COMMUNE, files=SENT_FILES)
    node = town.node
    (job,) = await node.store.claim_jobs("pack", 1, 60)

    async def meanwhile() -> None:
        await seal_sent(town, unpacked_document)

    blobs = cast(FileBlobs, Meanwhile(node.out.blobs, "keep", meanwhile))
    await package.run(replace(node.out, blobs=blobs), job)

    assert plain_places(town) == []
    assert await town.outbox(DEPARTMENT) == ()


async def test_two_people_at_once_begin_one_hold(town: Town) -> None:
    await deliver_secret(town)
    arrived, scope = await town.only(), await town.scope(PROVINCE)

    outcomes = await asyncio.gather(
        *(seal.document(town.node.inn, town.node.hold, scope, arrived.id, "Có dấu mật") for _ in range(3)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Hold) for outcome in outcomes) == 1
    assert all(isinstance(outcome, Hold | Clash) for outcome in outcomes)
    assert await town.count("hold") == 1


async def test_without_the_heads_key_it_is_frozen_at_once_and_sealed_when_the_key_arrives(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with opened(tmp_path / "node", clock) as town:
        hold = await sealed(town)
        assert (hold.state, hold.is_settled) == (HoldState.FROZEN, False)
        (arrived,) = await town.incoming()
        with pytest.raises(Clash, match="sealed"):
            await open_file(town.node.inn, await town.scope(PROVINCE), arrived.id, 1)
        town.clock.advance(timedelta(days=3))
        await town.node.blobs.sweep(town.clock.now())
        assert await holding.settle_all(town.node.hold) == 0

    async with opened(tmp_path / "node", clock, change=with_recipient) as town:
        assert await holding.settle_all(town.node.hold) == 1
        assert plain_places(town) == []
        await lift(town, hold)
        assert await town.read((await town.incoming())[0]) == SECRET


async def test_the_clerk_seals_and_drafts_the_notices_at_the_terminal(town: Town) -> None:
    await deliver_secret(town)

    sealing = await at_terminal(
        town, "inbox", "seal", "200/STD-VP", "--why", "It bears a stamp", "--yes", "-o", "json"
    )
    hold = json.loads(sealing.out)
    notice = await at_terminal(town, "hold", "notice", hold["id"], "--to", "operator")

    assert (hold["state"], hold["settled"]) == ("sealed", True)
    assert hold["contents"][0]["sha256"] in notice.out
    assert "bí mật nhà nước" in notice.out
    assert hold["why"] == "It bears a stamp"


async def test_a_stamp_on_what_came_in_is_shown_to_the_clerk_as_a_warning(town: Town) -> None:
    files = (("van-ban.pdf", stamped("MẬT")),)

    await town.brought(town.forge(document(files=files), files))

    arrived = await town.only()
    assert arrived.state is InState.NEW
    assert "secrecy-stamp" in arrived.checks["warnings"]


async def test_at_the_terminal_a_declared_secret_touches_no_disk_and_a_stamp_is_confirmed(
    town: Town, tmp_path: Path
) -> None:
    letter, secret, meta_file = tmp_path / "thu.pdf", tmp_path / "mat.pdf", tmp_path / "meta.json"
    letter.write_bytes(stamped("MẬT"))
    secret.write_bytes(SECRET)
    meta: dict[str, object] = {
        "number": "77",
        "symbol": "STD-VP",
        "date": "2026-11-20",
        "type": "cong_van",
        "subject": "Báo cáo",
    }
    meta["signer"] = {"name": "Người Ký"}
    meta |= {"reply_required": False, "recipients": [{"code": COMMUNE, "role": "to_act"}]}
    files_before = files_written(town)

    meta_file.write_text(json.dumps({**meta, "secrecy": "mat"}), encoding="utf-8")
    declared = await at_terminal(town, "send", secret, "--meta", meta_file, "-o", "json")
    files_after = files_written(town)
    meta_file.write_text(json.dumps(meta), encoding="utf-8")
    unconfirmed = await at_terminal(town, "send", letter, "--meta", meta_file, "-o", "json")
    sent = await at_terminal(
        town, "send", letter, "--meta", meta_file, "--confirm", "secrecy-stamp", "-o", "json"
    )

    assert (declared.code, files_after) == (4, files_before)
    assert [x["code"] for x in json.loads(declared.out)["error"]["reasons"]] == ["secrecy-declared"]
    assert [x["code"] for x in json.loads(unconfirmed.out)["error"]["reasons"]] == ["secrecy-stamp"]
    assert (unconfirmed.code, sent.code) == (4, 0)
    told_of = [x.kind for x in await town.events(PROVINCE, json.loads(sent.out)["id"])]
    assert EventKind.MESSAGE_CONFIRMED in told_of


def files_written(town: Town) -> set[tuple[Path, int]]:
    """List every file and folder of the content, with when it was last written: making and removing a file shows."""
    content = town.node.settings.node.data_dir / "content"
    return {(path, path.stat().st_mtime_ns) for path in (content, *content.rglob("*")) if path.exists()}


async def at_terminal(town: Town, *words: str | Path) -> CommandRun:
    data = town.node.settings.node.data_dir
    settings = data / "typed.toml"
    lines = f'[node]\nname = "town"\ndata_dir = "{data}"\n[seal]\nrecipient = "{data / "head.pub"}"\n'
    settings.write_text(lines, encoding="utf-8")
    return await asyncio.to_thread(run_command, "--config", settings, "--agency", PROVINCE, *words)
