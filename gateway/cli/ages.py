"""How long something lasted, for people. In: a span. Out: words in the language of the call."""

from __future__ import annotations

from datetime import timedelta

from gateway.cli.command import Call


def age(call: Call, span: timedelta) -> str:
    """In the largest unit that leaves a number of one at least."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return call.word(f"cli.age.{unit}", n=seconds // size)
    return call.word("cli.age.seconds", n=seconds)
