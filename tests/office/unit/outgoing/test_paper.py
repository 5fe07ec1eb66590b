"""Letters on paper in the lists, tasks and books of an office, and called back to a draft."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.book import Book, Span
from gateway.domain.document import (
    OutState,
)
from gateway.errors import Clash
from gateway.outgoing import manage
from gateway.policy.outgoing import Means
from gateway.store import reporting
from gateway_office import todo
from gateway_office.book import books
from gateway_office.letters import follow_up
from gateway_office.store import partners
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown
from tests.unit.outgoing.test_paper import PAPER, hand_over, waiting


async def test_paper_alone_is_accepted_and_entered_and_never_goes_over_the_axis(town: OfficeTown) -> None:
    sent = await town.send("15", PROVINCE, COMMUNE, delivery_mode=PAPER)
    await town.carry()
    town.clock.advance(timedelta(days=10))
    await town.carry()

    document = await town.document(sent)
    assert (document.state, document.envelope_digest) == (OutState.PAPER, None)
    assert [delivery.state for delivery in (await town.deliveries(sent)).values()] == ["paper", "paper"]
    assert await town.count("outbox") == 0
    assert await town.count("job") == 0
    assert await town.incoming(PROVINCE) == await town.incoming(COMMUNE) == ()
    assert [line.delivery.recipient.code for line in await waiting(town)] == [PROVINCE, COMMUNE]
    scope = await town.scope(DEPARTMENT)
    async with town.node.store.read(scope) as work:
        lines = [line async for part in books.read_all(work, Book.OUTGOING, Span(year=2026)) for line in part]
        listed = await work.office.lists.line(sent.id)
        assert await work.blobs.holds(sent.files[0].sha256)
    assert [(line.number, line.cells["dispatched_on"]) for line in lines] == [("15", None)]
    assert listed is not None
    assert (listed.state, listed.due_at, listed.attention_at) == ("paper", None, None)
    assert (await todo.gather(town.node.todo, scope)).tasks == ()
    load = await reporting.load(town.node.store, town.clock.now())
    assert (dict(load.deliveries), load.late.count, load.outbox_failed) == ({}, 0, 0)
    since = town.clock.now() - timedelta(days=30)
    assert await partners.sent_to_since(town.node.store, since, [scope.agency_id]) == set()


async def test_a_person_closes_each_line_with_day_and_means_and_puts_them_right(town: OfficeTown) -> None:
    sent = await town.send("15", PROVINCE, COMMUNE, delivery_mode=PAPER, issued_on=town.node.out.today())
    today = town.node.out.today()

    await hand_over(town, sent.id, PROVINCE, means=Means.OTHER, note="Giao tại cuộc họp")
    assert [line.delivery.recipient.code for line in await waiting(town)] == [COMMUNE]
    town.clock.advance(timedelta(days=1))
    await hand_over(town, sent.id)
    await hand_over(town, sent.id, PROVINCE, on=town.node.out.today())
    with pytest.raises(Clash, match="nothing of"):
        await hand_over(town, sent.id)

    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        parts = await manage.paper_handed_over(work, today, town.node.out.today())
        lines = [line async for part in books.read_all(work, Book.OUTGOING, Span(year=2026)) for line in part]
    handovers = {x.delivery.recipient.code: (x.part.handed_over, x.part.means) for x in parts}
    assert handovers == {code: (today + timedelta(days=1), "post") for code in (PROVINCE, COMMUNE)}
    assert lines[0].cells["dispatched_on"] == today + timedelta(days=1)
    events = [x for x in await town.events(DEPARTMENT, sent.id) if x.kind.value == "message.paper"]
    assert [(x.data["to"], x.data.get("before")) for x in events] == [
        (PROVINCE, None),
        (COMMUNE, None),
        (PROVINCE, today.isoformat()),
    ]
    assert [x.state for x in (await town.deliveries(sent)).values()] == ["paper", "paper"]


async def test_a_draft_sent_on_paper_may_be_called_back(town: OfficeTown) -> None:
    scope = await town.scope(DEPARTMENT)
    stored = await town.send("15", send=False, delivery_mode=PAPER)

    sent = await manage.send_draft(town.node.out, scope, stored.id, wait=timedelta(seconds=30))
    reopened_draft = await follow_up.call_back(town.node.out, scope, sent.id)

    assert (sent.state, reopened_draft.state) == (OutState.PAPER, OutState.DRAFT)
    assert await waiting(town) == []
