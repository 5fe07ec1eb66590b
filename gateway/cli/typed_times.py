"""Times as they are typed at the command line. In: a day, a moment, or a span such as `90s` or `2h`. Out: the date, the
moment, or the span; a usage error for anything else."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta

import typer

from gateway.domain.wall_clock import is_in_span, vietnam_time

_UNITS = {"s": 1, "m": 60, "h": 3600}


def day(text: str) -> str:
    """Convert either form of a date to ISO."""
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        with suppress(ValueError):
            if is_in_span(read := datetime.strptime(text, form).date()):
                return read.isoformat()
    raise typer.BadParameter(f"{text!r} is no date; write 2026-11-20 or 20/11/2026")


def moment(text: str) -> datetime:
    """Convert a time of the Vietnamese wall clock, such as 2026-12-01T06:00."""
    for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%H:%M %d/%m/%Y", "%d/%m/%Y %H:%M"):
        with suppress(ValueError):
            at = datetime.strptime(text.strip(), form)
            if is_in_span(at.date()):
                return vietnam_time(at.date(), at.time())
    raise typer.BadParameter(f"{text!r} is no time; write 2026-12-01T06:00 or 06:00 01/12/2026")


def span(text: str) -> timedelta:
    """Parse 90s, 30m, 2h or 7d."""
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if not match:
        raise typer.BadParameter(f"{text!r} is no length of time; write 90s, 30m, 2h or 7d")
    return timedelta(seconds=int(match[1]) * (_UNITS | {"d": 86400})[match[2]])
