"""Describes the shapes that envelopes come in, as tables: the place of each element, its other names, and the kind of
value it holds. In: a namespace and a local name. Out: its place in the model, or none. `reader` walks these tables: a
difference between dialects is a row here, not a branch there.

Also here: the light tree that a streamed envelope leaves behind, with known elements and their short texts, without the
attachments' bytes. Absent, empty and blank all mean None. Other text is kept exactly, spaces included, because the
signed text must be the one shown; only numbers, dates and flags are read through surrounding white space. Dates and
times are normalised: where two digits come first, they are the day, never the month."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from gateway.domain.proof import Finding
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml import names
from gateway.edxml.envelope import Attachment, Business, Envelope, StatusReport, TraceHeader, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XLINK = "http://www.w3.org/1999/xlink"
_ALIASES = {
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
    "OrganInCharge": "OrganizationInCharge",
    "OrganizationId": "OrganId",
    "OrganizationName": "OrganName",
    "TypeNotation": "TyperNotation",
    "TimeStamp": "Timestamp",
}
ROOTS_OF_C = frozenset({(SOAP, "Envelope"), (names.DIALECT_C, "Envelope"), (names.DIALECT_C, "AllDocument")})
"""Dialect C, the SOAP generation of 2012: refused by name, so that a person knows why."""
ATTACHMENT_NAMES: Mapping[str, tuple[str, str]] = {
    "attachment": ("AttachmentName", "ContentType"),
    "inline-attachment": ("AttachmentName", "AttachmentType"),
    "flat-attachment": ("FileName", "FileType"),
}
"""Types of element that carry a file, with the elements of its name and content type."""
# Only the .NET flavour writes these: any of them turns dialect "A" into "A-net".
NET_ELEMENTS = frozenset({"DigitalSignature"})
NET_ATTRIBUTES = frozenset(
    {
        ("TraceHeaderList", "", "mustUnderstand"),
        ("TraceHeaderList", "", "actor"),
        ("Reference", XLINK, "href"),
    }
)
# Attributes that occur in samples, and mean nothing to the model.
KNOWN_ATTRIBUTES = NET_ATTRIBUTES | {
    ("edXMLManifest", "", "version"),
    ("TraceHeaderList", "", "id"),
    ("TraceHeaderList", "", "version"),
    ("Reference", XLINK, "role"),
    ("Reference", XLINK, "type"),
}
_USUAL_DATE = re.compile(r"\d{4}/\d{2}/\d{2}", re.ASCII)
_USUAL_TIME = re.compile(r"(\d{4})/(\d{2})/(\d{2}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)
_ANY = re.compile(
    r"""(?: (?P<y1>\d{4}) (?P<s1>[/-]) (?P<m1>\d{1,2}) (?P=s1) (?P<d1>\d{1,2})
          | (?P<d2>\d{1,2}) (?P<s2>[/-]) (?P<m2>\d{1,2}) (?P=s2) (?P<y2>\d{4}) )
        (?: (?:T|[ ]+) (?P<h>\d{1,2}) : (?P<i>\d{2}) (?: : (?P<s>\d{2}) (?: [.,] (?P<f>\d{1,9}) )? )?
            [ ]? (?P<z>Z|[+-]\d{2}:?\d{2})? )?""",
    re.ASCII | re.VERBOSE,
)
XML_SPACE = " \t\r\n"
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_Moment = TypeVar("_Moment", date, datetime)
_NULL = "null"  # an axis itself wrote this in OrganId of two files
MOST_FINDINGS = 200
Place: TypeAlias = "tuple[Place | None, str, int]"
"""Place of an element: its parent's place (None for the root), its name, and its number among siblings of that name, 0
where it may not be repeated. `in_words` makes the path when it is needed."""
ROOT: Place = (None, "", 0)


class ElementContent(Enum):
    """Kind of content that the reader expects in an element."""

    ELEMENTS = "elements"
    TEXT = "text"
    EITHER = "either"
    FILE = "file"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class ChildSlot:
    """One permitted child: its content, the type of its own children, and whether it may be repeated."""

    holds: ElementContent = ElementContent.TEXT
    type: str = ""
    many: bool = False
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One shape of envelopes. `types` maps a type of element to its children; `aliases` maps other spellings to ours."""

    name: str
    namespace: str
    types: Mapping[str, Mapping[str, ChildSlot]]
    aliases: Mapping[str, str]


