"""Content sealed for one key: any size comes back byte for byte, and no changed, cut, added or exchanged byte is given
out."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Denied, Misconfigured, StoreFailure
from gateway.trust.hold_seal import KeyUnsealer, RecipientSealer
from tests.support.cases import Cases
from tests.support.passphrases import plain_pair

PASSPHRASE = b"words of the head"
# Age seals in pieces of this size.
PIECE = 64 * 1024


@cache
def pair(kind: str) -> tuple[bytes, bytes]:
    """The private half, and the public one; in PEM form the private half is under the passphrase."""
    if kind != "pem":
        return plain_pair()
    key = x25519.X25519PrivateKey.generate()
    form = serialization.BestAvailableEncryption(PASSPHRASE)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form),
        key.public_key().public_bytes(serialization.Encoding.PEM, public),
    )


def sealer(public: bytes, folder: Path) -> RecipientSealer:
    path = folder / "head.pub"
    path.write_bytes(public)
    return RecipientSealer.from_file(path)


@pytest.fixture(scope="module")
def age(tmp_path_factory: pytest.TempPathFactory) -> RecipientSealer:
    return sealer(pair("age")[1], tmp_path_factory.mktemp("head"))


def sealed(by: RecipientSealer, raw: bytes) -> bytes:
    target = io.BytesIO()
    by.seal(io.BytesIO(raw), target)
    return target.getvalue()


def opened(raw: bytes, kind: str = "age") -> bytes:
    target = io.BytesIO()
    KeyUnsealer.from_file(pair(kind)[0], PASSPHRASE).unseal(io.BytesIO(raw), target)
    return target.getvalue()


def test_any_size_comes_back_byte_for_byte(age: RecipientSealer, cases: Cases) -> None:
    assert KeyUnsealer.from_file(pair("age")[0], b"").fingerprint == age.fingerprint
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE):
        with cases.case(size):
            raw = bytes(range(256)) * (size // 256) + bytes(size % 256)
            stored = sealed(age, raw)
            assert opened(stored) == raw
            assert size < 1000 or raw[:1000] not in stored


def test_what_is_sealed_opens_with_its_own_key_alone_and_never_looks_alike(age: RecipientSealer) -> None:
    stored = sealed(age, b"x" * 100)

    assert stored != sealed(age, b"x" * 100)
    for kind in ("pem", "another"):
        with pytest.raises(Denied, match="does not open it") as denied:
            opened(stored, kind)
        assert denied.value.code == "GW-SEAL-KEY"


@given(
    at=st.integers(0, 10**6), harm=st.sampled_from(["flip", "cut", "drop", "add"]), byte=st.integers(1, 255)
)
@settings(max_examples=150)
def test_no_tampering_gives_out_other_bytes(age: RecipientSealer, at: int, harm: str, byte: int) -> None:
    raw = b"the words of a secret " * 40
    stored = bytearray(sealed(age, raw))
    place = at % len(stored)
    match harm:
        case "flip":
            stored[place] ^= byte
        case "cut":
            del stored[place:]
        case "drop":
            del stored[place]
        case "add":
            stored.insert(place, byte)

    with pytest.raises((StoreFailure, Denied)):
        opened(bytes(stored))


def test_pieces_do_not_change_places(age: RecipientSealer) -> None:
    stored = sealed(age, bytes(PIECE) + b"\1" * PIECE + b"end")
    size = PIECE + 16
    head = len(stored) - 2 * size - (3 + 16)
    first, second = stored[head : head + size], stored[head + size : head + 2 * size]

    for changed in (second + first, first):
        with pytest.raises(StoreFailure, match="another copy") as excinfo:
            opened(stored[:head] + changed + stored[head + 2 * size :])
        assert excinfo.value.code == "GW-SEAL-DAMAGED"


def test_a_key_that_cannot_be_used_is_refused_at_start(tmp_path: Path) -> None:
    for wrong in (b"no key", b"\xff", pair("pem")[1], b"age1notakey", pair("age")[1] * 2):
        with pytest.raises(Misconfigured, match=r"seal\.recipient"):
            sealer(wrong, tmp_path)
    with pytest.raises(Misconfigured, match=r"seal\.recipient"):
        RecipientSealer.from_file(tmp_path / "nothing")


def test_a_wrong_passphrase_or_another_file_is_denied() -> None:
    private = pair("pem")[0]
    for file, passphrase in (
        (private, b"other"),
        (private, b""),
        (b"no key", PASSPHRASE),
        (b"AGE-SECRET-KEY-1NOTAKEY", PASSPHRASE),
        (b"age-encryption.org/v1\n-> scrypt 40\n", PASSPHRASE),
    ):
        with pytest.raises(Denied, match="passphrase"):
            KeyUnsealer.from_file(file, passphrase)
