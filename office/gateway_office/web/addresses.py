"""Addresses of pages of this node. In: a path and a query, or an address from outside. Out: an address that leads nowhere
else."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit


def inside(address: str) -> str:
    """Return the address if it is one of this node alone, else the beginning."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and "\\" not in address
    safe = is_ours and not address.startswith("//") and address.isprintable() and address.isascii()
    return address if safe else "/"


def url_for(path: str, /, **query: str) -> str:
    """Make an address of this node alone: whatever the parts are, it leads nowhere else."""
    safe = "/" + quote(path.lstrip("/\\"), safe="/~.,;=:@-_")
    return f"{safe}?{urlencode(query)}" if query else safe


def merged(query: Mapping[str, str], **other: str | None) -> dict[str, str]:
    """Return a query with some values in place of others; None takes one out."""
    full = {**query, **{name: value for name, value in other.items() if value is not None}}
    return {name: value for name, value in full.items() if value != "" and other.get(name, "") is not None}
