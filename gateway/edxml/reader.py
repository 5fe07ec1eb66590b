"""Reads an envelope of any known dialect, in one pass and in bounded memory. In: the events of a parser, or the octets
of a file. Out: `Read`, the model with its attachments' slices and findings. By default it is liberal: order means
nothing, and an oddity that does not change the meaning is a finding. `strict` is for packets of our own axis, where two
readers must never see two documents: a repeated, foreign or unlisted part is refused (`ENV-DIALECT`). Attachments are
decoded, measured and hashed as they stream by, or left closed for a later reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from gateway.domain.proof import FileSlice
from gateway.edxml import attachment, dialects, model, names, parse
from gateway.edxml.attachment import Decoded
from gateway.edxml.dialects import XML_SPACE, ChildSlot, Dialect, ElementContent, KnownElement, Leaves, Notes
from gateway.edxml.envelope import Attachment
from gateway.edxml.signature import FoundSignature, SignatureWatcher
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.domain.proof import Finding
    from gateway.edxml.envelope import Envelope
    from gateway.edxml.policy import EnvelopeLimits

MOST_ELEMENTS = 200_000
"""Limit outside signatures. An envelope at the other limits (1,000 attachments, 1,000 receivers) has 20,000."""
_LEAVES = (ElementContent.TEXT, ElementContent.FILE)
_NO_CHILDREN: Mapping[str, ChildSlot] = {}


class Collected:
    """The attachments read so far, and the one whose content is being read, if any."""

    def __init__(self, limits: EnvelopeLimits, notes: Notes, source: str, *, opens: bool = True) -> None:
        self.attachments: list[Attachment] = []
        self._files: list[FileSlice] = []
        self._limits = limits
        self._notes = notes
        self._leaf = Leaves(notes)
        self._source = source
        self.opens = opens
        self._has_content = False
        self._decoder: attachment.Decoder | None = None
        self._begin: int | None = None
        self._end = 0
        self._inflated = 0
        self._length = self._breaks = 0

    def open(self, node: KnownElement, type_name: str) -> None:
        """Begin a content element. The file's name may come later, because the .NET flavour writes it afterwards."""
        name, _ = dialects.ATTACHMENT_NAMES[type_name]
        if self.opens:
            limits = self._limits
            if self._inflated:
                limits = replace(limits, inflated_bytes=max(limits.inflated_bytes - self._inflated, 0))
            self._decoder = attachment.Decoder(self._leaf.text(node, name), limits)
        self._has_content = True
        self._begin = None
        self._length = self._breaks = 0

    def feed(self, text: bytes, offset: int, breaks: int = 0) -> None:
        """Decode text of the open content. `breaks` is the number of line ends in it."""
        if self._begin is None:
            self._begin = offset
        if self._decoder is not None:
            self._length += len(text)
            self._breaks += breaks
            self._decoder.feed(text)

    def close_content(self, offset: int) -> None:
        self._end = offset
        if self._begin is None:
            self._begin = offset

    def close(self, node: KnownElement, type_name: str) -> None:
        """End an attachment, whose elements are all known now."""
        name, content_type = dialects.ATTACHMENT_NAMES[type_name]
        details = Attachment(
            content_id=self._leaf.identity(node, "ContentId"),
            attachment_name=self._leaf.text(node, name),
            description=self._leaf.text(node, "Description"),
            content_type=self._leaf.text(node, content_type),
        )
        self.attachments.append(details)
        self._files.append(self._slice(details, node))
        self._decoder = None
        self._has_content = False

    def _slice(self, details: Attachment, node: KnownElement) -> FileSlice:
        decoded = Decoded(coding="raw", size=None, sha256=None)
        begin, length = self._begin or 0, 0
        if not self._has_content:
            self._notes.add("ATTACHMENT-DAMAGED", node.location, "no content element")
            begin, decoded = 0, replace(decoded, damaged="no content")
        else:
            length = self._end - begin
        if self._has_content and self._decoder is not None:
            decoded = self._decoder.finish(details.attachment_name)
            self._inflated += self._decoder.inflated
            if decoded.damaged:
                self._notes.add("ATTACHMENT-DAMAGED", node.location, decoded.damaged)
            elif not 0 <= length - self._length <= self._breaks:
                # A parser reads CR LF as one character; any other difference in length is a reference or CDATA.
                self._notes.add("ATTACHMENT-SLICE", node.location, "base64 written with references or CDATA")
        return FileSlice(
            n=len(self.attachments),
            name=details.attachment_name or "",
            content_id=details.content_id,
            content_type=details.content_type,
            description=details.description,
            offset=begin,
            length=length,
            coding=decoded.coding,
            size=decoded.size,
            sha256=decoded.sha256,
            source=self._source,
            damaged=decoded.damaged,
        )

    def files(self, lines: Sequence[Attachment | None]) -> tuple[FileSlice, ...]:
        """Return the slices; where an attachment lacks a name, id, type or description, its manifest line gives it."""
        return tuple(
            file if line is None else _fill_from_line(file, line)
            for file, line in zip(self._files, lines, strict=True)
        )


