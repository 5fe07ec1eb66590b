"""Mail of another axis: an unsigned status that only its session vouches for, and a document that is sent anew
after a refusal (A9, R117), whichever way it is taken in: never as a second proof of what was refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from gateway.domain.document import InState, Kind, Lane
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.edxml import build
from gateway.edxml.envelope import Envelope, Organisation, ResponseFor, StatusReport
from gateway.incoming import receive
from gateway.ports.axis import Arrival
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PDF, PROVINCE, Town, opened
from tests.support.town.axes import on_two


async def test_a_status_of_another_axis_moves_nothing_of_the_signed_axis_and_is_marked(town: Town) -> None:
    sent = await town.send("15")
    await town.carry()
    now, draft = town.clock.now(), sent.draft
    answered = ResponseFor(
        organ_id=DEPARTMENT, code=draft.code, document_id=sent.document_id, promulgation_date=draft.issued_on
    )
    refusal = Envelope(
        kind=Kind.STATUS,
        sender=Organisation(organ_id=PROVINCE, organ_name="x"),
        response_for=(answered,),
        status=StatusReport(code="02", description="Trả lại", timestamp=build.wall_clock(now)),
    )
    file = BytesIO()
    build.write(refusal, (), file, None, None, now)
    raw = file.getvalue()
    arrival = Arrival(
        token="t" * 32,
        recipient=DEPARTMENT,
        packet_id="hub-1",
        kind="status",
        sender=PROVINCE,
        lane=Lane.NORMAL,
        digest=Digest(hashlib.sha256(raw).hexdigest()),
        size=len(raw),
        deliveries=1,
        open=lambda: BytesIO(raw),
        node=None,
        session="vxp:h01",
    )

    await receive.run(town.node.inn, arrival)
    await town.carry()

    standing = await town.standing(sent)
    assert (standing.word, standing.marks) == ("delivered", ("session_only:02",))
    statuses = [e for e in await town.events(DEPARTMENT, sent.id) if e.kind is EventKind.DELIVERY_STATUS]
    assert [(e.data["code"], "counts" in e.data) for e in statuses] == [("01", False), ("02", True)]


async def test_the_way_in_knows_by_which_axes_mail_to_a_sender_may_go(town: Town, tmp_path: Path) -> None:
    """Behind the door that keeps the registry's lists apart; with one axis alone there is nothing to tell apart."""
    assert await town.node.inn.axes_to(DEPARTMENT, COMMUNE) == ()
    async with opened(tmp_path / "node", change=on_two(tmp_path / "axes")) as two:
        assert await two.node.inn.axes_to(DEPARTMENT, COMMUNE) == ("province", "national")


async def carry_by(town: Town, axis: str, *, by_steps: bool) -> None:
    """Carry all that waits, until nothing does."""
    await town._host()
    while True:
        steps = await town.pack() + await town.dispatch()
        for arrival in await town.node.inn.axis.take(50, LEASE_S):
            steps += 1
            second_arrival = replace(arrival, axis=axis, deliveries=2 if by_steps else 1)
            await receive.run(town.node.inn, second_arrival)
        if not steps + await town.process():
            return


@pytest.mark.parametrize("by_steps", [False, True])
async def test_what_is_sent_anew_over_another_axis_arrives(town: Town, by_steps: bool) -> None:
    for number, size in (("15", 0), ("16", 100_000)):
        files = ((f"{number}.pdf", PDF + bytes(size)),)
        first = await town.send(number, files=files)
        await carry_by(town, "a", by_steps=by_steps)
        await town.status(await town.as_incoming(first), "02")
        await carry_by(town, "a", by_steps=by_steps)

        resent = await town.send(number, files=files)
        await carry_by(town, "b", by_steps=by_steps)

        states = {d.attempt: d.state for d in await town.incoming() if d.number == number}
        assert states == {1: InState.REJECTED, 2: InState.NEW}
        assert (await town.delivery(resent)).state == "delivered"
