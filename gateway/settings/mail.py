"""How hours and people of the reminders are written in the settings. In: a text. Out: times of day, addresses by code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time

from gateway.errors import Misconfigured


def read_hours(text: str) -> tuple[time, ...]:
    """`08:00, 14:00` in order; none for an empty text. Misconfigured for anything else."""
    try:
        return tuple(sorted({time.fromisoformat(part.strip()) for part in text.split(",") if part.strip()}))
    except ValueError as why:
        raise Misconfigured(f"mail.digest_at is {text!r}; write times of day, such as 08:00, 14:00") from why


def read_people(text: str) -> Mapping[str, tuple[str, ...]]:
    """`CODE=address, CODE=address` by code without letter case; Misconfigured for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        code, _, address = (each.strip() for each in part.partition("="))
        if not code or "@" not in address:
            raise Misconfigured(f"mail.people has {part!r}; write CODE=address, and a comma between two")
        found[code.casefold()] = (*found.get(code.casefold(), ()), address)
    return found
