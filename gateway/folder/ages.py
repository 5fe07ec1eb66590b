"""How long a hot folder keeps what it has put away. In: the agency's directory, today, for how many days each part keeps;
nought keeps for ever. Out: how many things were removed. What was accepted goes by its day's folder; what was refused by
the time at which it was put there, of which no name tells. Sync: use it in the pool."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta

from gateway.errors import NotFound
from gateway.folder.layout import ERROR, SENT
from gateway.folder.places import Place

_MOST = 20_000


def remove_old(base: Place, now: datetime, today: date, *, sent_days: int, error_days: int) -> int:
    """Remove what is older than it is kept."""
    removed = 0
    with suppress(NotFound):
        if sent_days:
            removed += _remove_sent(base, today - timedelta(days=sent_days))
        if error_days:
            removed += _remove_refused(base, now - timedelta(days=error_days))
    return removed


def _remove_sent(base: Place, before: date) -> int:
    """The folders of whole days, and those of months and years that are empty then."""
    removed = 0
    for year in _numbers(base, SENT):
        for month in _numbers(base, SENT, year):
            for day in _numbers(base, SENT, year, month):
                with suppress(ValueError):
                    if date(int(year), int(month), int(day)) < before:
                        removed += _remove(base, (SENT, year, month), day)
            _remove_empty(base, (SENT, year), month)
        _remove_empty(base, (SENT,), year)
    return removed


def _numbers(base: Place, *steps: str) -> list[str]:
    with base.within(*steps) as here:
        return [entry.name for entry in here.listing(_MOST)[0] if entry.is_folder and entry.name.isdecimal()]


def _remove(base: Place, steps: tuple[str, ...], name: str) -> int:
    with base.within(*steps) as here:
        here.remove(name)
    return 1


def _remove_empty(base: Place, steps: tuple[str, ...], name: str) -> None:
    with base.within(*steps) as here:
        with here.within(name) as below:
            is_empty = not below.listing(1)[0]
        if is_empty:
            here.remove(name)


def _remove_refused(base: Place, before: datetime) -> int:
    removed = 0
    with base.within(ERROR) as refused:
        for entry in refused.listing(_MOST)[0]:
            put_at = refused.put_at(entry.name)
            if put_at is not None and put_at < before:
                refused.remove(entry.name)
                removed += 1
    return removed