ROOT_SLOT: Final = ChildSlot(ElementContent.ELEMENTS, "edxml")
"""Place of the root, whose type has this name in every dialect."""
_LEAF = ChildSlot()
_FILE = ChildSlot(ElementContent.FILE)
_SIGNATURE = ChildSlot(ElementContent.SIGNATURE)


def _group_slot(type_name: str, *, many: bool = False) -> ChildSlot:
    return ChildSlot(ElementContent.ELEMENTS, type_name, many)


def _leaves(*names: str) -> dict[str, ChildSlot]:
    return dict.fromkeys(names, _LEAF)


def _types_of(*parts: type) -> dict[str, dict[str, ChildSlot]]:
    """Return the element types that these parts of the model are read from, and all below them."""
    types: dict[str, dict[str, ChildSlot]] = {}
    for part in parts:
        own = types[part.__name__] = {}
        for row in rows(part):
            slot = ChildSlot(many=row.many, identity=row.wire.identity)
            if row.is_part:
                slot = _group_slot(row.holds.__name__, many=row.many)
                types |= _types_of(row.holds)
            if row.above:
                own[row.above] = _group_slot(row.above)
            (types.setdefault(row.above, {}) if row.above else own)[row.local] = slot
    return types


# All elements that we write, and those that only other writers use.
_HEADER = _types_of(Envelope, StatusReport, TraceHeader, Business, Attachment)
_HEADER["PromulgationInfo"] |= _leaves("Promulgator")
_HEADER["StaffInfo"] |= _leaves("DepartmentId", "StaffId")
_HEADER["trace"] = {
    "TraceHeader": _group_slot("TraceHeader", many=True),
    "Bussiness": _group_slot("Business"),
    "Paper": _LEAF,
}
_HEADER["message"] = {
    **_HEADER["Envelope"],
    **_HEADER["StatusReport"],
    "ResponseForTask": _group_slot("ResponseForTask", many=True),
}


DIALECT_A = Dialect(
    name="A",
    namespace=names.QCVN,
    types={
        **_HEADER,
        "edxml": {"edXMLEnvelope": _group_slot("envelope"), "AttachmentEncoded": _group_slot("encoded")},
        "envelope": {
            "edXMLHeader": _group_slot("header"),
            "edXMLBody": _group_slot("body"),
            "edXMLAttachments": _group_slot("inline"),
        },
        "header": {
            "MessageHeader": _group_slot("message"),
            "TraceHeaderList": _group_slot("trace"),
            "Signature": _SIGNATURE,
        },
        "body": {
            "edXMLManifest": _group_slot("manifest"),
            "edXMLAttachments": _group_slot("inline"),
            "Content": _LEAF,
        },
        "manifest": {"Reference": _group_slot("reference", many=True)},
        "reference": _HEADER["Attachment"],
        "encoded": {"Attachment": _group_slot("attachment", many=True)},
        "attachment": {
            **_HEADER["Attachment"],
            **_leaves("Format", "FieldName", "MimeType"),
            "ContentTransferEncoded": _FILE,
        },
        "inline": {"Attachment": _group_slot("inline-attachment", many=True)},
        "inline-attachment": {
            **_leaves("AttachmentName", "AttachmentType", "AttachmentSize"),
            "AttachmentData": _FILE,
        },
    },
    aliases={**_ALIASES, "DigitalSignature": "Signature", "Manifest": "edXMLManifest"},
)

