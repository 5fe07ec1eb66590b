"""A node on two axes: mail takes the way of its route, goes over to the next axis or waits when one is away, and never goes
by two when one was decided. Copies that arrive by both are one document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.diagnosis import check_words, condition
from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.queues import OutboxItem
from gateway.domain.routes import Trail
from gateway.incoming import seal
from gateway.ops import axis_view
from gateway.ops.checks import Watch
from gateway.ops.metrics import Scrape
from gateway.ops.partner_check import examine_partner
from gateway.ports.axis import each_axis
from tests.support.cut import line_of
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    LEASE_S,
    PDF,
    PROVINCE,
    Packet,
    Town,
    document,
    opened,
)
from tests.support.parcels import parcel
from tests.support.stores import committing
from tests.support.town.axes import on_two

FILES = (("van-ban.pdf", PDF),)
LATER_BY = timedelta(hours=2)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(tmp_path / "node", change=on_two(tmp_path)) as new_town:
        await new_town.carry()  # the axes know who is hosted here
        yield new_town


@pytest.fixture
async def bold(tmp_path: Path) -> AsyncIterator[Town]:
    """Open a town whose route allows to send by the next axis what the first may have."""
    async with opened(tmp_path / "node", change=on_two(tmp_path, unsure="next")) as new_town:
        yield new_town


async def left_by(town: Town, document: OutgoingDocument) -> list[str | None]:
    return [fact.axis for fact in await town.facts(document) if fact.code == "sent"]


async def row_of(town: Town, document: OutgoingDocument) -> OutboxItem:
    (item,) = [x for x in await town.outbox(DEPARTMENT) if x.subject_id == document.id]
    return item


async def came_by(town: Town, code: str) -> list[tuple[str, ...]]:
    """List the axes of each document, newest first."""
    return [document.axes for document in await town.incoming(code)]


async def abandoned(town: Town) -> None:
    """Claim what is due as a courier that dies at once, and let its lease run out."""
    await town.node.store.claim_outbox(50, LEASE_S)
    town.clock.advance(timedelta(seconds=LEASE_S + 1))


async def test_mail_goes_over_or_waits_while_the_first_axis_is_away_and_nothing_comes_twice(
    two: Town,
) -> None:
    """The provincial axis goes away in mid-story and comes back."""
    before_outage = await two.act_and_carry(two.send("15"))
    province = line_of(two.node.axis, "province")
    province.is_cut = True

    goes_over, waits = await two.send("16"), await two.send("17", COMMUNE)
    await two.carry()

    assert await left_by(two, before_outage) == ["province"]
    assert await left_by(two, goes_over) == ["national"]
    assert await came_by(two, PROVINCE) == [("national",), ("province",)]
    assert await came_by(two, COMMUNE) == []
    waiting = await row_of(two, waits)
    assert waiting.state == "waiting"
    assert "axis province is away" in (waiting.last_error or "") or "cut" in (waiting.last_error or "")
    moved = [x for x in await two.events(DEPARTMENT, goes_over.id) if x.kind is EventKind.DELIVERY_RETRY]
    assert moved[-1].data["code"] == "axis-moved"
    assert moved[-1].data["axis"] == "national"

    province.is_cut = False
    two.clock.advance(LATER_BY)
    after_outage = await two.act_and_carry(two.send("18"))

    assert await left_by(two, waits) == ["province"]
    assert await left_by(two, after_outage) == ["province"]
    assert await came_by(two, COMMUNE) == [("province",)]
    assert len(await two.incoming(PROVINCE)) == len(await two.inbox(PROVINCE)) == 3
    assert len(await two.inbox(COMMUNE)) == 1
    assert {x.state for x in await two.outbox(DEPARTMENT, Kind.DOCUMENT)} == {"sent"}


async def test_an_axis_that_does_not_reach_a_recipient_is_followed_by_the_next(two: Town) -> None:
    await each_axis(two.node.axis)["province"].host([DEPARTMENT])

    sent = await two.send("15")
    while await two.pack() + await two.dispatch():
        pass

    assert await left_by(two, sent) == ["national"]


async def test_what_an_axis_may_have_is_sent_by_no_other(two: Town) -> None:
    province = line_of(two.node.axis, "province")
    province.loses_answers = True
    sent = await two.send("15")
    await two.pack()
    await two.dispatch()
    province.is_cut = True
    two.clock.advance(LATER_BY)

    await two.dispatch()

    (target,) = (await row_of(two, sent)).targets
    assert target.trail == Trail(axis="province", unsure=True)
    assert (await each_axis(two.node.axis)["national"].counts())["waiting"] == 0

    province.is_cut = province.loses_answers = False
    two.clock.advance(LATER_BY)
    await two.carry()

    assert await left_by(two, sent) == ["province"]
    assert len(await two.incoming(PROVINCE)) == 1


async def test_a_route_may_allow_to_send_by_the_next_axis_what_the_first_may_have(bold: Town) -> None:
    await bold.carry()
    province = line_of(bold.node.axis, "province")
    province.loses_answers = True
    sent = await bold.send("15")
    await bold.pack()
    await bold.dispatch()
    province.is_cut = True
    bold.clock.advance(LATER_BY)
    await bold.carry()

    province.is_cut = province.loses_answers = False
    bold.clock.advance(LATER_BY)
    await bold.carry()

    assert await left_by(bold, sent) == ["national"]
    assert await came_by(bold, PROVINCE) == [("national", "province")]  # it came twice, and is one document


async def test_a_courier_that_died_leaves_its_mail_with_the_first_axis(two: Town) -> None:
    """Its outcome is unknown: G7 (never sent twice)."""
    sent = await two.send("15")
    await two.pack()
    await abandoned(two)
    line_of(two.node.axis, "province").is_cut = True

    await two.dispatch()
    await two.dispatch()

    (target,) = (await row_of(two, sent)).targets
    assert target.trail == Trail(axis="province", unsure=True)
    assert (await each_axis(two.node.axis)["national"].counts())["waiting"] == 0


async def test_a_courier_that_died_after_the_change_leaves_its_mail_with_the_second_axis(two: Town) -> None:
    """The change was written down before anything was handed over."""
    province = line_of(two.node.axis, "province")
    province.is_cut = True
    sent = await two.send("15")
    await two.pack()
    while not ((trail := (await row_of(two, sent)).targets[0].trail) and trail.axis == "national"):
        assert await two.dispatch()
    assert (await each_axis(two.node.axis)["national"].counts())["waiting"] == 0
    await abandoned(two)
    province.is_cut = False

    await two.carry()

    assert await left_by(two, sent) == ["national"]
    assert await came_by(two, PROVINCE) == [("national",)]


async def brought_by(town: Town, name: str, packet: Packet, to: str = PROVINCE) -> None:
    sent = replace(parcel(packet.id, packet.raw), kind=packet.kind, sender=packet.sender)
    outcomes = await each_axis(town.node.axis)[name].publish(sent, [to])
    assert outcomes[to].fate == "delivered"
    await town.carry()


async def test_the_same_bytes_by_two_axes_are_one_document_answered_by_both(two: Town) -> None:
    packet = two.forge(document(), FILES)

    await brought_by(two, "province", packet)
    await brought_by(two, "national", packet)

    assert await came_by(two, PROVINCE) == [("province", "national")]
    (row,) = await two.inbox()
    assert row.axes == ("province", "national")
    answers = await two.outbox(PROVINCE, Kind.STATUS)
    assert {answer.targets[0].trail for answer in answers} == {Trail(axis="province"), Trail(axis="national")}
    assert len({answer.envelope_digest for answer in answers}) == 1


async def test_a_repeat_counts_the_answers_that_it_gets_and_not_those_to_earlier_repeats(two: Town) -> None:
    packet = two.forge(document(), FILES)
    for _ in range(4):
        await brought_by(two, "province", packet)
        two.clock.advance(LATER_BY)

    (row,) = await two.inbox()
    repeats = [x for x in await two.events(PROVINCE, row.id) if x.kind is EventKind.INBOX_REPEATED]

    assert [x.data["answered_again"] for x in repeats] == [1, 1, 1]


async def test_another_envelope_of_one_document_by_another_axis_is_a_second_proof(two: Town) -> None:
    """A9: equal in number, symbol, day, subject and every file; the stronger proof is shown."""
    model = document()
    other = replace(model, trace=(*model.trace, *model.trace))
    await brought_by(two, "national", two.forge(model, FILES))
    first = await two.only()
    async with committing(two.node.store, await two.scope(PROVINCE)) as work:
        weak = replace(first, checks=first.checks | {"envelope_signature": "weak"})
        await work.incoming.save(weak)
    second = two.forge(other, FILES)

    await brought_by(two, "province", second)

    row = await two.row(PROVINCE, second)
    arrived = await two.only()
    assert (row.state, row.code, row.incoming_id) == ("done", "MSG-REPEAT", arrived.id)
    assert arrived.axes == ("national", "province")
    assert [(proof.axis, proof.signature, proof.inbox_id) for proof in arrived.proofs] == [
        ("province", "valid", row.id)
    ]
    assert arrived.checks["envelope_signature"] == "valid"
    async with two.node.store.read(await two.scope(PROVINCE)) as work:
        assert await work.blobs.holds(second.digest)
        assert row.id in await seal.packets_of(work, arrived, ())

    third = two.forge(other, FILES)
    await brought_by(two, "province", third)

    assert (await two.row(PROVINCE, third)).code == "MSG-REPEAT"
    assert len((await two.only()).proofs) == 1


@pytest.mark.parametrize(
    ("first", "subject"),
    [("national", "Trích yếu khác"), ("province", document().subject)],
    ids=["other content by another axis", "another envelope by the same axis"],
)
async def test_what_differs_by_another_axis_is_held_for_a_person(two: Town, first: str, subject: str) -> None:
    """Never a silent repeat (A9); by one axis another envelope of one document is held as ever."""
    model = document()
    await brought_by(two, first, two.forge(model, FILES))
    other = two.forge(replace(model, subject=subject, trace=(*model.trace, *model.trace)), FILES)

    await brought_by(two, "province", other)

    row = await two.row(PROVINCE, other)
    assert (row.state, row.code) == ("held", "OTHER-CONTENT")
    assert (await two.only()).proofs == ()


async def test_what_was_here_before_by_its_own_trace_is_kept_out_and_answered_by_nobody(two: Town) -> None:
    model = document()
    hop = replace(model.trace[0], organ_id=PROVINCE)
    round_trip = two.forge(replace(model, trace=(*model.trace, hop, hop)), FILES)

    await brought_by(two, "national", round_trip)

    row = await two.row(PROVINCE, round_trip)
    assert (row.state, row.code) == ("quarantined", "MSG-LOOP")
    assert await two.statuses(PROVINCE) == 0


async def test_one_axis_that_is_away_is_told_of_by_its_name(two: Town) -> None:
    line_of(two.node.axis, "province").is_cut = True
    await two.land()

    ready = await Watch(node=two.node).ready()
    text = (await Scrape(node=two.node).text()).decode()
    now = await axis_view.look(two.node.axis, two.node.pulse.folder, two.clock.now())

    words = check_words(ready)
    assert condition(ready) == "degraded"
    assert [words[axis] for axis in ("axis", "axis.province", "axis.national")] == ["partly", "down", "ok"]
    assert 'gateway_axis_connected{axis="province"} 0.0' in text
    assert 'gateway_axis_connected{axis="national"} 1.0' in text
    assert 'gateway_axis_parcels{axis="national",state="waiting"}' in text
    assert now.by_name["province"].counts == {}
    assert now.by_name["province"].state.reason == "the line is cut"


async def test_a_route_is_open_while_an_axis_is_away_whose_name_begins_as_that_of_its_own(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "node", change=on_two(tmp_path, second="province2")) as town:
        await town.carry()
        line_of(town.node.axis, "province2").is_cut = True

        findings = [x async for x in examine_partner(town.node, town.node.axis, DEPARTMENT, PROVINCE)]

        assert [x.cause for x in findings if x.check == "way"] == ["way.send"]
