"""Pages whose text is made to hurt a reader are read in the process for it, in time, and the next good file is read as
well."""

from __future__ import annotations

import cProfile
import io
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from gateway.domain.pdf import PdfText
from gateway.policy.pdf_fields import read_fields
from gateway.trust.pdf_drawing import IN_PASSING
from gateway.trust.pdf_layout import MOST_HEAD, MOST_RUNS, MOST_TAIL, read_page, read_text
from gateway.trust.pdf_signatures.sandbox import PdfLimits, PdfSandbox
from gateway_labs.demo import stage
from tests.support import letters, packets, pdfs
from tests.support.amounts import examples
from tests.support.cases import Cases
from tests.support.letters import LETTER, Text, page, paper
from tests.support.pdf_pages import assembled

SECONDS = 4.0
GOOD = paper([page(LETTER)])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PdfSandbox]:
    new_sandbox = PdfSandbox(tmp_path_factory.mktemp("none"), PdfLimits(seconds=SECONDS))
    yield new_sandbox
    new_sandbox.close()


def drawn(content: str, resources: str = "/Font << /F1 3 0 R >>", more: str = "") -> bytes:
    """Build a PDF whose page has these operators; object 4 is its content, 5 the page, 6 the object `more` if it is
    given."""
    return assembled(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << {resources} >> >>",
            *([more] if more else []),
        ]
    )


def in_itself() -> bytes:
    """Build a PDF with a form that draws itself ten times."""
    look = "/Fm Do " * 10
    form = (
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /Fm 6 0 R >> >> "
        f"/Length {len(look)} >>\nstream\n{look}\nendstream"
    )
    return drawn("/Fm Do", "/XObject << /Fm 6 0 R >>", form)


def with_much() -> bytes:
    rows = "\n".join(f"1 0 0 1 {n % 500} {n % 800} Tm (a) Tj" for n in range(40_000))
    return drawn(f"BT /F1 9 Tf\n{rows}\nET")


FIRST = "BT /F1 12 Tf 100 700 Td (first) Tj"
# Each takes far longer to parse than a page may: twelve megabytes of operators, one text, arrays of parts.
ENDLESS: dict[str, Callable[[], bytes]] = {
    "operators without end": lambda: drawn(f"{FIRST} {'1 0 0 1 9 9 Tm (a) Tj ' * 550_000} ET"),
    "a text without end": lambda: drawn(f"{FIRST} ({'a' * 12_000_000}) Tj ET"),
    "lines in parts without end": lambda: drawn(f"{FIRST} {('[' + '(a) 900 ' * 49_000 + '] TJ ') * 20} ET"),
}

HOSTILE: dict[str, Callable[[], bytes]] = {
    "a form in itself": in_itself,
    "forty thousand pieces": with_much,
    "a table without end": lambda: pdfs.with_endless_table(GOOD),
    "arrays in arrays": lambda: pdfs.deep(pdfs.plain()),
    "tables in a circle": lambda: pdfs.with_loop(pdfs.plain()),
    "odd operands": lambda: drawn(
        "BT /F1 (x) Tf [1 2] Tm Td (a) Tj /F1 1e308 Tf 1e308 0 0 1e308 1 1 Tm (b) Tj ET"
    ),
    "matrices of nothing": lambda: drawn("0 0 0 0 0 0 cm BT /F1 12 Tf (a) Tj ET"),
}


def test_a_page_made_to_hurt_is_left_in_time_and_the_next_file_is_read(
    sandbox: PdfSandbox, tmp_path: Path, cases: Cases
) -> None:
    hostile, good = tmp_path / "hostile.pdf", tmp_path / "good.pdf"
    good.write_bytes(GOOD)
    for name, make in HOSTILE.items():
        with cases.case(name):
            hostile.write_bytes(make())
            reading = sandbox.text(hostile)
            assert len(reading.runs) <= MOST_RUNS
            # The library mends a table of objects that cannot be followed: the page below it may be read.
            assert read_fields(reading).number.value in (None, "118")
            assert read_fields(sandbox.text(good)).number.value == "118"


@pytest.mark.parametrize("name", ENDLESS)
def test_a_page_is_left_while_it_is_parsed_and_says_that_it_was(name: str) -> None:
    pdf = ENDLESS[name]()
    began = time.thread_time()

    reading = read_text(io.BytesIO(pdf), seconds=0.2)

    assert time.thread_time() - began < 3.0
    assert (reading.cut, reading.sheets) == (True, ())
    assert reading.runs[0].text.startswith("first")


def in_passing(pdf: bytes) -> PdfText:
    """Read the first page in the way that is used while a document waits, without its limit of time."""
    return read_page(PdfReader(io.BytesIO(pdf)).pages[0], seconds=600.0)


