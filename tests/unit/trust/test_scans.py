"""Scanned pages are read by a machine: what it reads is a suggestion with its place, seals do not disturb it, and stamps of
secrecy are seen. The process that reads has no more rights, memory or threads than it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.pdf import FirstPage, Ink, PdfText, Sure
from gateway.policy.first_page import read_first_page
from gateway.policy.page_lines import page_text
from gateway.policy.pdf_fields import read_fields
from gateway.policy.texts import stamps_on
from gateway.pool import ThreadPool
from gateway.trust.page_drawing.drawer import ScanBox, ScanReader, scan_limits
from gateway.words.reading import SECRECY_STAMPS
from tests.support import scans
from tests.support.cases import Cases
from tests.support.letters import COLUMN, DECISION, LETTER, REPORT, Text, page, paper, width_of
from tests.support.pdf_pages import A4

LOOKS: dict[str, dict[str, Any]] = {
    "300 dpi": {"dots": 300},
    "200 dpi, a degree skewed": {"dots": 200, "skew": 1.0},
    "150 dpi, two degrees skewed": {"dots": 150, "skew": -2.0},
    "200 dpi, a dirty glass": {"dots": 200, "noise": 40},
    "150 dpi, sealed": {"dots": 150, "is_sealed": True},
    "300 dpi, all of it": {"dots": 300, "skew": 1.2, "noise": 30, "is_sealed": True},
}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanBox]:
    with scans.open_box(tmp_path_factory.mktemp("scans"), replace(scan_limits(), start_seconds=100.0)) as box:
        yield box


@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.long)])
def test_number_date_and_signer_of_a_scan_are_read_as_suggestions(
    box: ScanBox, cases: Cases, step: int
) -> None:
    for n, (name, look) in list(enumerate(LOOKS.items()))[step - 1 :: step]:
        with cases.case(name):
            letter = (LETTER, DECISION, REPORT)[n % 3]
            text = scans.read_alone(box, scans.as_pdf(scans.scanned_letter(letter, **look)))
            fields = read_fields(text)
            assert (fields.number.value, fields.symbol.value) == (letter.number, letter.symbol)
            assert fields.issued_on.value == letter.issued_on
            assert {field.sure for name, field in fields.items() if name != "pages"} <= {
                Sure.DOUBTFUL,
                Sure.NONE,
            }
            assert read_first_page(text) == FirstPage()  # nothing to compare, to ask about or to refuse
            (sheet,) = text.sheets
            area = fields.number.area
            assert area is not None
            assert (sheet.size.width, sheet.size.height) == pytest.approx(A4, abs=2)
            assert 90 < area.top < 115 if "skew" not in look else 80 < area.top < 125
            assert area.left < COLUMN < area.right


def test_a_name_below_a_seal_is_read_and_the_seal_is_none_of_its_letters(box: ScanBox) -> None:
    sealed = scans.scanned_letter(LETTER, dots=150, skew=-1.2, noise=30, is_sealed=True)
    grey = sealed.convert("L").convert("RGB")

    text, without_colour = (scans.read_alone(box, scans.as_pdf(picture)) for picture in (sealed, grey))

    assert read_fields(text).signer.value == LETTER.signer
    assert read_fields(without_colour).signer.value != LETTER.signer  # the sample is as hard as it should be


def test_stamps_of_secrecy_are_seen_in_a_scan(box: ScanBox, cases: Cases) -> None:
    for word, turn in (("MẬT", 0.0), ("MẬT", 3.0), ("TỐI MẬT", 0.0), ("TUYỆT MẬT", 3.0)):
        with cases.case(f"{word}, turned by {turn}"):
            picture = scans.stamped(
                scans.scanned_letter(LETTER, dots=200, is_sealed=True), word, dots=200, turn=turn
            )
            assert stamps_on(page_text(scans.read_alone(box, scans.as_pdf(picture)).runs), SECRECY_STAMPS)
    sealed = scans.scanned_letter(LETTER, dots=200, is_sealed=True)
    assert not stamps_on(page_text(scans.read_alone(box, scans.as_pdf(sealed)).runs), SECRECY_STAMPS)


@pytest.mark.parametrize("count", [2, pytest.param(5, marks=pytest.mark.long)])
def test_a_number_written_by_hand_is_never_taken_for_sure(box: ScanBox, cases: Cases, count: int) -> None:
    lines = page(LETTER)
    at = next(n for n, line in enumerate(lines) if line.words.startswith("Số:"))
    lines[at] = Text(f"Số:            /{LETTER.symbol}", COLUMN, lines[at].down)
    edge = COLUMN - width_of(lines[at].words, 13) / 2 + width_of("Số: ", 13)
    for seed, digits in enumerate(("118", "1250", "47", "936", "205")[:count]):
        with cases.case(digits):
            picture = scans.scan(
                paper([lines]), dots=200, handwriting=(digits, edge, lines[at].down), seed=seed
            )
            number = read_fields(scans.read_alone(box, scans.as_pdf(picture))).number
            assert number.sure is not Sure.SURE


def test_words_of_two_languages_and_of_a_photo_are_read(box: ScanBox) -> None:
    body = ("Pursuant to the Law on Electronic Transactions, the Department reports:", LETTER.body[0])
    picture = scans.scanned_letter(replace(LETTER, body=body), dots=200)

    text = page_text(scans.read_alone(box, scans.jpeg(picture), "jpeg").runs)

    words = " ".join(text.split())
    assert all(line in words for line in body)


async def test_text_of_its_own_is_left_alone_and_missing_pages_are_added(
    box: ScanBox, pool: ThreadPool
) -> None:
    reader, path = ScanReader(box, pool), box._folder / "two"
    path.write_bytes(scans.as_pdf(*(scans.scanned_letter(letter, dots=150) for letter in (LETTER, REPORT))))
    blank = PdfText(pages=2)

    both = await reader.complete(path, "pdf", blank)
    repeated = await reader.complete(path, "pdf", both)

    assert {run.page for run in both.runs} == {1, 2} == {sheet.number for sheet in both.sheets}
    assert repeated == both
    assert (await reader.complete(path, "pdf", PdfText(fault="PDF-LIMIT"))).runs == ()
    path.write_bytes(b"%PDF-1.4 broken")
    assert await reader.complete(path, "pdf", blank) == blank


def test_the_process_has_one_thread_little_memory_and_may_start_nothing(box: ScanBox) -> None:
    scans.read_alone(box, scans.as_pdf(scans.scanned_letter(LETTER, dots=300, is_sealed=True)))
    assert box._process is not None
    proc = Path(f"/proc/{box._process._process.pid}")
    status = dict(re.findall(r"^(\w+):\s+(.*)$", (proc / "status").read_text(), re.MULTILINE))

    assert status["Threads"] == "1"
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert f"Max address space         {scan_limits().memory} " in (proc / "limits").read_text()
    assert int(status["VmHWM"].split()[0]) < 200 * 1024
    assert int((proc / "stat").read_text().rpartition(")")[2].split()[16]) == 19  # all other work goes first


def test_all_that_it_reads_is_marked(box: ScanBox) -> None:
    runs = scans.read_alone(box, scans.as_pdf(scans.scanned_letter(LETTER, dots=200, is_sealed=True))).runs

    assert {run.ink for run in runs} <= {Ink.RECOGNISED, Ink.ADDED}
    assert len([run for run in runs if run.ink is Ink.RECOGNISED]) > 10


def test_the_process_ends_when_it_is_idle_and_starts_anew(box: ScanBox) -> None:
    scan = scans.as_pdf(scans.scanned_letter(LETTER, dots=150))
    scans.read_alone(box, scan)
    box.end_idle()

    assert box._process is None
    assert scans.read_alone(box, scan).runs
