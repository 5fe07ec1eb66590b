"""What is told of a reform: in plain sentences what it will do, for the person who approves it, and by when it must be
reported (R80, T16: within fifteen days). In: the reform, the lives before and after, what waits under its codes; a
day. Out: keys of the label tables with their parameters; for each reform that is in force and not reported, when
its report is due and how urgent that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from gateway.domain.registry_change import Life
from gateway.domain.registry_reform import QueuedMail, Reform, ReformKind, ReformRecord, ReformState, Remark

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryView:
    """What is known around a reform: the life of each code that it names, of all that stand above them, and of all that
    came after them. `aliases` maps each old form in use to its code; `below` has the units directly under a code;
    `same_name` are other codes of one parent whose name reads the same as that of a new or renamed one."""

    lives: Mapping[str, Life]
    aliases: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    same_name: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, int] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    open_documents: Mapping[str, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    """Codes that this node speaks for."""


def sentences(reform: Reform, view: RegistryView, after: Mapping[str, Life]) -> Iterator[Remark]:
    """In the order in which they happen; of many steps the totals first."""
    if reform.steps:
        yield _totals(reform, view, after)
    for step in reform.flat:
        yield from _of_one(step, view, after)
    named = {target.code for step in reform.flat for target in step.targets}
    for code in sorted(named & {*after} - {*view.lives}):
        yield _remark("certificate_wanted", reform, code=code)
    yield Remark(key="duty", params={"due": report_due_on(reform).isoformat()})


def _totals(reform: Reform, view: RegistryView, after: Mapping[str, Life]) -> Remark:
    ended = set(reform.ended)
    begun = {*after} - {*view.lives}
    return _remark(
        "totals",
        reform,
        steps=str(len(reform.steps)),
        ended=str(len(ended)),
        begun=str(len(begun)),
        changed=str(len({*after} - begun - ended)),
        queued=str(sum(view.queued.get(code, 0) for code in ended)),
        hosted=str(len(ended & view.hosted)),
        certificates=str(sum(view.certificates.get(code, 0) for code in ended)),
    )


def _of_one(reform: Reform, view: RegistryView, after: Mapping[str, Life]) -> Iterator[Remark]:
    yield from _who(reform, view.lives, after)
    for target in reform.targets:
        if target.code not in view.lives and reform.kind is not ReformKind.RECODE:
            record = after[target.code].record
            yield _remark("begun", reform, code=target.code, name=record.name, parent=record.parent or "–")
    for code in reform.ended:
        day = (reform.effective_on - _DAY).isoformat()
        yield _remark("closed", reform, code=code, day=day)
        yield _mail(reform, code)
        if queued := view.queued.get(code):
            heir = reform.successor or "–"
            # Redirected only where one successor is there to take it.
            is_held = reform.queued is QueuedMail.REDIRECT and reform.successor is None
            how = QueuedMail.HOLD if is_held else reform.queued
            yield _remark(f"queued_{how}", reform, code=code, count=str(queued), heir=heir)
        if code in view.hosted:
            yield _remark("hosted", reform, code=code, count=str(view.open_documents.get(code, 0)))
        if certificates := view.certificates.get(code):
            yield _remark("certificates", reform, code=code, count=str(certificates), day=day)


def _who(reform: Reform, before: Mapping[str, Life], after: Mapping[str, Life]) -> Iterator[Remark]:
    heirs = ", ".join(f"{code} ({_name(code, before, after)})" for code in reform.heirs)
    gone = ", ".join(f"{code} ({_name(code, before, before)})" for code in reform.ended)
    match reform.kind:
        case ReformKind.RENAME | ReformKind.MOVE:
            for code in reform.sources:
                was, now = before[code].record, after[code].record
                is_named = reform.kind is ReformKind.RENAME
                key, old, new = (
                    ("renamed", was.name, now.name)
                    if is_named
                    else ("moved", was.parent or "–", now.parent or "–")
                )
                yield _remark(key, reform, code=code, name=now.name, old=old, new=new)
        case ReformKind.CREATE:
            return
        case ReformKind.SPLIT if not reform.ended:
            others = ", ".join(
                f"{target.code} ({_name(target.code, before, after)})"
                for target in reform.targets
                if target.code not in reform.sources
            )
            yield _remark("separated", reform, code=reform.sources[0], heirs=others)
        case ReformKind.DISSOLVE if not reform.heirs:
            yield _remark("dissolved", reform, codes=gone)
        case _:
            yield _remark(f"became_{reform.kind}", reform, codes=gone, heirs=heirs)


def _mail(reform: Reform, code: str) -> Remark:
    if reform.successor is not None:
        return _remark("mail_to", reform, code=code, heir=reform.successor)
    if reform.triage:
        return _remark("mail_triage", reform, code=code, heirs=", ".join(reform.heirs))
    return _remark("mail_nobody", reform, code=code)


def _name(code: str, *known: Mapping[str, Life]) -> str:
    return next((lives[code].record.name for lives in reversed(known) if code in lives), "–")


def _remark(key: str, reform: Reform, **params: str) -> Remark:
    return Remark(key=key, params=params | {"on": reform.effective_on.isoformat()})


REPORT_DAYS = 15
REMIND_AFTER = 10


class ReportUrgency(StrEnum):
    OPEN = "open"
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDuty:
    """One report that somebody owes."""

    record: ReformRecord
    due_on: date
    urgency: ReportUrgency


def report_due_on(reform: Reform) -> date:
    """Calendar days from the day on which it takes effect: of one on 1 July, 16 July."""
    return reform.effective_on + timedelta(days=REPORT_DAYS)


def report_duties(records: Iterable[ReformRecord], today: date) -> list[ReportDuty]:
    """Latest first passed first; a reform that is still to come owes nothing yet."""
    found = [
        ReportDuty(record=each, due_on=report_due_on(each.reform), urgency=_urgency(each.reform, today))
        for each in records
        if each.state is ReformState.APPROVED
        and each.reported_at is None
        and each.reform.effective_on <= today
    ]
    return sorted(found, key=lambda duty: (duty.due_on, duty.record.id))


def _urgency(reform: Reform, today: date) -> ReportUrgency:
    if today > report_due_on(reform):
        return ReportUrgency.LATE
    since = (today - reform.effective_on).days
    return ReportUrgency.SOON if since >= REMIND_AFTER else ReportUrgency.OPEN
