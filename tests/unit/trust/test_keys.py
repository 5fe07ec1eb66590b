"""Exchange keys in files: made, asked for, imported, listed, signed with (W8, W9)."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.certificates import ANY_KEY, CURVE_ORDERS, KeyUse
from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.edxml.signature import Qualifier, parse, sign_body
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.policy.trust import fingerprint
from gateway.ports.services import EnvelopeSigner
from gateway.registry_authoring.feed_judge import OFFICER_TAG, TAG
from gateway.trust.key_material import ENVELOPES, FEEDS, OFFICERS
from gateway.trust.keys import KeyDirectory, KeyKind, own_key, password_from
from gateway_labs.authority import Authority
from tests.support import pki

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
CODE = "000.00.07.Z91"
DATA = ENVELOPES + b"data"
ORGANISATION = "Sở Thử nghiệm tỉnh Sao Mai"


@cache
def authority() -> Authority:
    return Authority.create("Demo root", AT - timedelta(days=30))


@pytest.fixture
def keys(tmp_path: Path) -> KeyDirectory:
    return KeyDirectory(tmp_path / "keys", b"invented password")


def _certified(keys: KeyDirectory, kind: KeyKind = "ecdsa-p256", *, at: datetime = AT) -> EnvelopeSigner:
    entry = keys.generate(CODE, kind)
    certificate = authority().issue_for_request(keys.request(CODE, entry.key_id, ORGANISATION), at)
    keys.import_certificate(CODE, certificate.public_bytes(Encoding.PEM))
    return keys.signer(CODE, at)


def test_a_key_is_at_hand_once_it_was_opened_and_until_its_folder_changes(keys: KeyDirectory) -> None:
    assert keys.opened(CODE, AT) is None
    signer = _certified(keys)

    assert keys.opened(CODE, AT) is signer

    newer = _certified(keys, at=AT + timedelta(hours=1))
    two_hours_on = AT + timedelta(hours=2)
    assert keys.opened(CODE, two_hours_on) is newer
    keys.generate(CODE, "ecdsa-p256")
    assert keys.opened(CODE, two_hours_on) is None
    assert keys.signer(CODE, two_hours_on).certificate_der == newer.certificate_der
    assert keys.opened(CODE, two_hours_on) is not None


@pytest.mark.parametrize(
    ("kind", "bits", "digest"), [("ecdsa-p256", 256, hashes.SHA256()), ("ecdsa-p384", 384, hashes.SHA384())]
)
def test_w8_an_elliptic_value_is_raw_with_low_s(
    keys: KeyDirectory, kind: KeyKind, bits: int, digest: hashes.HashAlgorithm
) -> None:
    signer = _certified(keys, kind)
    key = x509.load_der_x509_certificate(signer.certificate_der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    half = bits // 8

    assert (signer.agency_code, signer.algorithm) == (CODE, f"ecdsa-sha{bits}")
    for n in range(20):
        data = ENVELOPES + b"data %d" % n
        value = signer.sign(data)
        r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
        assert len(value) == signer.signature_length == 2 * half
        assert s <= CURVE_ORDERS[key.curve.name] // 2
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))


def test_w8_an_rsa_value_is_pkcs_1(keys: KeyDirectory) -> None:
    signer = _certified(keys, "rsa-3072")
    key = x509.load_der_x509_certificate(signer.certificate_der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)

    value = signer.sign(DATA)

    assert len(value) == signer.signature_length == 384
    key.verify(value, DATA, padding.PKCS1v15(), hashes.SHA256())


def test_keys_are_encrypted_listed_without_the_password_and_a_wrong_one_is_an_error_without_it(
    keys: KeyDirectory, tmp_path: Path
) -> None:
    _certified(keys)

    files = [path for path in (tmp_path / "keys").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert all(path.name.endswith(".pem") and not path.name.startswith(".") for path in files)
    (key,) = [path for path in files if path.name.endswith(".key.pem")]
    assert b"ENCRYPTED" in key.read_bytes()

    fresh = keys.generate("Z93.05", "ecdsa-p256")

    listed = KeyDirectory(tmp_path / "keys", None).entries()
    with pytest.raises(Misconfigured, match=CODE) as excinfo:
        KeyDirectory(tmp_path / "keys", b"a wrong one").signer(CODE, AT)

    assert "a wrong one" not in str(excinfo.value)
    assert [entry.agency_code for entry in listed] == [CODE, "Z93.05"]
    assert listed[0].certificate_der is not None
    assert listed[1] == fresh


def test_an_empty_password_is_none_for_every_key(tmp_path: Path) -> None:
    assert _certified(KeyDirectory(tmp_path / "keys", b"")).algorithm == "ecdsa-sha256"
    own = own_key(tmp_path / "own.pem", b"", partial(ec.generate_private_key, ec.SECP256R1()), "of the test")
    assert isinstance(own, ec.EllipticCurvePrivateKey)


def test_w9_the_newest_key_that_is_valid_signs(keys: KeyDirectory) -> None:
    old = _certified(keys, at=AT)
    new = _certified(keys, at=AT + timedelta(days=20))

    assert keys.signer(CODE, AT).certificate_der == old.certificate_der
    assert keys.signer(CODE, AT + timedelta(days=25)).certificate_der == new.certificate_der
    with pytest.raises(NotFound, match="no exchange key"):
        keys.signer(CODE, AT + timedelta(days=3650))


def test_a_certificate_of_another_key_and_a_code_that_would_leave_the_directory_are_refused(
    keys: KeyDirectory,
) -> None:
    keys.generate(CODE)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    certificate = authority().issue(CODE, ORGANISATION, stranger, AT)

    with pytest.raises(Clash, match="belongs to no key"):
        keys.import_certificate(CODE, certificate.public_bytes(Encoding.PEM))

    for code in ("../x", "", ".hidden", "a/b", "a" * 76):
        with pytest.raises(Misconfigured, match="cannot name a key directory"):
            keys.generate(code)


def test_the_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from file\nsecond line\n", encoding="utf-8")
    monkeypatch.setenv("KEY_PASSWORD", "from environment")

    assert password_from(secret, "KEY_PASSWORD") == b"from file"
    assert password_from(None, "KEY_PASSWORD") == b"from environment"
    assert password_from(None, "NO_SUCH_NAME") is None
    with pytest.raises(Misconfigured, match="cannot be read"):
        password_from(tmp_path / "absent", "KEY_PASSWORD")


def test_threat_120_a_key_signs_what_begins_with_its_purpose_and_nothing_else(keys: KeyDirectory) -> None:
    """A signer of anything could be asked for a seal; its purpose is what `edxml` writes and `registry` expects."""
    signer = _certified(keys)

    for data in (b"", b"lienthong-seal", FEEDS + b"{}", b" " + DATA):
        with pytest.raises(Misconfigured, match="not of its purpose"):
            signer.sign(data)

    parts = parse(pki_signature())
    assert parts is not None
    assert parts.signed_info.startswith(ENVELOPES)
    assert (FEEDS, OFFICERS) == (TAG, OFFICER_TAG)


def test_w9_of_keys_that_may_be_used_the_one_bound_last_signs(keys: KeyDirectory) -> None:
    old = fingerprint(_certified(keys, at=AT).certificate_der)
    new = fingerprint(_certified(keys, at=AT + timedelta(days=20)).certificate_der)
    at = AT + timedelta(days=25)

    def signs(use: KeyUse) -> str:
        return fingerprint(keys.signer(CODE, at, use).certificate_der)

    assert signs(KeyUse(bound={old: AT})) == old
    assert signs(KeyUse(bound={old: AT, new: AT + timedelta(days=22)})) == new
    assert signs(KeyUse(bound={old: AT, new: None})) == new
    assert signs(KeyUse(bound={old: AT, new: AT}, ended={new: "stolen"})) == old
    with pytest.raises(NotFound, match="may sign"):
        signs(KeyUse(bound={}))
    with pytest.raises(NotFound, match="stolen"):
        signs(KeyUse(ended={old: "stolen", new: "stolen"}))


def test_what_was_signed_leaves_only_while_its_key_may_sign(keys: KeyDirectory) -> None:
    mine = fingerprint(_certified(keys).certificate_der)

    assert keys.fault(CODE, mine, AT, ANY_KEY) is None
    assert keys.fault(CODE, mine, AT, KeyUse(ended={mine: "retired"})) == "retired"
    assert "time" in (keys.fault(CODE, mine, AT + timedelta(days=3650), ANY_KEY) or "")


def pki_signature() -> bytes:
    qualifier = Qualifier(packet_id=PacketId("p"), kind=Kind.DOCUMENT)
    return sign_body(Digest("0" * 64), pki.signer(kind="p256"), qualifier, AT)
