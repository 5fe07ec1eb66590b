"""Exchange keys on a token (SoftHSM): made there, signing in wire form, opened again after a fault, never in the open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.certificates import CURVE_ORDERS
from gateway.errors import Misconfigured, NotFound, SignerDown
from gateway.ports.services import EnvelopeSigner
from gateway.trust.key_material import ENVELOPES, TOKEN
from gateway.trust.keys import KeyDirectory, KeyKind
from gateway.trust.pkcs11_keys import Pkcs11Token, label
from gateway_labs.authority import Authority
from tests.services.softhsm import Hsm, Token
from tests.support import hsm as hsms
from tests.support import pki

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
CODE = "000.00.07.Z91"
DATA = ENVELOPES + b"what is signed"


@cache
def authority() -> Authority:
    return Authority.create("Demo root", AT - timedelta(days=30))


@pytest.fixture
def hsm() -> Hsm:
    return hsms.of_this_process()


@pytest.fixture
def token(hsm: Hsm) -> Token:
    return hsm.token()


@pytest.fixture
def keys(token: Token, tmp_path: Path) -> KeyDirectory:
    return KeyDirectory(tmp_path / "keys", None, hsms.keys_on(token))


@pytest.fixture
def unplugged(hsm: Hsm) -> Iterator[Hsm]:
    """Yield the tokens, and plug them in again at the end, whatever happened."""
    yield hsm
    if (hsm.folder / "away").is_dir():
        hsm.plug_in()


def certified(
    keys: KeyDirectory, kind: KeyKind = "ecdsa-p256", *, at: datetime = AT, storage: str = TOKEN
) -> EnvelopeSigner:
    entry = keys.generate(CODE, kind, storage)
    certificate = authority().issue_for_request(keys.request(CODE, entry.key_id, "Trial"), at)
    keys.import_certificate(CODE, certificate.public_bytes(Encoding.PEM))
    return keys.signer(CODE, at)


@pytest.mark.parametrize(
    ("kind", "algorithm", "length"),
    [("ecdsa-p256", "ecdsa-sha256", 64), ("ecdsa-p384", "ecdsa-sha384", 96), ("rsa-3072", "rsa-sha256", 384)],
)
def test_w8_a_token_signs_in_the_wire_form_of_its_kind(
    keys: KeyDirectory, kind: KeyKind, algorithm: str, length: int
) -> None:
    signer = certified(keys, kind)
    key = x509.load_der_x509_certificate(signer.certificate_der).public_key()

    for n in range(8):
        data = DATA + bytes([n])
        value = signer.sign(data)
        assert (signer.algorithm, len(value), signer.signature_length) == (algorithm, length, length)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            r, s = int.from_bytes(value[: length // 2], "big"), int.from_bytes(value[length // 2 :], "big")
            assert s <= CURVE_ORDERS[key.curve.name] // 2
            digest = hashes.SHA384() if algorithm.endswith("384") else hashes.SHA256()
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))


def test_the_private_half_stays_on_the_token(
    keys: KeyDirectory, hsm: Hsm, token: Token, tmp_path: Path
) -> None:
    signer = certified(keys)

    (entry,) = keys.entries(CODE)
    files = {path.name.split(".", 1)[1] for path in (tmp_path / "keys").rglob("*.pem")}
    with pkcs11.lib(str(hsm.module)).get_token(token_label=token.label).open() as session:
        private = session.get_key(
            object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label(CODE, entry.key_id)
        )
        assert private[pkcs11.Attribute.SENSITIVE]
        assert not private[pkcs11.Attribute.EXTRACTABLE]
        assert bytes(private[pkcs11.Attribute.ID]) == bytes.fromhex(entry.key_id)
    assert files == {"pub.pem", "csr.pem", "crt.pem"}
    assert entry.storage == TOKEN
    assert signer.agency_code == CODE


def test_a_signing_request_asks_for_the_use_that_receivers_look_for(
    keys: KeyDirectory, tmp_path: Path
) -> None:
    """K3; of a key on a token as of one in a file."""
    for storage in ("file", TOKEN):
        entry = keys.generate(CODE, storage=storage)
        request = x509.load_pem_x509_csr(keys.request(CODE, entry.key_id, "Trial"))
        usage = request.extensions.get_extension_for_class(x509.KeyUsage)

        assert request.is_signature_valid
        assert usage.critical
        assert usage.value == pki.key_usage(digital_signature=True, content_commitment=True)


def test_keys_in_files_and_on_a_token_live_side_by_side(keys: KeyDirectory, tmp_path: Path) -> None:
    certified(keys, storage="file")
    new = certified(keys, at=AT + timedelta(days=10))

    assert keys.signer(CODE, AT).certificate_der != new.certificate_der
    assert keys.signer(CODE, AT + timedelta(days=11)).certificate_der == new.certificate_der
    assert {entry.storage for entry in keys.entries(CODE)} == {"file", TOKEN}
    # Without a token everything is listed all the same, and the key on it says what is missing.
    bare = KeyDirectory(tmp_path / "keys", None)
    assert len(bare.entries(CODE)) == 2
    with pytest.raises(Misconfigured, match="no token is set up"):
        bare.signer(CODE, AT + timedelta(days=11))


def test_threads_share_a_token_without_harm(keys: KeyDirectory) -> None:
    signer = certified(keys)
    key = x509.load_der_x509_certificate(signer.certificate_der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)

    with ThreadPoolExecutor(8) as threads:
        signed = list(threads.map(lambda n: (n, signer.sign(DATA + bytes([n]))), range(100)))

    for n, value in signed:
        r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
        key.verify(encode_dss_signature(r, s), DATA + bytes([n]), ec.ECDSA(hashes.SHA256()))


def test_a_token_that_was_pulled_out_is_down_and_signs_again_when_it_is_back(
    keys: KeyDirectory, unplugged: Hsm
) -> None:
    signer = certified(keys)
    unplugged.unplug()

    with pytest.raises(SignerDown, match="does not answer") as excinfo:
        signer.sign(DATA)
    assert not excinfo.value.permanent
    unplugged.plug_in()

    assert len(signer.sign(DATA)) == 64


def test_a_library_that_began_anew_for_one_token_leaves_the_other_to_its_own_keys(
    hsm: Hsm, tmp_path: Path
) -> None:
    """All sessions end then, and their numbers are given again: an old number may name a session of another token."""
    first, second = hsm.token(), hsm.token()
    first_keys = KeyDirectory(tmp_path / "one", None, hsms.keys_on(first))
    other = KeyDirectory(tmp_path / "other", None, hsms.keys_on(second))
    signer = certified(other)
    lost = certified(first_keys)
    _destroy_private_keys(hsm, first)

    with pytest.raises(NotFound):
        lost.sign(DATA)  # which begins the library anew, in case that the token was pulled out
    new_entry = other.generate(CODE, storage=TOKEN)

    assert len(signer.sign(DATA)) == 64
    assert label(CODE, new_entry.key_id) in _labels(hsm, second)
    assert label(CODE, new_entry.key_id) not in _labels(hsm, first)


def _destroy_private_keys(hsm: Hsm, token: Token) -> None:
    opened = pkcs11.lib(str(hsm.module)).get_token(token_label=token.label)
    with opened.open(rw=True) as session:
        for x in list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})):
            x.destroy()


def _labels(hsm: Hsm, token: Token) -> set[str]:
    opened = pkcs11.lib(str(hsm.module)).get_token(token_label=token.label)
    with opened.open() as session:
        return {
            public_key[pkcs11.Attribute.LABEL]
            for public_key in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY})
        }


def test_a_wrong_pin_is_tried_once_and_never_printed(
    token: Token, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten tries of a document that waits must not lock the token."""
    caplog.set_level(logging.DEBUG)
    wrong = "98765432" if token.pin != "98765432" else "12345678"
    keys = KeyDirectory(tmp_path / "keys", None, hsms.keys_on(token, wrong))

    with pytest.raises(SignerDown, match="refused the PIN") as first:
        keys.generate(CODE, storage=TOKEN)
    for _ in range(10):
        with pytest.raises(Misconfigured, match="not tried again"):
            keys.generate(CODE, storage=TOKEN)

    all_texts = str(first.value) + first.value.hint + caplog.text + repr(keys) + repr(vars(first.value))
    assert wrong not in all_texts
    right = KeyDirectory(tmp_path / "keys", None, hsms.keys_on(token))
    assert right.generate(CODE, storage=TOKEN).storage == TOKEN


def test_a_missing_module_token_or_pin_is_named(hsm: Hsm, token: Token, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        Pkcs11Token(tmp_path / "none.so", token.label, token.pin).run(lambda session: None)
    with pytest.raises(SignerDown, match="NoSuchToken"):
        Pkcs11Token(hsm.module, "another", token.pin).run(lambda session: None)
    with pytest.raises(Misconfigured, match="PIN"):
        Pkcs11Token(hsm.module, token.label, None).run(lambda session: None)
    assert token.pin not in repr(Pkcs11Token(hsm.module, token.label, token.pin))


def test_threat_120_a_key_on_a_token_signs_nothing_but_envelopes_and_one_that_is_gone_nothing(
    keys: KeyDirectory, hsm: Hsm, token: Token
) -> None:
    signer = certified(keys)
    _destroy_private_keys(hsm, token)

    with pytest.raises(NotFound, match="no such key"):
        signer.sign(DATA)

    signer = certified(keys)

    for data in (b"", b"lienthong-seal", b"lienthong-registry/1 header\n{}", b" " + DATA):
        with pytest.raises(Misconfigured, match="not of its purpose"):
            signer.sign(data)
