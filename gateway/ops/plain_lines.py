"""Told facts as lines that can be pasted into a mail. In: names with values, nested. Out: one line for each value,
its place before it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping


def lines(told: Mapping[str, object], before: str = "") -> list[str]:
    """Each ends with a line break; what is a list has a line for each of its things."""
    made = []
    for name, value in told.items():
        if isinstance(value, Mapping):
            made += lines(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            rows = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value]
            made += [f"{before}{name}: {row}\n" for row in rows or ("-",)]
        else:
            made.append(f"{before}{name}: {'-' if value is None else value}\n")
    return made
