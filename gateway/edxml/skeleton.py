"""Cuts an envelope down to what a schema judges. In: octets, native or not. Out: the same elements with one prefix
for all, without the attachments' bodies and without what is inside a Signature: a few kilobytes, however large the
file. In one streaming pass; it judges nothing (F8, G3 and `reader` do)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.edxml import dialects, names, parse
from gateway.edxml.text import escape, escape_attribute
from gateway.edxml.tree import XML_SPACE, Notes
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.edxml.names import Element
    from gateway.edxml.policy import Limits

MOST_ELEMENTS = 200_000
_HARMLESS = dialects.KNOWN_ATTRIBUTES - {("edXMLManifest", "", "version")}
_MAY_BE_EMPTY = frozenset({"ContentTransferEncoded", "Signature", "edXMLManifest", "AttachmentEncoded"})
_FILE_PATH = ("edXML", "AttachmentEncoded", "Attachment", "ContentTransferEncoded")


def skeleton(pieces: Iterable[bytes], limits: Limits, *, liberal: bool = False) -> bytes:
    """The skeleton of a whole file. `liberal` is for envelopes that we did not write: order has no meaning there and
    an empty element is an absent one (edxml.md 2.2, 11), so siblings come in the writer's order and blanks go."""
    builder = _Builder(limits)
    parse.parse(pieces, builder, limits, Notes())
    if builder.root is None:
        raise MalformedXml("ENV-NOT-XML", "the file has no element", step=3)
    if liberal:
        _arrange(builder.root, names.ROOT)
    return b"".join(_written(builder.root, ""))


@dataclass(slots=True)
class _Kept:
    """One element: text and children in order, so that line breaks stay where they were."""

    ns: str
    local: str
    attributes: list[tuple[str, str]]
    content: list[_Kept | str] = field(default_factory=list)

    @property
    def children(self) -> list[_Kept]:
        return [item for item in self.content if isinstance(item, _Kept)]


class _Builder:
    """Takes the events of `parse`."""

    def __init__(self, limits: Limits) -> None:
        self.root: _Kept | None = None
        self._limits = limits
        self._open: list[_Kept] = []
        self._silent = 0
        self._elements = 0
        self._text = 0

    def start(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise MalformedXml("ENV-LIMIT", f"more than {MOST_ELEMENTS} elements", step=3)
        if self._silent:
            self._silent += 1
            return
        # attributes of other namespaces (xsi, xlink) say nothing to us and are a finding of the reader's
        made = _Kept(ns, local, sorted((name, value) for space, name, value in attrs if not space))
        if self._open:
            self._open[-1].content.append(made)
        else:
            self.root = made
        self._open.append(made)
        if (ns, local) == (names.DS, "Signature"):
            made.attributes = []
            self._silent = 1
        elif len(self._open) == len(_FILE_PATH) and tuple(one.local for one in self._open) == _FILE_PATH:
            self._silent = 1

    def data(self, text: str, offset: int) -> None:
        if self._silent or not self._open:
            return
        self._text += len(text)
        if self._text > self._limits.text_total:
            detail = f"the text outside attachments is longer than {self._limits.text_total} characters"
            raise MalformedXml("ENV-LIMIT", detail, step=3)
        self._open[-1].content.append(text)

    def end(self, offset: int) -> None:
        if self._silent > 1:
            self._silent -= 1
            return
        self._silent = 0
        self._open.pop()


def _arrange(kept: _Kept, known: Element) -> None:
    """Stable, in the order of the closed table; what the table does not know goes last and fails there."""
    children = {child.local: (place, child) for place, child in enumerate(known.children.values())}
    unknown = len(children)
    kept.attributes = [
        (name, value) for name, value in kept.attributes if (kept.local, "", name) not in _HARMLESS
    ]
    for child in kept.children:
        if child.ns == names.QCVN and child.local in children:
            _arrange(child, children[child.local][1])
    if known.leaf:
        return
    texts = [item for item in kept.content if isinstance(item, str) and item.strip(XML_SPACE)]
    full = [child for child in kept.children if not _blank(child)]
    full.sort(key=lambda child: children[child.local][0] if child.local in children else unknown)
    kept.content = [*texts, *full]


def _blank(kept: _Kept) -> bool:
    if kept.local in _MAY_BE_EMPTY or kept.children:
        return False
    return not any(isinstance(item, str) and item.strip(XML_SPACE) for item in kept.content)


def _written(kept: _Kept, scope: str) -> Iterator[bytes]:
    name = kept.local.encode()
    declaration = b"" if kept.ns == scope else b' xmlns="' + escape_attribute(kept.ns) + b'"'
    attributes = b"".join(
        b" " + key.encode() + b'="' + escape_attribute(value) + b'"' for key, value in kept.attributes
    )
    yield b"<" + name + declaration + attributes + b">"
    for item in kept.content:
        if isinstance(item, str):
            yield escape(item)
        else:
            yield from _written(item, kept.ns)
    yield b"</" + name + b">"
