"""Says what a file is by its bytes, never by its name (R10, threats 61 to 63). In: the bytes as they stream by.
Out: a short type name such as `pdf`, `zip`, `txt`, `exe`, or `unknown`. Adapter part of
`trust.inspector`; containers made of ZIP members are told apart in `trust.archive`."""

from __future__ import annotations

import codecs
import re

HEAD = 4096
PDF_WITHIN = 1024  # readers look for the header this far into a file

_MAGIC = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"MZ", "exe"),
    (b"\x7fELF", "elf"),
    (b"#!", "script"),
)
_MARKUP = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "svg"),
    (
        re.compile(
            rb"<(!doctype\s+html|html|head|body|script|iframe|object|embed|meta)[\s>/]", re.IGNORECASE
        ),
        "html",
    ),
    (re.compile(rb"^\s*<\?xml", re.IGNORECASE), "xml"),
    (re.compile(rb"^(mime-version|content-type):", re.IGNORECASE), "mht"),
)
_KNOWN = frozenset({name for _, name in _MAGIC} | {"txt", "csv", "doc", "xls", "ppt"})
_ALLOWED_CONTROLS = b"\t\n\r\f"
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in _ALLOWED_CONTROLS) + b"\x7f"
_DELETE_ALLOWED = bytes(byte for byte in range(256) if byte not in _CONTROLS)


class Sniffer:
    """Is fed a file piece by piece, keeps its head, and knows whether all of it was text."""

    def __init__(self) -> None:
        self.head = b""
        self.size = 0
        self._has_controls = False
        self._is_utf16 = False

    def feed(self, piece: bytes) -> None:
        if self.size == 0:
            self._is_utf16 = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        self.size += len(piece)
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]
        if not self._has_controls:
            self._has_controls = bool(piece.translate(None, _DELETE_ALLOWED))

    def found(self, name: str) -> str:
        """The type; `zip` and `ole` are containers that say more when opened. The name only tells csv from txt."""
        for magic, found in _MAGIC:
            if self.head.startswith(magic):
                return found
        if _after_blanks(self.head).startswith(b"%PDF-") or self.has_late_pdf:
            return "pdf"
        if self._has_controls and not self._is_utf16:
            return _other(self.head)
        for pattern, found in _MARKUP:
            if pattern.search(self.head.lstrip(codecs.BOM_UTF8)):
                return found
        return "csv" if name.casefold().endswith((".csv", ".tsv")) else "txt"

    @property
    def has_late_pdf(self) -> bool:
        """A PDF header that is not at the beginning: something else stands before it (threat 63)."""
        is_first = _after_blanks(self.head).startswith(b"%PDF-")
        return not is_first and self.head.find(b"%PDF-", 1, PDF_WITHIN + 5) > 0


def _after_blanks(head: bytes) -> bytes:
    """Some programs write a byte order mark or line ends before the header; nothing hides in those."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n \t")


def _other(head: bytes) -> str:
    """Whatever the table of magic numbers says; never one of the types that we check ourselves."""
    import puremagic

    try:
        guess = puremagic.from_string(head)
    except (puremagic.PureError, ValueError):
        return "unknown"
    found = str(guess).lstrip(".").casefold()
    return found if found and found not in _KNOWN and found.isalnum() else "unknown"
