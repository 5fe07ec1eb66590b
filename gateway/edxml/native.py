"""The elements of a native envelope, taken from its octets by pattern (F4). In: octets without S and without the letters of
the files. Out: the light tree of the model and the files, or NotMine. Only what the closed table has at its very
path is taken. It proves nothing about characters and canonical form: whoever asks has libxml2 prove that these very
octets are canonical (F5), where every `<` begins a tag, tags carry nothing but what the table says, and text has one
meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.edxml import dialects, names, reader
from gateway.edxml.dialects import ChildSlot, KnownElement, Notes
from gateway.edxml.names import CONTENT, Element, unescape
from gateway.edxml.scan import NotMine

if TYPE_CHECKING:
    from gateway.edxml.policy import EnvelopeLimits

_TOKEN: Final = re.compile(r"<([^<>/ ]++)>([^<]*+)</\1>|<([^<>]++)>|([^<]++|<)")
"""An element that holds text or nothing; a tag; anything else. Every character is in one of them."""
_PIECE: Final = 1 << 16
_WITH_FILE, _FILE_TYPE = names.ATTACHMENT.local, "attachment"
_ROOT_SLOT: Final = ChildSlot(dialects.ElementContent.ELEMENTS, dialects.DIALECT_A.root_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One path of the closed table: what may come next inside it, by what is written between `<` and `>`, None for its
    own end."""

    local: str
    many: bool
    leaf: bool
    inside: Mapping[str, _Place | None]


def _inside(tag: bytes) -> str:
    return tag[1:-1].decode()


def _place(element: Element, slot: ChildSlot) -> _Place:
    known = dialects.DIALECT_A.types.get(slot.type, {})
    children = element.children.values()
    return _Place(
        local=element.local,
        many=slot.many,
        leaf=element.leaf,
        inside={
            _inside(element.end): None,
            **{_inside(child.start): _place(child, known[child.local]) for child in children},
        },
    )


_ROOT: Final = _place(names.ROOT, _ROOT_SLOT)
_ROOT_STARTS: Final = _inside(names.ROOT.start)
_CONTENT, _CONTENT_ENDS = _inside(CONTENT.start), _inside(CONTENT.end)
_NO_CHILDREN: Final[dict[str, list[KnownElement]]] = {}
"""Of every leaf: nothing is ever put there."""


@dataclass(frozen=True, slots=True)
class Native:
    """What was taken: `read` makes the model of it."""

    root: KnownElement
    files: reader.Collected
    notes: Notes

    def read(self) -> reader.Read:
        return reader.finished(self.root, self.files, self.notes)


def elements(
    octets: bytes,
    data: bytes,
    files: Sequence[tuple[int, int, bool]],
    limits: EnvelopeLimits,
    *,
    opens: bool = True,
) -> Native:
    """`files` are where each one's text stands in `data`, and whether it was left out of the octets."""
    found = _TOKEN.findall(octets.decode())
    tokens = iter(found)
    if next(tokens, _END)[2] != _ROOT_STARTS or _is_too_long(octets, found, limits.text_bytes):
        raise NotMine
    notes = Notes()
    collected = reader.Collected(limits, notes, "envelope", opens=opens)
    root = KnownElement(_ROOT.local)
    try:
        _children(root, _ROOT, tokens, _Files(data, iter(files), collected))
    except KeyError as why:
        raise NotMine from why
    if next(tokens, None) is not None:
        raise NotMine
    _check_counts(root, len(collected.attachments), limits)
    return Native(root, collected, notes)


_Tokens = Iterator[tuple[str, str, str, str]]
_END: Final = ("", "", "", "")


@dataclass(frozen=True, slots=True)
class _Files:
    """The files' letters, in the order in which they stand."""

    data: bytes
    left: Iterator[tuple[int, int, bool]]
    collected: reader.Collected

    def take(self, above: KnownElement, tokens: _Tokens) -> None:
        """F7: the slice is that of the octets that are hashed."""
        start, end, plain = next(self.left, (0, 0, False))
        self.collected.open(above, _FILE_TYPE)
        _, _, tag, text = next(tokens, _END)
        if plain:
            for at in range(start, end, _PIECE):
                self.collected.feed(self.data[at : min(at + _PIECE, end)], at)
        elif text:
            self.collected.feed(_said(text).encode(), start)
            _, _, tag, _ = next(tokens, _END)
        if tag != _CONTENT_ENDS:
            raise NotMine
        self.collected.close_content(end)


def _children(node: KnownElement, place: _Place, tokens: _Tokens, files: _Files) -> None:
    """All up to the end tag of `node`. KeyError for what may not stand there."""
    where, children, known = node.where, node.children, place.inside
    for name, text, tag, _ in tokens:
        below = known[name or tag]
        if below is None:
            if place.local == _WITH_FILE:
                files.collected.close(node, _FILE_TYPE)
            return
        local, number = below.local, 0
        if local not in children:
            beside = children[local] = []
        elif below.many:
            beside = children[local]
        else:
            raise NotMine
        if below.many:
            number = len(beside) + 1
        if name and below.leaf:
            value = _said(text) if "&" in text else text
            beside.append(KnownElement(local, where, number, value, _NO_CHILDREN))
            continue
        child = KnownElement(local, where, number)
        beside.append(child)
        if tag == _CONTENT:
            files.take(node, tokens)
        elif below.leaf or text:
            raise NotMine
        elif tag:
            _children(child, below, tokens, files)
        elif local == _WITH_FILE:
            files.collected.close(child, _FILE_TYPE)
    raise NotMine


def _is_too_long(octets: bytes, tokens: Sequence[tuple[str, str, str, str]], longest: int) -> bool:
    """F3, as `scan` counts it: of a text as it is written."""
    return len(octets) > longest and any(len(text.encode()) > longest for _, text, _, _ in tokens)


def _said(text: str) -> str:
    return unescape(text.encode())


def _check_counts(root: KnownElement, attachments: int, limits: EnvelopeLimits) -> None:
    message = root.path("edXMLEnvelope", "edXMLHeader", "MessageHeader")
    manifest = root.path("edXMLEnvelope", "edXMLBody", "edXMLManifest")
    receivers = len(message.many("To")) if message else 0
    lines = len(manifest.many("Reference")) if manifest else 0
    if receivers > limits.recipients or max(lines, attachments) > limits.attachments:
        raise NotMine
