"""One document to recipients of whom each axis wants another form: each gets an envelope of its own with the same identity
and the same files; receipts are compared with the file of their own delivery; retries, kills and changed settings send
no second one and tell what was handed over."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import InState, Kind, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.evidence import PacketRole
from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.domain.status import Fact
from gateway.edxml import reader
from gateway.edxml.build import write
from gateway.edxml.policy import EnvelopeLimits
from gateway.errors import NotFound
from gateway.ops.evidence import verify
from gateway.ops.evidence.make import EvidenceMaker
from gateway.outgoing import files, manage
from gateway.ports.axis import Fate
from gateway.settings.options import RouteSettings
from gateway_foreign.rest.axis import SENT_BEFORE
from gateway_labs.simulators.settings import HubOptions
from tests.support import api, node
from tests.support.clock import ManualClock
from tests.support.evidence import pack_of
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.packets import PDF, receipt_for, status_about
from tests.support.parcels import parcel
from tests.support.town import lgsp, vxp
from tests.support.town.axes import FORWARDING, MINISTRY, TWO_SYSTEMS, hubs, routes


@dataclass(frozen=True, kw_only=True)
class OnThree:
    town: Town
    national: vxp.Axis
    provincial: lgsp.Axis
    folder: Path

    async def carry(self, turns: int = 3) -> None:
        for _ in range(turns):
            await self.town.carry()
            await self.town.look()
        await self.town.carry()

    def at_hub(self, axis: vxp.Axis | lgsp.Axis, receiver: str, kind: str = "edoc") -> list[bytes]:
        """Return the files that lie at the hub for one receiver, oldest first."""
        ids = [row[0] for row in reversed(axis.hub.summary()) if (row[1], row[3]) == (kind, receiver)]
        return [axis.hub._path(id).read_bytes() for id in ids]


async def opened(
    stack: AsyncExitStack, folder: Path, clock: ManualClock | None = None, **options: Any
) -> OnThree:
    """Open a node on three axes; on the same folder it finds what an earlier one left there."""
    time = clock or ManualClock()
    both_hubs = await stack.enter_async_context(hubs(folder, time.now, **options))
    town = await stack.enter_async_context(node.opened(folder / "node", time, change=both_hubs.change))
    return OnThree(town=town, national=both_hubs.national, provincial=both_hubs.provincial, folder=folder)


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[OnThree]:
    async with AsyncExitStack() as stack:
        yield await opened(stack, tmp_path)


def digest_of(raw: bytes) -> Digest:
    return Digest.of_bytes(hashlib.sha256(raw).digest())


def last(facts: tuple[Fact, ...], code: str) -> Fact:
    return [fact for fact in facts if fact.code == code][-1]


async def partner_says(on: OnThree, code: str, about_id: str) -> None:
    """Bring an unsigned status from the ministry's own software."""
    out = BytesIO()
    model = status_about(code, about_id, sender=MINISTRY, at=on.town.clock.now())
    write(model, [], out, None, None, on.town.clock.now())
    raw = out.getvalue()
    status = replace(parcel(f"status-{code}", raw), kind="status", sender=MINISTRY)
    async with lgsp.client(on.folder / "ministry", on.provincial.url, MINISTRY, on.town.clock) as axis:
        assert (await axis.publish(status, [DEPARTMENT]))[DEPARTMENT].fate is Fate.DELIVERED


async def is_there_once(three: OnThree, sent: OutgoingDocument) -> None:
    """Check that the hub and each recipient have the document once, and that the digest handed over is recorded."""
    (raw,) = three.at_hub(three.national, COMMUNE)
    assert {row[5] for row in three.national.hub.summary() if row[1] == "edoc"} == {1}
    handed = last((await three.town.facts_by(sent))[COMMUNE], "sent").handed
    assert handed is not None
    assert handed.digest == digest_of(raw)
    assert {delivery.state for delivery in (await three.town.deliveries(sent)).values()} == {"delivered"}


