"""Reads and writes a registry feed as a file, in pieces, whatever its size. In: a path, or values. Out: first header and
seal, from the two ends of the file; then its lines, agencies and proposed certificates, whose digest is checked again
while they are read. A line has exactly one spelling, so that no two files say the same under one signature. File
functions are sync: call them in the pool."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.domain.delegated import ListState
from gateway.domain.fields import has_bad_characters
from gateway.domain.registry import AgencyCode, BadCode, CodeForm
from gateway.domain.registry_change import AgencyRecord
from gateway.errors import Clash
from gateway.registry.csv_file import node_host

LONGEST_LINE = 32 * 1024  # the longest valid row, every cell full of three-byte letters, has 14 KiB
LONGEST_EDGE = 4 * 1024  # header and seal are read before anything is known about the file
LONGEST_TAIL = 64 * 1024  # the seal with the officers' signatures before it
MOST_OFFICERS = 8
MOST_TRUST_ROWS = 100_000  # certificates of one list; one for each agency of the country
MOST_ROWS = 1_000_000  # eight times the agencies of the country
MOST_BYTES = 512 * 1024 * 1024  # a million usual rows have 150 MB
LONGEST_TEXT = 500
LONGEST_ALIAS = 75  # the longest alias in real lists
_MOST = 2**53 - 1  # largest number that every JSON reader keeps exactly
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
Count = Annotated[int, Field(ge=0, le=_MOST)]
FORM_1: Literal["lienthong-registry/1"] = "lienthong-registry/1"
FORM_2: Literal["lienthong-registry/2"] = "lienthong-registry/2"
PIECE = 256 * 1024
# The beginnings of lines in their one spelling.
_PROPOSAL, _TRUST, _OFFICER = b'{"proposal":', b'{"trust":', b'{"officer":'
_FORM = re.compile(rb'\{"format":"lienthong-registry/(\d{1,9})"')


class FeedRefused(Clash):
    """The registry feed is not taken; the last good one stays in force."""

    code = "FEED-FORM"
    label_key = "error.feed"


class FeedKind(StrEnum):
    """Kind of feed: a snapshot is the whole list, changes are the rows that differ from the list number `base`."""

    SNAPSHOT = "snapshot"
    CHANGES = "changes"


def _text(value: str) -> str:
    if not value or len(value) > LONGEST_TEXT:
        raise ValueError(f"a text has 1 to {LONGEST_TEXT} characters")
    if value != value.strip() or not unicodedata.is_normalized("NFC", value):
        raise ValueError("a text is in NFC, with no spaces around it")
    if has_bad_characters(value):
        raise ValueError("a text has no control characters")
    return value


def _code(value: str) -> str:
    if str(AgencyCode.parse(value)) != value:
        raise ValueError("a code is written in full")
    return value


def _alias(value: str) -> str:
    if len(value) > LONGEST_ALIAS or not value.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"an alias has letters, digits, dots, _ and -, at most {LONGEST_ALIAS}")
    if not value.isascii() or value != value.upper():
        raise ValueError("an alias is written in capitals without accents")
    try:
        code = AgencyCode.parse(value)
    except BadCode:
        return value
    if code.form is CodeForm.OLD and str(code) != value:
        raise ValueError(f"an older code is written in full, as {code}")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo != UTC and value.utcoffset() != UTC.utcoffset(None):
        raise ValueError("a time is in UTC")
    return value.astimezone(UTC)


Text = Annotated[str, AfterValidator(_text)]
Code = Annotated[str, AfterValidator(_code)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]


class _FeedLine(BaseModel):
    """One line: keys in the order of the fields, empty ones left out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class Header(_FeedLine):
    """First line. `digest` is that of the whole list's body, and so identifies the list with this number; `body` is the
    digest of the lines in this file. `base` is the issuer's number before this one. Form 2 also names `trust`, the digest
    of its certificates' rows, which people compare."""

    format: Literal["lienthong-registry/1", "lienthong-registry/2"] = FORM_1
    kind: FeedKind
    issuer: Text
    sequence: Annotated[int, Field(ge=1, le=_MOST)]
    digest: Sha256
    base: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    base_digest: Sha256 | None = None
    made_at: Moment
    rows: Count
    bytes: Count
    body: Sha256
    trust: Sha256 | None = None
    trust_rows: Count | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Header:
        if (self.format == FORM_2) != (self.trust is not None) or (self.trust is None) != (
            self.trust_rows is None
        ):
            raise ValueError("trust and trust_rows belong to form 2")
        if (self.base is None) != (self.base_digest is None):
            raise ValueError("base and base_digest come together")
        if self.base is not None and self.base >= self.sequence:
            raise ValueError("the base is older than the feed")
        if self.kind is FeedKind.CHANGES and self.base is None:
            raise ValueError("changes name their base")
        if self.kind is FeedKind.SNAPSHOT and self.digest != self.body:
            raise ValueError("a snapshot's digest is that of its body")
        return self