DIALECT_B = Dialect(
    name="B",
    namespace=names.DIALECT_B,
    types={
        **_HEADER,
        "edxml": {
            "MessageHeader": _group_slot("message"),
            "TraceHeaderList": _group_slot("trace"),
            "Manifest": _group_slot("flat-manifest"),
            "Attachment": _group_slot("flat-attachment", many=True),
            "Signature": _SIGNATURE,
        },
        "flat-manifest": {"Attachment": _group_slot("flat-attachment", many=True)},
        "flat-attachment": {**_leaves("FileName", "FileType"), "Content": _FILE},
        # the first version writes DocumentType as a text, the later one as elements
        "message": {**_HEADER["message"], "DocumentType": ChildSlot(ElementContent.EITHER, "DocumentType")},
        "SignerInfo": {**_HEADER["SignerInfo"], "Signer": _LEAF},
    },
    aliases=_ALIASES,
)

ROOTS: Mapping[tuple[str, str], Dialect] = {
    (names.QCVN, "edXML"): DIALECT_A,
    (names.DIALECT_B, "edXMLEnvelope"): DIALECT_B,
    (names.DIALECT_B, "EdXMLEnvelope"): DIALECT_B,
}


def read_date(text: str) -> tuple[date | None, bool]:
    """Return the date that `text` states (for a time with a zone, the date in Hanoi) or None, and whether it is in the
    form `yyyy/MM/dd`."""
    try:
        if _USUAL_DATE.fullmatch(text):
            return date.fromisoformat(text.replace("/", "-")), True
    except ValueError:
        return None, True
    moment = _read_moment(text)
    return (None if moment is None else moment.date()), False


def read_time(text: str) -> tuple[datetime | None, bool]:
    """Return the time in `text` (midnight for a bare date) or None, and whether its form is `yyyy/MM/dd HH:mm:ss`."""
    usual = _USUAL_TIME.fullmatch(text)
    try:
        if usual:
            year, month, day, hour, minute, second = map(int, usual.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=VIETNAM), True
    except ValueError:
        return None, True
    return _read_moment(text), False


def _read_moment(text: str) -> datetime | None:
    match = _ANY.fullmatch(text.strip())
    if match is None:
        return None
    part = match.groupdict()
    try:
        moment = datetime(
            int(part["y1"] or part["y2"]),
            int(part["m1"] or part["m2"]),
            int(part["d1"] or part["d2"]),
            int(part["h"] or 0),
            int(part["i"] or 0),
            int(part["s"] or 0),
            int((part["f"] or "0").ljust(6, "0")[:6]),
            tzinfo=_read_zone(part["z"]),
        )
        return moment.astimezone(VIETNAM)
    except (ValueError, OverflowError):
        return None


def _read_zone(text: str | None) -> timezone:
    if text is None:
        return VIETNAM
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def in_words(place: Place) -> str:
    """Return a place as a path from below the root."""
    above, name, number = place
    if above is None:
        return ""
    step = f"{name}[{number}]" if number else name
    parent_path = in_words(above)
    return f"{parent_path}/{step}" if parent_path else step


@dataclass(slots=True)
class KnownElement:
    """One element that the dialect's table knows: `texts` of its children that hold text alone, by name, and its other
    `children`. `value` is its own text, where it may hold text or elements."""

    place: Place
    value: str = ""
    texts: dict[str, list[str]] = field(default_factory=dict)
    children: dict[str, list[KnownElement]] = field(default_factory=dict)

    @property
    def location(self) -> str:
        return in_words(self.place)

    def below(self, name: str, number: int = 0) -> str:
        """Return the path of a child of that name."""
        return in_words((self.place, name, number))

    @property
    def says_something(self) -> bool:
        return bool(self.texts or self.children or self.value.strip(XML_SPACE))

    def has_part(self, name: str) -> bool:
        """Tell whether the first child element of that name is not empty."""
        return name in self.children and self.children[name][0].says_something

    def first(self, name: str) -> KnownElement | None:
        """Return the first child of that name; a repeated single element was reported when it was read."""
        children = self.children.get(name)
        return children[0] if children else None

    def many(self, name: str) -> list[KnownElement]:
        return self.children.get(name, [])

    def path(self, *names: str) -> KnownElement | None:
        """Return the element at the end of a path of first children, or None."""
        node = self
        for name in names:
            if name not in node.children:
                return None
            node = node.children[name][0]
        return node


