"""Makes hostile envelopes from a good one, and asks other verifiers about them. `resign` plays the owner of the key,
who may sign anything; everything else plays a third party, who may move and change bytes but has no key."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import xmlsec
from lxml import etree
from signxml.exceptions import SignXMLException

from gateway.domain.proof import Binding
from gateway.edxml import canonical, general, key, names, signature, verify
from gateway.edxml.policy import XmlPolicy
from gateway.errors import InvalidEnvelope
from gateway.ports.services import EnvelopeSigner
from tests.support import envelopes, oracles, pki, readers

Mutation = Callable[[bytes], bytes]

DS = f"{{{names.DS}}}"
XADES = f"{{{names.XADES}}}"
AT = envelopes.SIGNED_AT
SIGNER = pki.signer(envelopes.SENDER)
OPEN, CLOSE = b"<ds:Signature ", b"</ds:Signature>"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of our verifier: the path it took, or the code it refused with."""

    path: str | None
    code: str | None
    step: int | None = None


def split(native: bytes) -> tuple[bytes, bytes, bytes]:
    """Before S, S, after S."""
    a, b = native.index(OPEN), native.index(CLOSE) + len(CLOSE)
    return native[:a], native[a:b], native[b:]


def swap(old: bytes, new: bytes, count: int = 1) -> Mutation:
    """A mutation that replaces bytes, which must be there."""

    def mutate(data: bytes) -> bytes:
        assert old in data, f"the sample has no {old!r}"
        return data.replace(old, new, count)

    return mutate


def behind(old: bytes, more: bytes) -> Mutation:
    """A mutation that puts bytes behind others, which must be there."""
    return swap(old, old + more)


def resign(
    mutated: bytes,
    native: bytes,
    signer: EnvelopeSigner = SIGNER,
    *,
    raw: bool = False,
    exclusive: bool = True,
) -> bytes:
    """The owner signs `mutated`, which was made from `native`. `raw`: over the raw bytes around S, as a careless or
    cunning owner would; otherwise over the canonical form, as the standard says."""
    parts = signature.parse(split(native)[1])
    assert parts is not None
    tree = etree.fromstring(mutated, _parser())
    properties = next(tree.iter(f"{XADES}SignedProperties"), None)
    if properties is not None:
        mutated = _put_in(mutated, parts.properties_digest.raw, hashlib.sha256(_c14n(properties)).digest())
    body = _raw_body(mutated) if raw else _body(mutated, exclusive=exclusive)
    mutated = _put_in(mutated, parts.body_digest.raw, hashlib.sha256(body).digest())
    info = next(etree.fromstring(mutated, _parser()).iter(f"{DS}SignedInfo"))
    method = next(info.iter(f"{DS}CanonicalizationMethod"))
    comments = method.get("Algorithm", "").endswith("WithComments")
    signed = etree.tostring(
        info, method="c14n", exclusive="exc-c14n" in method.get("Algorithm", ""), with_comments=comments
    )
    return _put_in(mutated, parts.value, signer.sign(signed))


def judge(
    data: bytes,
    *signers: pki.KeySigner,
    policy: XmlPolicy | None = None,
    at: datetime = AT,
    transport: verify.TransportFacts | None = None,
) -> Verdict:
    """Our verdict, with the certificates of these signers bound; by default the usual sender's."""
    bound = [envelopes.binding(signer) for signer in signers or (SIGNER,)]
    try:
        signed = verify.examine(
            source(data),
            policy=policy or XmlPolicy(),
            bindings=lambda code: bound,
            at=at,
            transport=transport,
        ).signed
    except InvalidEnvelope as refusal:
        return Verdict(None, refusal.code, refusal.step)
    if signed.contradiction is not None:
        return Verdict(None, signed.contradiction.code, 11)
    return Verdict(signed.path, None)


def fast(data: bytes, bound: Sequence[Binding]) -> canonical.Fast | None:
    """Read with the fast path and these bindings."""
    reading = readers.fast(data, XmlPolicy())
    return (
        reading
        if reading is not None and canonical.check_key(reading, bound, XmlPolicy()) is not None
        else None
    )


def slow(data: bytes, bound: Sequence[Binding]) -> general.General | None:
    """Read with the general path and these bindings."""
    try:
        return general.judge(data, XmlPolicy(), lambda code: key.active_bindings(code, bound, AT), AT)
    except InvalidEnvelope:
        return None


def agreed(data: bytes, bound: Sequence[Binding]) -> tuple[canonical.Fast | None, general.General | None]:
    """Both of them; what the fast path takes the general path takes with the same meaning, and what that takes xmlsec
    takes (G8)."""
    quick, careful = fast(data, bound), slow(data, bound)
    if quick is not None:
        assert careful is not None, "the fast path says valid, the general path does not"
        assert quick.envelope == careful.read.envelope
        assert quick.body_digest == careful.body_digest
        assert quick.signature.certificate_der == careful.binding.certificate_der
    if careful is not None:
        valid = xmlsec_valid(data, careful.binding.certificate_der)
        assert valid, "the general path says valid, xmlsec does not"
    return quick, careful


def source(data: bytes, piece: int = 65_536) -> verify.EnvelopeSource:
    def pieces() -> Sequence[bytes]:
        return [data[at : at + piece] for at in range(0, len(data), piece)]

    return verify.EnvelopeSource(open=pieces, size=len(data))


def bindings(*signers: pki.KeySigner) -> Callable[[str], Sequence[Binding]]:
    return lambda code: [envelopes.binding(signer) for signer in signers]


def xmlsec_valid(data: bytes, certificate_der: bytes = SIGNER.certificate_der) -> bool:
    """Return the own verdict of xmlsec on the first Signature, under the given certificate's key."""
    try:
        return oracles.xmlsec_says_valid(data, certificate_der)
    except (xmlsec.Error, etree.LxmlError, ValueError, StopIteration):
        return False


def signxml_valid(data: bytes, certificate_der: bytes = SIGNER.certificate_der) -> bool:
    """Return the own verdict of signxml, with the methods of our profile and no idea of where a Signature belongs."""
    try:
        return oracles.signxml_says_valid(data, certificate_der)
    except (SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError, LookupError):
        return False


def _put_in(data: bytes, old: bytes, new: bytes) -> bytes:
    return data.replace(b64encode(old), b64encode(new), 1)


def _body(data: bytes, *, exclusive: bool) -> bytes:
    tree = etree.fromstring(data, _parser())
    node = next(tree.iter(f"{DS}Signature"))
    parent = node.getparent()
    assert parent is not None
    previous = node.getprevious()
    if node.tail and previous is not None:
        previous.tail = (previous.tail or "") + node.tail
    elif node.tail:
        parent.text = (parent.text or "") + node.tail
    parent.remove(node)
    # the whole document, so that instructions before the root count as the standard says
    return etree.tostring(tree.getroottree(), method="c14n", exclusive=exclusive, with_comments=False)


def _raw_body(data: bytes) -> bytes:
    head, _, tail = split(data)
    return head[head.index(b"<edXML") :] + tail


def _c14n(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def tree(data: bytes) -> etree._Element:
    return etree.fromstring(data, _parser())


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)
