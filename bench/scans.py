"""Measures how well scans are read, and what a page costs: `python -m bench.scans`. Drawn papers of five kinds, as scanners
of different quality give them. Out: a line for each look: words, numbers with dates, and signers that were read right, the
processor time of a page, and the memory of the process at its highest."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from gateway.domain.pdf import PdfText
from gateway.policy.page_lines import page_text
from gateway.policy.pdf_fields import read_fields
from gateway.policy.texts import stamps_on
from gateway.trust.page_drawing.drawer import ScanBox
from gateway.words.reading import SECRECY_STAMPS
from tests.support import scans
from tests.support.letters import (
    COLUMN,
    DECISION,
    LETTER,
    REPORT,
    SUBMISSION,
    Letter,
    Text,
    page,
    paper,
    width_of,
)

TWO_LANGUAGES = replace(
    REPORT,
    number="46",
    subject=("Report on the exchange of electronic documents", "between ministries and provinces"),
    body=("Pursuant to the Law on Electronic Transactions, the Department reports:", LETTER.body[0]),
)
PAPERS = (LETTER, SUBMISSION, DECISION, REPORT, TWO_LANGUAGES)
LOOKS: dict[str, dict[str, Any]] = {
    "300 dpi": {"dots": 300},
    "200 dpi": {"dots": 200},
    "150 dpi": {"dots": 150},
    "100 dpi": {"dots": 100},
    "200 dpi, 1 degree": {"dots": 200, "skew": 1.0},
    "200 dpi, 2 degrees": {"dots": 200, "skew": -2.0},
    "200 dpi, noise": {"dots": 200, "noise": 40},
    "200 dpi, seal": {"dots": 200, "is_sealed": True},
    "150 dpi, all of it": {"dots": 150, "skew": 1.2, "noise": 30, "is_sealed": True},
    "300 dpi, all of it": {"dots": 300, "skew": 1.2, "noise": 30, "is_sealed": True},
}
_TICKS = os.sysconf("SC_CLK_TCK")


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def processor_s(box: ScanBox) -> float:
    assert box._process is not None
    fields = Path(f"/proc/{box._process._process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(box: ScanBox) -> int:
    assert box._process is not None
    status = Path(f"/proc/{box._process._process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024


def read(box: ScanBox, picture: Image.Image) -> PdfText:
    return scans.read_alone(box, scans.as_pdf(picture))


def measure_look(box: ScanBox, name: str, look: dict[str, Any], *, is_grey: bool = False) -> None:
    right = total = dated = signed = 0
    spent = 0.0
    for letter in PAPERS:
        picture = scans.scanned_letter(letter, **look)
        begun = processor_s(box)
        text = read(box, picture.convert("L").convert("RGB") if is_grey else picture)
        spent += processor_s(box) - begun
        expected_words = words(" ".join(line.words for line in page(letter)))
        right += (expected_words & words(page_text(text.runs))).total()
        total += expected_words.total()
        fields = read_fields(text)
        number = (fields.number.value, fields.symbol.value, fields.issued_on.value)
        dated += number == (letter.number, letter.symbol, letter.issued_on)
        signed += fields.signer.value == letter.signer
    count = len(PAPERS)
    print(
        f"{name:<32} words {100 * right / total:5.1f} %  number and date {dated}/{count}  signer {signed}/{count}  "
        f"{spent / count:.2f} s",
        flush=True,
    )


def measure_stamps(box: ScanBox) -> None:
    hits = tried = 0
    for word in SECRECY_STAMPS:
        for dots in (150, 200, 300):
            for turn in (0.0, 3.0):
                picture = scans.scanned_letter(LETTER, dots=dots, is_sealed=True)
                text = read(box, scans.stamped(picture, word, dots=dots, turn=turn))
                hits += bool(stamps_on(page_text(text.runs), SECRECY_STAMPS))
                tried += 1
    print(f"stamps of secrecy in red: {hits}/{tried} seen")


def measure_hands(box: ScanBox) -> None:
    lines = page(LETTER)
    at = next(n for n, line in enumerate(lines) if line.words.startswith("Số:"))
    lines[at] = Text(f"Số:            /{LETTER.symbol}", COLUMN, lines[at].down)
    edge = COLUMN - width_of(lines[at].words, 13) / 2 + width_of("Số: ", 13)
    outcomes = Counter[str]()
    for seed in range(20):
        digits = str(37 * seed + 11)
        picture = scans.scan(paper([lines]), dots=200, handwriting=(digits, edge, lines[at].down), seed=seed)
        value = read_fields(read(box, picture)).number.value
        outcomes["right" if value == digits else "none" if value is None else "wrong"] += 1
    print(f"numbers written by hand: {dict(outcomes)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, scans.open_box(Path(folder)) as box:
        read(box, scans.scanned_letter(Letter(), dots=150))  # the process starts
        for name, look in LOOKS.items():
            measure_look(box, name, look)
        for name in ("200 dpi, seal", "150 dpi, all of it", "300 dpi, all of it"):
            measure_look(box, f"{name}, as grey", LOOKS[name], is_grey=True)
        measure_stamps(box)
        measure_hands(box)
        print(f"memory of the process at its highest: {memory_mb(box)} MB")


if __name__ == "__main__":
    main()
