"""Questions that are put to a database together find what each of them finds by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import bindparam, func, select, union_all
from sqlmodel import col

from gateway.store import drivers
from gateway.store.row import among_numbers, pairs_table
from gateway.store.store import SqlStore
from gateway.store.tables import JobRow, OutboxRow
from gateway.store.tables_node import EventRow, HostedAgencyRow
from gateway.store.transaction import BoundQuery
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outbox_item, stored

_AGENCY = col(OutboxRow.agency_id) == bindparam("agency")
_ROWS = select(OutboxRow).where(_AGENCY, col(OutboxRow.subject_id) == bindparam("subject"))
_NEWEST = select(col(OutboxRow.id), col(OutboxRow.created_at)).where(_AGENCY)
_NEWEST = _NEWEST.order_by(col(OutboxRow.created_at).desc(), col(OutboxRow.id).desc()).limit(2)
_COUNTED = select(col(OutboxRow.state), func.count().label("n")).where(_AGENCY).group_by(col(OutboxRow.state))
_BOTH = union_all(
    select(col(OutboxRow.id), col(OutboxRow.created_at)).where(_AGENCY),
    select(col(JobRow.id), col(JobRow.created_at)).where(col(JobRow.agency_id) == bindparam("agency")),
)
_NAMES = select(col(HostedAgencyRow.code)).order_by(col(HostedAgencyRow.code))
_FIRST_PAIRS = pairs_table("these")
_PAIRS = select(OutboxRow).where(
    col(OutboxRow.agency_id) == _FIRST_PAIRS.c.agency_id, col(OutboxRow.id) == _FIRST_PAIRS.c.id
)
_POSITIONS = select(col(EventRow.position)).where(among_numbers(col(EventRow.position), "numbers"))


@pytest.fixture
async def filled(store: SqlStore, clock: ManualClock) -> Sequence[str]:
    """Store three rows of one agency, one of another, and jobs; return the ids of the rows."""
    items = [outbox_item(clock, subject_id=f"msg-{n % 2}") for n in range(3)]
    for item in items:
        clock.advance(1)
        await stored(store, item)
    async with committing(store) as work:
        await work.jobs.add("pack", "msg-1", clock.now())
    async with committing(store, SOUTH) as work:
        await work.jobs.add("pack", "msg-9", clock.now())
    return [item.id for item in items]


def _questions(ids: Sequence[str]) -> Sequence[BoundQuery]:
    return [
        (_ROWS, {"agency": NORTH.agency_id, "subject": "msg-0"}),
        (_ROWS, {"agency": NORTH.agency_id, "subject": "msg-1"}),
        (_NEWEST, {"agency": NORTH.agency_id}),
        (_NEWEST, {"agency": SOUTH.agency_id}),
        (_COUNTED, {"agency": NORTH.agency_id}),
        (_BOTH, {"agency": NORTH.agency_id}),
        (_BOTH, {"agency": SOUTH.agency_id}),
        (_NAMES, {}),
        (_PAIRS, {"these": [(NORTH.agency_id, id) for id in ids[:2]] + [(SOUTH.agency_id, ids[2])]}),
        (_PAIRS, {"these": []}),
        (_POSITIONS, {"numbers": [1, 2, 1 << 60]}),
    ]


async def _alone(store: SqlStore, questions: Sequence[BoundQuery]) -> list[list[Any]]:
    answers = []
    for query, values in questions:
        async with store.reading() as tx:
            answers.append([*await tx.tuples(query, **values)])
    return answers


@contextmanager
def _calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield a list that grows by the text of every statement that is sent to a server."""
    calls, ask = list[str](), drivers._call_driver

    async def record_call(connection: Any, text: str, *arguments: Any, **keywords: Any) -> Any:
        calls.append(text)
        return await ask(connection, text, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(drivers, "_call_driver", record_call)
        yield calls


def is_server(store: SqlStore) -> bool:
    return store.writer.dialect.name == "postgresql"


async def test_several_questions_of_one_view_find_what_each_finds_by_itself(
    store: SqlStore, filled: Sequence[str], monkeypatch: pytest.MonkeyPatch, cases: Cases
) -> None:
    questions = _questions(filled)
    expected = await _alone(store, questions)

    for _ in range(3):  # the first time each statement is made
        async with store.reading() as tx:
            answers = await tx.find_all(*questions)
    with _calls(monkeypatch) as calls:
        async with store.reading() as tx:
            assert await tx.find_all(*questions) == answers

    for n, (rows, alone) in enumerate(zip(answers, expected, strict=True)):
        with cases.case(f"question {n}"):
            assert sorted(map(tuple, rows)) == sorted(map(tuple, alone))
            assert [row._fields for row in rows] == [row._fields for row in alone]
    assert [tuple(row) for row in answers[2]] == [tuple(row) for row in expected[2]]  # in their order
    assert len(calls) == (1 if is_server(store) else 0)
