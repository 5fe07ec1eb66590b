"""Values of a submission package for the historical archive (R103, hand-over): its facts, its documents, its files, and the
names of its members. In: nothing. Out: frozen values; the safe name of a stored file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.text import fold

METS, DIGESTS, SIGNATURE = "METS.xml", "manifest-sha256.txt", "manifest-sha256.sig"
PART = "representations/rep1"
DESCRIPTION, PRESERVATION = "metadata/descriptive/records.xml", "metadata/preservation/premis.xml"
SCHEMA, README = "schemas/archive-records.xsd", "documentation/readme.txt"
# The signed bytes begin with their purpose: the signature is good for one list alone.
_TAG = b"gateway-archive-digests/1\n"
_LONGEST_STEM = 60
_UNSAFE = re.compile(r"[^0-9a-z]+")
_ENDING = re.compile(r"\.[0-9a-z][0-9a-z-]{0,11}")
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """File as it stands in a package; `name` is the one that it came with."""

    path: str
    sha256: str
    size: int = 0
    media: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDocument:
    """Document of a package: its fields under the names of decree 30/2020, and its files."""

    fields: Fields
    files: tuple[PackageFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """Statements of a package about itself and the file of records in it."""

    id: str
    title: str
    agency: str
    agency_name: str
    software: str
    made_at: datetime
    fields: Fields = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFault:
    """Fault of a package; `reason` has a text in `archive.fault`."""

    reason: str
    member: str = ""


def stored_name(n: int, name: str) -> str:
    """Return the name of the n-th file of a document in a package: readable, short, unique there, safe in any system."""
    stem, dot, ending = fold(name).rpartition(".")
    suffix = f".{ending}" if dot and _ENDING.fullmatch(f".{ending}") else ""
    safe = _UNSAFE.sub("-", stem if suffix else fold(name)).strip("-")[:_LONGEST_STEM].strip("-")
    return f"{n:02}-{safe or 'file'}{suffix}"


def signed_bytes(digests: bytes) -> bytes:
    """Return the bytes that the maker's key signs."""
    return _TAG + digests
