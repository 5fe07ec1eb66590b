"""The promise of the register books as they are read, and of outgoing mail on paper, which is a line of its book and no
document of the exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.book import Span
from gateway.domain.document import Change, IncomingDocument
from gateway.domain.letter import OutgoingLine, PaperLetter
from gateway.ports.rows import Handover, RegisterEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingLine:
    """A line of the incoming book with the document that it is about."""

    entry: RegisterEntry
    document: IncomingDocument
    handover: Handover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """What the check of a run looks at of one outgoing line."""

    number: str
    type_name: str
    struck: bool


class Books(Protocol):
    async def incoming(self, span: Span, *, limit: int, after: str | None = None) -> Sequence[IncomingLine]:
        """By number: 9 before 10, and what is no number after those that are. `after` is the number of the last line
        seen."""

    async def incoming_numbers(self, span: Span) -> Sequence[str]: ...

    async def incoming_days(self, span: Span) -> tuple[int, int, date | None, date | None]:
        """How many lines, how many of them struck, and the first and last day of arrival."""

    async def outgoing(
        self, span: Span, *, limit: int, after: OutgoingLine | None = None
    ) -> Sequence[OutgoingLine]:
        """By date of the document, then number. What was only drafted is no line."""

    async def outgoing_numbers(self, span: Span) -> Sequence[Numbered]: ...

    async def recalls(self, ids: Sequence[str]) -> Mapping[str, tuple[Change, datetime]]:
        """The latest recall of each of these outgoing documents that was asked for, and when."""

    async def replies(self, document_ids: Sequence[str], since: datetime) -> Mapping[str, Sequence[str]]:
        """Number and symbol of what we sent since then in answer to these DocumentIds of others."""

    async def names(self, principal_ids: Sequence[str]) -> Mapping[str, str]:
        """Who that is, for those that are known."""

    async def put_letter(self, letter: PaperLetter) -> None:
        """Clash when its number and symbol are taken in that year, on paper or by a document of the exchange; it names who
        has them and the next free number."""

    async def letter(self, id: str) -> PaperLetter: ...

    async def strike_letter(self, id: str, at: datetime, by: str, reason: str) -> bool:
        """False when it was struck before. NotFound for a letter that is not ours."""
