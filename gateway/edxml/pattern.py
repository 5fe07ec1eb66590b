"""Reads an envelope of our own writer by one pattern made from the closed table (F4): its elements in the table's order,
all required ones present, every value in its usual form. In: the octets without the Signature and without the base64 of
the files, and the files' places. Out: the result of `native`, here without findings and with the files closed; or None
for an envelope written in another way. It accepts no tag that `native` would refuse, and relies on the same proof: the
caller has libxml2 show that these octets are canonical (F5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from gateway.domain.document import Kind
from gateway.domain.proof import FileSlice
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml import dialects, names
from gateway.edxml.envelope import Attachment, Business, Envelope, StatusReport, TraceHeader, WireField, rows
from gateway.edxml.model import KIND_OF_BUSINESS, REQUIRED, REQUIRED_OF_STATUS, bare_content_id
from gateway.edxml.reader import Read

if TYPE_CHECKING:
    from gateway.edxml.names import Element
    from gateway.edxml.policy import EnvelopeLimits

_CAPTURE: Final = "\0"
"""Marks a text to capture; the character occurs in no tag."""
_NOT_EMPTY: Final = "(?!</)"
# Optional and repeated groups are not possessive: each begins with a tag of its own, so a failing match backtracks
# little, and Python before 3.11.5 handles possessive groups wrongly.
_TEXT: Final = "[ \t\n]*+[^ \t\n<&][^<&]*+"
_IDENTITY: Final = "(?!null<)[^ \t\n<&]++"
_USUAL: Final[Mapping[type, str]] = {
    str: _TEXT,
    int: "0|[1-9][0-9]{0,8}",
    bool: "true|false|1|0",
    date: "[0-9]{4}/[0-9]{2}/[0-9]{2}",
    datetime: "[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
}
_STATUS_CODE: Final = re.compile("[0-9]{2}")
_OF_STATUS: Final = b"<edXML:StatusCode>"


# Cached, because headers repeat sender, recipients, type of document and day.
_CACHE_SIZE = 64
_LONGEST_CACHED = 1024
"""Longest text that is cached, so that hostile headers cannot fill the memory."""
_Converter = Callable[[str], Any]  # Any: each returns another type


@lru_cache(maxsize=_CACHE_SIZE)
def _date(text: str) -> date:
    return date.fromisoformat(text.replace("/", "-"))


@lru_cache(maxsize=_CACHE_SIZE)
def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=VIETNAM)


_CONVERTERS: Final[Mapping[type, _Converter]] = {
    int: int,
    bool: lambda text: text in ("true", "1"),
    date: _date,
    datetime: _time,
}


class _Form:
    """Pattern of a part of the model, and how its captures become values. `_captures` has for each captured text:
    whether it belongs to the inner part (`_inner`), its attribute, its converter, and a cached one. `_required` has the
    paths of elements that must be present."""

    def __init__(self, holds: type, required: frozenset[str]) -> None:
        self._holds = holds
        self._required = required
        self._captures: list[tuple[bool, str, _Converter | None, _Converter | None]] = []
        self._inner: tuple[str, type] | None = None
        self.pattern = ""
        self._match = re.compile("")

    def complete(self, *patterns: str) -> None:
        """Join the patterns to the part's whole pattern, and compile it."""
        self.pattern = "".join(patterns)
        self._match = re.compile(self.pattern.replace(_CAPTURE, "("))

    def add_elements(self, part: type, element: Element, path: str = "", *, is_inner: bool = False) -> str:
        """Return the pattern for the elements of a part inside `element`, in its order."""
        needed = {field.name for field in fields(part) if field.default is MISSING}
        rows_by_name: dict[str, list[WireField]] = {}
        for row in rows(part):
            rows_by_name.setdefault(row.above or row.local, []).append(row)
            if row.attribute in needed:
                self._required |= {f"{path}{row.wire.path}"}
        pattern = ""
        for child in element.children.values():
            child_rows = rows_by_name.get(child.local, [])
            leaves = {leaf.local: leaf for leaf in child.children.values()}
            inside = "".join(
                self._add_value(row, leaves[row.local] if row.above else child, path, is_inner=is_inner)
                for row in child_rows
            )
            grouped = child_rows and child_rows[0].above
            pattern += self._wrap(child, inside, f"{path}{grouped}") if grouped else inside
        return pattern

    def add_inner(self, part: type, attribute: str, element: Element) -> str:
        """Return the pattern for a part that is one attribute, whose elements are siblings of the outer part's own."""
        self._inner = attribute, part
        return self.add_elements(part, element, is_inner=True)

    def add_part(
        self, part: type, attribute: str, element: Element, path: str = "", *, is_inner: bool = False
    ) -> str:
        """Return the pattern for a part that is one attribute and has its own element."""
        form = self._below(part, element, path)
        self._captures.append((is_inner, attribute, form.read_one, lru_cache(_CACHE_SIZE)(form.read_one)))
        return f"{_CAPTURE}{_without_captures(self._quantify(form.pattern, path))})"

    def add_parts(
        self,
        part: type,
        attribute: str,
        element: Element,
        path: str = "",
        *,
        last: str = "",
        is_inner: bool = False,
    ) -> str:
        """Return the pattern for a list of parts that is one attribute. `last` is the pattern after a part's elements."""
        form = self._below(part, element, path, last)
        self._captures.append((is_inner, attribute, form.read_many, lru_cache(_CACHE_SIZE)(form.read_many)))
        return self._repeat(form.pattern, path)

    def _below(self, part: type, element: Element, path: str, last: str = "") -> _Form:
        form = _Form(part, self._required)
        inside = form.add_elements(part, element, f"{path}/")
        form.complete(_tag(element.start), _NOT_EMPTY, inside, last, _tag(element.end))
        return form

    def _add_value(self, row: WireField, element: Element, path: str, *, is_inner: bool) -> str:
        path = f"{path}{row.wire.path}"
        if row.is_part:
            add = self.add_parts if row.many else self.add_part
            return add(row.holds, row.attribute, element, path, is_inner=is_inner)
        text = f"{_tag(element.start)}{_CAPTURE}{_value_pattern(row)}){_tag(element.end)}"
        if not row.many:
            self._captures.append((is_inner, row.attribute, _CONVERTERS.get(row.holds), None))
            return self._quantify(text, path)
        texts = re.compile(text.replace(_CAPTURE, "("))
        self._captures.append((is_inner, row.attribute, lambda raw: tuple(texts.findall(raw)), None))
        return self._repeat(text, path)

    def _wrap(self, element: Element, inside: str, path: str) -> str:
        return self._quantify(f"{_tag(element.start)}{_NOT_EMPTY}{inside}{_tag(element.end)}", path)

    def _quantify(self, pattern: str, path: str) -> str:
        return f"(?:{pattern}){'' if self._is_required(path) else '?'}"

    def _repeat(self, pattern: str, path: str) -> str:
        often = "+" if self._is_required(path) else "*"
        return f"{_CAPTURE}(?:{_without_captures(pattern)}){often})"

    def _is_required(self, path: str) -> bool:
        return any(p == path or p.startswith(f"{path}/") for p in self._required)

    def read(self, text: str) -> dict[str, Any] | None:
        """Return the part's attributes read from the whole text, or None where it does not match. ValueError for an
        impossible date. Any: each attribute has its own type."""
        match = self._match.fullmatch(text)
        return None if match is None else self._take(match)

    def read_one(self, text: str) -> Any:
        """Return the part that the whole text holds. Any: each form holds another type."""
        return self._holds(**self._take(cast("re.Match[str]", self._match.fullmatch(text))))

    def read_many(self, text: str) -> tuple[Any, ...]:
        """Return the parts that follow one another in the text."""
        return tuple([self._holds(**self._take(match)) for match in self._match.finditer(text)])

    def _take(self, match: re.Match[str]) -> dict[str, Any]:
        """Convert the captured texts of a match into attributes."""
        attributes: dict[str, Any] = {}
        inner: dict[str, Any] = {}
        for (is_inner, attribute, convert, cached), text in zip(self._captures, match.groups(), strict=True):
            if text:
                if cached is not None and len(text) <= _LONGEST_CACHED:
                    convert = cached
                (inner if is_inner else attributes)[attribute] = text if convert is None else convert(text)
        if self._inner is not None:
            attribute, holds = self._inner
            attributes[attribute] = holds(**inner)
        return attributes


