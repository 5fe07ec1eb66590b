"""An envelope as our own writer puts it, read by one pattern that is made of the closed table (F4): its elements in the
table's order, all that a reader would miss, and every value in its usual form. In: the octets without S and without the
letters of the files, and where these stand. Out: what `native` says of them, in this case without a finding and with the
files closed; or None for whatever is written in another way. It takes no tag that `native` would not take, and is
believed for the same reason: whoever asks has libxml2 prove that these very octets are canonical (F5)."""

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
from gateway.edxml.envelope import Attachment, Business, Envelope, Row, StatusReport, TraceHeader, rows
from gateway.edxml.model import KIND_OF_BUSINESS, WANTED, WANTED_OF_STATUS, bare_content_id
from gateway.edxml.reader import Read

if TYPE_CHECKING:
    from gateway.edxml.names import Element
    from gateway.edxml.policy import EnvelopeLimits

_TAKEN: Final = "\0"
"""Where a text is taken; the character stands in no tag."""
_NOT_EMPTY: Final = "(?!</)"
# Nothing that may be left out or stand several times is possessive: each begins with a tag of its own, so that a match
# that fails tries no other way for long, and Python before 3.11.5 errs where a group is possessive.
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


# Headers repeat themselves: who sends, to whom, what kind of document, on which day.
_KEPT = 64
_SHORT = 1024
"""Characters of the longest text that is kept with what it says: whoever fills the headers with others fills no memory."""


@lru_cache(maxsize=_KEPT)
def _date(text: str) -> date:
    return date.fromisoformat(text.replace("/", "-"))


@lru_cache(maxsize=_KEPT)
def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=VIETNAM)


_Made = Callable[[str], Any]  # Any: each makes another type
_MADE_BY: Final[Mapping[type, _Made]] = {
    int: int,
    bool: lambda text: text in ("true", "1"),
    date: _date,
    datetime: _time,
}


