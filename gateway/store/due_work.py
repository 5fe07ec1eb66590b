"""Due work in the database, found for all workers by one query. In: an open transaction, the time. Out: the workers that
have something due, marks of changes that other workers follow, and until when that is valid while nothing is written.

The conditions are those of the workers' claims themselves, so that both always agree on whether a row is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Function,
    Select,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    union_all,
)
from sqlmodel import col

from gateway.domain.pace import AUTHORITY_DELAY, CLOCKS_APART, LONGEST_UNDO
from gateway.domain.webhook import EndpointState
from gateway.store import events, inbox, jobs, outbox, webhooks
from gateway.store.row import Moment
from gateway.store.tables import InboxRow, JobRow, OutboxRow, WebhookRow
from gateway.store.tables_node import AnswerRow, QuestionRow
from gateway.store.tables_office import ListChangeRow, PendingActRow
from gateway.store.transaction import BoundQuery, Transaction

_Q, _A, _W, _P = QuestionRow, AnswerRow, WebhookRow, PendingActRow
_NOW = bindparam("now", type_=Moment)
_TO_ASK = (
    select(col(_Q.due_at))
    .where(or_(col(_Q.due_at) <= _NOW, col(_Q.due_at) > bindparam("far", type_=Moment)))
    .limit(1)
)
_CHANGED = select(col(ListChangeRow.id)).limit(1)
_IS_OPEN_ACT = col(_P.failed_at).is_(None)
ACT_IS_DUE = or_(col(_P.due_at) <= _NOW, col(_P.due_at) > bindparam("far_act", type_=Moment))
_ACTS_DUE = select(col(_P.document_id)).where(_IS_OPEN_ACT, ACT_IS_DUE).limit(1)
_ANSWERS = select(func.max(col(_A.fetched_at)))
_QUESTIONS = select(func.count(), func.max(col(_Q.first_at)))


def _first_after_now(time: Any) -> Function[Any]:  # Any: a column of whatever table
    return func.min(case((col(time) > _NOW, col(time))), type_=Moment)


def _next_of(table: type[JobRow | OutboxRow | InboxRow], is_open: ColumnElement[bool]) -> Select[Any]:
    return select(_first_after_now(table.not_before), _first_after_now(table.lease_until)).where(is_open)


# The next times after now at which a row becomes due or a lease runs out, by table.
_NEXT: CompoundSelect[Any] = union_all(
    _next_of(JobRow, jobs.is_open()),
    _next_of(OutboxRow, outbox.is_open()),
    _next_of(InboxRow, inbox.is_open()),
    select(_first_after_now(_W.due_at), _first_after_now(_W.lease_until)).where(
        col(_W.state) == EndpointState.ACTIVE.value
    ),
    select(_first_after_now(_Q.due_at), null()),
    select(_first_after_now(_P.due_at), null()).where(_IS_OPEN_ACT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Names of the workers that have something due, and marks by worker: a worker's mark differs once something that it
    follows has changed."""

    due: frozenset[str]
    marks: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignsAsOf:
    """Signs that are valid for one version of the database, from `since` until work falls due at `ends_at`."""

    signs: Signs
    version: object
    since: datetime
    ends_at: datetime

    def hold(self, now: datetime, version: object) -> bool:
        """Tell whether these signs are still valid at that time for that version of the database."""
        return version == self.version and self.since <= now < self.ends_at


async def look_for_signs(
    tx: Transaction, now: datetime, lease_s: float, kinds: Collection[str], version: object, registry: object
) -> SignsAsOf:
    """Query whether each worker has something due. `kinds` are the kinds of jobs that the packer runs. `version` is that of
    the database just before this transaction and of the arguments; None on a server. `registry` is the mark of codes,
    hosted agencies and keys."""
    queries_by_name: list[tuple[str, BoundQuery]] = [
        *(("packer", jobs.any_due(now, lease_s, kind)) for kind in kinds),
        ("dispatcher", outbox.any_due(now, lease_s)),
        ("receiver", inbox.any_due(now, lease_s)),
        ("sequencer", events.ANY_UNNUMBERED),
        ("webhooks", webhooks.any_due(now)),
        ("lister", (_CHANGED, {})),
        ("acts", (_ACTS_DUE, act_times(now))),
        ("revocation", (_TO_ASK, {"now": now, "far": now + 2 * AUTHORITY_DELAY})),
    ]
    queries = [query for _, query in queries_by_name]
    *due_rows, (answers,), (questions,) = await tx.find_all(*queries, (_ANSWERS, {}), (_QUESTIONS, {}))
    due = {name for (name, _), rows in zip(queries_by_name, due_rows, strict=True) if rows}
    return SignsAsOf(
        signs=Signs(due=frozenset(due), marks={"revocation": (*answers, *questions), "hosting": registry}),
        version=version,
        since=now,
        ends_at=now if due or version is None else await _next_due(tx, now),
    )


def act_times(now: datetime) -> dict[str, datetime]:
    """Return the parameters of `ACT_IS_DUE`: a later end of the time to undo was written while the clock was ahead."""
    return {"now": now, "far_act": now + LONGEST_UNDO + CLOCKS_APART}


async def _next_due(tx: Transaction, now: datetime) -> datetime:
    times = [time for row in await tx.tuples(_NEXT, now=now) for time in row if time is not None]
    return min(times, default=datetime.max.replace(tzinfo=UTC))