class FeedSeal(_FeedLine):
    """Last line: the signature over the header, and the SHA-256 of the certificate that made it."""

    signature: Annotated[str, Field(max_length=2048)]
    algorithm: Literal["rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"]
    certificate: Sha256


class OfficerLine(_FeedLine):
    """Signature of an officer over the header of form 2, with the certificate that made it; before the seal."""

    officer: Sha256
    certificate: Annotated[str, Field(max_length=16 * 1024)]
    signature: Annotated[str, Field(max_length=2048)]
    algorithm: Literal["rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"]


class ReceiptLine(_FeedLine):
    """Statement of a node that a list is in force there, and what became of the list's certificates. It is followed by a
    seal with the exchange key of `code`, and is no part of a list."""

    receipt: Literal["lienthong-receipt/1"] = "lienthong-receipt/1"
    issuer: Text
    sequence: Annotated[int, Field(ge=1, le=_MOST)]
    digest: Sha256
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,74}\z")]
    state: ListState
    taken_at: Moment
    said_at: Moment
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}\z")]


class AgencyLine(_FeedLine):
    """One agency with all its fields."""

    code: Code
    alias: Annotated[str, AfterValidator(_alias)] | None = None
    name: Text
    parent: Code | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: Code | None = None
    host: Annotated[str, AfterValidator(node_host)] | None = None
    email: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    decision: Text | None = None
    next_host: Annotated[str, AfterValidator(node_host)] | None = None
    next_host_from: date | None = None

    @model_validator(mode="after")
    def _agrees(self) -> AgencyLine:
        if self.next_host is not None and self.next_host_from is None:
            raise ValueError("the day from which the next node hosts the code is missing")
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("the last day is before the first")
        return self

    def record(self) -> AgencyRecord:
        return AgencyRecord(**dict(self))


class ProposalLine(_FeedLine):
    """Certificate that the issuer proposes for a code. It binds nothing: two people here do that (K6)."""

    proposal: Code
    sha256: Sha256
    certificate: Annotated[str, Field(max_length=16 * 1024)]
    valid_from: Moment | None = None
    valid_to: Moment | None = None

    @model_validator(mode="after")
    def _agrees(self) -> ProposalLine:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("the proposed binding ends before it begins")
        return self


class TrustLine(_FeedLine):
    """Row of form 2: a certificate of a code, of the kind `exchange` or another one; or, with `revoked_at` and without the
    certificate, that the issuer revoked it. It binds nothing by itself: two people here, or their policy, do that."""

    trust: Code
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,30}\z")]
    sha256: Sha256
    certificate: Annotated[str, Field(max_length=16 * 1024)] | None = None
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    revoked_at: Moment | None = None

    @model_validator(mode="after")
    def _agrees(self) -> TrustLine:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("the binding ends before it begins")
        if (self.certificate is None) != (self.revoked_at is not None):
            raise ValueError("a row has either its certificate or the time of its revocation")
        return self

    def without_certificate(self) -> TrustLine:
        """Return the row as the digest of all such rows has it: the certificate by its SHA-256 alone."""
        return self.model_copy(update={"certificate": None})


BodyLine: TypeAlias = AgencyLine | ProposalLine | TrustLine
AnyLine = TypeVar("AnyLine", bound=_FeedLine)


def agency_line(record: AgencyRecord) -> AgencyLine:
    """Return the line of a registry row without validating it again."""
    return AgencyLine.model_construct(**{name: getattr(record, name) for name in AgencyLine.model_fields})


def encode(line: _FeedLine) -> bytes:
    """Return the one spelling of a line, with its line feed."""
    return line.model_dump_json(exclude_none=True).encode() + b"\n"


def decode(kind: type[AnyLine], raw: bytes, position: str) -> AnyLine:
    """Read a line of that kind. FeedRefused for anything else, also for another spelling of the same values."""
    try:
        line = kind.model_validate_json(raw)
    except ValidationError as cause:
        raise FeedRefused(f"{position}: {_first(cause)}", code="FEED-FORM") from cause
    if encode(line) != raw:
        raise FeedRefused(f"{position}: the line is not spelled as a feed spells it", code="FEED-FORM")
    return line