def _without_captures(pattern: str) -> str:
    return pattern.replace(_CAPTURE, "(?:")


def _value_pattern(row: WireField) -> str:
    """Return the pattern of a value that every reader takes as it is."""
    if row.wire.identity:
        return _IDENTITY
    return "|".join(map(str, row.wire.valid_range)) if row.wire.valid_range else _USUAL[row.holds]


def _tag(raw: bytes) -> str:
    return re.escape(raw.decode())


@cache
def _envelope_form(*, is_status: bool) -> _Form:
    """Build the form of a whole envelope without the Signature, once for statuses and once for other kinds."""
    required = REQUIRED_OF_STATUS if is_status else REQUIRED
    form = _Form(Envelope, frozenset(f"{first}/{child}".rstrip("/") for first, child in required))
    message, trace = names.HEADER.children.values()
    hop, business = trace.children.values()
    (reference,), (attached,) = names.MANIFEST.children.values(), names.ATTACHMENTS.children.values()
    patterns = [*map(_tag, (names.ROOT.start, names.ENVELOPE.start, names.HEADER.start, message.start))]
    patterns.append(form.add_elements(Envelope, message))
    if is_status:
        patterns.append(form.add_inner(StatusReport, "status", message))
    patterns += _tag(message.end), "(?:", _tag(trace.start)
    patterns.append(form.add_parts(TraceHeader, "trace", hop))
    patterns.append(form.add_part(Business, "business", business))
    patterns += _tag(trace.end), ")?" if is_status else ")"
    patterns += _tag(names.HEADER.end), "(?:", _tag(names.BODY.start), _tag(names.MANIFEST.start)
    patterns.append(form.add_parts(Attachment, "manifest", reference))
    patterns += _tag(names.MANIFEST.end), _tag(names.BODY.end), ")?"
    patterns += _tag(names.ENVELOPE.end), "(?:", _tag(names.ATTACHMENTS.start)
    empty = _tag(names.CONTENT.start + names.CONTENT.end)
    patterns.append(form.add_parts(Attachment, "attachments", attached, last=empty))
    patterns += _tag(names.ATTACHMENTS.end), ")?"
    form.complete(*patterns, _tag(names.ROOT.end))
    return form