async def test_three_recipients_in_three_forms(three: OnThree, tmp_path: Path) -> None:
    town = three.town
    sent = await town.send("15", PROVINCE, COMMUNE, MINISTRY)
    await three.carry()

    facts = await town.facts_by(sent)
    by = {code: last(x, "sent") for code, x in facts.items()}
    assert {code: x.axis for code, x in by.items()} == {
        PROVINCE: "own",
        COMMUNE: "national",
        MINISTRY: "provincial",
    }
    (to_commune,) = three.at_hub(three.national, COMMUNE)
    (to_ministry,) = three.at_hub(three.provincial, MINISTRY)
    document = await town.document(sent)
    assert by[PROVINCE].handed is None
    assert by[COMMUNE].handed == Handed(
        form=Form.UNSIGNED, digest=digest_of(to_commune), size=len(to_commune)
    )
    assert by[MINISTRY].handed == Handed(
        form=Form.DOTNET, digest=digest_of(to_ministry), size=len(to_ministry)
    )

    # One identity, the same files.
    read = {raw: reader.read([raw], EnvelopeLimits()) for raw in (to_commune, to_ministry)}
    assert {x.envelope.document_id for x in read.values()} == {document.document_id}
    assert {x.sha256 for envelope in read.values() for x in envelope.files} == {document.files[0].sha256}
    assert (read[to_commune].dialect, read[to_commune].signature) == ("A", None)
    assert read[to_ministry].dialect == "A-net"
    for code in (PROVINCE, COMMUNE):
        arrived_document = await town.only(code)
        assert (arrived_document.state, await town.read(arrived_document)) == (InState.NEW, PDF)
    assert (await town.only(PROVINCE)).vouched_by == "valid"
    assert (await town.only(COMMUNE)).vouched_by == "axis"

    # Receipts and statuses, each compared with the file of its own delivery.
    await town.status(await town.only(PROVINCE), "03")
    await town.status(await town.only(COMMUNE), "03")
    await partner_says(three, "03", document.document_id)
    await three.carry()
    facts = await town.facts_by(sent)
    assert {code: last(x, "03").proved for code, x in facts.items()} == {
        PROVINCE: True,
        COMMUNE: True,  # its signed receipt names the very file, which came through whole
        MINISTRY: False,
    }
    assert {x.state for x in (await town.deliveries(sent)).values()} == {"accepted"}

    # The form of each recipient: to programs, in the log, in the evidence.
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        for code, raw in ((COMMUNE, to_commune), (MINISTRY, to_ministry)):
            envelope = await files.open_envelope(town.node.out, work, document, code.lower())
            assert envelope.digest == digest_of(raw)
            assert envelope.open().read() == raw
        standard = await files.open_envelope(town.node.out, work, document)
        assert (standard.digest, standard.digest) == (document.envelope_digest, digest_of_open(standard))
        same = await files.open_envelope(town.node.out, work, document, PROVINCE)
        assert same.digest == standard.digest
        with pytest.raises(NotFound):
            await files.open_envelope(town.node.out, work, document, "H99")
    signed_by_code = {
        x.data["to"]: (x.data.get("form"), x.data.get("handed"))
        for x in await town.events(DEPARTMENT, sent.id)
        if x.kind is EventKind.DELIVERY_SENT
    }
    assert signed_by_code == {
        PROVINCE: (None, None),
        COMMUNE: ("unsigned", digest_of(to_commune)),
        MINISTRY: ("dotnet", digest_of(to_ministry)),
    }
    packets_kept = await EvidenceMaker(town.node).packets(await town.scope(DEPARTMENT), sent.id)
    assert {(x.to, x.digest) for x in packets_kept if x.part is PacketRole.HANDED} == {
        ((COMMUNE,), digest_of(to_commune)),
        ((MINISTRY,), digest_of(to_ministry)),
    }
    pack = tmp_path / "evidence.zip"
    pack.write_bytes(await pack_of(town, DEPARTMENT, sent.id))
    report = verify.verify(pack, None, None, town.clock.now())
    notes = [x.note for x in report.lines]
    assert notes.count("handed_same") == 2
    assert notes.count("receipt_handed") == 2  # its 01 and its 03
    assert False not in [x.ok for x in report.lines]


