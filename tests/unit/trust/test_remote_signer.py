"""A signing service on the loopback: what it signs is checked, and whatever it says instead is one error of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Misconfigured, SignerDown
from gateway.ports import RemoteSigner
from gateway.trust.remote_signer import HttpRemoteSigner
from tests.support import pki
from tests.support.signing_service import SECRET, SigningService, serving

DIGEST = hashlib.sha256(b"what is signed").digest()
CURVE, RSA = pki.key("p256", "remote"), pki.key("rsa-2048", "remote")
CERTIFICATES = {pki.root().issue("Z91", CURVE): CURVE, pki.root().issue("Z91", RSA): RSA}
DERS = [each.public_bytes(Encoding.DER) for each in CERTIFICATES]


@pytest.fixture
def service() -> Iterator[SigningService]:
    with serving(SigningService(keys=CERTIFICATES)) as made:
        yield made


@pytest.fixture
def signer(service: SigningService) -> RemoteSigner:
    return HttpRemoteSigner(service.url, SECRET, seconds=5)


def test_it_names_its_certificates_and_signs_with_each(signer: RemoteSigner, service: SigningService) -> None:
    assert list(signer.certificates()) == DERS
    assert len(signer.sign(DERS[0], DIGEST, "ecdsa-sha256")) == 64
    assert len(signer.sign(DERS[1], DIGEST, "rsa-sha256")) == 256
    # It learns digests, and nothing of what is signed.
    assert {name for each in service.asked for name in each} == {"path", "certificate", "algorithm", "digest"}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b"null",
        b'{"signature": 7}',
        b'{"signature": "no base64!"}',
        b'{"signature": "' + b"A" * 88 + b'"}',
        b'{"certificates": "x"}',
        b'{"certificates": [1]}',
        b'{"certificates": [' + b'"",' * 40 + b'""]}',
        b"[" * 100_000,
        b" " * 300_000,
    ],
)
def test_whatever_else_it_says_is_a_signer_that_is_down(
    signer: RemoteSigner, service: SigningService, said: bytes
) -> None:
    service.instead = said

    with pytest.raises(SignerDown):
        signer.sign(DERS[0], DIGEST, "ecdsa-sha256")
    with pytest.raises(SignerDown):
        signer.certificates()


def test_a_signature_of_another_key_is_found_before_it_leaves(
    signer: RemoteSigner, service: SigningService
) -> None:
    first, second = CERTIFICATES
    service.keys = {first: pki.key("p256", "another"), second: RSA}

    with pytest.raises(SignerDown, match="does not hold"):
        signer.sign(DERS[0], DIGEST, "ecdsa-sha256")


def test_one_that_is_not_there_or_refuses_us_is_down(service: SigningService) -> None:
    with pytest.raises(SignerDown) as found:
        HttpRemoteSigner(service.url, "another secret", seconds=5).certificates()
    service.status = 500
    with pytest.raises(SignerDown):
        HttpRemoteSigner(service.url, SECRET, seconds=5).certificates()
    with pytest.raises(SignerDown):
        HttpRemoteSigner("http://127.0.0.1:1", SECRET, seconds=5).certificates()

    assert "another secret" not in str(found.value) + repr(HttpRemoteSigner(service.url, "another secret"))


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "https://sign.example.invalid", "http://0.0.0.0:80"])
def test_it_is_reached_on_this_machine_alone(url: str) -> None:
    with pytest.raises(Misconfigured, match="this machine"):
        HttpRemoteSigner(url, SECRET)


@pytest.mark.parametrize(
    ("digest", "algorithm"), [(b"short", "rsa-sha256"), (DIGEST, "ecdsa-sha384"), (DIGEST, "x")]
)
def test_only_digests_are_sent(signer: RemoteSigner, digest: bytes, algorithm: str) -> None:
    with pytest.raises(Misconfigured, match="no digest"):
        signer.sign(DERS[0], digest, algorithm)
