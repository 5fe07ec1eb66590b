"""Builds the envelope from the light tree, and pairs its attachments with the manifest. In: the root `KnownElement` of
any dialect; the manifest's lines and the file's attachments. Out: `Envelope`, with a finding for each required value
that is missing; for each attachment its manifest line, with a finding for every difference. Absent stays None, never
invented; `schema` and `policy` decide whether a packet may act. Attachments are paired by content id without its `cid:`,
then by name, then by position."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.domain.document import Kind
from gateway.edxml.dialects import ROOT, XML_SPACE, KnownElement, Leaves, Notes, read_date, read_time
from gateway.edxml.envelope import (
    Attachment,
    Business,
    DocumentType,
    Envelope,
    Organisation,
    Receiver,
    ReplacementInfo,
    SignerInfo,
    StatusReport,
    TraceHeader,
    WireField,
    rows,
)
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    # Returns the value of a leaf of that name, or None.
    _Read = Callable[[Leaves, KnownElement, str], object]

P = TypeVar("P")
KIND_OF_BUSINESS = {0: Kind.DOCUMENT, 1: Kind.RECALL, 2: Kind.UPDATE, 3: Kind.REPLACEMENT}

REQUIRED_OF_STATUS = (
    ("From", "OrganId"),
    ("ResponseFor", "OrganId"),
    ("ResponseFor", "Code"),
    ("ResponseFor", "DocumentId"),
    ("ResponseFor", "PromulgationDate"),
    ("Timestamp", ""),
)
REQUIRED = (
    ("From", "OrganId"),
    ("To", "OrganId"),
    ("DocumentId", ""),
    ("Code", "CodeNumber"),
    ("Code", "CodeNotation"),
    ("PromulgationInfo", "PromulgationDate"),
    ("DocumentType", ""),
    ("Subject", ""),
)
_NOBODY = Organisation()
_READ: Mapping[type, _Read] = {
    bool: Leaves.flag,
    date: partial(Leaves.moment, read=read_date),
    datetime: partial(Leaves.moment, read=read_time),
}


def envelope(root: KnownElement, attachments: Sequence[Attachment], notes: Notes) -> Envelope:
    """Return the packet that a tree describes; `attachments` were read separately, because their bytes were streamed."""
    return _Model(root, notes).envelope(tuple(attachments))


class _Model:
    """One reading of one tree. In the flat dialect the header is the root itself."""

    def __init__(self, root: KnownElement, notes: Notes) -> None:
        header = root.path("edXMLEnvelope", "edXMLHeader") or root
        self._root = root
        self._notes = notes
        self._leaf = Leaves(notes)
        self._message = header.first("MessageHeader") or KnownElement((ROOT, "MessageHeader", 0))
        self._trace = header.first("TraceHeaderList")

    def envelope(self, attachments: tuple[Attachment, ...]) -> Envelope:
        message, trace, leaf = self._message, self._trace, self._leaf
        business = self._business()
        kind = self._kind(business)
        self._note_missing(kind)
        fields: dict[str, Any] = {"sender": _NOBODY} | self._read_fields(Envelope, message)
        if tasks := message.many("ResponseForTask"):
            fields["task_codes"] = tuple(code for task in tasks for code in leaf.texts(task, "TaskCode"))
        return Envelope(
            kind=kind,
            **fields,
            trace=self._parts(TraceHeader, trace.many("TraceHeader") if trace else ()),
            business=business,
            manifest=self._manifest(),
            attachments=attachments,
            status=self._status() if kind is Kind.STATUS else None,
        )

    def _kind(self, business: Business | None) -> Kind:
        if "StatusCode" in self._message.texts:
            return Kind.STATUS
        if business is None or business.doc_type is None:
            return Kind.DOCUMENT
        kind = KIND_OF_BUSINESS.get(business.doc_type)
        if kind is None:
            detail = f"{business.doc_type} is no operation that is known, read as a new document"
            place = f"{self._trace.location if self._trace else ''}/Bussiness/BussinessDocType"
            self._notes.add("BUSINESS-TYPE", place, detail)
        return kind or Kind.DOCUMENT

    def _note_missing(self, kind: Kind) -> None:
        for first, child in REQUIRED_OF_STATUS if kind is Kind.STATUS else REQUIRED:
            parents = self._message.children.get(first) if child else (self._message,)
            if not parents:
                self._notes.add("MISSING", f"{self._message.below(first)}/{child}", "absent or empty")
            name = child or first
            for parent in parents or ():
                text = parent.texts[name][0] if name in parent.texts else ""
                if not text.strip(XML_SPACE) and not parent.has_part(name):
                    self._notes.add("MISSING", parent.below(name), "absent or empty")
        if kind is not Kind.STATUS and self._trace is None:
            self._notes.add("TRACE-ABSENT", "TraceHeaderList", "some readers fail without a trace list")

    def _read_fields(self, part: type, node: KnownElement) -> dict[str, Any]:
        """Return the values that an element has for a part, by attribute names. Any: each has its own type."""
        fields: dict[str, Any] = {}
        for row, read in _fields_of(part):
            parent = node
            if row.above:
                if row.above not in node.children:
                    continue
                parent = node.children[row.above][0]
            value: object = None
            if read is None:
                if row.local in parent.children:
                    below = parent.children[row.local]
                    value = self._parts(row.holds, below) if row.many else self._part(row.holds, below[0])
            elif row.local in parent.texts:
                if row.is_text:
                    text = parent.texts[row.local][0]
                    value = text if text.strip(XML_SPACE) else None
                else:
                    value = read(self._leaf, parent, row.local)
            if value is not None and not (row.many and value == ()):
                fields[row.attribute] = value
        return fields

    def _parts(self, part: type[P], nodes: Iterable[KnownElement]) -> tuple[P, ...]:
        return tuple([read for node in nodes if (read := self._part(part, node)) is not None])

    def _part(self, part: type[P], node: KnownElement) -> P | None:
        """Return a part, or None where it is empty or lacks a required value."""
        fields = self._read_fields(part, node)
        if part is DocumentType and "name" not in fields and (text := node.value.strip(XML_SPACE)):
            fields["name"] = text
        elif part is SignerInfo and "full_name" not in fields and (name := self._leaf.text(node, "Signer")):
            fields["full_name"] = name  # the first version of dialect B writes the name here
        elif part is Receiver and len(fields) < 2:
            self._notes.add("MISSING", node.location, "a receiver without code or type is left out")
            return None
        elif part is ReplacementInfo and "document_id" not in fields:
            place = f"{node.location}/DocumentId"
            self._notes.add("MISSING", place, "a replaced document without id is left out")
            return None
        return part(**fields) if fields else None

    def _business(self) -> Business | None:
        if self._trace is None:
            return None
        node = self._trace.first("Bussiness")
        fields = self._read_fields(Business, node) if node else {}
        paper = None if "paper" in fields else self._leaf.number(self._trace, "Paper")
        if paper is not None:
            fields["paper"] = paper
        return Business(**fields) if fields else None

    def _manifest(self) -> tuple[Attachment, ...]:
        manifest = self._root.path("edXMLEnvelope", "edXMLBody", "edXMLManifest")
        return tuple(map(self._reference, manifest.many("Reference") if manifest else ()))

    def _reference(self, node: KnownElement) -> Attachment:
        fields = self._read_fields(Attachment, node)
        if "content_id" not in fields:
            fields["content_id"] = self._leaf.text(node, "@href")
        return Attachment(**fields)

    def _status(self) -> StatusReport:
        code = self._status_code()
        return StatusReport(**self._read_fields(StatusReport, self._message) | {"code": code})

    def _status_code(self) -> str:
        code = (self._leaf.text(self._message, "StatusCode") or "").strip(XML_SPACE)
        place = f"{self._message.location}/StatusCode"
        if not code:
            self._notes.add("MISSING", place, "absent or empty")
        elif len(code) == 1 and code.isascii() and code.isdigit():
            self._notes.add("STATUS-FORM", place, f"{code} is read as 0{code}")
            return f"0{code}"
        return code


@cache
def _fields_of(part: type) -> tuple[tuple[WireField, _Read | None], ...]:
    """Return the rows of a part of the model, with the function that reads a leaf, None for what is a part itself."""
    return tuple([(row, None if row.is_part else _reader_of(row)) for row in rows(part)])


def _reader_of(row: WireField) -> _Read:
    if row.wire.identity:
        return Leaves.identities if row.many else Leaves.identity
    if row.holds is int:
        return partial(Leaves.number, valid_range=row.wire.valid_range)
    return Leaves.texts if row.many or row.is_text else _READ[row.holds]


def pair_attachments(
    manifest: Sequence[Attachment], attachments: Sequence[Attachment], notes: Notes, *, strict: bool
) -> list[Attachment | None]:
    """Return the manifest line of each attachment, or None. `strict` refuses any pairing that is not one to one."""
    ids = {bare_content_id(a.content_id) for a in attachments}
    if len(ids) == len(attachments) and None not in ids and tuple(manifest) == tuple(attachments):
        return list(manifest)  # our own writer repeats the manifest's list

    def object_to(code: str, place: str, detail: str) -> None:
        if strict:
            raise MalformedXml("ENV-DIALECT", f"{place}: {detail}", step=4, location=place)
        notes.add(code, place, detail)

    for place, listed in (("manifest", manifest), ("attachments", attachments)):
        bare_ids = [bare for a in listed if (bare := bare_content_id(a.content_id)) is not None]
        for _ in range(len(bare_ids) - len(set(bare_ids))):
            object_to("CID-DOUBLED", place, "one content id stands twice")
    lines: dict[int, int] = {}
    _match(lines, manifest, attachments, lambda a: bare_content_id(a.content_id))
    by_id = len(lines)
    _match(lines, manifest, attachments, lambda a: a.attachment_name)
    by_name, count = len(lines), len(attachments)
    for n in range(min(len(manifest), count)):
        if n not in lines and n not in lines.values():
            lines[n] = n
    if by_name > by_id:
        detail = f"{by_name - by_id} of {count} files have no common content id"
        notes.add("PAIRED-BY-NAME", "edXMLManifest", detail)
    if len(lines) > by_name:
        detail = (
            f"{len(lines) - by_name} of {count} files have neither a content id nor a name of the manifest"
        )
        object_to("PAIRED-BY-POSITION", "edXMLManifest", detail)
    _note_unpaired(lines, manifest, attachments, object_to)
    _note_differences(lines, manifest, attachments, notes)
    return [manifest[lines[n]] if n in lines else None for n in range(count)]


def bare_content_id(text: str | None) -> str | None:
    """Return a content id without `cid:`, which the vendor library writes twice for ids it made itself."""
    while text and text[:4].lower() == "cid:":
        text = text[4:]
    return text or None


def _match(
    lines: dict[int, int],
    manifest: Sequence[Attachment],
    attachments: Sequence[Attachment],
    value_of: Callable[[Attachment], str | None],
) -> None:
    """Pair lines and attachments that are still unpaired and equal in one value; several equal ones pair in order."""
    paired = set(lines.values())
    waiting: dict[str, list[int]] = {}
    for line_n, line in enumerate(manifest):
        key = value_of(line)
        if line_n not in paired and key is not None:
            waiting.setdefault(key, []).append(line_n)
    for n, attachment in enumerate(attachments):
        key = value_of(attachment)
        if n not in lines and key is not None and waiting.get(key):
            lines[n] = waiting[key].pop(0)


def _note_unpaired(
    lines: dict[int, int],
    manifest: Sequence[Attachment],
    attachments: Sequence[Attachment],
    object_to: Callable[[str, str, str], None],
) -> None:
    if attachments and not manifest:
        object_to("MANIFEST-ABSENT", "edXMLManifest", "files came without a manifest")
        return
    for n in range(len(attachments)):
        if n not in lines:
            object_to("MANIFEST-MISSING", f"Attachment[{n + 1}]", "a file that the manifest does not list")
    for at in sorted(set(range(len(manifest))) - set(lines.values())):
        place = f"edXMLManifest/Reference[{at + 1}]"
        object_to("MANIFEST-EXTRA", place, "the manifest lists a file that did not come")


def _note_differences(
    lines: dict[int, int], manifest: Sequence[Attachment], attachments: Sequence[Attachment], notes: Notes
) -> None:
    for n, at in sorted(lines.items()):
        attachment, line, place = attachments[n], manifest[at], f"Attachment[{n + 1}]"
        if len({attachment.content_type, line.content_type} - {None}) > 1:
            notes.add("TYPE-DIFFERS", f"{place}/ContentType", "another type than the manifest's")
        if len({attachment.attachment_name, line.attachment_name} - {None}) > 1:
            notes.add("NAME-DIFFERS", f"{place}/AttachmentName", "another name than the manifest's")
