"""Makes the seals of the event log: signs them, gets timestamps for them, and publishes them. The seal key is used for
nothing else (E3, sealed log): it signs only a `Seal`, never bytes from outside, and is stored like an exchange key, in
an encrypted file that only the node's user can read. In: a folder and a password. Out: signed seals; whether a seal's
signature is right.

A seal is published as a file in a folder that is carried off the machine, and as lines to print and retype. A published
seal cannot be withdrawn, which is its purpose.

Timestamps (RFC 3161). In: bytes and the authorities trusted for time. Out: a token of a timestamp authority over these
bytes, or the content of a checked token. Only the configured address is asked. The calls block: use them in the pool."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.atomic_files import write_file
from gateway.domain.certificates import CURVE_ORDERS
from gateway.domain.sealed_log import (
    MOST_SEAL_BYTES,
    MOST_STAMP,
    PublishedSeal,
    Seal,
    SignedSeal,
    Stamp,
    read_seal,
)
from gateway.errors import Clash, InvalidProof, Misconfigured, StoreFailure, Unreachable
from gateway.http_calls import Bounds, HttpRequest, ask
from gateway.trust.key_material import public_pem, raw_low_s, spki
from gateway.trust.keys import own_key

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

# Folder below the exchange keys, with a name that no agency has.
SEAL_FOLDER, SEAL_FILE = "_log", "seal.key.pem"
PUT_BACK = (
    "put the key back that the log was sealed with: it lies in the folder of the exchange keys, below _log, and in every "
    "backup"
)
_ORDER = CURVE_ORDERS["secp256r1"]
_HALF = 32
_SIGN = ec.ECDSA(hashes.SHA256())
_GROUP = 4
_GROUPS_IN_LINE = 8
STAMP_BOUNDS = Bounds(answer_bytes=MOST_STAMP, seconds=15.0)
_SHA256 = "2.16.840.1.101.3.4.2.1"
# Errors of the libraries for malformed certificates, names or times.
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
# The authority's certificate, and those that lead from it to a root.
_MOST_CERTIFICATES = 10
# A status of 0 (granted); before a token it makes the answer that the library can read.
_GRANTED = bytes.fromhex("3003020100")


class SealKey:
    """Key that signs this node's seals. Sync: call it in the pool. Safe to share between threads."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = spki(key.public_key())
        """In DER."""

    def sign(self, seal: Seal) -> SignedSeal:
        r, s = decode_dss_signature(self._key.sign(seal.to_bytes(), _SIGN))
        return SignedSeal(seal=seal, key=self.public, signature=raw_low_s(r, s, "secp256r1"))


def seal_key_path(keys_folder: Path) -> Path:
    return keys_folder / SEAL_FOLDER / SEAL_FILE


def open_seal_key(keys_folder: Path, password: bytes | None, *, is_first: bool = True) -> SealKey:
    """Return the node's seal key, made where there is none yet if nothing `is_first` sealed with it. Raise Misconfigured
    when it cannot be opened."""
    path = seal_key_path(keys_folder)
    if not is_first and not path.is_file():
        raise Misconfigured(f"the key that sealed the log is lost: {path}", code="GW-C-003", hint=PUT_BACK)
    key = own_key(path, password, partial(ec.generate_private_key, ec.SECP256R1()), "that seals the log")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise Misconfigured(f"the key that seals the log must be on P-256: {path}")
    return SealKey(key)


def key_fault(keys_folder: Path, password: bytes | None) -> str:
    """Return why the node's seal key does not open; empty when it opens, or there is none yet."""
    try:
        if seal_key_path(keys_folder).is_file():
            open_seal_key(keys_folder, password)
    except Misconfigured as error:
        return str(error)
    return ""


