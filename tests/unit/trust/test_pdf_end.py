"""Bytes behind the end of a PDF cost readers a look at its last kilobyte, however many they are: counted in bytes and
calls, not in time."""

from __future__ import annotations

import time
from io import BytesIO

import pytest

from gateway.trust.pdf import look_into_pdf
from gateway.trust.pdf_signatures import reading
from tests.support.packets import PDF

KB = 1024


class Counted(BytesIO):
    """A file that counts what is read of it."""

    calls = 0
    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.calls += 1
        self.read_bytes += len(piece)
        return piece


TAILS = {
    "a comment": b"\n%" + b"0123456789abcdef",
    "a comment that ends in the mark": b"\n%" + b"0123456789abcdef",
    "blank lines": b"\n" * 16,
    "a long line above the mark": b"\nstartxref " + b"0" * 16,
}


def junk(name: str, kilobytes: int) -> Counted:
    piece = TAILS[name]
    many = piece[:2] + piece[2:] * (kilobytes * KB // len(piece[2:]))
    end = b"" if name in ("a comment", "blank lines") else b"%%EOF" if "ends in" in name else b"\n%%EOF\n"
    return Counted(PDF + many + end)


@pytest.mark.parametrize("name", TAILS)
def test_what_stands_behind_a_pdf_is_not_read_by_the_letter(name: str) -> None:
    for kilobytes in (256, 1024):
        signed, inspected_file = junk(name, kilobytes), junk(name, kilobytes)

        judgement = reading.read(signed)
        look_into_pdf(inspected_file, time.monotonic() + 60, 100_000)

        assert judgement.fault == "PDF-UNREADABLE"
        assert signed.calls < 50
        assert signed.read_bytes < 64 * KB
        assert inspected_file.read_bytes < 3 * len(inspected_file.getvalue())


def test_a_file_that_ends_as_files_end_is_read_as_before() -> None:
    for tail in (b"", b"\n", b"\r\n", b" \n\n", b"\n" * 40):
        judgement = reading.read(BytesIO(PDF.rstrip() + tail))
        assert (judgement.fault, judgement.signatures) == (None, []), tail
