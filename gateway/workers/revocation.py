"""Worker that asks authorities about the revocation of partners' certificates before the last answers expire. In: bound
certificates, the clock, and answers that other processes of this node got. Out: stored answers in use, and packets judged
again that waited for an answer. No packet waits for this worker while it is processed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway import log
from gateway.domain.certificates import Answer, AskedQuestion
from gateway.domain.pace import AUTHORITY_DELAY
from gateway.errors import GatewayError, NotFound
from gateway.incoming import rejudge
from gateway.incoming.services import IncomingServices
from gateway.policy import upkeep
from gateway.store.revocation import SqlRevocationAnswers
from gateway.trust.authorities import AskedAuthorities
from gateway.workers.loop import Turn

_log = logging.getLogger(__name__)

PLAN_EVERY, REPLAN_EVERY = timedelta(minutes=1), timedelta(hours=1)
# Learning reads every answer in use, so while many questions are asked it is done only now and then.
LEARN_EVERY = timedelta(seconds=2)
LOOK_EVERY = timedelta(minutes=10)
PRUNE_EVERY = timedelta(hours=1)
KEPT_UNUSED = timedelta(days=30)
# How long a claimed question is held: longer than asking may take at all addresses of an authority, each with its limit.
HOLD = timedelta(minutes=10)
AT_ONCE = 4
# Bounds of the time until an answer is renewed, at half of its validity; a revocation is known within four hours.
SOONEST, LATEST = timedelta(minutes=5), AUTHORITY_DELAY
MOST_PAUSE = timedelta(minutes=30)

Bound = Callable[[], Awaitable[Sequence[bytes]]]


class RevocationAsker:
    """The worker of one process. It is created before the first packet is judged, so that it can `learn` the answers."""

    def __init__(
        self,
        services: IncomingServices,
        authorities: AskedAuthorities,
        answers: SqlRevocationAnswers,
        bound: Bound,
    ) -> None:
        self._services, self._authorities, self._answers, self._bound = services, authorities, answers, bound
        self._seen = ""
        self._known: Mapping[str, Answer] = {}
        self._judged_by: object = None
        self._planned: frozenset[bytes] | None = None
        self._turns: dict[str, Turn] = {}

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time to plan, to prune or to judge waiting packets. Due questions and other processes' answers
        are rows, and wake the loop in another way."""
        names = ("plan", "prune", "look") if self._authorities.configured else ("look",)
        return any(name not in self._turns or self._turns[name].has_come(now) for name in names)

    async def step(self) -> bool:
        """Plan questions, ask the due ones, learn answers, and judge waiting packets, each when it is time; return whether
        anything was asked or judged."""
        asked_count = 0
        if self._authorities.configured:
            if self._is_time("plan", PLAN_EVERY):
                await self.plan()
            asked_count = await self.ask()
            if not asked_count or self._is_time("learn", LEARN_EVERY):
                await self.learn()
            if self._is_time("prune", PRUNE_EVERY):
                await self._answers.prune(self._services.clock.now() - KEPT_UNUSED)
        judged_count = await self._look()
        return bool(asked_count or judged_count)

    async def plan(self) -> None:
        """Plan a question for every list and every bound certificate, again when these change, and every hour."""
        certificates, now = await self._bound(), self._services.clock.now()
        if frozenset(certificates) == self._planned and not self._is_time("plan anew", REPLAN_EVERY):
            return
        questions = await self._services.pool.run(lambda: self._authorities.questions(certificates, now))
        await self._answers.plan(questions, now)
        self._planned = frozenset(certificates)

    async def ask(self) -> int:
        """Claim one batch of due questions and ask them concurrently; return how many."""
        due = await self._answers.claim(self._services.clock.now(), AT_ONCE, HOLD)
        await asyncio.gather(*(self._ask_one(q) for q in due))
        return len(due)

    async def learn(self) -> None:
        """Load the answers that any process of this node got, and use them from now on."""
        version = await self._answers.version()
        if version == self._seen:
            return
        answers = await self._answers.current(self._known)
        since = {q.question: q.first_at for q in await self._answers.questions()}
        await self._services.pool.run(lambda: self._authorities.learn(answers, since))
        self._known = {a.digest: a for a in answers}
        self._seen = version

    async def _ask_one(self, pending: AskedQuestion) -> None:
        question, now = pending.question, self._services.clock.now()
        try:
            answer = await self._services.pool.run(lambda: self._authorities.ask(question, now))
        except NotFound:
            await self._answers.drop(question)
            return
        except GatewayError as error:
            await self._failed(pending, str(error), error.code)
            return
        if not await self._answers.keep(answer, due(answer, self._services.clock.now())):
            await self._failed(pending, f"{answer.origin}: the answer is older than the one we have", "STALE")

    async def _failed(self, pending: AskedQuestion, why: str, code: str) -> None:
        pause = min(upkeep.retry_delay(pending.failures + 1), MOST_PAUSE)
        subject = pending.question.about
        log.action(_log, "revocation.no_answer", why, about=subject, code=code, failures=pending.failures + 1)
        await self._answers.record_failure(pending.question, self._services.clock.now() + pause, why)

    async def _look(self) -> int:
        """Judge pending packets when there are new answers since the last time, and every ten minutes anyway; return how
        many were judged."""
        version = await self._services.pool.run(lambda: self._services.trust.version)
        if version == self._judged_by and not self._is_time("look", LOOK_EVERY):
            return 0
        self._judged_by = version
        return await rejudge.judge_pending(self._services)

    def _is_time(self, name: str, every: timedelta) -> bool:
        return self._turns.setdefault(name, Turn(every)).take(self._services.clock.now())


def due(answer: Answer, now: datetime) -> datetime:
    """Return when to ask again: half-way to the answer's end, but within `SOONEST` and `LATEST`."""
    wait = (answer.ends_at - now) / 2 if answer.ends_at is not None else SOONEST
    return now + min(max(wait, SOONEST), LATEST)