def check_seal(signed: SignedSeal) -> None:
    """Raise InvalidProof unless the seal's own key made the signature, in low-s form. The caller must check the key."""
    r, s = (int.from_bytes(part, "big") for part in (signed.signature[:_HALF], signed.signature[_HALF:]))
    if len(signed.signature) != 2 * _HALF or not (0 < r < _ORDER and 0 < s <= _ORDER // 2):
        raise InvalidProof(f"seal {signed.seal.number}: its signature does not have the form that seals have")
    try:
        _public_key(signed.key).verify(encode_dss_signature(r, s), signed.seal.to_bytes(), _SIGN)
    except InvalidSignature as why:
        raise InvalidProof(f"seal {signed.seal.number}: its signature is not of its key") from why


def _public_key(der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as why:
        raise InvalidProof("the seal's key cannot be read") from why
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidProof("the seal's key is not on P-256")
    if spki(key) != der:
        raise InvalidProof("the seal's key is not written in its one form")
    return key


def publish_seal(folder: Path, seal: PublishedSeal) -> Path:
    """Write `<log>-<number>.seal` durably, never seen half-written, and return its path. An earlier copy of this seal,
    as one without timestamp, is replaced. Raise Clash where that file holds another seal, which proves that history was
    rewritten, and StoreFailure where it cannot be read."""
    content = seal.signed.seal
    path = folder / f"{content.log_id}-{content.number:012d}.seal"
    if path.exists() and _digest_in_file(path) != seal.signed.digest:
        raise Clash(
            f"{path} was published before and is another seal than number {content.number} of this log now",
            hint="keep the file, and examine the log: gateway audit verify --seal FILE",
        )
    write_seal_file(path, seal.to_bytes())
    return path


def newest_published(folder: Path | None, log_id: str) -> int:
    """Return the highest number of that log's seals in the folder; 0 where there is none, or no such folder."""
    if folder is None or not log_id:
        return 0
    names = (path.name for path in folder.glob(f"{log_id}-*.seal")) if folder.is_dir() else ()
    numbers = (name.removeprefix(f"{log_id}-").removesuffix(".seal") for name in names)
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def key_pem(seal: PublishedSeal) -> bytes:
    """Return the log's public key in PEM, for checking its seals elsewhere."""
    return public_pem(serialization.load_der_public_key(seal.signed.key))


def _digest_in_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return read_seal(file.read(MOST_SEAL_BYTES + 1)).signed.digest
    except (OSError, InvalidProof) as why:
        raise StoreFailure(
            f"{path} cannot be read: {getattr(why, 'strerror', None) or why}",
            hint="look at the file; the seal is published again once it is moved away",
        ) from why


def write_seal_file(path: Path, content: bytes) -> None:
    """Write a seal to a file, replacing any earlier one; raise StoreFailure when that fails."""
    try:
        write_file(path, content)
    except OSError as why:
        raise StoreFailure(f"{path} could not be written: {why.strerror or why}") from why


def on_paper(seal: PublishedSeal) -> list[tuple[str, str]]:
    """Return name and value of each line to print: enough to compare the seal later, in groups that are easy to read."""
    signed = seal.signed
    content = signed.seal
    return [
        ("log", content.log_id),
        ("number", str(content.number)),
        ("size", str(content.tree_size)),
        ("at", content.at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        *(("root", line) for line in _group_digits(content.root.hex())),
        *(("seal", line) for line in _group_digits(signed.digest.hex())),
        *(("key", line) for line in _group_digits(signed.key_id)),
    ]


def _group_digits(digits: str) -> list[str]:
    groups = [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)]
    return [" ".join(groups[at : at + _GROUPS_IN_LINE]) for at in range(0, len(groups), _GROUPS_IN_LINE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampAuthority:
    """Authority that this node asks for timestamps."""

    url: str
    roots: Sequence[x509.Certificate]
    bounds: Bounds = STAMP_BOUNDS

    def ask(self, query: bytes) -> bytes:
        """Return the authority's unchecked answer. Raise Unreachable when there is none."""
        question = HttpRequest(
            url=self.url,
            expects="application/timestamp-reply",
            body=query,
            headers={"Content-Type": "application/timestamp-query"},
        )
        return ask(question, self.bounds)

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        """Return a new token over these bytes, and its checked content. Raise Unreachable without an answer,
        InvalidProof for a wrong one."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = _decode(self.ask(request.as_bytes()))
        try:
            if answer.status != 0:
                words = "; ".join(answer.status_string)[:200]
                raise Unreachable(f"the timestamp authority refused (status {answer.status}): {words}")
            token, nonce = answer.time_stamp_token(), answer.tst_info.nonce
        except _UNREADABLE as why:
            raise InvalidProof("the timestamp authority's answer cannot be read") from why
        if request.nonce is None or nonce != request.nonce:
            raise InvalidProof(
                "the timestamp does not carry the nonce that was sent: it is of another request"
            )
        return token, check_stamp(token, data, self.roots)


def check_stamp(token: bytes, data: bytes, roots: Sequence[x509.Certificate]) -> Stamp:
    """Return the content of a token over these bytes; raise InvalidProof when it is not valid. Its certificates are
    judged at its own time, so it stays valid after they expire."""
    if len(token) > MOST_STAMP:
        raise InvalidProof(f"a timestamp of {len(token)} bytes is longer than any is")
    from rfc3161_client import VerificationError, VerifierBuilder

    answer = _decode(_wrap_token(token))
    chain = _certificates(answer)
    try:
        tst_info = answer.tst_info
        verifier = VerifierBuilder(roots=list(roots)).build()
        if tst_info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise InvalidProof("the timestamp is over another digest than SHA-256")
        verifier.verify(answer, hashlib.sha256(data).digest())
        return Stamp(
            at=tst_info.gen_time,
            ends_at=chain[0].not_valid_after_utc,
            authority=chain[0].subject.rfc4514_string(),
            policy=tst_info.policy.dotted_string,
            serial=f"{tst_info.serial_number:x}",
            chain=tuple(hashlib.sha256(c.public_bytes(Encoding.DER)).hexdigest() for c in chain),
        )
    except (VerificationError, *_UNREADABLE) as why:
        raise InvalidProof(f"the timestamp does not hold: {why}") from why


def certificates_of(token: bytes) -> list[x509.Certificate]:
    """Return the certificates in a token, its authority's first, unjudged; raise InvalidProof for a broken one."""
    return _certificates(_decode(_wrap_token(token)))


def read_time_roots(file: Path) -> tuple[x509.Certificate, ...]:
    """Return the authorities trusted for time from a PEM file. Raise Misconfigured when it holds none."""
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except (OSError, ValueError) as why:
        raise Misconfigured(
            f"{file} holds no certificates of timestamp authorities",
            hint="put the root certificates of the timestamp authority there, in PEM form",
        ) from why


def _decode(data: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    try:
        return decode_timestamp_response(data)
    except _UNREADABLE as why:
        raise InvalidProof("this is no timestamp of RFC 3161") from why


def _certificates(answer: TimeStampResponse) -> list[x509.Certificate]:
    """Return the certificates in the token, the signer's first. Two with the same issuer and number are refused, because
    one could be used to check the signature and the other to check the usage of the key."""
    try:
        signers = [*answer.signed_data.signer_infos]  # type: ignore[set-order]  # used where it is one
        certificates = [x509.load_der_x509_certificate(c) for c in sorted(answer.signed_data.certificates)]
        counts = Counter((c.issuer, c.serial_number) for c in certificates)
        if len(signers) != 1 or len(certificates) > _MOST_CERTIFICATES or max(counts.values(), default=0) > 1:
            raise InvalidProof("the timestamp does not have exactly one signer with one certificate")
        signer = (signers[0].issuer, signers[0].serial_number)
        if signer not in counts:
            raise InvalidProof("the timestamp does not carry its authority's certificate")
        return sorted(certificates, key=lambda c: ((c.issuer, c.serial_number) != signer, c.serial_number))
    except _UNREADABLE as why:
        raise InvalidProof("the timestamp's certificates cannot be read") from why


def _wrap_token(token: bytes) -> bytes:
    """Return the token inside a granted TimeStampResp, in DER."""
    inside = _GRANTED + token
    size = len(inside)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = octets if size < 0x80 else bytes([0x80 | len(octets)]) + octets
    return b"\x30" + length + inside
