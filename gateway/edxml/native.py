"""Reads a native envelope from its octets tag by tag (F4). In: octets without the Signature and without the base64 of
the files. Out: the model and the files, with unusual findings, or NotMine. A tag is accepted only where the closed table
has it at that path. Characters and canonical form are not checked here: the caller has libxml2 prove that these octets
are canonical (F5), where every `<` begins a tag, tags have nothing beyond the table, and text has one meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway.edxml import dialects, names, reader
from gateway.edxml.dialects import ChildSlot, KnownElement, Notes
from gateway.edxml.names import CONTENT, Element, unescape
from gateway.edxml.scan import NotMine

if TYPE_CHECKING:
    from gateway.edxml.policy import EnvelopeLimits

_PIECE: Final = 1 << 16
_WITH_FILE, _FILE_TYPE = names.ATTACHMENT.local, "attachment"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """An element that holds text. `end` is its end tag; `file` is true for an attachment's content."""

    local: str
    many: bool
    file: bool
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An element that holds others, at one path of the closed table, with the tags that may follow in it: `end` is its
    own end tag; `groups` are children that hold elements, by start tag; `leaves` are the others, by the text between `<`
    and `>`."""

    local: str
    many: bool
    end: str
    groups: Mapping[str, _Place]
    leaves: Mapping[str, _Leaf]


# An open element and its place, and what they stand in.
_Outer: TypeAlias = "tuple[KnownElement, _Place, _Outer] | None"


def _make_place(element: Element, slot: ChildSlot) -> _Place:
    slots = dialects.DIALECT_A.types[slot.type]
    groups, leaves = {}, {}
    for child in element.children.values():
        below = slots[child.local]
        if child.leaf:
            leaf = _Leaf(local=child.local, many=below.many, file=child is CONTENT, end=_tag(child.end))
            leaves[_tag(child.start).removesuffix(">")] = leaf
        else:
            groups[_tag(child.start)] = _make_place(child, below)
    return _Place(local=element.local, many=slot.many, end=_tag(element.end), groups=groups, leaves=leaves)


def _tag(raw: bytes) -> str:
    return raw[1:].decode()


_ROOT: Final = _make_place(names.ROOT, dialects.ROOT_SLOT)
_BEGIN: Final = ["", _tag(names.ROOT.start)]


def read(
    octets: bytes,
    raw: bytes,
    files: Sequence[tuple[int, int, bool]],
    limits: EnvelopeLimits,
    *,
    opens: bool = True,
) -> reader.Read:
    """Read the octets. `files` has start and end of each file's text in `raw`, and whether it was cut out of the octets."""
    pieces = octets.decode().split("<")
    if pieces[:2] != _BEGIN or _is_too_long(pieces, octets, limits.text_bytes):
        raise NotMine
    notes = Notes()
    collected = reader.Collected(limits, notes, "envelope", opens=opens)
    root, tags = KnownElement((None, _ROOT.local, 0)), iter(pieces[2:])
    try:
        _read_tags(root, tags, _Files(raw, iter(files), collected))
    except KeyError as why:
        raise NotMine from why
    if next(tags, None) is not None:
        raise NotMine
    _check_counts(root, len(collected.attachments), limits)
    return reader.finish_read(root, collected, notes)


def _is_too_long(pieces: Sequence[str], octets: bytes, longest: int) -> bool:
    """Tell whether a text is over the limit of F3, counted as `scan` does."""
    return len(octets) > longest and any(len(piece.partition(">")[2].encode()) > longest for piece in pieces)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files' texts, in the order in which they occur."""

    raw: bytes
    remaining: Iterator[tuple[int, int, bool]]
    collected: reader.Collected

    def take(self, above: KnownElement, text: str) -> None:
        """Collect the next file; its slice counts in the hashed octets (F7)."""
        start, end, plain = next(self.remaining, (0, 0, False))
        self.collected.open(above, _FILE_TYPE)
        if plain and self.collected.opens:
            for at in range(start, end, _PIECE):
                self.collected.feed(self.raw[at : min(at + _PIECE, end)], at)
        elif text:
            self.collected.feed(unescape(text.encode()).encode(), start)
        else:
            self.collected.feed(b"", start)
        self.collected.close_content(end)


def _read_tags(root: KnownElement, tags: Iterator[str], files: _Files) -> None:
    """Read all up to the end tag of the root. Each of `tags` is a tag without its `<`, with the text after it. KeyError
    for a tag that may not occur there."""
    node, place = root, _ROOT
    outer: _Outer = None
    for piece in tags:
        if piece in place.groups:
            below = place.groups[piece]
            siblings = node.children.setdefault(below.local, [])
            if siblings and not below.many:
                raise NotMine
            child = KnownElement((node.place, below.local, len(siblings) + 1 if below.many else 0))
            siblings.append(child)
            node, place, outer = child, below, (node, place, outer)
            continue
        if piece == place.end:
            if place.local == _WITH_FILE:
                files.collected.close(node, _FILE_TYPE)
            if outer is None:
                return
            node, place, outer = outer
            continue
        tag, _, text = piece.partition(">")
        leaf, texts = place.leaves[tag], node.texts
        if next(tags, None) != leaf.end:
            raise NotMine
        if leaf.file:
            files.take(node, text)
            text = ""
        elif "&" in text:
            text = unescape(text.encode())
        if leaf.local not in texts:
            texts[leaf.local] = [text]
        elif leaf.many:
            texts[leaf.local].append(text)
        else:
            raise NotMine
    raise NotMine


def _check_counts(root: KnownElement, attachments: int, limits: EnvelopeLimits) -> None:
    message = root.path("edXMLEnvelope", "edXMLHeader", "MessageHeader")
    manifest = root.path("edXMLEnvelope", "edXMLBody", "edXMLManifest")
    receivers = len(message.many("To")) if message else 0
    lines = len(manifest.many("Reference")) if manifest else 0
    if receivers > limits.recipients or max(lines, attachments) > limits.attachments:
        raise NotMine
