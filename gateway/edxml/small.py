"""The second reader of native files (F13), for those of at most a megabyte: libxml2 parses once, and its tree gives the
canonical octets, both digests, the model and what the schema judges. In: a whole file. Out: `Small`, or `NotMine`. It
shares nothing with the writer but the closed table of names, and feeds the rules of the model as `scan` does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from gateway.domain.identity import Digest
from gateway.edxml import names, signature
from gateway.edxml.names import CONTENT, DECLARATION, HEADER, QCVN, ROOT, Element
from gateway.edxml.reader import ModelBuilder
from gateway.edxml.scan import NotMine
from gateway.edxml.text import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.edxml.policy import Limits
    from gateway.edxml.reader import Read
    from gateway.edxml.signature import SignatureParts

MOST: Final = 1 << 20
"""Bytes of the largest file that is read so: a tree takes some six times its file, and a stream takes nothing."""

_SIGNATURE: Final = f"{{{names.DS}}}Signature"
_SIGNED_INFO: Final = f"{{{names.DS}}}SignedInfo"
_SIGNED_PROPERTIES: Final = (
    f"{{{names.DS}}}Object/{{{names.XADES}}}QualifyingProperties/{{{names.XADES}}}SignedProperties"
)
_DEEPEST: Final = 14
"""Elements above a leaf of gw:Receipt, itself counted: nothing of W5 lies deeper."""

_LONGEST: Final = 5
"""Bytes that one character takes in canonical form, at most: `&amp;`."""

_OPENING: Final = DECLARATION + ROOT.start
_OPENS: Final = b"<ds:Signature "
_CLOSES: Final = b"</ds:Signature>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """What one tree gave. `tree` is for the schema: without the files' octets and without what S holds."""

    read: Read
    parts: SignatureParts
    a: int
    b: int
    body_digest: Digest
    file_digest: Digest
    properties_digest: bytes
    tree: etree._Element


def takes(size: int, limits: Limits) -> bool:
    """Whether this reader answers for a file of that size. None so small reaches the limits that only `scan` counts."""
    most = min(MOST, limits.max_bytes, limits.header_bytes, limits.text_total)
    return size <= most and limits.depth >= _DEEPEST


def read(data: bytes, limits: Limits) -> Small:
    """F1 to F8 of a whole file. What it says is as good as the digests in its signature, which `canonical` compares."""
    walk = _Walk(_tree(data), data, limits)
    _same(walk.root, data, walk.files)
    a = _found(data, _OPENS)
    b = _found(data, _CLOSES, a) + len(_CLOSES)
    parts = signature.parse(data[a:b])
    if parts is None or b - a > limits.signature_bytes:
        raise NotMine
    properties = _apexes(walk.signature, parts)
    body = hashlib.sha256(memoryview(data)[len(DECLARATION) : a])
    body.update(memoryview(data)[b:])
    return Small(
        read=walk.builder.finish(),
        parts=parts,
        a=a,
        b=b,
        body_digest=Digest.of_bytes(body.digest()),
        file_digest=Digest.of_bytes(hashlib.sha256(data).digest()),
        properties_digest=hashlib.sha256(properties).digest(),
        tree=_bare(walk),
    )


def _tree(data: bytes) -> etree._Element:
    """F1 to F3. After a root's start tag no doctype can stand, so there is no entity but the five; comments, instructions
    and CDATA are no part of the canonical form or of the table. It opens nothing, and stops at a depth of 256."""
    if not data.startswith(_OPENING):
        raise NotMine
    parser = etree.XMLParser(
        encoding="UTF-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=False,
        remove_pis=False,
        collect_ids=False,
        recover=False,
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as why:
        raise NotMine from why


def _canonical(element: etree._Element) -> bytes:
    """libxml2's exclusive canonical form, of which no line is ours."""
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.C14NError as why:
        raise NotMine from why


def _same(root: etree._Element, data: bytes, files: Sequence[tuple[int, int]]) -> None:
    """F5: the canonical form of the whole is the octets after the declaration. `files` were compared already."""
    around, position = [], len(DECLARATION)
    for start, end in files:
        around.append(data[position:start])
        position = end
    around.append(data[position:])
    if _canonical(root) != b"".join(around):
        raise NotMine


def _found(data: bytes, tag: bytes, begin: int = 0) -> int:
    """Where a tag stands. Canonical form has no `<` but in tags, so these octets are that tag and nothing else."""
    place = data.find(tag, begin)
    if place < 0:
        raise NotMine
    return place


def _apexes(found: etree._Element, parts: SignatureParts) -> bytes:
    """F9, F11: what reference 2 and the key cover, in libxml2's canonical form; ours of SignedInfo must equal it."""
    info, properties = found.find(_SIGNED_INFO), found.find(_SIGNED_PROPERTIES)
    if info is None or properties is None or _canonical(info) != parts.signed_info:
        raise NotMine
    return _canonical(properties)


def _bare(walk: _Walk) -> etree._Element:
    for content in walk.contents:
        content.text = None
    walk.signature.clear()
    return walk.root


class _Walk:
    """F4 over the tree: only what the closed table has at this very path, in events for the one builder of the model."""

    def __init__(self, root: etree._Element, data: bytes, limits: Limits) -> None:
        self.root = root
        self.builder = ModelBuilder(limits, strict=True)
        self.contents: list[etree._Element] = []
        self.files: list[tuple[int, int]] = []
        self._data = data
        self._limits = limits
        self._position = 0
        self._signature: etree._Element | None = None
        self._element(root, ROOT)

    @property
    def signature(self) -> etree._Element:
        if self._signature is None:
            raise NotMine
        return self._signature

    def _element(self, node: etree._Element, known: Element) -> None:
        """Declarations need no look: with these names and prefixes, canonical form leaves one way to write them."""
        if (node.prefix or "") != known.prefix or node.items() != known.pairs:
            raise NotMine
        self.builder.start(QCVN, known.local, known.named)
        if not known.leaf:
            self._children(node, known)
            self.builder.end(0)
        elif len(node):
            raise NotMine
        elif known is CONTENT:
            self._content(node, node.text or "")
        else:
            self._leaf(node.text)

    def _children(self, node: etree._Element, known: Element) -> None:
        if node.text:
            raise NotMine
        for child in node:
            if child.tail or (self._signature is not None and known is HEADER):
                raise NotMine
            below = known.tags.get(child.tag)
            if below is not None:
                self._element(child, below)
            elif known is HEADER and child.tag == _SIGNATURE:
                self._signature = child
            else:
                raise NotMine

    def _leaf(self, text: str | None) -> None:
        if text:
            if len(text) * _LONGEST > self._limits.text_bytes < len(escape(text)):
                raise NotMine
            self.builder.data(text, 0)
        self.builder.end(0)

    def _content(self, node: etree._Element, text: str) -> None:
        """F7: the slice is that of the octets that are hashed. Base64 is its own canonical form, which need not be made."""
        start = _found(self._data, CONTENT.start, self._position) + len(CONTENT.start)
        end = self._position = _found(self._data, CONTENT.end, start)
        self.contents.append(node)
        if text:
            self.builder.data(text, start)
        if text.isascii() and not any(sign in text for sign in "&<>\r"):
            if self._data[start:end] != text.encode():
                raise NotMine
            node.text = None
            self.files.append((start, end))
        self.builder.end(end)
