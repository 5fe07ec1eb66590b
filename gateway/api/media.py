"""Media types of the files that agencies exchange (R10 to R12). In: the short type that the inspector found, or a media
type that a sender claims. Out: a media type that is safe to say; what is not on the list is only bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BYTES = "application/octet-stream"

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "pdf": "application/pdf",
        "doc": "application/msword",
        "docx": _OFFICE + "wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": _OFFICE + "spreadsheetml.sheet",
        "ppt": "application/vnd.ms-powerpoint",
        "pptx": _OFFICE + "presentationml.presentation",
        "odt": _OPEN + "text",
        "ods": _OPEN + "spreadsheet",
        "rtf": "application/rtf",
        "txt": "text/plain",
        "csv": "text/csv",
        "jpeg": "image/jpeg",
        "png": "image/png",
        "zip": "application/zip",
        "rar": "application/vnd.rar",
        "xml": "application/xml",
    }
)
_KNOWN = frozenset(TYPES.values())


def media_type(found: str) -> str:
    """The media type of a short type, or of a claimed one that is on the list."""
    return TYPES.get(found) or (found if found in _KNOWN else BYTES)