def unpack(text: str, position: str) -> bytes:
    """Decode base64 in its one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise FeedRefused(f"{position}: not base64", code="FEED-FORM") from cause
    if base64.b64encode(raw).decode() != text:
        raise FeedRefused(f"{position}: base64 in another spelling than ours", code="FEED-FORM")
    return raw


def _first(cause: ValidationError) -> str:
    """Describe the first fault, without the value, which is another party's text."""
    error: Any = cause.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Header and seal of a feed, not yet verified, with the officers' signatures before the seal."""

    header: Header
    header_line: bytes
    seal: FeedSeal
    officers: tuple[OfficerLine, ...] = ()


def ends(path: Path) -> Ends:
    """Read header and seal, and check every limit; the body is not read. FeedRefused when the file cannot be a feed."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise FeedRefused(f"{size} bytes, and at most {MOST_BYTES} are read", code="FEED-LIMIT")
    with path.open("rb") as file:
        first = file.readline(LONGEST_EDGE)
        file.seek(max(0, size - LONGEST_TAIL))
        tail = file.read(LONGEST_TAIL)
    above, _, last = tail.removesuffix(b"\n").rpartition(b"\n")
    if not first.endswith(b"\n") or not tail.endswith(b"\n") or not (above or size > LONGEST_TAIL):
        raise FeedRefused(
            "the file has no header line and no seal: it is not a signed feed", code="FEED-FORM"
        )
    _refuse_later_form(first)
    header = decode(Header, first, "the header")
    seal = decode(FeedSeal, last + b"\n", "the seal")
    if header.rows > MOST_ROWS or (header.trust_rows or 0) > MOST_TRUST_ROWS:
        raise FeedRefused(
            f"{header.rows} rows, {header.trust_rows or 0} of certificates; at most {MOST_ROWS} and"
            f" {MOST_TRUST_ROWS} are read",
            code="FEED-LIMIT",
        )
    officers, officers_size = _officers(header, above)
    if size != len(first) + header.bytes + officers_size + len(last) + 1:
        raise FeedRefused(
            "the file is not as long as its header says: part of it is missing", code="FEED-FORM"
        )
    return Ends(header=header, header_line=first, seal=seal, officers=officers)


def _refuse_later_form(first: bytes) -> None:
    """Raise FeedRefused for a form that a later version of the program writes."""
    match = _FORM.match(first)
    if match is not None and match[1] not in (b"1", b"2"):
        raise FeedRefused(
            f"the list has form {int(match[1])}, and this node reads forms 1 and 2",
            code="FEED-VERSION",
            hint="update this node, or ask the issuer for the list in an earlier form",
        )


def _officers(header: Header, above: bytes) -> tuple[tuple[OfficerLine, ...], int]:
    """Return the officers' lines directly before the seal, and their size. They are in the order of their certificates,
    each once."""
    if header.format != FORM_2:
        return (), 0
    raw: list[bytes] = []
    for line in reversed(above.split(b"\n")):
        if not line.startswith(_OFFICER) or len(raw) == MOST_OFFICERS:
            break
        raw.insert(0, line + b"\n")
    officers = tuple(decode(OfficerLine, line, "an officer's signature") for line in raw)
    digests = [line.officer for line in officers]
    if digests != sorted(set(digests)):
        raise FeedRefused("the officers' signatures are doubled or out of order", code="FEED-FORM")
    return officers, sum(map(len, raw))


def check_body(path: Path, feed_ends: Ends) -> None:
    """Raise FeedRefused unless the body has the digest in the signed header."""
    hasher, remaining = hashlib.sha256(), feed_ends.header.bytes
    with path.open("rb") as file:
        file.seek(len(feed_ends.header_line))
        while remaining and (piece := file.read(min(PIECE, remaining))):
            hasher.update(piece)
            remaining -= len(piece)
    _same(hasher.hexdigest(), feed_ends.header)


def lines(path: Path, feed_ends: Ends) -> Iterator[BodyLine]:
    """Yield every line of the body in order. FeedRefused for an invalid line, two rows of one code, and at the end for a
    body that changed since it was checked: keep nothing before the iterator has ended."""
    header = feed_ends.header
    hasher, remaining, count = hashlib.sha256(), header.bytes, 0
    order, trust, kinds = ("", ""), TrustDigest(), dict[tuple[str, str], str]()
    with path.open("rb") as file:
        file.seek(len(feed_ends.header_line))
        while remaining:
            raw = file.readline(min(LONGEST_LINE, remaining))
            count, remaining = count + 1, remaining - len(raw)
            if not raw.endswith(b"\n") or count > feed_ends.header.rows:
                raise FeedRefused(f"row {count}: too long, or more rows than stated", code="FEED-LIMIT")
            hasher.update(raw)
            line = read_line(raw, header, f"row {count}")
            order = _next_place(order, line, count)
            if isinstance(line, TrustLine):
                trust.add(line)
                kinds = _one_kind(kinds, line, count)
            yield line
    _same(hasher.hexdigest(), header)
    if count != header.rows:
        raise FeedRefused(f"{count} rows, and the header says {header.rows}", code="FEED-FORM")
    if header.format == FORM_2 and (trust.hexdigest(), trust.rows) != (header.trust, header.trust_rows):
        raise FeedRefused("the certificates are not those that the header names", code="FEED-SIGNATURE")


def _one_kind(kinds: dict[tuple[str, str], str], line: TrustLine, count: int) -> dict[tuple[str, str], str]:
    """Return the kinds of the certificates of this code so far. FeedRefused where one certificate has two."""
    mine = {key: kind for key, kind in kinds.items() if key[0] == line.trust}
    if mine.setdefault((line.trust, line.sha256), line.kind) != line.kind:
        raise FeedRefused(
            f"row {count}: a certificate of {line.trust} has two kinds: a key has one purpose",
            code="FEED-ROWS",
        )
    return mine


def read_line(raw: bytes, header: Header, position: str) -> BodyLine:
    """Read a line of the body. Form 1 has proposals, form 2 has rows of trust in their place."""
    if header.format == FORM_2:
        is_trust = raw.startswith(_TRUST)
        return decode(TrustLine, raw, position) if is_trust else decode(AgencyLine, raw, position)
    is_proposal = raw.startswith(_PROPOSAL)
    return decode(ProposalLine, raw, position) if is_proposal else decode(AgencyLine, raw, position)


class TrustDigest:
    """Digest of the rows of certificates, in the order of the list; the certificates stand in it by their SHA-256."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self.rows = 0

    def add(self, line: TrustLine) -> bytes:
        """Add a row, and return it as the digest has it."""
        raw = encode(line.without_certificate())
        self._hasher.update(raw)
        self.rows += 1
        return raw

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


