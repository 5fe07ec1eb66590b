"""A seal has one form, to the byte."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import sealed_log
from gateway.domain.sealed_log import PublishedSeal, Seal, SignedSeal
from gateway.errors import InvalidProof
from tests.support.cases import Cases

SEAL = Seal(
    log_id="5b0c1d0a9f5e4c1c8f0a3b2e1d4c6a7f",
    number=42,
    tree_size=1703,
    root=b"\x3f" * 32,
    previous=b"\x9c" * 32,
    at=datetime(2026, 11, 20, 1, 5, tzinfo=UTC),
)
SIGNED = SignedSeal(seal=SEAL, key=b"a public key", signature=b"s" * 64)
published = st.builds(
    PublishedSeal,
    signed=st.builds(
        SignedSeal,
        seal=st.builds(
            Seal,
            log_id=st.text("0123456789abcdef", min_size=32, max_size=32),
            number=st.integers(1, 10**18 - 1),
            tree_size=st.integers(1, 10**18 - 1),
            root=st.binary(min_size=32, max_size=32),
            previous=st.binary(min_size=32, max_size=32),
            at=st.datetimes(datetime(1900, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(
                lambda at: at.replace(microsecond=0)
            ),
        ),
        key=st.binary(min_size=1, max_size=200),
        signature=st.binary(min_size=1, max_size=80),
    ),
    stamp=st.none() | st.binary(min_size=1, max_size=300),
)


def test_the_bytes_of_a_seal_are_fixed() -> None:
    """The bytes are fixed by docs/log.md."""
    assert SEAL.to_bytes() == (
        b"gateway-log-seal/1\n"
        b"log 5b0c1d0a9f5e4c1c8f0a3b2e1d4c6a7f\n"
        b"number 42\n"
        b"size 1703\n"
        b"root " + b"3f" * 32 + b"\n"
        b"previous " + b"9c" * 32 + b"\n"
        b"at 2026-11-20T01:05:00Z\n"
    )
    assert SIGNED.to_bytes() == SEAL.to_bytes() + b"key YSBwdWJsaWMga2V5\nsignature " + (
        b"c3Nz" * 21 + b"cw==\n"
    )
    assert SIGNED.digest == hashlib.sha256(SIGNED.to_bytes()).digest()
    assert PublishedSeal(signed=SIGNED, stamp=b"t").to_bytes() == SIGNED.to_bytes() + b"timestamp dA==\n"


@given(published)
def test_what_was_written_reads_the_same(seal: PublishedSeal) -> None:
    assert sealed_log.read_seal(seal.to_bytes()) == seal


@given(seal=published, data=st.data())
def test_any_byte_more_less_or_other_is_another_seal_or_none(
    seal: PublishedSeal, data: st.DataObject
) -> None:
    raw = seal.to_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
    for changed in (
        raw[:at] + bytes([other]) + raw[at + 1 :],
        raw[:at] + raw[at + 1 :],
        raw[:at] + bytes([other]) + raw[at:],
    ):
        try:
            assert sealed_log.read_seal(changed).to_bytes() == changed
        except InvalidProof:
            continue


def test_no_other_form_is_a_seal(cases: Cases) -> None:
    forms = [
        b"",
        b"gateway-log-seal/2" + SIGNED.to_bytes()[18:],
        SIGNED.to_bytes() + b"\n",
        SIGNED.to_bytes().replace(b"\n", b"\r\n"),
        SIGNED.to_bytes()[:-1],
        SEAL.to_bytes(),
        SIGNED.to_bytes().replace(b"number 42", b"number 042"),
        SIGNED.to_bytes().replace(b"size 1703", b"size 0"),
        SIGNED.to_bytes().replace(b"3f3f", b"3F3f", 1),
        SIGNED.to_bytes().replace(b"2026-11-20", b"2026-13-20"),
        SIGNED.to_bytes().replace(b"YSBw", b"YSB"),
        SIGNED.to_bytes().replace(b"cw==", b"cx=="),
        SIGNED.to_bytes() + b"timestamp " + b"A" * sealed_log.MOST_SEAL_BYTES + b"\n",
        "gateway-log-seal/1\nlog đ".encode(),
    ]
    for data in forms:
        with cases.case(data[:200]), pytest.raises(InvalidProof):
            sealed_log.read_seal(data)