class _Form:
    """How a part of the model is written. `_taken` says of each text which attribute it is, whether of the part itself or
    of the one inside it (`_inner`), and what makes it of the text: for a part below, and several of them, its own form.
    `wanted` are the elements that must be there, by the path of names that leads to each."""

    def __init__(self, holds: type, wanted: frozenset[str]) -> None:
        self._holds = holds
        self._wanted = wanted
        self._taken: list[tuple[bool, str, _Made | None, _Made | None]] = []
        self._inner: tuple[str, type] | None = None
        self.pattern = ""
        self._match = re.compile("")

    def complete(self, *patterns: str) -> None:
        """Take these for all of it."""
        self.pattern = "".join(patterns)
        self._match = re.compile(self.pattern.replace(_TAKEN, "("))

    def add_elements(self, part: type, element: Element, path: str = "", *, is_inner: bool = False) -> str:
        """Return the pattern of those of a part that stand in `element`, in its order."""
        needed = {each.name for each in fields(part) if each.default is MISSING}
        known: dict[str, list[Row]] = {}
        for row in rows(part):
            known.setdefault(row.above or row.local, []).append(row)
            if row.attribute in needed:
                self._wanted |= {f"{path}{row.wire.path}"}
        pattern = ""
        for child in element.children.values():
            beside = known.get(child.local, [])
            leaves = {leaf.local: leaf for leaf in child.children.values()}
            inside = "".join(
                self._add_value(row, leaves[row.local] if row.above else child, path, is_inner=is_inner)
                for row in beside
            )
            grouped = beside and beside[0].above
            pattern += self._wrap(child, inside, f"{path}{grouped}") if grouped else inside
        return pattern

    def add_inner(self, part: type, attribute: str, element: Element) -> str:
        """Return the same for a part that is one attribute, and whose elements stand among those of the part itself."""
        self._inner = attribute, part
        return self.add_elements(part, element, is_inner=True)

    def add_part(
        self, part: type, attribute: str, element: Element, path: str = "", *, is_inner: bool = False
    ) -> str:
        """Return the same for a part that is one attribute and has an element of its own."""
        form = self._below(part, element, path)
        self._taken.append((is_inner, attribute, form.read_one, lru_cache(_KEPT)(form.read_one)))
        return f"{_TAKEN}{_untaken(self._wrapped(form.pattern, path))})"

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
        """Return the same for several, which are one attribute. `last`: what stands in each behind all that it says."""
        form = self._below(part, element, path, last)
        self._taken.append((is_inner, attribute, form.read_each, lru_cache(_KEPT)(form.read_each)))
        return self._repeat(form.pattern, path)

    def _below(self, part: type, element: Element, path: str, last: str = "") -> _Form:
        form = _Form(part, self._wanted)
        inside = form.add_elements(part, element, f"{path}/")
        form.complete(_tag(element.start), _NOT_EMPTY, inside, last, _tag(element.end))
        return form

    def _add_value(self, row: Row, element: Element, path: str, *, is_inner: bool) -> str:
        path = f"{path}{row.wire.path}"
        if row.is_part:
            add = self.add_parts if row.many else self.add_part
            return add(row.holds, row.attribute, element, path, is_inner=is_inner)
        text = f"{_tag(element.start)}{_TAKEN}{_usual(row)}){_tag(element.end)}"
        if not row.many:
            self._taken.append((is_inner, row.attribute, _MADE_BY.get(row.holds), None))
            return self._wrapped(text, path)
        texts = re.compile(text.replace(_TAKEN, "("))
        self._taken.append((is_inner, row.attribute, lambda found: tuple(texts.findall(found)), None))
        return self._repeat(text, path)

    def _wrap(self, element: Element, inside: str, path: str) -> str:
        return self._wrapped(f"{_tag(element.start)}{_NOT_EMPTY}{inside}{_tag(element.end)}", path)

    def _wrapped(self, pattern: str, path: str) -> str:
        return f"(?:{pattern}){'' if self._is_wanted(path) else '?'}"

    def _repeat(self, pattern: str, path: str) -> str:
        often = "+" if self._is_wanted(path) else "*"
        return f"{_TAKEN}(?:{_untaken(pattern)}){often})"

    def _is_wanted(self, path: str) -> bool:
        return any(each == path or each.startswith(f"{path}/") for each in self._wanted)

    def read(self, text: str) -> dict[str, Any] | None:
        """Return the attributes of the part that all of the text is. ValueError for a day that no calendar has. Any: each
        has its own type."""
        found = self._match.fullmatch(text)
        return None if found is None else self._take(found)

    def read_one(self, text: str) -> Any:
        """Return the part that all of the text is. Any: each form holds another type."""
        return self._holds(**self._take(cast("re.Match[str]", self._match.fullmatch(text))))

    def read_each(self, text: str) -> tuple[Any, ...]:
        """Return the parts that stand in it one behind the other."""
        return tuple([self._holds(**self._take(found)) for found in self._match.finditer(text)])

    def _take(self, found: re.Match[str]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        inner: dict[str, Any] = {}
        for (is_inner, attribute, made, kept), text in zip(self._taken, found.groups(), strict=True):
            if text:
                if kept is not None and len(text) <= _SHORT:
                    made = kept
                (inner if is_inner else said)[attribute] = text if made is None else made(text)
        if self._inner is not None:
            attribute, holds = self._inner
            said[attribute] = holds(**inner)
        return said


def _untaken(pattern: str) -> str:
    return pattern.replace(_TAKEN, "(?:")


def _usual(row: Row) -> str:
    """A value that no reader trims, doubts or takes for another one."""
    if row.wire.identity:
        return _IDENTITY
    return "|".join(map(str, row.wire.known)) if row.wire.known else _USUAL[row.holds]


def _tag(written: bytes) -> str:
    return re.escape(written.decode())


@cache
def _form(*, is_status: bool) -> _Form:
    """Make that of a whole envelope, S apart."""
    wanted = WANTED_OF_STATUS if is_status else WANTED
    form = _Form(Envelope, frozenset(f"{first}/{rest}".rstrip("/") for first, rest in wanted))
    message, trace = names.HEADER.children.values()
    hop, business = trace.children.values()
    (reference,), (attached,) = names.MANIFEST.children.values(), names.ATTACHMENTS.children.values()
    written = [*map(_tag, (names.ROOT.start, names.ENVELOPE.start, names.HEADER.start, message.start))]
    written.append(form.add_elements(Envelope, message))
    if is_status:
        written.append(form.add_inner(StatusReport, "status", message))
    written += _tag(message.end), "(?:", _tag(trace.start)
    written.append(form.add_parts(TraceHeader, "trace", hop))
    written.append(form.add_part(Business, "business", business))
    written += _tag(trace.end), ")?" if is_status else ")"
    written += _tag(names.HEADER.end), "(?:", _tag(names.BODY.start), _tag(names.MANIFEST.start)
    written.append(form.add_parts(Attachment, "manifest", reference))
    written += _tag(names.MANIFEST.end), _tag(names.BODY.end), ")?"
    written += _tag(names.ENVELOPE.end), "(?:", _tag(names.ATTACHMENTS.start)
    empty = _tag(names.CONTENT.start + names.CONTENT.end)
    written.append(form.add_parts(Attachment, "attachments", attached, last=empty))
    written += _tag(names.ATTACHMENTS.end), ")?"
    form.complete(*written, _tag(names.ROOT.end))
    return form


def read(octets: bytes, files: Sequence[tuple[int, int, bool]], limits: EnvelopeLimits) -> Read | None:
    """Return what they say. `files` are where each one's text stands in the whole file, and whether it was left out."""
    if len(octets) > limits.text_bytes:  # of a shorter one no text is too long (F3)
        return None
    is_status = _OF_STATUS in octets
    try:
        said = _form(is_status=is_status).read(octets.decode())
    except ValueError:
        return None
    kind = None if said is None else _kind(said, is_status=is_status)
    if said is None or kind is None:
        return None
    model = Envelope(kind=kind, **said)
    if len(model.to) > limits.recipients or len(files) > limits.attachments or not _is_paired(model, files):
        return None
    slices = tuple(
        [
            FileSlice(
                n=n,
                name=one.attachment_name or "",
                content_id=one.content_id,
                content_type=one.content_type,
                description=one.description,
                offset=start,
                length=end - start,
                coding="raw",
                size=None,
                sha256=None,
            )
            for n, (one, (start, end, _)) in enumerate(zip(model.attachments, files, strict=True), 1)
        ]
    )
    return Read(envelope=model, files=slices, findings=(), dialect=dialects.DIALECT_A.name)


def _kind(said: Mapping[str, Any], *, is_status: bool) -> Kind | None:
    """None where a reader has something to say of it."""
    if is_status:
        return Kind.STATUS if _STATUS_CODE.fullmatch(said["status"].code) else None
    business = said.get("business")
    if business is None or business.doc_type is None:
        return Kind.DOCUMENT
    return KIND_OF_BUSINESS.get(business.doc_type)


def _is_paired(model: Envelope, files: Sequence[object]) -> bool:
    """Whether each file is told of twice, in the same words and under an id of its own."""
    attachments = model.attachments
    if model.manifest != attachments or len(attachments) != len(files):
        return False
    ids = {bare_content_id(one.content_id) for one in attachments} if attachments else ()
    return len(ids) == len(attachments) and None not in ids
