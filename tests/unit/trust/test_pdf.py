"""PDFs are read within time limits, and up to the end of the file; and the room that things take on a page is known."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest

from gateway.domain.pdf import Area
from gateway.time_source import TimeSource, replaced
from gateway.trust.pdf import OutOfTimeError, look_into_pdf, timed
from gateway.trust.pdf_signatures import reading
from gateway.trust.pdf_signing.look import view
from tests.support.cases import Cases
from tests.support.letters import LETTER, Style, Text, page, paper
from tests.support.packets import PDF
from tests.support.pdf_pages import assembled

_BYTES = b"%PDF-1.7\n" * 2_000


def test_threat_066_no_way_to_read_for_ever_goes_on_after_the_deadline(cases: Cases) -> None:
    ways: dict[str, Callable[[io.BufferedReader], object]] = {
        "to and fro": lambda file: file.seek(-len(file.read(1)), io.SEEK_CUR),
        "at the end": lambda file: file.read(1),
        "from the beginning again": lambda file: (file.seek(0), file.read()),
    }
    for name, step in ways.items():
        with cases.case(name), replaced(TimeSource(monotonic=partial(next, count()))):
            file = timed(io.BytesIO(_BYTES), deadline=1_000)
            with pytest.raises(OutOfTimeError):
                _go_on(step, file)


def test_after_the_deadline_every_step_is_refused() -> None:
    file = timed(io.BytesIO(_BYTES), deadline=time.monotonic() - 1)

    for _ in range(3):
        with pytest.raises(OutOfTimeError):
            file.seek(5)


def test_steps_in_the_buffer_look_at_the_clock_once_in_a_while() -> None:
    looks = count()
    with replaced(TimeSource(monotonic=partial(next, looks))):
        file = timed(io.BytesIO(_BYTES), deadline=1_000)
        file.read(1)

        for _ in range(1_000):
            file.seek(-len(file.read(1)), io.SEEK_CUR)

    assert next(looks) < 1_000 / 50


def _go_on(step: Callable[[io.BufferedReader], object], file: io.BufferedReader) -> None:
    while True:
        step(file)


def test_a_file_is_read_through_its_deadline_as_it_is() -> None:
    file = timed(io.BytesIO(_BYTES), deadline=time.monotonic() + 60)

    assert file.read(5) == b"%PDF-"
    assert file.seek(-4, io.SEEK_END) == len(_BYTES) - 4
    assert (file.read(), file.tell(), file.read(1)) == (b"1.7\n", len(_BYTES), b"")
    assert (file.seek(9), file.read(9)) == (9, _BYTES[:9])


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


def areas_of(folder: Path, pdf: bytes) -> tuple[Area, ...]:
    place = folder / "a.pdf"
    place.write_bytes(pdf)
    return view(place, 1).occupied


def stream(entries: str, content: str = "") -> str:
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"


def test_words_take_their_room_whether_they_can_be_read_or_not(tmp_path: Path) -> None:
    lines = [Text("Ủy ban nhân dân", 200, 100), Text("Số: 118", 100, 300)]

    read = areas_of(tmp_path, paper([lines]))
    blind = areas_of(tmp_path, paper([lines], Style(to_unicode=False)))

    assert [(area.left, area.top, area.height) for area in blind] == [
        (area.left, area.top, area.height) for area in read
    ]
    assert all(area.width > 30 for area in (*read, *blind))


def test_of_a_scan_the_words_take_room_and_not_the_picture(tmp_path: Path) -> None:
    scan = paper([page(LETTER)], Style(invisible=True, picture=True))

    assert len(areas_of(tmp_path, scan)) == len(areas_of(tmp_path, paper([page(LETTER)])))


def test_a_picture_in_a_form_and_a_field_take_room_where_they_show(tmp_path: Path) -> None:
    pdf = assembled(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [7 0 R] "
            "/Resources << /XObject << /Fm 5 0 R >> >> >>",
            stream("", "q 1 0 0 1 100 600 cm /Fm Do Q"),
            stream(
                "/Type /XObject /Subtype /Form /BBox [0 0 90 90] /Resources << /XObject << /Im 6 0 R >> >>",
                "80 0 0 60 10 20 cm /Im Do",
            ),
            stream("/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8"),
            "<< /Type /Annot /Subtype /Widget /Rect [300 100 400 150] >>",
        ]
    )

    assert areas_of(tmp_path, pdf) == (
        Area(left=300, top=692, width=100, height=50),
        Area(left=110, top=162, width=80, height=60),
    )
