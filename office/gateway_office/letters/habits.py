"""Suggestions for the next document from an agency's last ones: usual signers with title and competence, and usual
recipients. In: documents, newest first; agencies that the directory found; a signer. Out: suggestions; they are not stored,
and typed values are never replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import STANDING, OutgoingDocument, Signer
from gateway.domain.registry import AgencyEntry
from gateway.domain.text import fold
from gateway_office.letters.agency_memory import AgencyMemory
from gateway_office.services import OfficeOutgoingServices

_LAST = 20
_MOST_AGENCIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Habits of an agency. `signers` are the last ones, each once, newest first; `codes` the recipients, each with its
    weight."""

    signers: tuple[Signer, ...] = ()
    codes: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class HabitsMemory:
    """Habits by agency, kept in one process: a typed name asks with every letter."""

    _habits: AgencyMemory[Habits] = field(default_factory=lambda: AgencyMemory(_MOST_AGENCIES))

    async def load(self, services: OfficeOutgoingServices, scope: AgencyScope) -> Habits:
        async def make() -> Habits:
            async with services.store.read(scope) as work:
                last = (await work.outgoing.page(limit=_LAST)).items
            return habits_of(last)

        return await self._habits.get(scope.agency_id, services.clock.now(), make)


def habits_of(documents: Iterable[OutgoingDocument]) -> Habits:
    """Weigh recipients: the more often and the more lately it was written to, the more."""
    signers: dict[str, Signer] = {}
    codes: dict[str, float] = {}
    sent_documents = [
        document for document in documents if document.state in STANDING and not document.is_sealed
    ]
    for age, document in enumerate(sent_documents):
        signer = document.draft.signer
        if signer is not None and signer.name:
            signers.setdefault(fold(signer.name), signer)
        for recipient in document.draft.recipients:
            if recipient.code:
                codes[recipient.code] = codes.get(recipient.code, 0.0) + 1 / (age + 3)
    return Habits(signers=tuple(signers.values()), codes=codes)


def ranked(entries: Sequence[AgencyEntry], own: str, habits: Habits, text: str = "") -> list[AgencyEntry]:
    """Sort: the own province or ministry first; among those the names with the typed words in the order in which they were
    typed, before names that have them elsewhere; then the usual recipients; else in the directory's order."""
    root, phrase = own.partition(".")[0], f" {fold(text)}"

    def place(entry: AgencyEntry) -> tuple[bool, bool, float]:
        is_elsewhere = entry.code.partition(".")[0] != root
        return is_elsewhere, phrase not in f" {fold(entry.name)}", -habits.codes.get(entry.code, 0.0)

    return sorted(entries, key=place)


def remembered(signer: Signer | None, habits: Habits) -> Signer | None:
    """Add title and competence of the last time to a signer of whom only the name is given."""
    if signer is None or not signer.name or signer.title or signer.competence:
        return signer
    earlier = {fold(s.name): s for s in habits.signers}.get(fold(signer.name))
    return replace(signer, title=earlier.title, competence=earlier.competence) if earlier else signer
