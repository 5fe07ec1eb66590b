"""The store counts how much was exchanged each day and with which agencies, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gateway.domain.document import InState
from gateway.domain.wall_clock import local
from gateway_office.domain.listing import Side
from gateway_office.store import partners
from gateway_office.store.partners import LONGEST_DAYS, Flow, TrafficQuery
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import START, ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, incoming, outgoing, stored

TODAY = local(START).date()


async def fill(store: SqlOfficeStore, clock: ManualClock) -> None:
    """Store today one document to three recipients, and two that arrived; yesterday one to one; in SOUTH one that
    arrived."""
    old = replace(outgoing(clock), created_at=START - timedelta(days=1))
    sent = outgoing(clock)
    async with committing(store) as work:
        for document in (old, sent):
            await work.outgoing.add(document)
        states = {"Z91.02": "accepted", "Z91.03": "rejected", "Z91.04": "queued"}
        await work.deliveries.add([delivery(sent, code, state) for code, state in states.items()])
        await work.deliveries.add([delivery(old, "Z91.02", "delivered")])
        await work.incoming.add(incoming(clock))
        await work.incoming.add(incoming(clock, state=InState.REJECTED))
    await stored(store, incoming(clock, scope=SOUTH, sender_code="Z91.01"), scope=SOUTH)


def flow_keys(flows: Sequence[Flow]) -> set[tuple[int, str, str, str, str, int]]:
    """Return for each flow the days before today, the agency, the direction, the partner, the result and the number."""
    return {
        ((TODAY - flow.day).days, flow.agency_id[4:], flow.side.value, flow.partner, flow.result, flow.n)
        for flow in flows
    }


async def test_each_recipient_and_each_sender_is_counted_on_its_day_by_agency_partner_and_direction(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await fill(store, clock)

    flows = await partners.load_flows(store, TrafficQuery(first=TODAY - timedelta(days=6), last=TODAY))

    assert flow_keys(flows) == {
        (1, "north", "out", "Z91.02", "sent", 1),
        (0, "north", "out", "Z91.02", "taken", 1),
        (0, "north", "out", "Z91.03", "refused", 1),
        (0, "north", "out", "Z91.04", "waiting", 1),
        (0, "north", "in", "Z91.02", "waiting", 1),
        (0, "north", "in", "Z91.02", "refused", 1),
        (0, "south", "in", "Z91.01", "waiting", 1),
    }

    query = TrafficQuery(first=TODAY, last=TODAY)

    ours = await partners.load_flows(store, replace(query, agency_id=SOUTH.agency_id))
    partner = await partners.load_flows(store, replace(query, partner="z91.03"))
    incoming_flows = await partners.load_flows(store, replace(query, side=Side.IN, agency_id=NORTH.agency_id))

    assert flow_keys(ours) == {(0, "south", "in", "Z91.01", "waiting", 1)}
    assert flow_keys(partner) == {(0, "north", "out", "Z91.03", "refused", 1)}
    assert {f.side for f in incoming_flows} == {Side.IN}

    flows = await partners.load_flows(
        store, TrafficQuery(first=TODAY - timedelta(days=LONGEST_DAYS), last=TODAY)
    )

    assert {f.day for f in flows} == {TODAY - timedelta(days=1)}
