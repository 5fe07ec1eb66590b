"""Threats that come as packets that know each other: repeats, conflicts, packets of others and lies of the axis, through
every axis. Whatever came before, the first true packet counts, once."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

import pytest

from gateway.domain.document import Kind
from gateway.edxml.envelope import Envelope
from tests.hostile import forge
from tests.support import envelopes
from tests.support.waiting import wait_until
from tests.threats.doors import AxisDoor, Outcome, Routing, Word
from tests.threats.ground import ELLIPTIC, OTHER, RECEIVER, RSA, SENDER, STRANGER, letter
from tests.threats.table import Record

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("door", ["embedded", "brokered"], indirect=True),
]
FILES: envelopes.Files = (("phu-luc-1.txt", "Phụ lục một\n".encode()),)
_NUMBERS = itertools.count(1000)


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet and what the axis is to say of it."""

    raw: bytes
    routing: Routing

    def under(self, packet_id: str) -> Routing:
        return replace(self.routing, packet_id=packet_id)


def packet(n: int | None = None, packet_id: str | None = None, model: Envelope | None = None) -> Sent:
    """Build a good packet of the sender; a new document unless a number is given."""
    number = next(_NUMBERS) if n is None else n
    name = packet_id or f"again-{next(_NUMBERS)}"
    raw = envelopes.native(model or letter(number, FILES), FILES, signer=ELLIPTIC, packet_id=name)
    return Sent(raw, Routing(packet_id=name))


async def bring(door: AxisDoor, sent: Sent, routing: Routing | None = None) -> Outcome:
    return await door.deliver(sent.raw, routing or sent.routing)


def admitted(outcome: Outcome) -> None:
    assert (outcome.word, outcome.code, outcome.answered) == (Word.ADMITTED, None, ("01",)), outcome


def refused(outcome: Outcome, code: str, record: Record) -> None:
    assert (outcome.word, outcome.code, outcome.answered) == (Word.REJ_SEC, code, ()), outcome
    record("outcome", outcome.word.value)


async def test_threat_050_the_same_bytes_again_are_answered_again_and_nothing_more(
    door: AxisDoor, record_property: Record
) -> None:
    sent = packet()
    admitted(await bring(door, sent))
    count = await door.ground.town.count("incoming_document")
    door.ground.town.clock.advance(120)

    async def repeated_answer() -> tuple[str, ...]:
        assert (await door.settled(sent.raw)).state == "done"
        return await door.answers()

    await door.publish(sent.raw, sent.routing)
    answer: tuple[str, ...] = await wait_until(repeated_answer, "another answer")
    assert answer == ("01",)
    assert await door.ground.town.count("incoming_document") == count
    record_property("outcome", Word.DEDUP.value)
    await door.takes_the_next()


async def test_threat_038_098_another_file_of_the_same_signed_words_is_no_second_document(
    door: AxisDoor, record_property: Record
) -> None:
    for change in (
        forge.swap(b'<?xml version="1.0" encoding="UTF-8"?>\n', b""),
        lambda raw: b"\xef\xbb\xbf" + raw,
        forge.swap(b"</ds:Signature>", b"</ds:Signature >"),
        forge.swap(b'xmlenc#sha256"></ds:DigestMethod>', b'xmlenc#sha256"/>'),
        lambda raw: raw + b"\n",
    ):
        sent = packet()
        admitted(await bring(door, sent))

        repeat = await bring(door, Sent(change(sent.raw), sent.routing))

        assert (repeat.word, repeat.code) == (Word.DEDUP, "MSG-REPEAT")
        record_property("outcome", repeat.word.value)


async def test_threat_051_another_body_under_a_known_packet_id_stays_out(
    door: AxisDoor, record_property: Record
) -> None:
    first = packet()
    admitted(await bring(door, first))

    outcome = await bring(door, packet(packet_id=first.routing.packet_id))

    refused(outcome, "MSG-CONFLICT", record_property)


async def test_threat_052_105_the_same_body_under_another_packet_id_is_a_repeat(
    door: AxisDoor, record_property: Record
) -> None:
    number = next(_NUMBERS)
    admitted(await bring(door, packet(number)))
    door.ground.town.clock.advance(120)

    repeat = await bring(door, packet(number))

    assert (repeat.word, repeat.code, repeat.answered) == (Word.DEDUP, "MSG-REPEAT", ("01",))
    record_property("outcome", repeat.word.value)


async def test_threat_052_a_known_number_with_other_content_waits_for_a_person(
    door: AxisDoor, record_property: Record
) -> None:
    number = next(_NUMBERS)
    admitted(await bring(door, packet(number)))

    other = await bring(door, packet(number, model=letter(number, FILES, subject="V/v nội dung khác")))

    assert (other.word, other.code, other.answered) == (Word.HELD, "OTHER-CONTENT", ())
    record_property("outcome", other.word.value)


async def test_threat_055_a_storm_of_copies_is_one_document_per_original(
    door: AxisDoor, record_property: Record
) -> None:
    sent = [packet() for _ in range(4)]
    storm = sent * 10
    random.Random(7).shuffle(storm)
    count = await door.ground.town.count("incoming_document")

    for copy in storm:
        await door.publish(copy.raw, copy.routing)
    for original in sent:
        assert (await door.settled(original.raw)).state == "done"
    assert await door.answers() == ("01",) * len(sent)
    await door.takes_the_next()

    assert await door.ground.town.count("incoming_document") == count + len(sent) + 1
    record_property("outcome", Word.DEDUP.value)


