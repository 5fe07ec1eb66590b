"""Answers of authorities that anybody may hand us: lists and OCSP answers (`revocation`), timestamps (`timestamp`). An
answer that was changed says nothing, or what it said before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp

from gateway.errors import InvalidProof
from gateway.trust import seals
from gateway.trust.revocation import (
    NoAnswer,
    Statement,
    nonce_of_answer,
    read_answer,
    read_list,
    serial_of_answer,
)
from tests.fuzz.target import Target
from tests.support import evidence, pki

_AT = datetime(2031, 3, 4, tzinfo=UTC)
_STAMPED = b"what was stamped"
_ISSUER = pki.root()
_LEAF = x509.load_der_x509_certificate(pki.signer(kind="p256").certificate_der)


def revocation(data: bytes) -> None:
    for statement in (_listed(data), _answered(data)):
        assert statement is None or _statement_key(statement) in _known_statements(), (
            "an answer says what no authority said"
        )


def _listed(data: bytes) -> Statement | None:
    try:
        return read_list(data).statement(_LEAF, _ISSUER.certificate)
    except ValueError:
        return None


def _answered(data: bytes) -> Statement | None:
    for read in (nonce_of_answer, serial_of_answer):
        with suppress(NoAnswer):
            read(data)
    try:
        return read_answer(data, _LEAF, _ISSUER.certificate)[0]
    except NoAnswer:
        return None


def _statement_key(statement: Statement) -> tuple[object, ...]:
    return statement.source, statement.made_at, statement.ends_at, statement.revoked_at, statement.reason


@cache
def _known_statements() -> frozenset[tuple[object, ...]]:
    statements = [s(data) for data in _revocations() for s in (_listed, _answered)]
    return frozenset(_statement_key(s) for s in statements if s is not None)


@cache
def _revocations() -> tuple[bytes, ...]:
    revoked = [(_LEAF, _AT - timedelta(days=1))]
    lists = [_ISSUER.revocation_list(entries).public_bytes(Encoding.DER) for entries in ([], revoked)]
    return (*lists, *(_ocsp(status) for status in x509_ocsp.OCSPCertStatus), _refusal())


def _ocsp(status: x509_ocsp.OCSPCertStatus) -> bytes:
    is_revoked = status is x509_ocsp.OCSPCertStatus.REVOKED
    builder = x509_ocsp.OCSPResponseBuilder().add_response(
        cert=_LEAF,
        issuer=_ISSUER.certificate,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=_AT,
        next_update=_AT + timedelta(days=1),
        revocation_time=_AT - timedelta(days=1) if is_revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if is_revoked else None,
    )
    builder = builder.responder_id(x509_ocsp.OCSPResponderEncoding.HASH, _ISSUER.certificate)
    builder = builder.add_extension(x509.OCSPNonce(b"0123456789abcdef"), critical=False)
    return builder.sign(_ISSUER.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _refusal() -> bytes:
    built = x509_ocsp.OCSPResponseBuilder.build_unsuccessful(x509_ocsp.OCSPResponseStatus.TRY_LATER)
    return built.public_bytes(Encoding.DER)


@cache
def _authority() -> evidence.TimeAuthority:
    return evidence.TimeAuthority("Fuzz", _AT)


def stamped(data: bytes) -> None:
    try:
        stamp = seals.check_stamp(data, _STAMPED, [_authority().root])
    except InvalidProof:
        return
    assert stamp.at == _AT, "a timestamp tells a time that its authority did not"


def _tokens() -> Iterator[bytes]:
    yield _authority().stamp(_STAMPED)[0]
    yield _authority().stamp(b"something else")[0]


TARGETS = (
    Target(name="revocation", run=revocation, seeds=_revocations, longest=8_192),
    Target(name="timestamp", run=stamped, seeds=_tokens, longest=8_192),
)