class Notes:
    """Findings, at most `MOST_FINDINGS`, then one that counts those left out."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._more = 0

    def add(self, code: str, place: str = "", detail: str = "") -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(Finding(code=code, place=place, detail=detail))
        else:
            self._more += 1

    def __iter__(self) -> Iterator[Finding]:
        yield from self._findings
        if self._more:
            yield Finding(code="MORE", detail=f"{self._more} findings more are not listed")


class Leaves:
    """Reader of typed values out of elements; unusual ones are noted as findings."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def text(self, node: KnownElement | None, name: str) -> str | None:
        texts = node.texts.get(name) if node is not None else None
        return texts[0] if texts and texts[0].strip(XML_SPACE) else None

    def texts(self, node: KnownElement | None, name: str) -> tuple[str, ...]:
        """Return the texts of an element that may be repeated."""
        texts = node.texts.get(name, ()) if node is not None else ()
        return tuple(text for text in texts if text.strip(XML_SPACE))

    def identity(self, node: KnownElement | None, name: str) -> str | None:
        """Return an identity exactly as written, neither trimmed nor folded: the certificate is bound to this text
        (F10)."""
        if node is None or not (texts := node.texts.get(name)):
            return None
        text = texts[0]
        is_usual = text == text.strip(XML_SPACE) and text not in ("", _NULL)
        return text if is_usual else self._identity(node, name, 0, text)

    def identities(self, node: KnownElement, name: str) -> tuple[str, ...]:
        """Return the identities of an element that may be repeated."""
        ids = (self._identity(node, name, n, text) for n, text in enumerate(node.texts.get(name, ()), 1))
        return tuple(filter(None, ids))

    def _identity(self, node: KnownElement, name: str, number: int, text: str) -> str | None:
        bare = text.strip(XML_SPACE)
        if bare == _NULL:
            self._notes.add("NULL-TEXT", node.below(name, number), "the text null stands for no value")
            return None
        if bare != text:
            self._notes.add(
                "ID-SPACE", node.below(name, number), "white space around an identity, kept as it is"
            )
        return text if bare else None

    def number(self, node: KnownElement | None, name: str, valid_range: range | None = None) -> int | None:
        bare = self._bare(node, name)
        if node is None or not bare:
            return None
        if not _NUMBER.fullmatch(bare):
            self._notes.add("NUMBER", node.below(name), f"not a whole number: {bare[:40]!r}")
            return None
        number = int(bare)
        if valid_range is not None and number not in valid_range:
            detail = f"{number} is outside {valid_range.start} to {valid_range.stop - 1}"
            self._notes.add("VALUE", node.below(name), detail)
        return number

    def flag(self, node: KnownElement | None, name: str) -> bool | None:
        bare = self._bare(node, name)
        if node is None or not bare:
            return None
        answer = _FLAGS.get(bare.lower())
        if answer is None:
            self._notes.add("VALUE", node.below(name), f"neither true nor false: {bare[:40]!r}")
        return answer

    def moment(
        self, node: KnownElement | None, name: str, read: Callable[[str], tuple[_Moment | None, bool]]
    ) -> _Moment | None:
        bare = self._bare(node, name)
        if node is None or not bare:
            return None
        moment, usual = read(bare)
        if moment is None:
            self._notes.add("DATE-UNREADABLE", node.below(name), f"not a date: {bare[:40]!r}")
        elif not usual:
            self._notes.add("DATE-FORM", node.below(name), f"read as {moment}, written {bare[:40]!r}")
        return moment

    def _bare(self, node: KnownElement | None, name: str) -> str:
        texts = node.texts.get(name) if node is not None else None
        return texts[0].strip(XML_SPACE) if texts else ""
