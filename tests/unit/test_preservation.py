"""Preservation orders (R129) stop the purge of content: named documents, and each that meets the conditions; two persons
end one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import preservation
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.preservation import AskedEnd, Candidate, Extent, PreservationOrder, covering
from gateway.errors import Clash, NotFound
from gateway.incoming import seal
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened

WHY, DECISION = "Thanh tra yêu cầu giữ nguyên hồ sơ", "12/QĐ-TTr"
YEARS = timedelta(days=400)


def order(**extent: Any) -> PreservationOrder:
    return PreservationOrder(
        id="prs_1",
        agency_id="agc_1",
        extent=Extent(**extent),
        reason=WHY,
        decision=DECISION,
        by="prn_1",
        begun_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


async def recalled(town: Town, number: str) -> IncomingDocument:
    sent = await town.send(number, PROVINCE)
    await town.carry()
    arrived = next(d for d in await town.incoming(PROVINCE) if d.number == number)
    await town.status(arrived, "03")
    await town.recall(sent)
    await town.carry()
    await town.status(arrived, "15")
    await town.carry()
    document = await town.reload(arrived)
    assert document.state is InState.RECALLED
    return document


async def test_a_recalled_document_under_an_order_keeps_its_content_until_two_persons_ended_it(
    tmp_path: Path,
) -> None:
    """R129 (freeze sets)."""
    async with opened(tmp_path) as town:
        node, scope = town.node, await town.scope(PROVINCE)
        document, free = await recalled(town, "501"), await recalled(town, "502")
        begun = await preservation.begin(
            node.store, town.clock, scope, Extent(documents=(document.id,)), WHY, DECISION
        )
        town.clock.advance(YEARS)

        assert await seal.purge_recalled(node.inn) == 1
        assert seal.PURGED in (await town.reload(free)).marks
        assert seal.PURGED not in (await town.reload(document)).marks

        with pytest.raises(Clash, match="nobody asked"):
            await preservation.end(node.store, town.clock, scope, begun.id)
        await preservation.ask_end(node.store, town.clock, scope, begun.id, "Đã có kết luận thanh tra")
        with pytest.raises(Clash, match="second person"):
            await preservation.end(node.store, town.clock, scope, begun.id)
        assert await seal.purge_recalled(node.inn) == 0
        second = replace(scope, principal_id="prn_second")
        await preservation.end(node.store, town.clock, second, begun.id)
        assert await seal.purge_recalled(node.inn) == 1
        with pytest.raises(Clash, match="has ended"):
            await preservation.ask_end(node.store, town.clock, scope, begun.id, WHY)
        async with node.store.read(scope) as work:
            kinds = [event.kind for event in await work.events.of_subject(begun.id)]
        assert kinds == [
            EventKind.PRESERVATION_ORDERED,
            EventKind.PRESERVATION_END_ASKED,
            EventKind.PRESERVATION_ENDED,
        ]


async def test_an_order_names_what_why_and_for_which_paper(tmp_path: Path) -> None:
    async with opened(tmp_path) as town:
        store, scope = town.node.store, await town.scope(PROVINCE)
        partner = Extent(partner=DEPARTMENT)
        for extent, why, decision in (
            (Extent(), WHY, DECISION),
            (partner, "ngắn", DECISION),
            (partner, WHY, " "),
            (partner, WHY, "x" * 101),
        ):
            with pytest.raises(Clash):
                await preservation.begin(store, town.clock, scope, extent, why, decision)
        for id in ("inb_nobody", "msg_nobody", "other"):
            with pytest.raises(NotFound):
                await preservation.begin(store, town.clock, scope, Extent(documents=(id,)), WHY, DECISION)
        assert await _orders(town) == []


async def _orders(town: Town) -> list[PreservationOrder]:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return list((await work.preservation.page(limit=10)).items)


DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 9))
CODES = st.sampled_from(["", "Z91", "Z91.12"])


@given(partner=CODES, since=st.none() | DAYS, until_day=st.none() | DAYS, file=CODES, day=DAYS, code=CODES)
def test_a_document_stays_when_it_meets_all_stated_conditions(
    partner: str, since: date | None, until_day: date | None, file: str, day: date, code: str
) -> None:
    document = Candidate(id="inb_1", partners=frozenset({code}), day=day, file_code=code)
    example = order(partner=partner, since=since, until=until_day, file_code=file)
    stated = [
        *([partner == code] if partner else []),
        *([since <= day] if since else []),
        *([day <= until_day] if until_day else []),
        *([file == code] if file else []),
    ]
    assert example.covers(document) == (bool(stated) and all(stated))
    ended = replace(
        example, asked_end=AskedEnd(by="a", why=WHY, at=example.begun_at), ended_at=example.begun_at
    )
    assert covering([ended], document) is None