def digest_of_open(envelope: files.OpenEnvelope) -> Digest:
    with envelope.open() as file:
        return digest_of(file.read())


async def test_a_recall_an_update_and_what_is_said_again_go_in_the_same_form(three: OnThree) -> None:
    town = three.town
    sent = await town.send("15", COMMUNE, MINISTRY)
    await three.carry()
    town.clock.advance(60)
    await town.recall(sent)
    await three.carry()

    for axis, code, dialect in ((three.national, COMMUNE, "A"), (three.provincial, MINISTRY, "A-net")):
        first, recall = (reader.read([raw], EnvelopeLimits()) for raw in three.at_hub(axis, code))
        assert (first.dialect, recall.dialect) == (dialect, dialect)
        assert recall.envelope.kind is Kind.RECALL
        assert recall.envelope.document_id == first.envelope.document_id
        assert b"SignatureValue" not in three.at_hub(axis, code)[1]


async def test_sent_again_it_is_the_same_file_and_no_second_document(three: OnThree) -> None:
    town = three.town
    sent = await town.send("15", COMMUNE, MINISTRY)
    await three.carry()
    town.clock.advance(60)
    await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id, [MINISTRY])
    await three.carry()

    (raw,) = three.at_hub(three.provincial, MINISTRY)
    facts = [fact for fact in (await town.facts_by(sent))[MINISTRY] if fact.code == "sent"]
    handed = Handed(form=Form.DOTNET, digest=digest_of(raw), size=len(raw))
    assert [fact.handed for fact in facts] == [handed] * len(facts)
    assert len([fact for fact in (await town.facts_by(sent))[MINISTRY] if fact.code == "queued"]) == 2


async def test_an_answer_goes_in_the_form_of_its_recipient(tmp_path: Path) -> None:
    """A partner without signatures is answered without one: no receipt is proved, and it is counted as such."""
    async with AsyncExitStack() as stack:
        options = (RouteSettings(to=DEPARTMENT, axes=("national",), form="dotnet"), *routes())
        three = await opened(stack, tmp_path, routed=options)
        town = three.town
        sent = await town.send("15", COMMUNE)
        await three.carry()

        (answer,) = three.at_hub(three.national, DEPARTMENT, "status")
        assert b"Signature" not in answer
        assert b"<edXMLEnvelope><edXMLHeader><MessageHeader>" in answer
        assert (await town.delivery(sent)).state == "delivered"
        assert not last(await town.facts(sent), "01").proved


