"""Reads the dates and times that senders write. In: the text of a leaf. Out: a date or an aware time, and whether
it stood in the form of the regulation. Two digits first means the day first, never the month (edxml.md 6)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from gateway.domain.wall_clock import VIETNAM

"""The wall clock of every date and time on the wire; a time without a zone is this one's."""

_USUAL_DATE = re.compile(r"\d{4}/\d{2}/\d{2}", re.ASCII)
_USUAL_TIME = re.compile(r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_ANY = re.compile(
    r"""(?: (?P<y1>\d{4}) (?P<s1>[/-]) (?P<m1>\d{1,2}) (?P=s1) (?P<d1>\d{1,2})
          | (?P<d2>\d{1,2}) (?P<s2>[/-]) (?P<m2>\d{1,2}) (?P=s2) (?P<y2>\d{4}) )
        (?: (?:T|[ ]+) (?P<h>\d{1,2}) : (?P<i>\d{2}) (?: : (?P<s>\d{2}) (?: [.,] (?P<f>\d{1,9}) )? )?
            [ ]? (?P<z>Z|[+-]\d{2}:?\d{2})? )?""",
    re.ASCII | re.VERBOSE,
)


def read_date(text: str) -> tuple[date | None, bool]:
    """The date that `text` says (of a time with a zone: the date in Hanoi), and whether it is `yyyy/MM/dd`."""
    moment = _moment(text)
    return (None if moment is None else moment.date()), bool(_USUAL_DATE.fullmatch(text))


def read_time(text: str) -> tuple[datetime | None, bool]:
    """The time that `text` says, a bare date being its midnight, and whether it is `yyyy/MM/dd HH:mm:ss`."""
    return _moment(text), bool(_USUAL_TIME.fullmatch(text))


def _moment(text: str) -> datetime | None:
    found = _ANY.fullmatch(text.strip())
    if found is None:
        return None
    part = found.groupdict()
    try:
        moment = datetime(
            int(part["y1"] or part["y2"]),
            int(part["m1"] or part["m2"]),
            int(part["d1"] or part["d2"]),
            int(part["h"] or 0),
            int(part["i"] or 0),
            int(part["s"] or 0),
            int((part["f"] or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(part["z"]),
        )
        return moment.astimezone(VIETNAM)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None:
        return VIETNAM
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