def test_usual_pages_are_read_whole_while_a_document_waits(cases: Cases) -> None:
    cast = stage.cast()
    files = {path.name: path.read_bytes() for path in Path("tests/samples").glob("*.pdf")}
    files |= {f"letter {n}": letter.pdf for n, letter in enumerate(letters.samples())}
    files |= {key: cast.file(key, 0, packets.TODAY) for key in cast.data["documents"]}
    files["a drawing"] = drawn("0.5 w 10 20 m 30 40 l S 1 0 0 rg 5 5 9 9 re f\n" * 10_000 + FIRST + " ET")
    for name, pdf in files.items():
        with cases.case(name):
            reading = in_passing(pdf)
            assert (reading.cut, len(reading.sheets)) == (False, 1)
            assert reading.runs == tuple(run for run in read_text(io.BytesIO(pdf)).runs if run.page == 1)


def test_of_a_page_with_more_than_pages_have_the_beginning_is_read_and_as_much_on_every_machine(
    cases: Cases,
) -> None:
    packed = zlib.compress(f"{FIRST} ET {' ' * 9_000_000}".encode())
    form = "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 10000 >>\nstream\n" + " " * 10_000
    for name, pdf in {
        "a megabyte of text": drawn(f"{FIRST} {'1 0 0 1 9 9 Tm (a) Tj ' * 45_000} ET"),
        "a line in very many parts": drawn(f"{FIRST} [{'(a) 900 ' * 60_000}] TJ ET"),
        "a drawing without end": drawn(f"{FIRST} ET {'10 20 m 30 40 l S ' * 60_000}"),
        "a form drawn again and again": drawn(
            f"{FIRST} ET {'/Fm Do ' * 100}",
            "/Font << /F1 3 0 R >> /XObject << /Fm 6 0 R >>",
            f"{form}\nendstream",
        ),
        "a stream that grows": drawn("x").replace(
            b"<< /Length 1 >>\nstream\nx\n",
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%b\n" % (len(packed), packed),
        ),
    }.items():
        with cases.case(name):
            reading = in_passing(pdf)
            assert (reading.cut, reading.sheets) == (True, ())
            assert len(reading.runs) <= IN_PASSING.steps
            assert read_fields(reading).number.value is None
            if name != "a stream that grows":
                assert reading.runs[0].text.startswith("first")
                assert in_passing(pdf) == reading


# Calls of functions, with room for those of another version of Python or of the library.
MOST_CALLS = {"a usual page": 280_000, "a megabyte of text": 800_000, "half a megabyte of drawing": 2_000}


def test_reading_a_page_takes_no_more_calls_than_it_did(cases: Cases) -> None:
    for name, pdf in {
        "a usual page": Path("tests/samples/bao-cao.pdf").read_bytes(),
        "a megabyte of text": drawn(f"{FIRST} {'1 0 0 1 9 9 Tm (a) Tj ' * 45_000} ET"),
        "half a megabyte of drawing": drawn(f"{FIRST} ET {'10 20 m 30 40 l S ' * 28_000}"),
    }.items():
        with cases.case(name):
            page = PdfReader(io.BytesIO(pdf)).pages[0]
            counted = cProfile.Profile()
            counted.runcall(read_page, page, seconds=600.0)
            assert sum(entry.callcount for entry in counted.getstats()) <= MOST_CALLS[name]


def test_of_a_file_pages_within_the_limits_and_lines_on_the_page_alone_are_read() -> None:
    reading = read_text(io.BytesIO(paper([[Text(f"Trang {n}", 200, 100)] for n in range(40)])))

    assert (reading.pages, reading.cut) == (40, True)
    assert [sheet.number for sheet in reading.sheets] == [
        *range(1, MOST_HEAD + 1),
        *range(41 - MOST_TAIL, 41),
    ]

    reading = read_text(io.BytesIO(paper([[Text("Ngoài trang", 900, 100), Text("Trong trang", 200, 100)]])))

    assert [run.text for run in reading.runs] == ["Trong trang"]

    turned = GOOD.replace(b"/MediaBox [0 0 595 842]", b"/Rotate 90 /MediaBox [0 0 595 842]")

    assert read_text(io.BytesIO(turned)).runs == ()


def test_a_file_that_is_too_large_is_not_opened_and_an_encrypted_one_says_so(tmp_path: Path) -> None:
    place = tmp_path / "a.pdf"
    place.write_bytes(GOOD)

    assert PdfSandbox(tmp_path, PdfLimits(max_bytes=10)).text(place).fault == "PDF-LIMIT"

    assert read_text(io.BytesIO(pdfs.locked(GOOD))).fault == "PDF-UNREADABLE"


@settings(max_examples=examples(60))
@given(st.integers(9, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_changed_bytes_never_raise(at: int, octets: bytes) -> None:
    reading = read_text(io.BytesIO(GOOD[:at] + octets + GOOD[at + len(octets) :]))

    assert read_fields(reading) is not None
