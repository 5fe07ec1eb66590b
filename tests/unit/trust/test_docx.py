"""Words of hostile DOCX files: whatever a file does, there is an answer in time, and the next file is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.domain.pdf import PageLook, PageWish
from gateway.trust.page_drawing import docx
from gateway.trust.page_drawing.child import draw_page
from gateway.trust.page_drawing.drawer import DrawingLimits, PageBox
from tests.support.cases import Cases

NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
WISH = PageWish(kind="docx", page=1, window=10, words=True)


def word_file(body: str, prologue: str = "") -> bytes:
    text = f'<?xml version="1.0"?>{prologue}<w:document xmlns:w="{NAMESPACE}"><w:body>{body}</w:body></w:document>'
    return packed(text.encode())


def packed(text: bytes, *more: str, name: str = "word/document.xml") -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("[Content_Types].xml", b"<Types/>")
        target.writestr(name, text)
        for entry in more:
            target.writestr(entry, b"")
    return octets.getvalue()


def paragraph(*texts: str) -> str:
    return f"<w:p>{''.join(f'<w:r><w:t>{text}</w:t></w:r>' for text in texts)}</w:p>"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "Báo cáo.docx"


def read(place: Path, octets: bytes, wish: PageWish = WISH) -> PageLook:
    place.write_bytes(octets)
    return draw_page(place, wish)


def test_the_text_is_read_paragraph_by_paragraph_and_nothing_else(place: Path) -> None:
    body = "".join(
        (
            paragraph("Kế ", "hoạch"),
            "<w:p><w:r><w:t>một</w:t><w:tab/><w:t>hai</w:t><w:br/><w:t>ba</w:t></w:r></w:p>",
            "<w:p><w:r><w:instrText>PAGEREF</w:instrText><w:delText>bỏ</w:delText></w:r></w:p>",
            '<mc:AlternateContent xmlns:mc="urn:mc"><mc:Choice>' + paragraph("hình") + "</mc:Choice>",
            "<mc:Fallback>" + paragraph("hình") + "</mc:Fallback></mc:AlternateContent>",
            '<o:t xmlns:o="urn:other">lạ</o:t>',
        )
    )

    look = read(place, word_file(body))

    assert look.fault is None, look.detail
    assert look.pages == 1
    assert look.words[0].split() == ["Kế", "hoạch", "một", "hai", "ba", "hình"]


def test_a_long_text_is_cut_between_paragraphs_and_a_huge_paragraph_at_a_space(place: Path) -> None:
    look = read(place, word_file(paragraph("chữ " * 500) * 5))
    assert (look.pages, {len(words) <= docx.PART_LETTERS for words in look.words}) == (5, {True})
    look = read(place, word_file(paragraph("chữ " * 20_000)))
    assert look.pages == 27
    assert set(look.words[0].split()) == {"chữ"}
    look = read(place, word_file(paragraph("a" * 50_000)))
    assert {len(words) for words in look.words} == {docx.PART_LETTERS}
    assert read(place, word_file("")).words == ("",)


def test_threat_146_a_file_that_has_too_much_of_anything_is_a_fault(place: Path, cases: Cases) -> None:
    entity = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>'
    rows = {
        "bomb": (packed(b"<a>" + b" " * 40_000_000), "PAGE-LIMIT"),
        "ratio": (word_file("<w:p/>" * 4_000_000), "PAGE-LIMIT"),
        "letters": (word_file(paragraph("chữ" * 300_000) * 3), "PAGE-LIMIT"),
        "nested": (word_file("<w:p>" * 600 + "</w:p>" * 600), "PAGE-LIMIT"),
        "entries": (packed(b"<a/>", *(f"x/{n}" for n in range(5_001))), "PAGE-LIMIT"),
        "entities": (word_file(paragraph("&c;"), prologue=entity), "PAGE-UNREADABLE"),
        "outside": (word_file("", prologue='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "PAGE-UNREADABLE"),
        "no xml": (packed(b"\x00\x01"), "PAGE-UNREADABLE"),
        "no text": (packed(b"<a/>", name="word/other.xml"), "PAGE-UNREADABLE"),
        "no zip": (b"PK\x03\x04 nothing", "PAGE-UNREADABLE"),
        "empty": (b"", "PAGE-UNREADABLE"),
        "cut": (word_file(paragraph("chữ"))[:-30], "PAGE-UNREADABLE"),
    }
    for name, (octets, fault) in rows.items():
        with cases.case(name):
            assert read(place, octets).fault == fault


def test_a_docx_has_no_picture_and_no_part_behind_the_last(place: Path) -> None:
    octets = word_file(paragraph("chữ"))

    assert read(place, octets, PageWish(kind="docx", page=1)).fault == "PAGE-NONE"
    assert read(place, octets, PageWish(kind="docx", page=2, words=True)).fault == "PAGE-NONE"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageBox]:
    box = PageBox(tmp_path_factory.mktemp("scratch"), DrawingLimits(seconds=5))
    yield box
    box.close()


def test_the_confined_process_reads_it_and_outlives_a_bomb(box: PageBox, tmp_path: Path) -> None:
    folder = box._folder  # the only one that the process may read
    good, bad, elsewhere = folder / "good", folder / "bad", tmp_path / "elsewhere"
    good.write_bytes(word_file(paragraph("Kế hoạch")))
    bad.write_bytes(packed(b"<a>" * 9_000_000))
    elsewhere.write_bytes(good.read_bytes())

    for _ in range(2):
        assert box.draw(good, WISH).words == ("Kế hoạch",)
        assert box.draw(bad, WISH).fault == "PAGE-LIMIT"
    if "files" in _fences():
        assert box.draw(elsewhere, WISH).fault == "PAGE-UNREADABLE"
    assert asdict(box.draw(good, WISH))["fault"] is None


def _fences() -> frozenset[str]:
    """Return the fences that this kernel has, asked in a process of its own."""
    import subprocess
    import sys

    code = "from gateway.trust.page_drawing.child import confine; print(*confine(()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(ran.stdout.split())
