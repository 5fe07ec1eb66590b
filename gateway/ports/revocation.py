"""The promises around revocation: asking authorities, keeping their answers, and the packets that wait for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gateway.domain.certificates import Answer, AskedQuestion, PendingRevocation, Question


class Authorities(Protocol):
    """Whom this node asks about certificates. Sync: call it in the pool; `learn` is quick and may be called anywhere."""

    @property
    def configured(self) -> bool:
        """Whether there is anybody to ask."""

    def issuers(self) -> Mapping[str, str]:
        """Subject of each configured authority, by the digest that questions name."""

    def questions(self, certificates: Sequence[bytes], at: datetime) -> Sequence[Question]:
        """Everything there is to ask so that these certificates can be judged."""

    def ask(self, question: Question, now: datetime) -> Answer:
        """One checked answer. Unreachable or InvalidProof when there is none now, NotFound when nobody wants it."""

    def learn(self, answers: Sequence[Answer], since: Mapping[Question, datetime]) -> None:
        """These are what is known from now on; `since` says when each question was first asked."""


class RevocationAnswers(Protocol):
    """Questions and answers of the node, shared by its processes. Each call is durable on return."""

    async def plan(self, questions: Sequence[Question], now: datetime) -> None:
        """These are the questions from now on; new ones are due at once, others than these are forgotten."""

    async def claim(self, now: datetime, limit: int, hold: timedelta) -> Sequence[AskedQuestion]:
        """Due questions, longest due first, that nobody else is asked to answer until `hold` is over."""

    async def keep(self, answer: Answer, due: datetime) -> bool:
        """False, and nothing kept, when a newer answer to the question is known: an old one is never played again."""

    async def failed(self, question: Question, due: datetime, error: str) -> None:
        """There was no answer; it is asked again when due."""

    async def drop(self, question: Question) -> None:
        """Nobody wants to know any more; answers stay."""

    async def hurry(self, now: datetime) -> int:
        """Every question is due now; how many."""

    async def asked(self) -> Sequence[AskedQuestion]:
        """Every question and how it stands with it."""

    async def version(self) -> str:
        """Another text whenever an answer or a question was added."""

    async def current(self, known: Mapping[str, Answer]) -> Sequence[Answer]:
        """The newest answer to each question, and every one that revokes. `known` are those that need not be read again, by
        digest."""

    async def use(self, digests: Sequence[str]) -> None:
        """A verdict rests on these: they are kept for ever."""

    async def read(self, digests: Sequence[str]) -> Sequence[Answer]:
        """The answers with these digests, as far as they are kept."""

    async def prune(self, before: datetime) -> int:
        """Forgets what was fetched before, replaced since, and never used; how many."""


class PendingRevocations(Protocol):
    """Packets of one agency whose certificate nobody could vouch for, in the caller's transaction."""

    async def add(self, pending: PendingRevocation) -> None:
        """The same packet again is harmless."""

    async def remove(self, inbox_id: str) -> None: ...
