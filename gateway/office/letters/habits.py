"""What an agency's last documents suggest for the next one: who signs with which title and competence, and to whom it
mostly writes. In: documents, newest first; agencies that the directory found; a signer. Out: suggestions; nothing is
stored here, and nothing that was typed is replaced."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import OutgoingDocument, OutState, Signer
from gateway.domain.registry import AgencyEntry
from gateway.domain.text import fold
from gateway.office.desks import OfficeOut

_LAST = 20
_REMEMBERED_FOR = timedelta(minutes=1)
_MOST_AGENCIES = 500
_SENT = (OutState.QUEUED, OutState.PACKED, OutState.PAPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """`signers` are the last ones, each once, newest first; `codes` to whom was written, each with its weight."""

    signers: tuple[Signer, ...] = ()
    codes: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class HabitsMemory:
    """Of one process, by agency: a typed name asks with every letter."""

    _known: OrderedDict[str, tuple[datetime, Habits]] = field(default_factory=OrderedDict)

    async def of(self, desk: OfficeOut, scope: AgencyScope) -> Habits:
        now, agency = desk.clock.now(), scope.agency_id
        at, habits = self._known.get(agency, (None, Habits()))
        if at is not None and at <= now < at + _REMEMBERED_FOR:
            return habits
        async with desk.store.read(scope) as work:
            last = (await work.outgoing.page(limit=_LAST)).items
        habits = habits_of(last)
        self._known[agency] = (now, habits)
        while len(self._known) > _MOST_AGENCIES:
            self._known.popitem(last=False)
        return habits


def habits_of(documents: Iterable[OutgoingDocument]) -> Habits:
    """A recipient weighs more the more often, and the more lately, it was written to."""
    signers: dict[str, Signer] = {}
    codes: dict[str, float] = {}
    sent = [each for each in documents if each.state in _SENT and not each.is_sealed]
    for age, each in enumerate(sent):
        signer = each.draft.signer
        if signer is not None and signer.name:
            signers.setdefault(fold(signer.name), signer)
        for to in each.draft.recipients:
            if to.code:
                codes[to.code] = codes.get(to.code, 0.0) + 1 / (age + 3)
    return Habits(signers=tuple(signers.values()), codes=codes)


def ranked(found: Sequence[AgencyEntry], own: str, habits: Habits) -> list[AgencyEntry]:
    """Of the own province or ministry first; among those the usual ones; else as the directory told them."""
    root = own.partition(".")[0]

    def place(entry: AgencyEntry) -> tuple[bool, float]:
        return entry.code.partition(".")[0] != root, -habits.codes.get(entry.code, 0.0)

    return sorted(found, key=place)


def remembered(signer: Signer | None, habits: Habits) -> Signer | None:
    """Whoever is named alone gets title and competence of the last time."""
    if signer is None or not signer.name or signer.title or signer.competence:
        return signer
    known = {fold(each.name): each for each in habits.signers}.get(fold(signer.name))
    return replace(signer, title=known.title, competence=known.competence) if known else signer
