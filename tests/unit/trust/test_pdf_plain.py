"""Plain PDFs, which patterns read: what is said of them is what the library says, and whatever could act is left to it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from cProfile import Profile
from io import BytesIO
from typing import Any

import pytest

from bench import papers
from gateway.trust import pdf
from gateway.trust.pdf import PdfTraits, look_into_pdf
from gateway.trust.pdf_layout import first_page
from gateway.trust.pdf_plain import read_plain
from tests.support.cases import Cases
from tests.support.printed import FOLDER

MOST = 100_000


def traits_of(raw: bytes) -> PdfTraits:
    return look_into_pdf(BytesIO(raw), time.monotonic() + 60, MOST, first_page)


@pytest.fixture
def told_by_library(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], PdfTraits]:
    def look(raw: bytes) -> PdfTraits:
        with monkeypatch.context() as patched:
            patched.setattr(pdf, "read_plain", lambda data, acting: None)
            return traits_of(raw)

    return look


def is_plain(raw: bytes) -> bool:
    return read_plain(raw, pdf._ACTING) is not None


def words(traits: PdfTraits) -> tuple[Any, ...]:
    """Return the facts of a PDF that the gateway uses."""
    page = traits.first_page
    read = page and (page.runs, page.sideways, page.cut)
    return traits.pages, traits.encrypted, traits.broken, traits.active, read


def pdf_of(*objects: bytes, trailer: bytes = b"/Root 1 0 R", ending: bytes = b"") -> bytes:
    """A file of these objects, whose table is right."""
    content, places = bytearray(b"%PDF-1.4\n"), []
    for n, object_body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (n, object_body)
    at = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, at)
    return bytes(content) + ending


ROOT = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>"


def one_page(root: bytes = ROOT, pages: bytes = PAGES, page: bytes = PAGE, *more: bytes) -> bytes:
    return pdf_of(root, pages, page, *more)


def test_a_plain_file_is_read_as_the_library_reads_it(
    told_by_library: Callable[[bytes], PdfTraits], cases: Cases
) -> None:
    tree = (
        b"<</Kids[3 0 R\n6 0 R]/Count 3>>",
        b"<</Kids[4 0 R 5 0 R]/Parent 2 0 R>>",
        PAGE,
        b"<</Type/Page/Parent 3 0 R/Contents 7 0 R/MediaBox[0 0 9 9]>>",
        PAGE,
    )
    content = b"<< /Length 34 >>\nstream\nBT /F1 12 Tf 9 9 Td (xin chao) Tj ET\nendstream"
    font = b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >> >>"
    rows = {
        "a scan": (papers.content(10_000, 1), 1),
        "a blank page": (one_page(), 1),
        "pages in branches": (pdf_of(ROOT, *tree, content), 3),
        "a page of text": (one_page(ROOT, PAGES, PAGE[:-2] + font + b" /Contents 4 0 R >>", content), 1),
        "other objects, whatever they are": (one_page(ROOT, PAGES, PAGE, b"<< /A [ (", b"nonsense"), 1),
        **{path.name: (path.read_bytes(), None) for path in sorted(FOLDER.glob("*.pdf"))},
    }
    assert len(rows) > 5
    for name, (raw, pages) in rows.items():
        with cases.case(name):
            assert is_plain(raw)
            assert words(traits_of(raw)) == words(told_by_library(raw))
            assert pages in (None, traits_of(raw).pages)
    assert "xin chao" in str(traits_of(rows["a page of text"][0]).first_page)


def test_threat_064_a_name_that_acts_is_left_to_the_library_however_it_is_spelled(cases: Cases) -> None:
    actions = {
        b"/OpenAction << /S /JavaScript /JS (app.alert) >>": ("javascript",),
        b"/OpenAction << /S /JavaScript >>": ("javascript",),
        b"/OpenAction << /S /#4aavaScript >>": ("javascript",),
        b"/OpenAction << /S /J#61v#61Script >>": ("javascript",),
        b"/OpenAction << /#53 /Launch >>": ("launch",),
        b"/OpenAction << /S /L#61unch/F(a.exe)>>": ("launch",),
        b"/OpenAction << /S (\\057JavaScript) >>": ("javascript",),
        b"/OpenAction << /#53 <2f4c61756e6368> >>": ("launch",),
        b"/OpenAction << /S %\n/Launch >>": ("launch",),
        b"/Names << /JavaScript 4 0 R >>": ("javascript",),
        b"/Names << /EmbeddedFiles 4 0 R >>": ("embedded-file",),
        b"/AcroForm << /XF#41 [] >>": ("javascript",),
        b"/Other << /Subtype /RichMedia >>": ("embedded-file",),
        b"/Other << /Subtype /3D>>": ("embedded-file",),
    }
    for action, active in actions.items():
        raw = one_page(ROOT[:-2] + action + b" >>", PAGES, PAGE, b"<< >>")
        with cases.case(action):
            assert not is_plain(raw)
            assert traits_of(raw).active == active
    hidden = one_page(ROOT, PAGES, PAGE, b"<< /Length 9 >>\nstream\n<</JS 1>>\nendstream")
    assert not is_plain(hidden)
    assert traits_of(hidden).active == ()


def test_what_readers_may_take_differently_is_not_plain(
    told_by_library: Callable[[bytes], PdfTraits], cases: Cases
) -> None:
    good = one_page()
    updated = good + good[good.index(b"xref") :].replace(b"/Size", b"/Prev %d /Size" % good.index(b"xref"))
    rows = {
        "updated": updated,
        "with a password": pdf_of(ROOT, PAGES, PAGE, trailer=b"/Root 1 0 R /Encrypt 3 0 R"),
        "a second table": pdf_of(ROOT, PAGES, PAGE, trailer=b"/Root 1 0 R /XRefStm 9"),
        "another file behind": one_page() + b"PK" * 2000,
        "no table": good.replace(b"xref\n0 4", b"xerf\n0 4"),
        "a table that is wrong": good.replace(b"0000000009 00000 n", b"0000000011 00000 n"),
        "a free object": good.replace(b" 00000 n \ntrailer", b" 00000 f \ntrailer"),
        "a key twice": one_page(ROOT, PAGES[:-2] + b"/Kids [] >>"),
        "a key in numbers": one_page(ROOT, PAGES[:-2] + b"/#4bids [] >>"),
        "a comment": one_page(ROOT, b"<< /Type /Pages %\n/Kids [3 0 R] >>"),
        "a blank of some readers": one_page(ROOT, b"<< /Type /Pages /Kids\0[3 0 R] >>"),
        "no kids": one_page(ROOT, b"<< /Type /Pages /Kids [] >>"),
        "kids elsewhere": one_page(ROOT, b"<< /Type /Pages /Kids 4 0 R >>", PAGE, b"[3 0 R]"),
        "a page twice": one_page(ROOT, b"<< /Type /Pages /Kids [3 0 R 3 0 R] >>"),
        "a circle": one_page(ROOT, b"<< /Type /Pages /Kids [2 0 R] >>"),
        "a page that is not there": one_page(ROOT, b"<< /Type /Pages /Kids [9 0 R] >>"),
        "no pages": one_page(b"<< /Type /Catalog >>"),
        "no end": good[:-6],
        "empty": b"%PDF-1.4\n",
    }
    for name, raw in rows.items():
        with cases.case(name):
            assert not is_plain(raw)
            assert words(traits_of(raw)) == words(told_by_library(raw))
    assert look_into_pdf(BytesIO(good), time.monotonic() + 60, len(good) // 2 - 1).pages == 1


_PARTS = (
    *(b"/JS ", b"/Contents 4 0 R", b"/Annots []", b"/Kids [3 0 R]", b"/Pages 2 0 R", b"/Prev 9", b"null"),
    *(b"<<", b">>", b"[", b"]", b"(", b")", b"<", b">", b"%", b"#41", b"\n", b"\r", b" ", b"\0", b"\x0b"),
    *(b"1 0 R", b"2 0 R", b"9", b"0", b"-", b".", b"endobj", b"stream\n", b"xref", b"startxref", b"%%EOF"),
)


def test_what_is_plain_after_a_change_is_read_as_the_library_reads_it(
    told_by_library: Callable[[bytes], PdfTraits],
) -> None:
    chance, plain = random.Random(7), 0
    files = [one_page(), papers.content(700, 1), pdf_of(ROOT, b"<< /Kids [3 0 R 4 0 R] >>", PAGE, PAGE)]
    for n in range(3_000):
        raw = bytearray(files[n % len(files)])
        at, part = chance.randrange(len(raw)), chance.choice(_PARTS)
        raw[at : at + chance.choice((0, 1, len(part)))] = part
        if is_plain(bytes(raw)):
            plain += 1
            assert words(traits_of(bytes(raw))) == words(told_by_library(bytes(raw))), raw
    assert plain > 100


def test_a_scan_is_looked_at_in_a_few_calls() -> None:
    raw, profile = papers.content(10_000, 1), Profile()
    traits_of(raw)
    profile.runcall(traits_of, raw)
    assert sum(entry.callcount for entry in profile.getstats() if not isinstance(entry.code, str)) <= 25
