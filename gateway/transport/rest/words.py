"""What an axis says in words: no longer than anybody needs, and nothing that cannot be written down or shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ID = re.compile(r"[!-~]{1,200}")
"""An id that a call can name."""
_LONGEST = 300


def text(row: Mapping[str, Any], name: str) -> str:
    """A value that may be absent, null, or a number."""
    value = row.get(name)
    return "" if value is None or value == "null" else shown(str(value))


def shown(given: str) -> str:
    return "".join(each if each.isprintable() else " " for each in given[:_LONGEST]).strip()


def listed(given: str) -> frozenset[str]:
    """Codes with commas between them."""
    return frozenset(each.strip() for each in given.split(",") if each.strip())
