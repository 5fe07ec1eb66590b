"""The second reader of native files (F13), for those of at most a megabyte: libxml2 parses once, and its tree gives the
canonical octets, both digests, the model and what the schema judges. In: a whole file. Out: `Small`, or `NotMine`. It
shares nothing with the writer but the closed table of names, and feeds the rules of the model as `scan` does."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from gateway.domain.identity import Digest
from gateway.edxml import names, signature
from gateway.edxml.names import CONTENT, DECLARATION, HEADER, QCVN, ROOT, Element
from gateway.edxml.reader import ModelBuilder
from gateway.edxml.scan import BASE64, NotMine
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
_CONTENT: Final = f"{{{QCVN}}}{CONTENT.local}"
_PIECE: Final = 1 << 16

_DEEPEST: Final = 14
"""Elements above a leaf of gw:Receipt, itself counted: nothing of W5 lies deeper."""

_LONGEST: Final = 5
"""Bytes that one character takes in canonical form, at most: `&amp;`."""

_START: Final = re.compile(rb"<[^/>][^>]*>")
_STARTS: Final = frozenset(element.start for _, element in names.paths())
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


def read(data: bytes, limits: Limits, *, opens: bool = True) -> Small:
    """F1 to F8 of a whole file. What it says is as good as the digests in its signature, which `canonical` compares.
    `opens`: the files in it are decoded."""
    cut, files = _without_files(data)
    parts, length = _signature(cut, limits)
    walk = _Walk(_tree(cut), data, files, ModelBuilder(limits, strict=True, opens=opens), limits)
    if _canonical(walk.root) != cut[len(DECLARATION) :]:  # F5
        raise NotMine
    properties = _apexes(walk.signature, parts)
    a = _found(data, _OPENS)
    body = hashlib.sha256(memoryview(data)[len(DECLARATION) : a])
    body.update(memoryview(data)[a + length :])
    return Small(
        read=walk.builder.finish(),
        parts=parts,
        a=a,
        b=a + length,
        body_digest=Digest.of_bytes(body.digest()),
        file_digest=Digest.of_bytes(hashlib.sha256(data).digest()),
        properties_digest=hashlib.sha256(properties).digest(),
        tree=_bare(walk),
    )


def _without_files(data: bytes) -> tuple[bytes, list[tuple[int, int, bool]]]:
    """The octets without those of the files, and where each of them stands. Letters of base64 mean nothing to a parser, and
    canonical form leaves them as they are: with and without them a file is native or not. Any other content stays in."""
    kept, files, position = [], [], 0
    at = data.find(CONTENT.start)
    while at >= 0:
        start = at + len(CONTENT.start)
        end = max(data.find(b"<", start), start)
        plain = not data[start:end].translate(None, BASE64)
        if plain:
            kept.append(data[position:start])
            position = end
        files.append((start, end, plain))
        at = data.find(CONTENT.start, end)
    return b"".join((*kept, data[position:])), files


def _signature(cut: bytes, limits: Limits) -> tuple[SignatureParts, int]:
    """F3, F4, F6, F8 before the parser sees a byte: S is exactly what it says, and every start tag outside it one of the
    closed table's. So no comment, instruction, CDATA, declaration, attribute or name but ours comes to the parser, which
    keeps each name that it ever met."""
    a = _found(cut, _OPENS)
    b = _found(cut, _CLOSES, a) + len(_CLOSES)
    parts = signature.parse(cut[a:b])
    if parts is None or b - a > limits.signature_bytes or not cut.startswith(_OPENING):
        raise NotMine
    if not _STARTS.issuperset(_START.findall(cut[len(DECLARATION) : a] + cut[b:])):
        raise NotMine
    return parts, b - a


def _tree(cut: bytes) -> etree._Element:
    """F2: it opens nothing, expands nothing, mends nothing and stops at a depth of 256."""
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
        return etree.fromstring(cut, parser)
    except (etree.XMLSyntaxError, ValueError) as why:
        raise NotMine from why


def _canonical(element: etree._Element) -> bytes:
    """libxml2's exclusive canonical form, of which no line is ours."""
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.C14NError as why:
        raise NotMine from why


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
    for content in walk.root.iter(_CONTENT):
        content.text = None
    walk.signature.clear()
    return walk.root


class _Walk:
    """F4 over the tree: only what the closed table has at this very path, in events for the one builder of the model."""

    def __init__(
        self,
        root: etree._Element,
        data: bytes,
        files: Sequence[tuple[int, int, bool]],
        builder: ModelBuilder,
        limits: Limits,
    ) -> None:
        self.root = root
        self.builder = builder
        self._data = data
        self._files = iter(files)
        self._limits = limits
        self._signature: etree._Element | None = None
        self._element(root, ROOT)

    @property
    def signature(self) -> etree._Element:
        if self._signature is None:
            raise NotMine
        return self._signature

    def _element(self, node: etree._Element, known: Element) -> None:
        """Attributes and declarations need no look: they are those of the start tags that the table has."""
        if node.prefix != known.own_prefix:
            raise NotMine
        if not known.leaf:
            self.builder.start(QCVN, known.local, known.named)
            self._children(node, known)
            self.builder.end(0)
        elif len(node):
            raise NotMine
        elif known is CONTENT:
            self._content(node.text or "")
        else:
            self._leaf(known.local, node.text or "")

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

    def _leaf(self, local: str, text: str) -> None:
        if len(text) * _LONGEST > self._limits.text_bytes < len(escape(text)):
            raise NotMine
        self.builder.leaf(local, text)

    def _content(self, text: str) -> None:
        """F7: the slice is that of the octets that are hashed."""
        start, end, plain = next(self._files, (0, 0, False))
        self.builder.start(QCVN, CONTENT.local, CONTENT.named)
        if plain:
            for at in range(start, end, _PIECE):
                self.builder.content(self._data[at : min(at + _PIECE, end)], at)
        elif text:
            self.builder.data(text, start)
        self.builder.end(end)