async def test_what_a_hub_wrote_anew_is_no_proof(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        three = await opened(stack, tmp_path, hub=HubOptions(code="TRUC.W00"))
        town = three.town
        sent = await town.send("15", COMMUNE)
        await three.carry()

        assert last(await town.facts(sent), "sent").handed is not None
        assert (await town.delivery(sent)).state == "delivered"
        assert not last(await town.facts(sent), "01").proved


@pytest.mark.parametrize("kind", ["lost", "error500", "half"])
async def test_a_retry_sends_the_same_file_or_nothing(three: OnThree, kind: str) -> None:
    town = three.town
    three.national.faults.change({"rate": 1.0, "kinds": [kind], "operations": ["sendEdoc"]})
    sent = await town.act_and_carry(town.send("15", PROVINCE, COMMUNE))
    await town.carry()
    three.national.faults.change({"kinds": []})
    for _ in range(3):
        town.clock.advance(3600)
        await three.carry()

    await is_there_once(three, sent)


@pytest.mark.parametrize("at", ["mark", "sent", "has_it", "unmark"])
async def test_a_kill_between_loses_and_doubles_nothing(three: OnThree, at: str) -> None:
    """Each write of the ledger, and the record of the outbox after it."""
    town = three.town
    ledger = next(x for x in three.town.foreign if x._dialect.name == "vxp")._ledger
    real = getattr(ledger, at)
    calls_left = [2, 1]

    def kills(*arguments: object, **more: object) -> object:
        calls_left[0] -= 1
        if calls_left[0] == 0:
            raise RuntimeError("killed here")
        return real(*arguments, **more)

    setattr(ledger, at, kills)
    sent = await town.send("15", PROVINCE, COMMUNE)
    for _ in range(6):
        try:
            await three.carry(1)
        except RuntimeError:
            town.clock.advance(3600)
        town.clock.advance(3600)
    setattr(ledger, at, real)
    town.clock.advance(7200)
    await three.carry()

    await is_there_once(three, sent)


async def test_what_was_handed_over_is_told_though_the_settings_changed_meanwhile(tmp_path: Path) -> None:
    """The axis had the file, its answer was lost, the node was stopped and its route changed."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        three = await opened(stack, tmp_path, clock)
        three.national.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
        sent = await three.town.act_and_carry(three.town.send("15", COMMUNE))
        (raw,) = three.at_hub(three.national, COMMUNE)
    clock.advance(3600)
    async with AsyncExitStack() as stack:
        three = await opened(stack, tmp_path, clock, routed=routes(national="dotnet"))
        for _ in range(3):
            await three.carry()
            clock.advance(3600)

        assert three.at_hub(three.national, COMMUNE) == [raw]
        handed = last(await three.town.facts(sent), "sent").handed
        assert handed == Handed(form=Form.UNSIGNED, digest=digest_of(raw), size=len(raw))


TWO_FORMS = (
    RouteSettings(to=COMMUNE, axes=("national",), form="unsigned"),
    RouteSettings(to="*", axes=("national",)),
)


async def test_threat_141_a_second_form_on_a_hub_that_takes_a_document_once_is_never_told_as_sent(
    tmp_path: Path,
) -> None:
    """It answers the second file with the id of the first, and hands it to no recipient."""
    async with AsyncExitStack() as stack:
        three = await opened(stack, tmp_path, routed=TWO_FORMS, systems=TWO_SYSTEMS)
        town = three.town
        sent = await town.send("15", PROVINCE, COMMUNE)
        await three.carry()

        deliveries = await town.deliveries(sent)
        assert (deliveries[PROVINCE].state, deliveries[COMMUNE].state) == ("delivered", "failed")
        failed = last((await town.facts_by(sent))[COMMUNE], "failed")
        assert failed.reason == SENT_BEFORE
        assert "takes a document once" in (failed.note or "")
        assert await town.incoming(COMMUNE) == ()


@pytest.mark.parametrize("kind", ["", "lost"])
async def test_two_forms_go_over_a_hub_that_takes_both(tmp_path: Path, kind: str) -> None:
    """Also where its answers are lost: what others have there is never taken for what these were sent."""
    async with AsyncExitStack() as stack:
        hub = replace(FORWARDING, dedupe=False)
        three = await opened(stack, tmp_path, routed=TWO_FORMS, systems=TWO_SYSTEMS, hub=hub)
        town = three.town
        three.national.faults.change(
            {"rate": 1.0, "kinds": [kind] if kind else [], "operations": ["sendEdoc"]}
        )
        sent = await town.act_and_carry(town.send("15", PROVINCE, COMMUNE))
        for _ in range(4):
            town.clock.advance(3600)
            await town.carry()  # each of them is found there, one after the other
        three.national.faults.change({"kinds": []})
        town.clock.advance(3600)
        await three.carry()

        assert {x.state for x in (await town.deliveries(sent)).values()} == {"delivered"}
        assert {code: (await town.only(code)).vouched_by for code in (PROVINCE, COMMUNE)} == {
            PROVINCE: "valid",
            COMMUNE: "axis",
        }
        assert [last(x, "01").proved for x in (await town.facts_by(sent)).values()] == [True, True]
        assert sorted(row[5] for row in three.national.hub.summary() if row[1] == "edoc") == [1, 1]


async def test_threat_142_a_receipt_counts_for_the_file_of_its_own_delivery_alone(three: OnThree) -> None:
    town = three.town
    sent = await town.send("15", COMMUNE, MINISTRY)
    other = await town.send("16", COMMUNE)
    await three.carry()
    facts = await town.facts_by(sent)
    own, ministry, another = (
        handed.digest
        for handed in (
            last(facts[COMMUNE], "sent").handed,
            last(facts[MINISTRY], "sent").handed,
            last(await town.facts(other), "sent").handed,
        )
        if handed is not None
    )
    lies: list[dict[str, Any]] = [
        {"file_digest": ministry},
        {"file_digest": another},
        {"file_digest": sent.envelope_digest},
        {"file_digest": None},
        {"file_digest": own, "of_sender": PROVINCE},
        {"file_digest": own, "of_document_id": other.document_id},
    ]
    document = await town.document(sent)
    for code, lie in zip(("03", "04", "05", "06", "04", "05"), lies, strict=True):
        town.clock.advance(60)
        claims = receipt_for(document, code, **{"of_packet_id": None, "body_digest": None, **lie})
        model = status_about(code, document.document_id, sender=COMMUNE, at=town.clock.now())
        packet = town.forge(model, receipt=claims)
        await town.deliver(packet, DEPARTMENT)
        await three.carry()
        fact = last((await town.facts_by(sent))[COMMUNE], code)
        assert not fact.proved, lie

    town.clock.advance(60)
    claims = receipt_for(document, "06", of_packet_id=None, body_digest=None, file_digest=own)
    model = status_about("06", document.document_id, sender=COMMUNE, at=town.clock.now())
    await town.deliver(town.forge(model, receipt=claims), DEPARTMENT)
    await three.carry()
    assert last((await town.facts_by(sent))[COMMUNE], "06").proved


async def test_programs_are_told_of_each_form_over_the_api(tmp_path: Path) -> None:
    blank, clock = await api.stage_in(tmp_path / "blank"), ManualClock()
    async with AsyncExitStack() as stack:
        both_hubs = await stack.enter_async_context(hubs(tmp_path, clock.now))
        door = await stack.enter_async_context(api.opened(blank, tmp_path / "node", change=both_hubs.change))
        meta = api.meta(
            recipients=[{"code": code, "role": "to_act"} for code in (PROVINCE, COMMUNE, MINISTRY)]
        )
        answer = await door.send(meta)
        assert answer.status == 202, answer
        id = answer.json["id"]
        await door.carry()

        events = (await door.ask("GET", f"/messages/{id}/events")).json
        handed = {
            recipient["code"]: next(fact["handed"] for fact in recipient["facts"] if fact["code"] == "sent")
            for recipient in events["recipients"]
        }
        assert handed[PROVINCE] is None
        assert {code: handed[code]["form"] for code in (COMMUNE, MINISTRY)} == {
            COMMUNE: "unsigned",
            MINISTRY: "dotnet",
        }
        for code in (COMMUNE, MINISTRY):
            file = await door.ask("GET", f"/messages/{id}/envelope", params={"to": code})
            assert digest_of(file.raw) == handed[code]["sha256"] == file.headers["X-Content-SHA256"]
            assert len(file.raw) == handed[code]["size"]
        standard = await door.ask("GET", f"/messages/{id}/envelope")
        assert b"SignatureValue" in standard.raw
        assert (
            await door.ask("GET", f"/messages/{id}/envelope", params={"to": PROVINCE})
        ).raw == standard.raw
        assert (await door.ask("GET", f"/messages/{id}/envelope", params={"to": "H99"})).status == 404
        ways = {
            code: (await door.ask("GET", f"/agencies/{code}/capabilities")).json["axes"][0]["form"]
            for code in (PROVINCE, COMMUNE, MINISTRY)
        }
        assert ways == {PROVINCE: "standard", COMMUNE: "unsigned", MINISTRY: "dotnet"}
