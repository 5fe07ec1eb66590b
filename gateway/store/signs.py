"""What waits in the whole database, in one look. In: a view of one moment. Out: `Signs`: for which workers something is due
now, and marks that change when another process gave a worker something to take over. The conditions are those of the
claims themselves, so that nothing is due for one and not for the other."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select
from sqlmodel import col

from gateway.domain.turns import AUTHORITY_DELAY
from gateway.ports.rows import Signs
from gateway.store import events, inbox, jobs, outbox
from gateway.store.columns import Moment
from gateway.store.revocation_tables import AnswerRow, QuestionRow
from gateway.store.transaction import Transaction

_Q, _A = QuestionRow, AnswerRow
_TO_ASK = (
    select(col(_Q.due_at))
    .where(
        or_(col(_Q.due_at) <= bindparam("now", type_=Moment), col(_Q.due_at) > bindparam("far", type_=Moment))
    )
    .limit(1)
)
_ANSWERS = select(func.max(col(_A.fetched_at)))
_QUESTIONS = select(func.count(), func.max(col(_Q.first_at)))


async def look(
    tx: Transaction, now: datetime, lease_s: float, kinds: Collection[str], registry: object
) -> Signs:
    """`kinds`: those of jobs that are packed. `registry`: another value whenever what is remembered of codes, hosts and
    keys changed."""
    due = set()
    if await _any_job(tx, now, lease_s, kinds):
        due.add("packer")
    if await outbox.any_due(tx, now, lease_s):
        due.add("dispatcher")
    if await inbox.any_due(tx, now, lease_s):
        due.add("receiver")
    if await events.any_unnumbered(tx):
        due.add("sequencer")
    if await tx.tuples(_TO_ASK, now=now, far=now + 2 * AUTHORITY_DELAY):
        due.add("revocation")
    answers = (*(await tx.tuples(_ANSWERS))[0], *(await tx.tuples(_QUESTIONS))[0])
    return Signs(due=frozenset(due), marks={"revocation": answers, "hosting": registry})


async def _any_job(tx: Transaction, now: datetime, lease_s: float, kinds: Collection[str]) -> bool:
    for kind in kinds:
        if await jobs.any_due(tx, now, lease_s, kind):
            return True
    return False
