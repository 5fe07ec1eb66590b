"""The decoder of files, held against Python's own: the same texts are taken, into the same octets, and the same ones are
refused. It looks at many characters at once, so long texts with one wrong place matter most."""

from __future__ import annotations

import binascii
from base64 import b64encode
from datetime import datetime
from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.edxml.attachment import _Base64, encoded_pieces, is_base64
from tests.support.amounts import examples
from tests.support.cases import Cases

_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
_LONG = b64encode(bytes(range(256)) * 3)


class _Plain(_Base64):
    """With Python's own decoder."""

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._ended:
            raise ValueError("text after the padding")
        raw = binascii.a2b_base64(text, strict_mode=True)
        if text.endswith(b"="):
            if b64encode(raw[-(len(raw) % 3) :]) != text[-4:]:
                raise ValueError("stray bits before the padding")
            self._ended = True
        return raw


def _read(kind: type[_Base64], text: bytes, step: int) -> tuple[bytes, str | None]:
    base64 = kind()
    raw = b"".join(base64.feed(text[at : at + step]) for at in range(0, len(text), step))
    base64.finish()
    return raw, base64.fault


_PARTS = st.one_of(
    st.binary(max_size=400).map(b64encode),
    st.text("ABQgw+/", max_size=90).map(str.encode),
    st.sampled_from([b"=", b"==", b"===", b"====", b"A", b"QQ==", b"QR==", b"QUI=", b"QUJ=", b" ", b"\n", b"\r\n", b"\t"]),
    st.sampled_from([b"-", b"_", b"%", b"\x00", b"\x0b", b"\x7f", b"\x80", b"\xff", "đ".encode(), b"&#10;", _LONG]),
)  # fmt: skip


@given(parts=st.lists(_PARTS, max_size=8), step=st.sampled_from([1, 2, 3, 4, 7, 64, 1000, 1 << 18]))
@example(parts=[_LONG, b"===="], step=1 << 18)
@example(parts=[b"QQ==", b"QUJD"], step=4)
@example(parts=[b"QQ==QUJD"], step=1 << 18)
@example(parts=[b"QQ=", b"\n", b"=", b" "], step=1)
@settings(max_examples=examples(400))
def test_every_text_is_taken_or_refused_as_by_the_plain_decoder(parts: list[bytes], step: int) -> None:
    text = b"".join(parts)

    assert _read(_Base64, text, step) == _read(_Plain, text, step)


def test_every_end_of_a_text_is_judged_as_by_the_plain_decoder() -> None:
    for start in (b"", _LONG):
        for end in product(b"AQg+/=\n-\xff", repeat=4):
            text = start + bytes(end)
            assert _read(_Base64, text, len(text)) == _read(_Plain, text, len(text)), end


def test_text_is_judged_and_written_as_by_the_plain_coder(cases: Cases) -> None:
    for octet in range(256):
        with cases.case(octet):
            for place in range(0, 300, 7):
                text = _LONG[:place] + bytes([octet]) + _LONG[place + 1 :]
                assert _read(_Base64, text, len(text)) == _read(_Plain, text, len(text)), place
                assert is_base64(text) is (octet in _LETTERS), place

    for size in (*range(130), 3 << 16, (3 << 16) + 1):
        with cases.case(size):
            raw = (bytes(range(256)) * 800)[:size]
            pieces = encoded_pieces("a.pdf", "", [raw[:50], raw[50:]], datetime(2031, 3, 4))
            assert b"".join(pieces) == b64encode(raw)


@given(parts=st.lists(_PARTS, max_size=6))
def test_what_consists_of_the_letters_of_base64_is_told_from_all_else(parts: list[bytes]) -> None:
    text = b"".join(parts)

    assert is_base64(text) is _LETTERS.issuperset(text)
