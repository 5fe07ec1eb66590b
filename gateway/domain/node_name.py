"""What a node may be called. In: a name. Out: why it cannot be one, or nothing. The name becomes part of queue names,
a user of the broker and a file of secrets, and is compared without letter case. Pure."""

from __future__ import annotations

import re

MAX_LENGTH = 63
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# `sink` and `dead` name things of the whole axis, `guest` is a user that brokers bring along.
RESERVED = frozenset({"sink", "dead", "guest"})


def node_name_fault(name: str) -> str | None:
    """None for a usable name; else what is wrong and how names are written."""
    if len(name) > MAX_LENGTH or not _NAME.fullmatch(name) or ".." in name:
        return f"a node's name has letters, digits and . _ - between them, at most {MAX_LENGTH} characters"
    if name.casefold() in RESERVED:
        return f"no node may be called {name}: the broker uses that name itself"
    return None
