"""The fast path (F1-F13): proves, while it reads once, that a file is exactly what our own writer makes, and hashes and
parses that very buffer. Raw pieces go in; `Fast` comes out, or None for "not mine". It never calls a file invalid: the
general path decides about every other file, and gives the code. A file of at most a megabyte, or one with no more than
that beside its files where these stay closed, is read by the second reader (F13): libxml2 parses once, and its tree
gives the canonical octets, both digests and the schema's input, while `native` takes the model from the octets so
proved; that reader shares nothing with the writer but the closed table of names and the text of S. Larger files stream
through `scan`; tests hold the two together.

`resigned_pieces` puts another Signature into a native envelope (W9): the bytes of a new file with the same C, the same
packet id, terms and receipt, under another key of the same agency."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from gateway.domain.identity import Digest, known_digest
from gateway.domain.proof import Binding, FileSlice, Finding
from gateway.edxml import names, native, pattern, safe_xml, signature, terms
from gateway.edxml.attachment import is_base64
from gateway.edxml.key import value_fault
from gateway.edxml.names import CONTENT, DECLARATION, HEADER, QCVN
from gateway.edxml.scan import EnvelopeScan, NotMine
from gateway.edxml.signature import Qualifier, SignatureParts, sign_body
from gateway.errors import InvalidEnvelope

if TYPE_CHECKING:
    from lxml import etree

    from gateway.domain.document import Kind
    from gateway.domain.identity import PacketId
    from gateway.edxml.envelope import Envelope
    from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
    from gateway.ports.services import EnvelopeSigner

_STEP: Final = 1 << 18
"""The parser gets at most this many bytes at a time, so that no text is longer in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """A native file after F1-F9: canonical, of one meaning, with both digests as its Signature states them. Nothing
    is proved about the key yet (`check_key`). S stands at bytes [a, b)."""

    envelope: Envelope
    files: tuple[FileSlice, ...]
    findings: tuple[Finding, ...]
    body_digest: Digest
    file_digest: Digest
    size: int
    signature: SignatureParts
    a: int
    b: int
    tree: etree._Element | None = field(default=None, compare=False, repr=False)
    """The input of `schema.holds`, where the file without its files' octets is small enough to be held."""
    is_usual: bool = field(default=False, compare=False)
    """Whether `pattern` read all of it: nothing in it is unusual."""


def read_fast(pieces: Iterable[bytes], size: int, policy: XmlPolicy) -> Fast | None:
    """Read a file of `size` bytes once, in order. None: not a native file, or one whose digests do not hold."""
    return (read_small if is_small(size, policy.limits) else read_large)(pieces, size, policy)


def read_closed(opener: Callable[[], Iterable[bytes]], size: int, policy: XmlPolicy) -> Fast | None:
    """Read as `read_fast` does, but leave the files closed: proved with the rest and not decoded. They pass in pieces,
    and the octets beside them are held; where those are not small, `opener` is called again for the other reader."""
    limits = policy.limits
    if not (size <= limits.max_bytes and limits.depth >= _DEEPEST):
        return read_large(opener(), size, policy, opens=False)
    try:
        fast, properties = _read_cut(_cut_of(opener(), size, limits), b"", limits, opens=False)
    except _TooMuchBeside:
        return read_large(opener(), size, policy, opens=False)
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    return fast if _digests_hold(fast.signature, fast.body_digest, properties) else None


