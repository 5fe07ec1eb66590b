"""Implements the fast path (rules F1-F13): proves in one reading that a file is exactly what our own writer makes, and
hashes and parses that same buffer. In: raw pieces. Out: `Fast`, or None for a file that is not native. It never calls a
file invalid: the general path judges every other file, and gives the code.

A file of at most a megabyte, or one with at most that much outside its files where these stay closed, is read as a tree
(F13): libxml2 parses once, and its tree gives the canonical octets, both digests and the schema's input; `native` reads
the model from the octets so proved. This reader shares only the closed table of names and the Signature's text with the
writer. Larger files stream through `scan`; tests prove that both agree.

`resigned_pieces` replaces the Signature of a native envelope (W9): a new file with the same body, packet id, terms and
receipt, signed by another key of the same agency."""

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
from gateway.edxml import names, native, safe_xml, signature, terms
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
"""Bytes given to the parser at a time, which bounds the text held in memory."""
MOST_SMALL: Final = 1 << 20
"""Largest file that is read as a tree, which takes about six times its size in memory."""
_SIGNATURE: Final = f"{{{names.DS}}}Signature"
_CONTENT: Final = f"{{{QCVN}}}{CONTENT.local}"
_OPENS: Final = b"<ds:Signature "
_CLOSES: Final = b"</ds:Signature>"
_DEEPEST: Final = 14
"""Depth of a leaf of gw:Receipt, the deepest element of a native Signature (W5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """A native file that passed F1-F9: canonical, unambiguous, with both digests as its Signature states them. The key
    is not yet proved (`check_key`). The Signature is at bytes [a, b)."""

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
    """Input of `schema.holds`, where the envelope without its files' octets is small."""


def read_fast(pieces: Iterable[bytes], size: int, policy: XmlPolicy) -> Fast | None:
    """Read a file of `size` bytes once. None for a file that is not native, or whose digests do not hold."""
    return (read_small if is_small(size, policy.limits) else read_large)(pieces, size, policy)


def read_closed(opener: Callable[[], Iterable[bytes]], size: int, policy: XmlPolicy) -> Fast | None:
    """Read as `read_fast` does, but without decoding the files, which are only hashed as they pass. The octets outside
    them are held; where these are too many, `opener` is called again for the streaming reader."""
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
    """Read with libxml2, which holds the whole file as a tree (F13)."""
    try:
        fast, properties = read_tree(_read_exactly(pieces, size), policy.limits, opens=opens)
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    return fast if _digests_hold(fast.signature, fast.body_digest, properties) else None


def read_large(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """Read with expat, in memory that does not grow with the file (F2-F8)."""
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
    at: datetime | None = None,
) -> Binding | None:
    """Return the binding of the sender whose key made the signature, or None (F10-F12). `bindings` are those active at
    the time of arrival `at`; transport facts that are None are not compared."""
    parts, model = fast.signature, fast.envelope
    digest = hashlib.sha256(parts.certificate_der).hexdigest()
    if not compare_digest(digest, parts.certificate_digest):
        return None
    # Text and bytes must be equal: nothing is trimmed, folded or compared by name (F10).
    identity = (model.sender.organ_id, parts.certificate_der)
    fitting = [b for b in bindings if (b.code, b.certificate_der) == identity]
    if not fitting:
        return None
    binding = fitting[0]
    wrong = value_fault(
        binding.certificate_der, parts.algorithm, parts.signed_info, parts.value, policy, at=at
    )
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
    """Compare both digests in constant time, and both always, so that timing shows nothing of either (F9)."""
    body = compare_digest(parts.body_digest, body_digest)
    return compare_digest(parts.properties_digest, properties_digest.hex()) and body


def _read_exactly(pieces: Iterable[bytes], size: int) -> bytes:
    """Read exactly the announced number of octets (F1); NotMine for another length."""
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
    """Check and drop the XML declaration's 39 exact bytes, and yield the remaining bytes in bounded pieces (F1)."""
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
    """Yield the envelope with a new Signature, in pieces; `raw` are the bytes that `fast` was read from."""
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


