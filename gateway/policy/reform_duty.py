"""The duty to report a change of the organisation within fifteen days (R80, T16). In: reforms and a day. Out: for each that
is in force and not reported, when its report is due and how urgent that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from gateway.domain.registry_reform import Reform, ReformRecord, ReformState

REPORT_DAYS = 15
REMIND_AFTER = 10


class Urgency(StrEnum):
    OPEN = "open"
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One report that somebody owes."""

    record: ReformRecord
    due_on: date
    urgency: Urgency


def due_on(reform: Reform) -> date:
    """Calendar days from the day on which it takes effect: of one on 1 July, 16 July."""
    return reform.effective_on + timedelta(days=REPORT_DAYS)


def duties(records: Iterable[ReformRecord], today: date) -> list[Duty]:
    """Latest first passed first; a reform that is still to come owes nothing yet."""
    found = [
        Duty(record=each, due_on=due_on(each.reform), urgency=_urgency(each.reform, today))
        for each in records
        if each.state is ReformState.APPROVED
        and each.reported_at is None
        and each.reform.effective_on <= today
    ]
    return sorted(found, key=lambda duty: (duty.due_on, duty.record.id))


def _urgency(reform: Reform, today: date) -> Urgency:
    if today > due_on(reform):
        return Urgency.LATE
    since = (today - reform.effective_on).days
    return Urgency.SOON if since >= REMIND_AFTER else Urgency.OPEN