def read_small(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """Read by libxml2, which holds the whole file as a tree (F13)."""
    try:
        fast, properties = read_tree(_read_exactly(pieces, size), policy.limits, opens=opens)
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    return fast if _digests_hold(fast.signature, fast.body_digest, properties) else None


def read_large(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """Read by expat, in memory that does not grow with the file (F2-F8)."""
    limits = policy.limits
    if not len(DECLARATION) < size <= limits.max_bytes:
        return None
    scan = EnvelopeScan(limits, opens=opens)
    try:
        for piece in _after_declaration(pieces):
            scan.feed(piece)
        parts = scan.finish(size)
        if not _digests_hold(parts, scan.body_digest, hashlib.sha256(parts.signed_properties).digest()):
            return None
        read = scan.builder.finish()
    except (NotMine, expat.ExpatError, UnicodeError, InvalidEnvelope):
        return None
    return Fast(
        envelope=read.envelope,
        files=read.files,
        findings=read.findings,
        body_digest=scan.body_digest,
        file_digest=scan.file_digest,
        size=size,
        signature=parts,
        a=scan.a,
        b=scan.b,
        tree=None if scan.parsed_octets is None else _skeleton(scan.parsed_octets),
    )


def check_key(
    fast: Fast,
    bindings: Sequence[Binding],
    policy: XmlPolicy,
    *,
    transport_packet_id: PacketId | None = None,
    transport_kind: Kind | None = None,
) -> Binding | None:
    """Return the binding whose key made the signature, for the sender that the model names, or None (F10-F12). `bindings`
    are the candidates active at the time of arrival (K1); facts that the transport left out are not compared."""
    parts, model = fast.signature, fast.envelope
    digest = hashlib.sha256(parts.certificate_der).hexdigest()
    if not compare_digest(digest, parts.certificate_digest):
        return None
    # Exact text, exact bytes: neither is trimmed, folded or compared by name (F10).
    speaks = (model.sender.organ_id, parts.certificate_der)
    fitting = [b for b in bindings if (b.code, b.certificate_der) == speaks]
    if not fitting:
        return None
    binding = fitting[0]
    wrong = value_fault(binding.certificate_der, parts.algorithm, parts.signed_info, parts.value, policy)
    if wrong is not None:
        return None
    if parts.kind is not model.kind or transport_kind not in (None, parts.kind):
        return None
    if transport_packet_id not in (None, parts.packet_id):
        return None
    receipt, status = parts.receipt, model.status
    if receipt is not None and (status is None or status.code != receipt.status_code):
        return None
    if parts.terms is not None and terms.against(parts.terms, model) is not None:
        return None
    return binding


def _digests_hold(parts: SignatureParts, body_digest: Digest, properties_digest: bytes) -> bool:
    """Compare both digests in constant time, so that neither result hides the other (F9)."""
    body = compare_digest(parts.body_digest, body_digest)
    return compare_digest(parts.properties_digest, properties_digest.hex()) and body


def _read_exactly(pieces: Iterable[bytes], size: int) -> bytes:
    """Read exactly as many octets as were announced (F1)."""
    chunks, length = [], 0
    for piece in pieces:
        chunks.append(piece)
        length += len(piece)
        if length > size:
            break
    if length != size:
        raise NotMine
    return b"".join(chunks)


def _after_declaration(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Take the 39 exact bytes off the front and yield the rest in bounded pieces (F1)."""
    head = b""
    for piece in pieces:
        if len(head) < len(DECLARATION):
            head += piece
            if not head.startswith(DECLARATION):
                if len(head) < len(DECLARATION):
                    continue
                raise NotMine
            piece = head[len(DECLARATION) :]
        for start in range(0, len(piece), _STEP):
            yield piece[start : start + _STEP]


def resigned_pieces(
    fast: Fast, raw: Iterable[bytes], signer: EnvelopeSigner, at: datetime
) -> Iterator[bytes]:
    """Yield the new file in pieces; `raw` are the very bytes that `fast` was read from."""
    sig = fast.signature
    qualifier = Qualifier(packet_id=sig.packet_id, kind=sig.kind, receipt=sig.receipt, terms=sig.terms)
    new_signature = sign_body(fast.body_digest, signer, qualifier, at)
    position = 0
    for piece in raw:
        start, end = position, position + len(piece)
        if start < fast.a:
            yield piece[: fast.a - start]
        if start <= fast.a < end:
            yield new_signature
        if end > fast.b:
            yield piece[max(fast.b - start, 0) :]
        position = end


MOST_SMALL: Final = 1 << 20
"""Bytes of the largest file that is read as a tree, which takes some six times its file."""

_SIGNATURE: Final = f"{{{names.DS}}}Signature"
_CONTENT: Final = f"{{{QCVN}}}{CONTENT.local}"
_OPENS: Final = b"<ds:Signature "
_CLOSES: Final = b"</ds:Signature>"

_DEEPEST: Final = 14
"""Elements above a leaf of gw:Receipt, itself counted: nothing of W5 lies deeper."""


def is_small(size: int, limits: EnvelopeLimits) -> bool:
    """Tell whether this reader takes a file of that size. No such file reaches the limits that only `scan` counts."""
    return size <= min(_most_beside(limits), limits.max_bytes) and limits.depth >= _DEEPEST


def _most_beside(limits: EnvelopeLimits) -> int:
    return min(MOST_SMALL, limits.header_bytes, limits.text_total)


def read_tree(raw: bytes, limits: EnvelopeLimits, *, opens: bool = True) -> tuple[Fast, bytes]:
    """Read a whole file by F1 to F8, and return it with the digest of its SignedProperties. It is as good as the
    digests in its signature, which `read_small` compares. `opens`: the files in it are decoded."""
    cut = _Cut(len(raw), limits.text_bytes)
    cut.feed(raw)
    cut.end()
    return _read_cut(cut, raw, limits, opens=opens)


def _cut_of(pieces: Iterable[bytes], size: int, limits: EnvelopeLimits) -> _Cut:
    cut = _Cut(_most_beside(limits), limits.text_bytes)
    for piece in pieces:
        cut.feed(piece)
        if cut.size > size:
            break
    cut.end()
    if cut.size != size:  # F1: exactly as many octets as were announced
        raise NotMine
    return cut


class _TooMuchBeside(NotMine):
    """The octets beside the files are not small, or the text of one holds more than letters of base64."""


class _Cut:
    """A file's octets without the letters of the files in it, and both digests of all of them (F7). Letters of base64
    mean nothing to a parser, and canonical form leaves them alone: with and without them a file is equally native. Any
    other content of a file stays in, where it comes in one piece."""

    def __init__(self, most: int, longest_text: int) -> None:
        """Keep at most `most` octets, and of a file no text that is longer."""
        self.octets = bytearray()
        self.files: list[tuple[int, int, bool]] = []
        """Place of each file, and whether it was left out."""
        self.size = self.begin = self.end_of_signature = self.a = self.b = 0
        self.file_hash, self.body_hash = hashlib.sha256(), hashlib.sha256()
        self._most, self._longest_text = most, longest_text
        self._hashed = 0  # of `octets`
        self._start: int | None = None  # of the file that is passing
        self._held_back = b""

    def feed(self, piece: bytes) -> None:
        self.file_hash.update(piece)
        if self._held_back:
            piece, self._held_back = self._held_back + piece, b""
        at, length = 0, len(piece)
        while at < length:
            if self._start is not None:
                at = self._pass_file(piece, at, self._start)
                continue
            opens = piece.find(CONTENT.start, at)
            end = opens + len(CONTENT.start)
            if opens < 0:  # the tag may go on in the next piece
                last = piece.rfind(b"<", max(at, length - len(CONTENT.start) + 1))
                end = length if last < 0 else last
                self._held_back = piece[end:]
            self.octets += piece[at:end]
            self.size += end - at
            if len(self.octets) > self._most:
                raise _TooMuchBeside
            at = length
            if opens >= 0:
                self._hash_octets()
                at, self._start = end, self.size

    def end(self) -> None:
        """Finish after the last piece. NotMine where S does not stand at its place (F6)."""
        self.octets += self._held_back
        self.size += len(self._held_back)
        self._hash_octets()
        if self._start is not None or not self.b:
            raise NotMine

    def _pass_file(self, piece: bytes, at: int, start: int) -> int:
        """Hash the text of a file, and return the place where the rest of the piece begins."""
        end = piece.find(b"<", at)
        text = piece[at:] if end < 0 else piece[at:end]
        plain = is_base64(text)
        if plain:
            self.body_hash.update(text)
            self.size += len(text)
        elif end < 0 or self.size > start or len(text) > self._longest_text:
            raise _TooMuchBeside
        else:
            self.octets += text
            self.size += len(text)
        if end >= 0:
            self.files.append((start, self.size, plain))
            self._start = None
        return at + len(text)

    def _hash_octets(self) -> None:
        """Hash the body: all but the declaration and S. Canonical form has no `<` but in tags, so these octets are
        those tags and nothing else."""
        fresh = bytes(self.octets[self._hashed :])
        body_start = len(DECLARATION) if not self._hashed else 0
        begin = -1 if self.b else fresh.find(_OPENS)
        if begin >= 0:
            end = fresh.find(_CLOSES, begin) + len(_CLOSES)
            if end < begin or not fresh.startswith(HEADER.end, end):
                raise NotMine
            self.body_hash.update(fresh[body_start:begin])
            self.begin, self.end_of_signature = self._hashed + begin, self._hashed + end
            at = self.size - len(fresh)
            self.a, self.b, body_start = at + begin, at + end, end
        self.body_hash.update(fresh[body_start:])
        self._hashed = len(self.octets)


def _read_cut(cut: _Cut, raw: bytes, limits: EnvelopeLimits, *, opens: bool) -> tuple[Fast, bytes]:
    """Read as `read_tree` does; `raw` is only read to open files.

    The parser sees a byte only when S is exactly its text and every tag outside it is one of the closed table's, at its
    path: no comment, instruction, CDATA, declaration, attribute or foreign name reaches the parser, which keeps each
    name that it ever met."""
    octets, begin, end = bytes(cut.octets), cut.begin, cut.end_of_signature
    parts = signature.parse(octets[begin:end])
    if parts is None or end - begin > limits.signature_bytes or not octets.startswith(DECLARATION):
        raise NotMine
    body = octets[len(DECLARATION) : begin] + octets[end:]
    usual = None if opens else pattern.read(body, cut.files, limits)
    read = usual or native.read(body, raw, cut.files, limits, opens=opens)
    root, element, properties = _prove_canonical(octets, parts)
    fast = Fast(
        envelope=read.envelope,
        files=read.files,
        findings=read.findings,
        body_digest=known_digest(cut.body_hash.hexdigest()),
        file_digest=known_digest(cut.file_hash.hexdigest()),
        size=cut.size,
        signature=parts,
        a=cut.a,
        b=cut.b,
        tree=_strip_content(root, element),
        is_usual=usual is not None,
    )
    return fast, hashlib.sha256(properties).digest()


def _parse_tree(cut: bytes) -> etree._Element:
    """Parse (F2): nothing is opened, expanded or mended, and without `huge_tree` the depth ends at 256."""
    import lxml.etree as etree

    try:
        return etree.fromstring(cut, safe_xml.parser(huge_tree=False))
    except (etree.XMLSyntaxError, ValueError) as why:
        raise NotMine from why


def _prove_canonical(cut: bytes, parts: SignatureParts) -> tuple[etree._Element, etree._Element, bytes]:
    """Have libxml2 write the same octets in its exclusive canonical form, by code that is not ours: all of them (F5),
    and SignedInfo, which the key covers, in the form of its place (F11). Return the tree, S in it, and the octets that
    reference 2 covers (F9)."""
    import lxml.etree as etree

    # Any: its types do not know that this form is octets.
    canonical: Any = partial(etree.tostring, method="c14n", exclusive=True, with_comments=False)
    root = _parse_tree(cut)
    try:
        element = next(root.iter(_SIGNATURE))
        signed_info, _, _, of_properties = element
        if canonical(root) != cut[len(DECLARATION) :] or canonical(signed_info) != parts.signed_info:
            raise NotMine
        return root, element, canonical(of_properties[0][0])
    except etree.C14NError as why:
        raise NotMine from why


def _skeleton(octets: bytes) -> etree._Element | None:
    """Make the schema's input from octets proved to be native. None where libxml2 disagrees: a second reading follows."""
    try:
        root = _parse_tree(octets)
    except NotMine:
        return None
    for content in root.iter(_CONTENT):
        content.text = None
    for signature_element in root.iter(_SIGNATURE):
        signature_element.clear()
    return root


def _strip_content(root: etree._Element, signature_element: etree._Element) -> etree._Element:
    for content in root.iter(_CONTENT):
        content.text = None
    signature_element.clear()
    return root