async def test_threat_056_odd_lists_of_recipients_are_one_document_and_too_many_are_refused(
    door: AxisDoor, record_property: Record
) -> None:
    for to, word in (
        ([RECEIVER, RECEIVER], Word.HELD),
        ([RECEIVER, *(f"Z94.{n}" for n in range(499))], Word.ADMITTED),
    ):
        model = letter(next(_NUMBERS), FILES)
        recipients = tuple(replace(model.to[0], organ_id=code) for code in to)

        outcome = await bring(door, packet(model=replace(model, to=recipients)))

        assert (outcome.word, outcome.code, outcome.answered) == (word, None, ("01",)), outcome
        record_property("outcome", outcome.word.value)

    sent = packet()
    more = b"".join(b"<edXML:To><edXML:OrganId>Z94.%d</edXML:OrganId></edXML:To>" % n for n in range(5000))
    crowd = forge.swap(b"<edXML:To>", more + b"<edXML:To>")(sent.raw)
    outcome = await bring(door, Sent(forge.resign(crowd, sent.raw, ELLIPTIC), sent.routing))
    assert (outcome.word, outcome.code) == (Word.REJ_FMT, "ENV-LIMIT")
    record_property("outcome", outcome.word.value)


async def test_threat_056_a_packet_in_our_own_name_from_outside_is_not_ours(
    door: AxisDoor, record_property: Record
) -> None:
    """Reflection: a packet that is sent back names another sender, or is judged by its own signature."""
    ours = door.ground.node.keys.signer(RECEIVER, door.ground.town.clock.now())
    model = letter(next(_NUMBERS), FILES)
    sender = replace(model.sender, organ_id=RECEIVER)
    name = f"again-{next(_NUMBERS)}"
    raw = envelopes.native(
        replace(model, sender=sender, to=(replace(sender, organ_id=SENDER),)),
        FILES,
        signer=ours,
        packet_id=name,
    )

    outcome = await door.deliver(raw, Routing(packet_id=name, sender=RECEIVER))

    assert (outcome.word, outcome.code) == (Word.REJ_SEC, "MSG-NOT-OURS")
    record_property("outcome", outcome.word.value)


async def test_threat_103_rubbish_under_a_true_packet_id_takes_nobodys_place(
    door: AxisDoor, record_property: Record
) -> None:
    """Noise, and a changed copy."""
    for change in (lambda raw: b"noise", lambda raw: raw.replace(b"V/v", b"V/V")):
        true = packet()
        outcome = await bring(door, Sent(change(true.raw) + b"\n" * next(_NUMBERS), true.routing))
        assert outcome.word in (Word.REJ_FMT, Word.REJ_SEC)
        record_property("outcome", outcome.word.value)

        admitted(await bring(door, true))


async def test_threat_104_a_forgery_in_an_agencys_name_is_answered_to_nobody(
    door: AxisDoor, record_property: Record
) -> None:
    """A7: signed by another agency, about a document that the named agency really sent."""
    number = next(_NUMBERS)
    admitted(await bring(door, packet(number)))
    name = f"again-{next(_NUMBERS)}"
    raw = envelopes.native(letter(number, FILES, subject="V/v giả"), FILES, signer=OTHER, packet_id=name)

    outcome = await door.deliver(raw, Routing(packet_id=name))

    refused(outcome, "SIG-PIN", record_property)


async def test_threat_106_a_packet_signed_for_another_agency_is_not_ours(
    door: AxisDoor, record_property: Record
) -> None:
    """Its sender is proved, so it hears that this is the wrong addressee; nothing becomes a document."""
    model = letter(next(_NUMBERS), FILES)

    outcome = await bring(door, packet(model=replace(model, to=(replace(model.to[0], organ_id=STRANGER),))))

    assert (outcome.word, outcome.code, outcome.answered) == (Word.REJ_SEC, "MSG-NOT-OURS", ("02",))
    record_property("outcome", outcome.word.value)


async def test_threat_109_a_packet_whose_axis_contradicts_the_signed_words_is_refused(
    door: AxisDoor, record_property: Record
) -> None:
    for name, word in (("packet_id", "another"), ("kind", "recall"), ("kind", "?"), ("sender", STRANGER)):
        sent = packet()

        outcome = await bring(door, sent, replace(sent.routing, **{name: word}))

        refused(outcome, "MSG-ID", record_property)
        await door.publish(sent.raw, sent.routing)
        row = await door.settled(sent.raw)
        assert (row.state, row.code) == ("done", None), f"the true one was kept out by {name} {word}"
        assert await door.answers() == ("01",)


async def test_threat_112_a_status_is_answered_by_no_status(door: AxisDoor, record_property: Record) -> None:
    """About a document that we never sent, so that it waits; two of them, so that one could answer the other."""
    for code in ("01", "03"):
        model = envelopes.status(code, sender=SENDER, subject=RECEIVER)
        name = f"again-{next(_NUMBERS)}"
        raw = envelopes.native(model, signer=RSA, receipt=envelopes.receipt(code), packet_id=name)

        outcome = await door.deliver(raw, Routing(packet_id=name, kind=Kind.STATUS.value))

        assert outcome.answered == ()
        assert outcome.word in (Word.RETRY, Word.REJ_SEC)
    record_property("outcome", "safe")
