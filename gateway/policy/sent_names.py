"""The name of a file as its sender meant it. In: the header of a part of a form, as libraries of all kinds write it.
Out: the last part of the path, decoded, in NFC; or None where nobody can say what it is. Pure.

Some write a whole path of Windows, whose separators are no escapes; some pack the name as mail does (RFC 2047) or as
addresses do (%C4%83). Left as they are, such names lose their ending, and a PDF becomes a file of no known kind."""

from __future__ import annotations

import binascii
import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote_to_bytes

from gateway.domain.unicode_form import nfc

_QUOTED = re.compile(r';\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_EXTENDED = re.compile(r";\s*filename\*\s*=", re.IGNORECASE)
_PACKED = re.compile(r"=\?[^?\s]{1,40}\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNREADABLE = ("Cc", "Cs")


def meant(header: str, parsed: str | None) -> str | None:
    """`parsed` is what a library made of the header; it is right about the extended form (RFC 8187) alone."""
    if not parsed:
        return parsed
    if _EXTENDED.search(header):
        name: str | None = parsed
    else:
        quoted = _QUOTED.search(header)
        written = re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted else parsed
        name = _unpacked(written)
    if name is None:
        return None
    last = nfc(name.replace("\\", "/").rsplit("/", 1)[-1])
    return None if not last or any(unicodedata.category(each) in _UNREADABLE for each in last) else last


def _unpacked(name: str) -> str | None:
    if _PACKED.search(name):
        try:
            return str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, UnicodeError, binascii.Error, ValueError):
            return None
    if "%" in name and not _PERCENT.search(name):
        try:
            return unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            return name  # signs of percent that are meant as such
    return name
