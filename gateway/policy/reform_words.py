"""What is told of a reform: in plain sentences what it will do, for the person who approves it, and by when it must be
reported (R80, T16: within fifteen days). In: the reform, the lives before and after, what waits under its codes; a
day. Out: keys of the label tables with their parameters; for each reform that is in force and not reported, when
its report is due and how urgent that is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from gateway.domain.registry_change import Life
from gateway.domain.registry_reform import Reform, ReformKind, ReformRecord, ReformState, Remark

_DAY = timedelta(days=1)
Counts = Mapping[str, int]


def sentences(
    reform: Reform,
    before: Mapping[str, Life],
    after: Mapping[str, Life],
    queued: Counts,
    open_documents: Counts,
    certificates: Counts,
    hosted: Collection[str],
) -> Iterator[Remark]:
    """In the order in which they happen; of many steps the totals first."""
    if reform.steps:
        yield _totals(reform, before, after, queued, certificates, hosted)
    for step in reform.flat:
        yield from _of_one(step, before, after, queued, open_documents, certificates, hosted)
    for code in sorted(
        {target.code for step in reform.flat for target in step.targets} & {*after} - {*before}
    ):
        yield _remark("certificate_wanted", reform, code=code)
    yield Remark(key="duty", params={"due": report_due_on(reform).isoformat()})


def _totals(
    reform: Reform,
    before: Mapping[str, Life],
    after: Mapping[str, Life],
    queued: Counts,
    certificates: Counts,
    hosted: Collection[str],
) -> Remark:
    ended = set(reform.ended)
    begun = {*after} - {*before}
    return _remark(
        "totals",
        reform,
        steps=str(len(reform.steps)),
        ended=str(len(ended)),
        begun=str(len(begun)),
        changed=str(len({*after} - begun - ended)),
        queued=str(sum(queued.get(code, 0) for code in ended)),
        hosted=str(len(ended & {*hosted})),
        certificates=str(sum(certificates.get(code, 0) for code in ended)),
    )


def _of_one(
    reform: Reform,
    before: Mapping[str, Life],
    after: Mapping[str, Life],
    queued: Counts,
    open_documents: Counts,
    certificates: Counts,
    hosted: Collection[str],
) -> Iterator[Remark]:
    yield from _who(reform, before, after)
    for target in reform.targets:
        if target.code not in before and reform.kind is not ReformKind.RECODE:
            record = after[target.code].record
            yield _remark("begun", reform, code=target.code, name=record.name, parent=record.parent or "–")
    for code in reform.ended:
        day = (reform.effective_on - _DAY).isoformat()
        yield _remark("closed", reform, code=code, day=day)
        yield _mail(reform, code)
        if queued.get(code):
            heir = reform.successor or "–"
            yield _remark(f"queued_{_queued(reform)}", reform, code=code, count=str(queued[code]), heir=heir)
        if code in hosted:
            yield _remark("hosted", reform, code=code, count=str(open_documents.get(code, 0)))
        if certificates.get(code):
            yield _remark("certificates", reform, code=code, count=str(certificates[code]), day=day)


def _who(reform: Reform, before: Mapping[str, Life], after: Mapping[str, Life]) -> Iterator[Remark]:
    heirs = ", ".join(f"{code} ({_name(code, before, after)})" for code in reform.heirs)
    gone = ", ".join(f"{code} ({_name(code, before, before)})" for code in reform.ended)
    match reform.kind:
        case ReformKind.RENAME | ReformKind.MOVE:
            for code in reform.sources:
                was, now = before[code].record, after[code].record
                yield _remark(
                    "renamed" if reform.kind is ReformKind.RENAME else "moved",
                    reform,
                    code=code,
                    name=now.name,
                    old=was.name if reform.kind is ReformKind.RENAME else was.parent or "–",
                    new=now.name if reform.kind is ReformKind.RENAME else now.parent or "–",
                )
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


def _queued(reform: Reform) -> str:
    """Redirected only where one successor is there to take it."""
    return "hold" if reform.queued == "redirect" and reform.successor is None else str(reform.queued)


def _name(code: str, *known: Mapping[str, Life]) -> str:
    return next((lives[code].record.name for lives in reversed(known) if code in lives), "–")


def _remark(key: str, reform: Reform, **params: str) -> Remark:
    return Remark(key=key, params=params | {"on": _day(reform.effective_on)})


def _day(on: date) -> str:
    return on.isoformat()


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