def code_of(line: BodyLine) -> str:
    """Return the agency code that a line is about."""
    match line:
        case AgencyLine():
            return line.code
        case ProposalLine():
            return line.proposal
    return line.trust


def place(line: BodyLine) -> tuple[str, str]:
    """Return the sort key of a line: agencies by code, then certificates by code, kind and digest."""
    # The sign sorts after every code.
    match line:
        case AgencyLine():
            return "", line.code
        case ProposalLine():
            return f"~{line.proposal}", line.sha256
    return f"~{line.trust}", f"{line.kind} {line.sha256}"


def copy_piece(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy the first `size` bytes."""
    while size and (piece := source.read(min(PIECE, size))):
        target.write(piece)
        size -= len(piece)


class FeedDraft:
    """Body of a feed being written to a temporary file; its header is known only when it is complete."""

    def __init__(self, target: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115 - `discard` closes it
        self._hasher = hashlib.sha256()
        self.rows = self.size = 0
        self.trust = TrustDigest()

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    def add(self, batch: Iterable[bytes]) -> None:
        for line in batch:
            self._file.write(line)
            self._hasher.update(line)
            self.rows, self.size = self.rows + 1, self.size + len(line)
        if self.rows > MOST_ROWS or self.size > MOST_BYTES - 2 * LONGEST_EDGE:
            raise FeedRefused("the registry is larger than a feed may be", code="FEED-LIMIT")

    def copy_between(self, header: bytes, seal: bytes, target: BinaryIO) -> None:
        """Write the whole feed to a file: header, body, seal."""
        target.write(header)
        self._file.seek(0)
        shutil.copyfileobj(self._file, target, PIECE)
        target.write(seal)
        target.flush()

    def discard(self) -> None:
        self._file.close()


def _next_place(order: tuple[str, str], line: BodyLine, count: int) -> tuple[str, str]:
    """Return the line's sort key. FeedRefused unless it is greater than the last one, so that no code occurs twice."""
    following = place(line)
    if following <= order:
        raise FeedRefused(
            f"row {count}: {code_of(line)} stands twice, or out of order: one code is one agency",
            code="FEED-ROWS",
        )
    return following


def _same(digest: str, header: Header) -> None:
    if digest != header.body:
        raise FeedRefused("the rows are not those that were signed", code="FEED-SIGNATURE")
