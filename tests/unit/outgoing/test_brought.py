"""An envelope that was built elsewhere: the checks of every door, and its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.document import FileRole, Kind, RecipientRole
from gateway.domain.proof import Terms
from gateway.edxml.envelope import Business, DocumentInfo, DocumentType, OtherInfo
from gateway.errors import Clash, GatewayError, InvalidEnvelope, NotFound, Refused
from gateway.outgoing import intake, ready_envelope
from gateway.outgoing.accept import accept
from gateway.outgoing.intake import Accepted
from gateway.outgoing.ready_envelope import EnvelopeExtras
from tests.support.cases import Cases
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Packet, Town, document
from tests.support.packets import TODAY, update_of

FILES = (("van-ban.pdf", PDF), ("phu-luc.txt", "Phụ lục".encode()))


def unsigned(packet: Packet) -> bytes:
    raw, end = packet.raw, b"</ds:Signature>"
    return raw[: raw.index(b"<ds:Signature")] + raw[raw.index(end) + len(end) :]


async def hand_in(town: Town, raw: bytes, **fields: Any) -> Accepted:
    async def chunks() -> Any:
        for at in range(0, len(raw), 700):
            yield raw[at : at + 700]

    scope = await town.scope(DEPARTMENT)
    async with intake.receive_files(town.node.out) as request_files:
        envelope = await ready_envelope.take(
            town.node.out, scope, request_files, chunks(), EnvelopeExtras(**fields)
        )
        return await accept(town.node.out, scope, envelope.order, request_files, None, envelope.signed)


async def test_an_unsigned_one_becomes_a_document_of_ours(town: Town) -> None:
    packet = town.forge(document("30", FILES), FILES)

    accepted = await hand_in(town, unsigned(packet), role=RecipientRole.TO_KNOW, external_id="q-30")

    stored = accepted.document
    assert stored is not None
    assert stored.packet_id != packet.id
    assert [(x.name, x.role) for x in stored.files] == [
        ("van-ban.pdf", FileRole.LEAD),
        ("phu-luc.txt", FileRole.APPENDIX),
    ]
    assert (stored.draft.external_id, stored.draft.reply_required) == ("q-30", False)
    assert {x.role for x in stored.draft.recipients} == {RecipientRole.TO_KNOW}
    await town.carry()
    assert await town.read(await town.only(PROVINCE)) == PDF


async def test_what_ours_has_no_place_for_is_named_and_a_due_date_is_the_word_for_a_wanted_answer(
    town: Town,
) -> None:
    detailed = DocumentType(name="Công văn", detail=3)
    model = document("30", FILES, document_type=detailed, steering_type=1, due_date=TODAY)

    accepted = await hand_in(town, unsigned(town.forge(model, FILES)))

    (warned,) = [warning for warning in accepted.warnings if warning.code == "envelope-left-out"]
    assert "SteeringType" in warned.params["names"]
    assert "DocumentType/TypeDetail" in warned.params["names"]
    assert accepted.document is not None
    assert accepted.document.draft.reply_required is True


async def test_a_signed_one_leaves_byte_for_byte_and_is_answered(town: Town) -> None:
    terms = Terms(reply_required=False, roles=((PROVINCE, RecipientRole.TO_REPORT),))
    packet = town.forge(document("31", FILES), FILES, id="own-31", terms=terms)

    accepted = await hand_in(town, packet.raw)
    await town.carry()

    (crossed,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    assert crossed.raw == packet.raw
    assert accepted.document is not None
    assert accepted.document.draft.recipients[0].role is RecipientRole.TO_REPORT
    assert (await town.delivery(accepted.document)).state == "delivered"


async def test_the_same_signed_one_again_gets_the_first_answer_and_another_under_its_packet_id_none(
    town: Town,
) -> None:
    packet = town.forge(document("31", FILES), FILES, id="own-31")
    first = await hand_in(town, packet.raw)

    repeated = await hand_in(town, packet.raw)
    with pytest.raises(Clash) as clash:
        await hand_in(town, town.forge(document("32", FILES), FILES, id="own-31").raw)

    assert first.document is not None
    assert repeated.document is not None
    assert repeated.document.id == first.document.id
    assert await town.count("outgoing_document") == 1
    assert clash.value.code == "GW-PACKET-ID"


async def test_an_unsigned_update_changes_what_was_sent(town: Town) -> None:
    raw = unsigned(town.forge(document("35", FILES), FILES))
    first = (await hand_in(town, raw, callback_data="q-35")).document
    assert first is not None
    await town.carry()
    model = update_of("35", files=FILES, subject="Trích yếu mới")
    assert model.business is not None
    changed = replace(model.business, document_info=DocumentInfo(document_info=True))
    packet = town.forge(replace(model, business=changed), FILES)

    accepted = await hand_in(town, unsigned(packet))

    update = accepted.document
    assert update is not None
    assert (update.kind, update.parent_id, update.document_id) == (Kind.UPDATE, first.id, first.document_id)
    await town.carry()
    (arrived,) = [x for x in await town.incoming(PROVINCE) if x.kind is Kind.UPDATE]
    assert arrived.subject == "Trích yếu mới"


async def test_what_changes_nothing_of_ours_is_refused(town: Town, cases: Cases) -> None:
    packet = town.forge(update_of("36", files=FILES), FILES)
    recall = town.forge(document("36", FILES, kind=Kind.RECALL, business=Business(doc_type=1)), FILES)
    rows: dict[str, tuple[bytes, type[GatewayError]]] = {
        "signed": (packet.raw, Refused),
        "recall": (unsigned(recall), Refused),
        "of nobody": (unsigned(packet), NotFound),
    }
    for name, (raw, error) in rows.items():
        with cases.case(name), pytest.raises(error):
            await hand_in(town, raw)
    assert await town.count("outgoing_document") == 0


async def test_what_no_other_door_would_take_is_refused(town: Town, cases: Cases) -> None:
    good, files = document("33", FILES), (("van-ban.pdf", PDF), ("x.exe", b"MZ" + bytes(200)))
    own = town.node.keys.signer(PROVINCE, town.clock.now())
    signed = town.forge(good, FILES).raw
    rows: dict[str, tuple[bytes, dict[str, Any]]] = {
        "another's key": (town.forge(good, FILES, signer=own).raw, {}),
        "altered": (signed.replace(b">33<", b">34<", 1), {}),
        "draft": (signed, {"send": False}),
        "identity": (town.forge(replace(good, document_id="x"), FILES).raw, {}),
        "number": (unsigned(town.forge(replace(good, code=None), FILES)), {}),
        "kind": (town.forge(document("33", FILES, sender=PROVINCE), FILES, signer=own).raw, {}),
        "no XML": (b"<edXML", {}),
        "secret": (
            unsigned(town.forge(replace(good, other=OtherInfo(priority=9)), FILES)),
            {"category": "mat"},
        ),
    }
    for name, (raw, fields) in rows.items():
        with cases.case(name), pytest.raises((Refused, InvalidEnvelope)):
            await hand_in(town, raw, **fields)
    with pytest.raises(Refused, match="type-not-allowed"):
        await hand_in(town, town.forge(document("34", files), files, id="own-34").raw)
    assert await town.count("outgoing_document") == 0
