"""Text as the canonical form writes it, and what text a native file may hold at all. Characters go in, UTF-8 goes
out; the same function writes an envelope and writes a parsed one again to compare it (F5)."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def escape(text: str) -> bytes:
    """A text node in canonical form."""
    raw = text.encode()
    if b"&" in raw:
        raw = raw.replace(b"&", b"&amp;")
    if b"<" in raw:
        raw = raw.replace(b"<", b"&lt;")
    if b">" in raw:
        raw = raw.replace(b">", b"&gt;")
    if b"\r" in raw:
        raw = raw.replace(b"\r", b"&#xD;")
    return raw


def escape_attribute(value: str) -> bytes:
    """An attribute value in canonical form, without its quotes."""
    raw = value.encode().replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b'"', b"&quot;")
    return raw.replace(b"\t", b"&#x9;").replace(b"\n", b"&#xA;").replace(b"\r", b"&#xD;")


def fault(text: str, max_length: int | None = None) -> str | None:
    """Why a text cannot be written (W1), or None. Says where, never what the text is."""
    if not text.strip(" \t\r\n"):
        return "is blank; what is absent must be None"
    if found := _UNWRITABLE.search(text):
        return f"has the forbidden character U+{ord(found.group()):04X} at position {found.start()}"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode form NFC"
    if max_length is not None and len(text) > max_length:
        return f"has {len(text)} characters, at most {max_length} are allowed"
    return None


def word_fault(text: str, max_length: int | None = None) -> str | None:
    """As `fault`, of a text on one line that nothing surrounds: W6a's codes and numbers."""
    if reason := fault(text, max_length):
        return reason
    if text != text.strip():
        return "begins or ends with a space"
    if found := _CONTROL.search(text):
        return f"has the forbidden character U+{ord(found.group()):04X} at position {found.start()}"
    return None


def instant(at: datetime) -> str:
    """An aware time in the form of SigningTime and gw:Received (W5, R2): whole seconds, UTC, `Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(text: str) -> datetime:
    """The inverse of `instant`; any other form is a ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("not a time in the form YYYY-MM-DDThh:mm:ssZ")
    return datetime.fromisoformat(text)
