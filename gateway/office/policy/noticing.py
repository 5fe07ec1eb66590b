"""Whether a notice may be given as it is (R97, T13). In: the wish, the office calendar, the time. Out: what is wrong with
it, by field; nothing when it may. Pure."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.office_calendar import OfficeCalendar
from gateway.office.domain.notice import LONGEST_TEXT, NoticeKind, Wish
from gateway.policy import office_hours

MISSING, LONG, ORDER, PAST, SHORT = "missing", "long", "order", "past", "short"
_TEXTS = ("text_vi", "text_en", "meanwhile", "afterwards", "emergency")


def earliest(office: OfficeCalendar, now: datetime) -> datetime:
    """One working day of the office after now: whatever is told on Friday at eight may begin on Monday at eight."""
    return office_hours.add(office, now, office_hours.working_day(office))


def faults(wish: Wish, office: OfficeCalendar, now: datetime) -> tuple[tuple[str, str], ...]:
    """(field, what is wrong with it). Only an emergency with its reason shortens the notice of a stop."""
    found = []
    needed = ("text_vi", "meanwhile", "afterwards") if wish.kind is NoticeKind.INCIDENT else ("text_vi",)
    found += [(name, MISSING) for name in needed if not getattr(wish, name).strip()]
    found += [(name, LONG) for name in _TEXTS if len(getattr(wish, name)) > LONGEST_TEXT]
    if wish.kind is NoticeKind.STOP and wish.ends_at is None:
        found.append(("ends_at", MISSING))
    if wish.ends_at is not None and wish.ends_at <= wish.starts_at:
        found.append(("ends_at", ORDER))
    elif wish.ends_at is not None and wish.ends_at <= now:
        found.append(("ends_at", PAST))
    if wish.kind is NoticeKind.STOP and wish.starts_at < earliest(office, now) and not wish.emergency.strip():
        found.append(("starts_at", SHORT))
    return tuple(found)