def _fill_from_line(file: FileSlice, line: Attachment) -> FileSlice:
    """Return the slice with missing fields taken from the manifest line."""
    name, content_id = file.name or line.attachment_name or "", file.content_id or line.content_id
    content_type, description = file.content_type or line.content_type, file.description or line.description
    fields = (name, content_id, content_type, description)
    if fields == (file.name, file.content_id, file.content_type, file.description):
        return file
    return replace(file, name=name, content_id=content_id, content_type=content_type, description=description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One envelope as read. `signature` is only its shape: `verify` decides whether it holds."""

    envelope: Envelope
    files: tuple[FileSlice, ...]
    findings: tuple[Finding, ...]
    dialect: str
    signature: FoundSignature | None = None


def finish_read(
    root: KnownElement,
    collected: Collected,
    notes: Notes,
    *,
    dialect: str = dialects.DIALECT_A.name,
    strict: bool = True,
    signature: FoundSignature | None = None,
) -> Read:
    """Build the packet from a complete light tree and the attachments collected with it."""
    attachments = collected.attachments
    envelope = model.envelope(root, attachments, notes)
    if strict and envelope.sender.organ_id is None:
        _refuse(
            "MessageHeader/From/OrganId",
            "exactly one From with exactly one OrganId is needed, and there is none",
        )
    lines: Sequence[Attachment | None] = [None] * len(attachments)
    if dialect != dialects.DIALECT_B.name:
        lines = model.pair_attachments(envelope.manifest, attachments, notes, strict=strict)
    return Read(
        envelope=envelope,
        files=collected.files(lines),
        findings=tuple(notes),
        dialect=dialect,
        signature=signature,
    )


def _refuse(place: str, detail: str) -> NoReturn:
    raise MalformedXml("ENV-DIALECT", f"{place}: {detail}", step=4, location=place)


def read(
    pieces: Iterable[bytes], limits: EnvelopeLimits, *, strict: bool = False, source: str = "envelope"
) -> Read:
    """Read a whole file or its canonical octets. `source` names the octets in which the slices' offsets count.

    MalformedXml with a code of docs/verification.md. Nothing read here is proved."""
    notes = Notes()
    builder = ModelBuilder(limits, strict=strict, source=source, notes=notes)
    parse.parse(pieces, builder, limits, notes)
    return builder.finish()


@dataclass(slots=True)
class _Frame:
    """One open element of the light tree. `slots` are its permitted children, `size` is its text in bytes."""

    node: KnownElement
    slot: ChildSlot
    slots: Mapping[str, ChildSlot]
    size: int = 0
    spoke: bool = False


class ModelBuilder:
    """Builds a model from the events of any namespace-aware parser: `start`, `data`, `end`, then `finish` once."""

    def __init__(
        self,
        limits: EnvelopeLimits,
        *,
        strict: bool = False,
        source: str = "envelope",
        notes: Notes | None = None,
        opens: bool = True,
    ) -> None:
        """With `opens`, decode files as they pass; without, leave their slices closed."""
        self._limits = limits
        self._strict = strict
        self._notes = notes or Notes()
        self._collected = Collected(limits, self._notes, source, opens=opens)
        self._dialect: Dialect | None = None
        self._root: KnownElement | None = None
        self._frames: list[_Frame] = []
        self._skipped = 0
        self._watcher: SignatureWatcher | None = None
        self._elements = 0
        self._text_total = 0
        self._net = False

    def start(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None:
        """Begin an element. `attrs` are (namespace, local name, value), without namespace declarations."""
        if self._watcher is not None and self._watcher.open:
            self._watcher.start(local, attrs)
            self._check_signature_size(self._watcher)
            return
        self._count_element()
        if self._dialect is None:
            self._start_root(ns, local, attrs)
            return
        if ns != self._dialect.namespace and not self._may_hold_signature(ns, local):
            self._object("FOREIGN-ELEMENT", self._place(), f"an element of the namespace {ns[:200]!r}")
            self._skipped += 1
        elif self._skipped:
            self._skipped += 1
        else:
            self._start_child(self._dialect, ns, local, attrs)

    def data(self, text: str, offset: int) -> None:
        """Add text of the open element. `offset` is its place in the source, in bytes."""
        if self._watcher is not None and self._watcher.open:
            self._watcher.data(text)
            self._check_signature_size(self._watcher)
        elif self._skipped or not self._frames:
            self._count_text(text)
        elif self._frames[-1].slot.holds is ElementContent.FILE:
            self._collected.feed(text.encode(), offset, text.count("\n"))
        else:
            self._data_of(self._frames[-1], text)

    def content(self, text: bytes, offset: int) -> None:
        """Add base64 of an open file, as bytes that were not decoded into characters."""
        self._collected.feed(text, offset)

    def end(self, offset: int) -> None:
        """End the open element; `offset` is that of the first byte of its end tag."""
        if self._watcher is not None and self._watcher.open:
            self._watcher.end()
        elif self._skipped:
            self._skipped -= 1
        else:
            frame = self._frames.pop()
            if frame.slot.holds in _LEAVES:
                _, name, _ = frame.node.place
                self._frames[-1].node.texts.setdefault(name, []).append(frame.node.value)
            if frame.slot.holds is ElementContent.FILE:
                self._collected.close_content(offset)
            elif frame.slot.type in dialects.ATTACHMENT_NAMES:
                self._collected.close(frame.node, frame.slot.type)

    def finish(self) -> Read:
        """Return the packet, once its root has ended."""
        if self._root is None or self._dialect is None or self._frames:
            raise MalformedXml("ENV-NOT-XML", "the envelope ends before its root does", step=3)
        return finish_read(
            self._root,
            self._collected,
            self._notes,
            dialect="A-net" if self._net else self._dialect.name,
            strict=self._strict,
            signature=self._watcher.describe() if self._watcher else None,
        )

    def _start_root(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None:
        if (ns, local) in dialects.ROOTS_OF_C:
            detail = "dialect C: a SOAP envelope of the 2012 generation, which is named here and not read"
            raise MalformedXml("ENV-DIALECT", detail, step=4, location=local)
        dialect = dialects.ROOTS.get((ns, local))
        if dialect is None:
            detail = f"the root is {local[:80]!r} of namespace {ns[:200]!r}; expected edXML of {names.QCVN!r}"
            facts = {"root": local[:80], "namespace": ns[:200] or "–", "expected": names.QCVN}
            raise MalformedXml("ENV-DIALECT", detail, step=4, location=local[:80], params=facts)
        if self._strict and dialect is not dialects.DIALECT_A:
            raise MalformedXml("ENV-DIALECT", f"dialect {dialect.name} is not used on this axis", step=4)
        self._dialect = dialect
        self._root = KnownElement((None, local, 0))
        self._note_attributes(local, local, attrs)
        slot = dialects.ROOT_SLOT
        self._frames.append(_Frame(self._root, slot, dialect.types[slot.type]))

    def _may_hold_signature(self, ns: str, local: str) -> bool:
        if (ns, local) != (names.DS, "Signature") or self._skipped:
            return False
        return local in self._frames[-1].slots

    def _start_child(
        self, dialect: Dialect, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]
    ) -> None:
        frame = self._frames[-1]
        name = local if local in frame.slots else dialect.aliases.get(local, local)
        slot = frame.slots.get(name)
        if frame.slot.holds in _LEAVES:
            # Readers differ about the text of such a leaf: before the child, or around it.
            self._object(
                "UNKNOWN-ELEMENT", self._place(), f"{local[:80]!r} inside an element that holds text"
            )
        elif slot is None:
            self._notes.add(
                "UNKNOWN-ELEMENT", self._place(), f"{local[:80]!r} is not known here and not read"
            )
        if slot is None:
            self._skipped += 1
            return
        if slot.holds is ElementContent.SIGNATURE:
            self._open_signature(frame.node, ns, name, local)
            return
        node = self._place_node(frame.node, name, slot)
        if node is None:
            self._skipped += 1
            return
        if name != local:
            self._note_spelling(local, node.location)
        if attrs:
            self._note_attributes(name, node.location, attrs)
            for space, key, value in attrs:
                if name == "Reference" and (space, key) == (dialects.XLINK, "href"):
                    node.texts["@href"] = [value]
        if slot.holds is ElementContent.FILE:
            self._collected.open(frame.node, frame.slot.type)
        self._frames.append(_Frame(node, slot, dialect.types.get(slot.type, _NO_CHILDREN)))

    def _place_node(self, above: KnownElement, name: str, slot: ChildSlot) -> KnownElement | None:
        """Return a new node at its place, or None where it is a second one and only one is permitted. A leaf is not put
        into the tree: its text is, when it ends."""
        is_leaf = slot.holds in _LEAVES
        siblings = (above.texts if is_leaf else above.children).get(name, ())
        node = KnownElement((above.place, name, len(siblings) + 1 if slot.many else 0))
        if slot.many:
            self._check_count(slot.type, name, len(siblings) + 1)
        elif siblings:
            self._object("DOUBLED", node.location, "stands more than once; the first is read")
            return None
        if not is_leaf:
            above.children.setdefault(name, []).append(node)
        return node

    def _open_signature(self, above: KnownElement, ns: str, name: str, local: str) -> None:
        place = above.below(name)
        if self._watcher is not None:  # step 5 judges the number of signatures: SIG-MANY
            self._notes.add("DOUBLED", place, "stands more than once; the first is read")
            self._skipped += 1
            return
        if name != local:
            self._note_spelling(local, place)
        self._watcher = SignatureWatcher(ns, local)

    def _check_signature_size(self, watcher: SignatureWatcher) -> None:
        if watcher.size > self._limits.signature_bytes:
            detail = f"the Signature is larger than {self._limits.signature_bytes} bytes"
            raise MalformedXml("ENV-LIMIT", detail, step=3)

    def _check_count(self, type_name: str, name: str, count: int) -> None:
        if name == "To" and count > self._limits.recipients:
            raise MalformedXml("ENV-LIMIT", f"more than {self._limits.recipients} receivers", step=3)
        if type_name in dialects.ATTACHMENT_NAMES or name == "Reference":
            files = len(self._collected.attachments) + 1
            if max(files, count) > self._limits.attachments:
                raise MalformedXml("ENV-LIMIT", f"more than {self._limits.attachments} attachments", step=3)

    def _note_spelling(self, local: str, place: str) -> None:
        if local in dialects.NET_ELEMENTS:
            self._net = True
        else:
            self._notes.add("ALIAS", place, f"written {local!r}")

    def _note_attributes(self, name: str, place: str, attrs: Sequence[tuple[str, str, str]]) -> None:
        for ns, local, _ in attrs:
            mark = (name, ns, local)
            self._net = self._net or mark in dialects.NET_ATTRIBUTES
            if mark not in dialects.KNOWN_ATTRIBUTES:
                self._notes.add("ATTRIBUTE", place, f"{local[:80]!r} is not known here and not read")

    def _data_of(self, frame: _Frame, text: str) -> None:
        if frame.slot.holds is ElementContent.ELEMENTS:
            if not text.strip(XML_SPACE):
                return
            if not frame.spoke:
                frame.spoke = True
                self._notes.add(
                    "TEXT-BETWEEN", frame.node.location, "text where only elements stand, not read"
                )
            self._count_text(text)
            return
        frame.size = self._hold(frame.node, text, frame.size)

    def _hold(self, node: KnownElement, text: str, size: int) -> int:
        """Add text to a node that already has `size` bytes, and return the new size."""
        size += self._count_text(text)
        if size > self._limits.text_bytes:
            detail = f"{node.location} is longer than {self._limits.text_bytes} bytes"
            raise MalformedXml("ENV-LIMIT", detail, step=3, location=node.location)
        node.value += text
        return size

    def _count_element(self) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise MalformedXml("ENV-LIMIT", f"more than {MOST_ELEMENTS} elements", step=3)

    def _count_text(self, text: str) -> int:
        size = len(text) if text.isascii() else len(text.encode())
        self._text_total += size
        if self._text_total > self._limits.text_total:
            detail = f"the text outside attachments is longer than {self._limits.text_total} bytes"
            raise MalformedXml("ENV-LIMIT", detail, step=3)
        return size

    def _place(self) -> str:
        return self._frames[-1].node.location if self._frames else ""

    def _object(self, code: str, place: str, detail: str) -> None:
        if self._strict:
            _refuse(place, detail)
        self._notes.add(code, place, detail)