def read(octets: bytes, files: Sequence[tuple[int, int, bool]], limits: EnvelopeLimits) -> Read | None:
    """Read the octets. `files` has start and end of each file's text in the whole file, and whether it was cut out."""
    if len(octets) > limits.text_bytes:  # a shorter envelope has no text over the limit (F3)
        return None
    is_status = _OF_STATUS in octets
    try:
        attributes = _envelope_form(is_status=is_status).read(octets.decode())
    except ValueError:
        return None
    kind = None if attributes is None else _kind(attributes, is_status=is_status)
    if attributes is None or kind is None:
        return None
    model = Envelope(kind=kind, **attributes)
    if len(model.to) > limits.recipients or len(files) > limits.attachments or not _is_paired(model, files):
        return None
    slices = tuple(
        [
            FileSlice(
                n=n,
                name=attachment.attachment_name or "",
                content_id=attachment.content_id,
                content_type=attachment.content_type,
                description=attachment.description,
                offset=start,
                length=end - start,
                coding="raw",
                size=None,
                sha256=None,
            )
            for n, (attachment, (start, end, _)) in enumerate(zip(model.attachments, files, strict=True), 1)
        ]
    )
    return Read(envelope=model, files=slices, findings=(), dialect=dialects.DIALECT_A.name)


def _kind(attributes: Mapping[str, Any], *, is_status: bool) -> Kind | None:
    """Return the packet's kind, or None where a reader would report a finding."""
    if is_status:
        return Kind.STATUS if _STATUS_CODE.fullmatch(attributes["status"].code) else None
    business = attributes.get("business")
    if business is None or business.doc_type is None:
        return Kind.DOCUMENT
    return KIND_OF_BUSINESS.get(business.doc_type)


def _is_paired(model: Envelope, files: Sequence[object]) -> bool:
    """Tell whether manifest and attachments are equal, each with a content id of its own."""
    attachments = model.attachments
    if model.manifest != attachments or len(attachments) != len(files):
        return False
    ids = {bare_content_id(a.content_id) for a in attachments} if attachments else ()
    return len(ids) == len(attachments) and None not in ids
