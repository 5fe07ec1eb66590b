"""Describes a reform for the person who approves it, and tells when it must be reported (R80 report duty, T16: within
fifteen days). In: the reform, the lives before and after, the mail under its codes; a day. Out: keys of the label tables
with parameters; for each unreported reform in force, when its report is due and how urgent it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from gateway.domain.registry_change import Life, RegistryView
from gateway.domain.registry_reform import QueuedMail, Reform, ReformKind, ReformRecord, ReformState, Remark

_DAY = timedelta(days=1)
REPORT_DAYS = 15
REMIND_AFTER = 10


def sentences(reform: Reform, view: RegistryView, lives_after: Mapping[str, Life]) -> Iterator[Remark]:
    """Yield the sentences in the order in which things happen; for many steps, the totals first."""
    if reform.steps:
        yield _describe_totals(reform, view, lives_after)
    for step in reform.flat:
        yield from _describe_step(step, view, lives_after)
    target_codes = {target.code for step in reform.flat for target in step.targets}
    for code in sorted(target_codes & {*lives_after} - {*view.lives}):
        yield _remark("certificate_wanted", reform, code=code)
    yield Remark(key="duty", params={"due": report_due_on(reform).isoformat()})


def _describe_totals(reform: Reform, view: RegistryView, lives_after: Mapping[str, Life]) -> Remark:
    ended = set(reform.ended)
    new_codes = {*lives_after} - {*view.lives}
    return _remark(
        "totals",
        reform,
        steps=str(len(reform.steps)),
        ended=str(len(ended)),
        begun=str(len(new_codes)),
        changed=str(len({*lives_after} - new_codes - ended)),
        queued=str(sum(view.queued.get(code, 0) for code in ended)),
        hosted=str(len(ended & view.hosted)),
        certificates=str(sum(view.certificates.get(code, 0) for code in ended)),
    )


def _describe_step(reform: Reform, view: RegistryView, lives_after: Mapping[str, Life]) -> Iterator[Remark]:
    yield from _describe_change(reform, view.lives, lives_after)
    for target in reform.targets:
        if target.code not in view.lives and reform.kind is not ReformKind.RECODE:
            record = lives_after[target.code].record
            yield _remark("begun", reform, code=target.code, name=record.name, parent=record.parent or "–")
    for code in reform.ended:
        day = (reform.effective_on - _DAY).isoformat()
        yield _remark("closed", reform, code=code, day=day)
        yield _describe_mail(reform, code)
        if queued := view.queued.get(code):
            heir = reform.successor or "–"
            # Mail is redirected only where there is one successor to take it.
            is_held = reform.queued is QueuedMail.REDIRECT and reform.successor is None
            how = QueuedMail.HOLD if is_held else reform.queued
            yield _remark(f"queued_{how}", reform, code=code, count=str(queued), heir=heir)
        if code in view.hosted:
            yield _remark("hosted", reform, code=code, count=str(view.open_documents.get(code, 0)))
        if certificates := view.certificates.get(code):
            yield _remark("certificates", reform, code=code, count=str(certificates), day=day)


def _describe_change(
    reform: Reform, lives: Mapping[str, Life], changed: Mapping[str, Life]
) -> Iterator[Remark]:
    heirs = ", ".join(f"{code} ({_name(code, lives, changed)})" for code in reform.heirs)
    ended = ", ".join(f"{code} ({_name(code, lives, lives)})" for code in reform.ended)
    match reform.kind:
        case ReformKind.RENAME | ReformKind.MOVE:
            for code in reform.sources:
                was, now = lives[code].record, changed[code].record
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
            new_heirs = ", ".join(
                f"{target.code} ({_name(target.code, lives, changed)})"
                for target in reform.targets
                if target.code not in reform.sources
            )
            yield _remark("separated", reform, code=reform.sources[0], heirs=new_heirs)
        case ReformKind.DISSOLVE if not reform.heirs:
            yield _remark("dissolved", reform, codes=ended)
        case _:
            yield _remark(f"became_{reform.kind}", reform, codes=ended, heirs=heirs)


def _describe_mail(reform: Reform, code: str) -> Remark:
    if reform.successor is not None:
        return _remark("mail_to", reform, code=code, heir=reform.successor)
    if reform.triage:
        return _remark("mail_triage", reform, code=code, heirs=", ".join(reform.heirs))
    return _remark("mail_nobody", reform, code=code)


def _name(code: str, *snapshots: Mapping[str, Life]) -> str:
    return next((lives[code].record.name for lives in reversed(snapshots) if code in lives), "–")


def _remark(key: str, reform: Reform, **params: str) -> Remark:
    return Remark(key=key, params=params | {"on": reform.effective_on.isoformat()})


class ReportUrgency(StrEnum):
    OPEN = "open"
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDuty:
    """Report that is owed for a reform."""

    record: ReformRecord
    due_on: date
    urgency: ReportUrgency


def report_due_on(reform: Reform) -> date:
    """Return the last day for reporting a reform, in calendar days after it takes effect: 16 July for 1 July."""
    return reform.effective_on + timedelta(days=REPORT_DAYS)


def report_duties(records: Iterable[ReformRecord], today: date) -> list[ReportDuty]:
    """Return the reports that are owed, the earliest due first; a reform that is not yet in force owes none."""
    duties = [
        ReportDuty(record=record, due_on=report_due_on(record.reform), urgency=_urgency(record.reform, today))
        for record in records
        if record.state is ReformState.APPROVED
        and record.reported_at is None
        and record.reform.effective_on <= today
    ]
    return sorted(duties, key=lambda duty: (duty.due_on, duty.record.id))


def _urgency(reform: Reform, today: date) -> ReportUrgency:
    if today > report_due_on(reform):
        return ReportUrgency.LATE
    since = (today - reform.effective_on).days
    return ReportUrgency.SOON if since >= REMIND_AFTER else ReportUrgency.OPEN
