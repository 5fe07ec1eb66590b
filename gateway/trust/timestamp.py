"""Trusted time (RFC 3161). In: bytes and the authorities that are trusted for time. Out: a token over those bytes from a
timestamp authority, or what a token proves. Only the address that was configured is ever asked. It blocks: use it
inside the pool."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.seal import MOST_STAMP, Stamp
from gateway.errors import InvalidProof, Misconfigured, Unreachable
from gateway.trust.bounded_http import Bounds, Question, ask

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

BOUNDS = Bounds(answer_bytes=MOST_STAMP, seconds=15.0)
_SHA256 = "2.16.840.1.101.3.4.2.1"
# What the libraries say of bytes that are no certificate, name or time.
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
# The authority's own, and what leads from it to a root.
_MOST_CERTIFICATES = 10
# A status of 0 (granted) before the token makes it the answer that the library reads.
_GRANTED = bytes.fromhex("3003020100")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampAuthority:
    """The authority that this node asks."""

    url: str
    roots: Sequence[x509.Certificate]
    bounds: Bounds = BOUNDS
    tls_ca: Path | None = None

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        """A checked token over these bytes. Unreachable when there is no answer now, InvalidProof for a wrong one."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        asked = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        question = Question(
            url=self.url,
            expects="application/timestamp-reply",
            body=asked.as_bytes(),
            headers={"Content-Type": "application/timestamp-query"},
        )
        answer = _decoded(ask(question, self.bounds, self.tls_ca))
        try:
            if answer.status != 0:
                raise Unreachable(
                    f"the timestamp authority refused (status {answer.status}): {_words(answer)}"
                )
            token, nonce = answer.time_stamp_token(), answer.tst_info.nonce
        except _UNREADABLE as why:
            raise InvalidProof("the timestamp authority's answer cannot be read") from why
        if asked.nonce is None or nonce != asked.nonce:
            raise InvalidProof(
                "the timestamp does not carry the nonce that was sent: it is of another request"
            )
        return token, check(token, data, self.roots)


def check(token: bytes, data: bytes, roots: Sequence[x509.Certificate]) -> Stamp:
    """What the token proves of these bytes; InvalidProof when it proves nothing. Its certificates are judged at its own
    time, so it holds after they ran out."""
    if len(token) > MOST_STAMP:
        raise InvalidProof(f"a timestamp of {len(token)} bytes is longer than any is")
    from rfc3161_client import VerificationError, VerifierBuilder

    answer = _decoded(_wrapped(token))
    chain = _certificates(answer)
    try:
        info = answer.tst_info
        verifier = VerifierBuilder(roots=list(roots)).build()
        if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise InvalidProof("the timestamp is over another digest than SHA-256")
        verifier.verify(answer, hashlib.sha256(data).digest())
        return Stamp(
            at=info.gen_time,
            authority=chain[0].subject.rfc4514_string(),
            policy=info.policy.dotted_string,
            serial=f"{info.serial_number:x}",
            chain=tuple(hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in chain),
        )
    except (VerificationError, *_UNREADABLE) as why:
        raise InvalidProof(f"the timestamp does not hold: {why}") from why


def read_roots(file: Path) -> tuple[x509.Certificate, ...]:
    """The authorities trusted for time, in PEM. Misconfigured when the file says none."""
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except (OSError, ValueError) as why:
        raise Misconfigured(
            f"{file} holds no certificates of timestamp authorities",
            hint="put the root certificates of the timestamp authority there, in PEM form",
        ) from why


def _decoded(data: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    try:
        return decode_timestamp_response(data)
    except _UNREADABLE as why:
        raise InvalidProof("this is no timestamp of RFC 3161") from why


def _certificates(answer: TimeStampResponse) -> list[x509.Certificate]:
    """Those in the token, the signer's first. Two with one issuer and number are refused: the signature could be
    checked with one of them and the use of the key with the other."""
    try:
        signers = list(answer.signed_data.signer_infos)
        found = [x509.load_der_x509_certificate(each) for each in answer.signed_data.certificates]
        named = Counter((each.issuer, each.serial_number) for each in found)
        if len(signers) != 1 or len(found) > _MOST_CERTIFICATES or max(named.values(), default=0) > 1:
            raise InvalidProof("the timestamp does not have exactly one signer with one certificate")
        signer = (signers[0].issuer, signers[0].serial_number)
        if signer not in named:
            raise InvalidProof("the timestamp does not carry its authority's certificate")
        return sorted(
            found, key=lambda each: ((each.issuer, each.serial_number) != signer, each.serial_number)
        )
    except _UNREADABLE as why:
        raise InvalidProof("the timestamp's certificates cannot be read") from why


def _wrapped(token: bytes) -> bytes:
    """TimeStampResp ::= SEQUENCE { status, token }, as DER."""
    inside = _GRANTED + token
    size = len(inside)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = octets if size < 0x80 else bytes([0x80 | len(octets)]) + octets
    return b"\x30" + length + inside


def _words(answer: TimeStampResponse) -> str:
    return "; ".join(answer.status_string)[:200]