def is_small(size: int, limits: EnvelopeLimits) -> bool:
    """Tell whether the tree reader takes a file of that size. No such file can reach the limits that only `scan` counts."""
    return size <= min(_most_beside(limits), limits.max_bytes) and limits.depth >= _DEEPEST


def _most_beside(limits: EnvelopeLimits) -> int:
    return min(MOST_SMALL, limits.header_bytes, limits.text_total)


def read_tree(raw: bytes, limits: EnvelopeLimits, *, opens: bool = True) -> tuple[Fast, bytes]:
    """Read a whole file by F1 to F8, and return it with the digest of its SignedProperties; the caller must compare the
    digests with those in its signature, as `read_small` does. `opens`: decode the files in it."""
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
    if cut.size != size:  # F1: exactly the announced number of octets
        raise NotMine
    return cut


class _TooMuchBeside(NotMine):
    """The octets outside the files are too many, or a file's text holds more than letters of base64."""


class _Cut:
    """Cuts the base64 of the files out of an envelope while it hashes all octets (F7). Letters of base64 mean nothing to
    a parser, and canonical form leaves them alone: an envelope is native with them exactly when it is without. Other
    content of a file stays in, where it comes in one piece."""

    def __init__(self, most: int, longest_text: int) -> None:
        """Keep at most `most` octets, and no file text longer than `longest_text`."""
        self.octets = bytearray()
        self.files: list[tuple[int, int, bool]] = []
        """Start and end of each file, and whether it was cut out."""
        self.size = self.begin = self.end_of_signature = self.a = self.b = 0
        self.file_hash, self.body_hash = hashlib.sha256(), hashlib.sha256()
        self._most, self._longest_text = most, longest_text
        self._hashed = 0  # number of `octets` already hashed
        self._start: int | None = None  # start of the file that is being read
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
            if opens < 0:  # the tag may continue in the next piece
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
        """Finish after the last piece. NotMine where the Signature is not at its place (F6)."""
        self.octets += self._held_back
        self.size += len(self._held_back)
        self._hash_octets()
        if self._start is not None or not self.b:
            raise NotMine

    def _pass_file(self, piece: bytes, at: int, start: int) -> int:
        """Hash the text of a file, cutting out base64, and return the position after it in the piece."""
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
        """Hash new octets as part of the body, which is all but the declaration and the Signature. In canonical form a
        `<` occurs only in tags, so the Signature's tags are found by their octets."""
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
    """Read an envelope from its cut octets; `raw` is used only to decode files.

    The parser sees a byte only after the Signature matched its exact text and every tag outside it the closed table at
    its path: no comment, instruction, CDATA, declaration, attribute or foreign name reaches the parser, which keeps each
    name that it ever met."""
    octets, begin, end = bytes(cut.octets), cut.begin, cut.end_of_signature
    parts = signature.parse(octets[begin:end])
    if parts is None or end - begin > limits.signature_bytes or not octets.startswith(DECLARATION):
        raise NotMine
    body = octets[len(DECLARATION) : begin] + octets[end:]
    read = native.read(body, raw, cut.files, limits, opens=opens)
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
    )
    return fast, hashlib.sha256(properties).digest()


def _parse_tree(cut: bytes) -> etree._Element:
    """Parse with entities, network and recovery off (F2); without `huge_tree` the depth ends at 256."""
    import lxml.etree as etree

    try:
        return etree.fromstring(cut, safe_xml.parser(huge_tree=False))
    except (etree.XMLSyntaxError, ValueError) as why:
        raise NotMine from why


def _prove_canonical(cut: bytes, parts: SignatureParts) -> tuple[etree._Element, etree._Element, bytes]:
    """Have libxml2 write the octets in exclusive canonical form, and compare: the whole envelope (F5), and SignedInfo,
    which the key covers (F11). Return the tree, its Signature, and the octets of SignedProperties that reference 2
    covers (F9). NotMine where they differ."""
    import lxml.etree as etree

    # Any: the stubs do not know that this form returns bytes.
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
    """Build the schema's input from octets proved native. None where libxml2 disagrees; the schema check then reads the
    file."""
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
    """Empty the files and the Signature in a tree, which the schema does not need."""
    for content in root.iter(_CONTENT):
        content.text = None
    signature_element.clear()
    return root
