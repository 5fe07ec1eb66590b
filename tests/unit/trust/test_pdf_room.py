"""Areas of a page that a mark must not cover: words, also unreadable ones, pictures and form fields; a scan of the
whole page does not count."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.pdf import Area
from gateway.trust.pdf_signing.look import view
from tests.support.letters import LETTER, Style, Text, page, paper
from tests.support.pdf_pages import assembled


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
