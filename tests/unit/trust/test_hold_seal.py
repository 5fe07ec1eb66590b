"""Content sealed for one key: any size comes back byte for byte, and no changed, cut, added or exchanged byte is given
out."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Denied, Misconfigured, StoreFailure
from gateway.trust.hold_seal import PIECE, KeyUnsealer, RecipientSealer, new_pair
from tests.support.cases import Cases

PASSPHRASE = b"words of the head"


@cache
def pair(kind: str) -> tuple[bytes, bytes]:
    """The private half under the passphrase, and the public one."""
    if kind == "x25519":
        return new_pair(PASSPHRASE)
    key = rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
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
def made(tmp_path_factory: pytest.TempPathFactory) -> RecipientSealer:
    return sealer(pair("x25519")[1], tmp_path_factory.mktemp("head"))


def sealed(by: RecipientSealer, raw: bytes, label: str = "hld_1/a") -> bytes:
    target = io.BytesIO()
    by.seal([raw[at : at + 100_000] for at in range(0, len(raw), 100_000)], target, label)
    return target.getvalue()


def opened(raw: bytes, kind: str = "x25519", label: str = "hld_1/a") -> bytes:
    return b"".join(KeyUnsealer.from_pem(pair(kind)[0], PASSPHRASE).unseal(io.BytesIO(raw), label))


def test_any_size_comes_back_byte_for_byte(tmp_path: Path, cases: Cases) -> None:
    for kind in ("x25519", "rsa-2048"):
        by = sealer(pair(kind)[1], tmp_path)
        assert KeyUnsealer.from_pem(pair(kind)[0], PASSPHRASE).fingerprint == by.fingerprint
        for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE):
            with cases.case(f"{kind} {size}"):
                raw = bytes(range(256)) * (size // 256) + bytes(size % 256)
                whole = sealed(by, raw)
                assert opened(whole, kind) == raw
                assert size < 1000 or raw[:1000] not in whole


def test_what_is_sealed_opens_with_its_own_key_and_label_alone_and_never_looks_alike(
    made: RecipientSealer,
) -> None:
    whole = sealed(made, b"x" * 100)

    assert whole != sealed(made, b"x" * 100)
    with pytest.raises(Denied, match="sealed for the key") as denied:
        opened(whole, "rsa-2048")
    assert denied.value.code == "GW-SEAL-KEY"
    with pytest.raises(StoreFailure, match="something else"):
        opened(whole, label="hld_2/a")


@given(
    at=st.integers(0, 10**6), what=st.sampled_from(["flip", "cut", "drop", "add"]), byte=st.integers(1, 255)
)
@settings(max_examples=150)
def test_no_tampering_gives_out_other_bytes(made: RecipientSealer, at: int, what: str, byte: int) -> None:
    raw = b"the words of a secret " * 40
    whole = bytearray(sealed(made, raw))
    place = at % len(whole)
    match what:
        case "flip":
            whole[place] ^= byte
        case "cut":
            del whole[place:]
        case "drop":
            del whole[place]
        case "add":
            whole.insert(place, byte)

    with pytest.raises((StoreFailure, Denied)):
        opened(bytes(whole))


def test_pieces_do_not_change_places(made: RecipientSealer) -> None:
    whole = sealed(made, bytes(PIECE) + b"\1" * PIECE + b"end")
    size = PIECE + 16 + 4
    head = len(whole) - 2 * size - (3 + 16 + 4)
    first, second = whole[head : head + size], whole[head + size : head + 2 * size]

    with pytest.raises(StoreFailure, match="piece 1"):
        opened(whole[:head] + second + first + whole[head + 2 * size :])
    with pytest.raises(StoreFailure, match=r"piece 2|cut off"):
        opened(whole[:head] + first + whole[head + 2 * size :])


def test_a_key_that_cannot_be_used_is_refused_at_start(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = curve.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"no key", public, pair("rsa-1024")[1]):
        with pytest.raises(Misconfigured, match=r"seal\.recipient"):
            sealer(wrong, tmp_path)
    with pytest.raises(Misconfigured, match=r"seal\.recipient"):
        RecipientSealer.from_file(tmp_path / "nothing")


def test_a_wrong_passphrase_or_another_file_is_denied() -> None:
    private = pair("x25519")[0]
    for pem, passphrase in ((private, b"other"), (private, None), (b"no key", PASSPHRASE)):
        with pytest.raises(Denied):
            KeyUnsealer.from_pem(pem, passphrase)
