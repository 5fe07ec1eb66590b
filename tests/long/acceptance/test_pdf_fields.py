"""Fields read from signed PDFs are right on all layouts that a machine can read, and never wrong in silence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.pdf import Field, Ink, PdfFields, PdfText, Sure
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict
from gateway.policy.pdf_fields import is_complete, read_fields
from gateway.trust.pdf_layout import read_text
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.words.labels import has, say
from gateway.words.reading import ABBREVIATIONS
from tests.support import letters, pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.letters import DECISION, LETTER, REPORT, Letter, Sample, Style, Text, nfd, page, paper
from tests.support.pdf_pki import SEEN_AT, SIGNED
from tests.support.printed import FOLDER

_KEYS = "cong_van to_trinh quyet_dinh ke_hoach cong_van bao_cao thong_bao bao_cao cong_van -"
TYPES = {
    x.name: None if key == "-" else key for x, key in zip(letters._unsigned(), _KEYS.split(), strict=True)
}


def read(pdf: bytes, verdict: FileVerdict | None = None) -> PdfFields:
    return read_fields(read_text(io.BytesIO(pdf)), verdict)


def fields_of(lines: list[Text], style: Style | None = None) -> PdfFields:
    return read(paper([lines], style))


def values(fields: PdfFields) -> dict[str, object]:
    return {name: f.value for name, f in fields.items()}


def surely_wrong(fields: PdfFields, expected: dict[str, object]) -> dict[str, object]:
    """Return the wrong values that are marked as sure, so that no clerk checks them."""
    return {
        name: f.value
        for name, f in fields.items()
        if name in expected and f.sure is Sure.SURE and f.value != expected[name]
    }


# --- the ten samples ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Sample, PdfFields]]]:
    """Read each sample as the node does: in the process for hostile files, its signatures judged."""
    folder = tmp_path_factory.mktemp("samples")
    sandbox = PdfSandbox(pdf_pki.folder(folder / "trust"))
    readings = {}
    for sample in letters.samples():
        path = folder / "a.pdf"
        path.write_bytes(sample.pdf)
        verdict = pdf_verdict.judge("a.pdf", 1, sandbox.read(path, SEEN_AT, SEEN_AT))
        readings[sample.name] = sample, read_fields(sandbox.text(path), verdict)
    yield readings
    sandbox.close()


def expected_of(sample: Sample) -> dict[str, object]:
    return sample.fields() | {"type_key": TYPES[sample.name], "signed_at": SIGNED}


def test_nothing_is_wrong_in_silence_on_any_sample(readings: dict[str, tuple[Sample, PdfFields]]) -> None:
    assert len(readings) == 10
    for name, (sample, fields) in readings.items():
        assert surely_wrong(fields, expected_of(sample)) == {}, name


def test_what_is_filled_is_right_on_nine_samples_of_ten(
    readings: dict[str, tuple[Sample, PdfFields]],
) -> None:
    right = [
        name
        for name, (sample, fields) in readings.items()
        if all(
            f.value in (None, expected_of(sample)[field])
            for field, f in fields.items()
            if field in expected_of(sample)
        )
    ]

    assert len(right) >= 9, right


def test_eight_samples_are_read_whole_and_surely(readings: dict[str, tuple[Sample, PdfFields]]) -> None:
    complete = {
        name
        for name, (sample, fields) in readings.items()
        if is_complete(fields) and values(fields) | expected_of(sample) == values(fields)
    }

    assert complete == {*readings} - {"poor scan", "no letters"}


def test_of_a_poor_scan_everything_on_the_page_is_doubtful(
    readings: dict[str, tuple[Sample, PdfFields]],
) -> None:
    _, fields = readings["poor scan"]
    sure = {name for name, f in fields.items() if f.sure is Sure.SURE}

    assert sure == {"pages", "signed_at"}
    assert fields.number.value == "118"
    assert fields.issued_on.value == date(2026, 11, 18)


def test_a_font_without_letters_leaves_only_the_fields_that_need_none(
    readings: dict[str, tuple[Sample, PdfFields]],
) -> None:
    _, fields = readings["no letters"]
    filled = {name: f for name, f in fields.items() if f.value is not None}

    assert set(filled) == {"pages", "signed_at", "signer"}
    assert (filled["signer"].sure, filled["signer"].why) == (Sure.DOUBTFUL, "from-certificate")


def test_every_place_lies_where_the_words_are(readings: dict[str, tuple[Sample, PdfFields]]) -> None:
    _, fields = readings["long names"]

    assert (fields.number.page, fields.signer.page) == (1, 2)
    number, signer = fields.number.area, fields.signer.area
    assert number is not None
    assert signer is not None
    assert number.right < 297 < signer.left
    assert number.top < 150


@pytest.mark.parametrize(
    ("name", "number", "symbol", "key", "subject", "signer", "title"),
    [
        ("cong-van", "118", "UBND-VP", "cong_van", "V/v phối hợp kiểm thử", "Người Ký Mẫu", "PHÓ CHỦ TỊCH"),
        (
            "quyet-dinh",
            "121",
            "QĐ-UBND",
            "quyet_dinh",
            "Về việc thành lập Tổ",
            "Người Ký Mẫu",
            "CHỦ TỊCH",
        ),
        ("giay-moi", "12", "GM-UBND", "giay_moi", "Họp khẩn về công tác", "Người Ký Mẫu", "PHÓ CHỦ TỊCH"),
        ("bao-cao", "45", "BC-STN", "bao_cao", "Kết quả kiểm thử liên", "Người Ký Thử", "GIÁM ĐỐC"),
        (
            "thong-bao-thu-hoi",
            "09",
            "TB-UBND",
            "thong_bao",
            "Thu hồi Công văn số 31",
            "Người Ký Ví Dụ",
            "CHỦ TỊCH",
        ),
    ],
)
def test_documents_that_a_word_processor_wrote_are_read_surely(
    name: str, number: str, symbol: str, key: str, subject: str, signer: str, title: str
) -> None:
    fields = read((FOLDER / f"{name}.pdf").read_bytes())
    by_name = values(fields)

    assert {f.sure for field, f in fields.items() if field not in ("competence", "signed_at")} == {Sure.SURE}
    assert [by_name[n] for n in ("number", "symbol", "type_key", "signer", "title")] == [
        *(number, symbol, key, signer, title)
    ]
    assert str(by_name["subject"]).startswith(subject)


# --- variations -----------------------------------------------------------------------------------------------

SPOKEN = (
    "triển khai thực hiện kế hoạch phòng, chống thiên tai năm 2027 và "
    "công tác dân vận ở cơ sở Ủy ban Đảng ủy quý III"
)
WORDS = st.sampled_from(SPOKEN.split())
SUBJECTS = st.lists(WORDS, min_size=3, max_size=12).map(" ".join).map(lambda text: text[0].upper() + text[1:])
UNITS = st.sampled_from(["STN", "UBND", "VP", "SNN&MT", "HĐND", "ĐTN", "VP.UBND", "TTCNTT", "BQLDA"])
SHORT_NAMES = {key: short for short, key in reversed(ABBREVIATIONS.items())}
CALLED = "Nguyễn Trần Đặng Thị Văn Ánh Ngọc Quỳnh Ưu Mẫu Thử Ý Đỗ"
NAMES = st.lists(st.sampled_from(CALLED.split()), min_size=2, max_size=5).map(" ".join)
KEYS = st.sampled_from(sorted({*SHORT_NAMES} - {"cong_van", "nghi_dinh", "thong_tu", "thong_tu_lien_tich"}))


def wrapped(text: str, longest: int) -> tuple[str, ...]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > longest:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(lines)


@st.composite
def documents(draw: st.DrawFn) -> tuple[Letter, str]:
    headed = draw(st.booleans())
    key = draw(KEYS) if headed else "cong_van"
    unit = draw(UNITS)
    subject = draw(SUBJECTS)
    return Letter(
        number=draw(st.integers(1, 99999).map(str)),
        symbol=f"{SHORT_NAMES[key]}-{unit}" if headed else f"{unit}-{draw(UNITS)}",
        issued_on=draw(st.dates(date(2020, 1, 1), date(2030, 12, 31))),
        issuer=tuple(
            draw(st.lists(st.sampled_from(["SỞ THỬ NGHIỆM", "CHI CỤC MẪU"]), min_size=1, max_size=2))
        ),
        heading=say(f"type.{key}").upper() if headed else None,
        subject=wrapped(subject, 55) if headed else wrapped("V/v " + subject, 30),
        addressed=draw(st.sampled_from([None, LETTER.addressed])) if headed else LETTER.addressed,
        signer=draw(NAMES),
        positions=draw(
            st.sampled_from(
                [
                    ("GIÁM ĐỐC",),
                    ("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"),
                    ("TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"),
                    ("TL. CHỦ TỊCH", "CHÁNH VĂN PHÒNG"),
                ]
            )
        ),
    ), key


STYLES = st.sampled_from(
    [Style(), Style(form=nfd), Style(marks_apart=True, form=nfd), Style(by_word=True), Style(jitter=0.5)]
)
DAMAGED = st.sampled_from(
    [Style(marks_later=True, form=nfd), Style(invisible=True), Style(picture=True), Style(to_unicode=False)]
)


@settings(max_examples=60)
@given(documents(), STYLES, st.sampled_from([1.15, 1.25, 1.4]))
def test_a_printed_document_is_read_right(drawn: tuple[Letter, str], style: Style, leading: float) -> None:
    letter, key = drawn
    fields = fields_of(page(letter, leading=leading), style)
    expected = Sample(name="", letter=letter, pdf=b"").fields() | {"type_key": key}

    assert values(fields) | expected == values(fields)
    assert surely_wrong(fields, expected) == {}
    assert {fields.number.sure, fields.symbol.sure, fields.issued_on.sure, fields.signer.sure} == {Sure.SURE}


@settings(max_examples=40)
@given(documents(), DAMAGED)
def test_a_damaged_text_layer_is_never_wrong_in_silence(drawn: tuple[Letter, str], style: Style) -> None:
    letter, key = drawn
    expected = Sample(name="", letter=letter, pdf=b"").fields() | {"type_key": key}

    assert surely_wrong(fields_of(page(letter), style), expected) == {}


@pytest.mark.parametrize(
    "subject", ["V/v Khai hoạch khai", "V/v Khai khái", "V/v hội khai", "V/v khai khoán"]
)
def test_the_only_marks_of_a_line_are_not_put_to_its_last_letter_in_silence(subject: str) -> None:
    """Marks are drawn after all letters of a line; the order of drawing is not the order of reading."""
    letter = replace(letters.samples()[0].letter, subject=(subject,))

    read = fields_of(page(letter), Style(marks_later=True, form=nfd)).subject

    assert (read.sure, read.why) == (Sure.DOUBTFUL, "letters")


def test_a_year_alone_on_the_last_line_of_an_abstract_belongs_to_it() -> None:
    letter = replace(REPORT, subject=("Kế hoạch kiểm thử liên thông văn bản năm", "2027"))

    read = fields_of(page(letter)).subject

    assert (read.value, read.sure) == ("Kế hoạch kiểm thử liên thông văn bản năm 2027", Sure.SURE)


@settings(max_examples=60)
@given(documents(), st.data())
def test_lines_that_are_missing_or_moved_are_never_wrong_in_silence(
    drawn: tuple[Letter, str], data: st.DataObject
) -> None:
    """A line taken away takes its field away; another field is not read in its place."""
    letter, key = drawn
    lines = page(letter)
    n = data.draw(st.integers(0, len(lines) - 1))
    lost = lines[n].words
    assume(not any(lost == line for line in (*letter.subject, *letter.positions)))
    expected = Sample(name="", letter=letter, pdf=b"").fields() | {"type_key": key}
    absent: dict[str, object] = {}
    if lost.startswith("Số:"):
        absent = {"number": None, "symbol": None}
    elif lost == letter.date_line:
        absent = {"issued_on": None}
    elif lost == letter.signer:
        absent = {"signer": None}
    elif lost == letter.heading:
        absent = {"type_key": None, "subject": None}

    assert surely_wrong(fields_of(lines[:n] + lines[n + 1 :]), expected | absent) == {}


LEFT_LABEL = 100.0

# --- doubts about a value -------------------------------------------------------------------------------------


def replaced(lines: list[Text], old: str, *new: str) -> list[Text]:
    """Replace the line that begins with `old`; further new lines go below it."""
    n = next(n for n, t in enumerate(lines) if t.words.startswith(old))
    new_lines = [replace(lines[n], words=words, down=lines[n].down + 14 * k) for k, words in enumerate(new)]
    return [*lines[:n], *new_lines, *lines[n + 1 :]]


def state(f: Field[Any]) -> tuple[object, Sure, str | None]:
    return f.value, f.sure, f.why


def stamped() -> list[Text]:
    """Return the letter's lines with the number far from its label."""
    lines = replaced(page(LETTER), "Số:", "Số:")
    n = next(n for n, t in enumerate(lines) if t.words == "Số:")
    lines[n] = replace(lines[n], across=LEFT_LABEL)
    return [
        *lines,
        replace(lines[n], words="118", across=150.0),
        replace(lines[n], words="/STN-VP", across=230.0),
    ]


def signed_twice() -> list[Text]:
    lines = page(REPORT)
    return [*lines, replace(lines[-1], words="Trần Thị Thử", down=lines[-1].down + 20)]


def altered(**change: Any) -> PdfFields:
    """Read the fields of the letter after changing its runs that begin with `begins`."""
    text = read_text(io.BytesIO(paper([page(LETTER)])))
    begins = change.pop("begins")
    runs = tuple(replace(run, **change) if run.text.startswith(begins) else run for run in text.runs)
    return read_fields(replace(text, runs=runs))


def with_verdict(*args: Any, **more: Any) -> PdfFields:
    return read(paper([page(LETTER)]), verdict_of(*args, **more))


def doubts() -> Iterator[tuple[str, PdfFields, str, tuple[object, Sure, str | None]]]:
    """Yield pages, each with one of its fields and the expected value, whether that is sure, and why it is not."""
    for blank in ("Số:        /STN-VP", "Số: …/STN-VP", "Số: ..../STN-VP"):
        fields = fields_of(replaced(page(LETTER), "Số:", blank))
        yield f"{blank}, the number", fields, "number", (None, Sure.NONE, "blank")
        yield f"{blank}, the symbol", fields, "symbol", ("STN-VP", Sure.SURE, None)
    for day in ("ngày      tháng 11 năm 2026", "ngày 31 tháng 02 năm 2026"):
        yield (
            day,
            fields_of(replaced(page(LETTER), "Sao Mai,", f"Sao Mai, {day}")),
            "issued_on",
            (None, Sure.NONE, None),
        )
    unusual = fields_of(replaced(page(LETTER), "Số:", "Số: 118/STN-vp"))
    yield "a symbol of unusual form", unusual, "symbol", ("STN-vp", Sure.DOUBTFUL, "symbol-form")
    wrapped = fields_of(replaced(page(REPORT), "Số:", "Số: 45/BC-", "STN"))
    yield "a symbol over two lines", wrapped, "symbol", ("BC-STN", Sure.DOUBTFUL, "wrapped")
    two = fields_of(replaced(page(REPORT), "Số:", "Số: 45/BC-STN", "Số: 46/BC-STN"))
    yield "two numbers in the head", two, "number", ("45", Sure.DOUBTFUL, "many")
    contradicted = fields_of(page(replace(REPORT, symbol="QĐ-STN")))
    yield "its symbol says another type", contradicted, "type_key", ("bao_cao", Sure.DOUBTFUL, "mismatch")
    # The abbreviations of a project and of a scheme differ in one stroke.
    project = replace(REPORT, heading="DỰ ÁN", symbol="DA-STN")
    yield "a project", fields_of(page(project)), "type_key", ("du_an", Sure.SURE, None)
    scheme = fields_of(page(replace(project, symbol="ĐA-STN")))
    yield "a project under the symbol of a scheme", scheme, "type_key", ("du_an", Sure.DOUBTFUL, "mismatch")
    bare = fields_of([t for t in page(LETTER) if t.words not in letters.MOTTO])
    yield "without the national title", bare, "number", ("118", Sure.DOUBTFUL, "no-motto")
    yield "two signers", fields_of(signed_twice()), "signer", ("Nguyễn Văn Mẫu", Sure.DOUBTFUL, "many")
    yield "a stamped number", fields_of(stamped()), "number", ("118", Sure.DOUBTFUL, "spaced")
    another = with_verdict("Trần Thị Thử")
    yield (
        "not the name of the certificate",
        another,
        "signer",
        ("Nguyễn Văn Mẫu", Sure.DOUBTFUL, "certificate"),
    )
    same = with_verdict("NGUYỄN VĂN MẪU")
    yield "the name of the certificate", same, "signer", ("Nguyễn Văn Mẫu", Sure.SURE, None)
    unknown = with_verdict("Nguyễn Văn Mẫu", SignatureWord.UNKNOWN)
    yield "not verified", unknown, "signed_at", (SIGNED, Sure.DOUBTFUL, "unverified")
    for at, why in ((datetime(2026, 11, 1, tzinfo=UTC), "late"), (datetime(2027, 3, 1, tzinfo=UTC), "early")):
        far = with_verdict("Nguyễn Văn Mẫu", at=at)
        yield f"far from the signature, {why}", far, "issued_on", (date(2026, 11, 18), Sure.DOUBTFUL, why)
    added = altered(begins="Số:", ink=Ink.ADDED)
    yield "added onto the page", added, "number", ("118", Sure.DOUBTFUL, "added")


def test_each_doubt_is_told_of_its_field(cases: Cases) -> None:
    for name, fields, field, expected in doubts():
        with cases.case(name):
            assert state(getattr(fields, field)) == expected
    assert fields_of(page(replace(REPORT, symbol="QĐ-STN"))).symbol.sure is Sure.DOUBTFUL
    assert fields_of(stamped()).symbol.value == "STN-VP"
    assert with_verdict("Nguyễn Văn Mẫu", SignatureWord.INVALID).signed_at.value is None
    old_font = "V/v phèi hîp kiÓm thö liªn th«ng v¨n b¶n"
    assert altered(begins="V/v", text=old_font).subject.sure is Sure.DOUBTFUL


@pytest.mark.parametrize(
    ("line", "number", "symbol", "sure"),
    [
        ("Số: 30/2026/NĐ-CP", "30", "2026/NĐ-CP", Sure.SURE),
        ("Số 15a/STN-VP", "15a", "STN-VP", Sure.SURE),
        ("Số: 118 / STN - VP", "118", "STN-VP", Sure.SURE),
        ("Số: 1 18/STN-VP", "118", "STN-VP", Sure.DOUBTFUL),
        ("SỐ: 118/STN-VP", "118", "STN-VP", Sure.SURE),
        ("Sô: 118/STN-VP", "118", "STN-VP", Sure.DOUBTFUL),
        ("Số: 118/STN-vp", "118", "STN-vp", Sure.SURE),
        ("Số 12-CV/TU", "12", "CV/TU", Sure.SURE),
    ],
)
def test_numbers_as_they_are_written(line: str, number: str, symbol: str, sure: Sure) -> None:
    fields = fields_of(replaced(page(LETTER), "Số:", line))

    assert (fields.number.value, fields.symbol.value) == (number, symbol)
    assert fields.number.sure is sure


def test_an_abstract_that_is_not_in_bold_may_end_elsewhere() -> None:
    lines = [replace(t, bold=False) if t.words in DECISION.subject else t for t in page(DECISION)]

    assert fields_of(lines).subject.sure is Sure.DOUBTFUL


@pytest.mark.parametrize("last", ["III", "UBND"])
def test_an_abbreviation_alone_on_the_last_line_of_an_abstract_may_belong_to_it(last: str) -> None:
    """In capitals, as what begins something else is; it was left out in silence."""
    letter = replace(
        letters.samples()[0].letter, subject=("V/v kiểm thử liên thông", "văn bản điện tử", last)
    )
    headed = replace(DECISION, subject=("Ban hành Kế hoạch kiểm thử liên thông", "văn bản điện tử", last))

    for printed in (letter, headed):
        subject = fields_of(page(printed)).subject
        assert subject.value == " ".join(printed.subject) or subject.sure is Sure.DOUBTFUL


@pytest.mark.parametrize("rank", ["Đại tá", "TS.", "PGS.TS.", "Thượng tá, "])
def test_a_rank_is_no_part_of_a_name(rank: str) -> None:
    fields = fields_of(replaced(page(LETTER), "Nguyễn Văn Mẫu", f"{rank} Nguyễn Văn Mẫu"))

    assert fields.signer.sure is not Sure.SURE
    assert fields.signer.value in (None, "Nguyễn Văn Mẫu")


def test_a_file_that_was_changed_after_it_was_signed_is_doubtful_throughout(tmp_path: Path) -> None:
    """Its page as it was, and a field more that draws a cover over it."""
    pdf = pdfs.covered(letters.samples()[0].pdf)
    (tmp_path / "a.pdf").write_bytes(pdf)
    sandbox = PdfSandbox(pdf_pki.folder(tmp_path / "trust"))
    verdict = pdf_verdict.judge("a.pdf", 1, sandbox.read(tmp_path / "a.pdf", SEEN_AT, SEEN_AT))
    sandbox.close()
    fields = read(pdf, verdict)

    assert verdict.verdict is SignatureWord.INVALID
    assert [name for name, f in fields.items() if f.sure is Sure.SURE] == []


def test_a_file_that_cannot_be_read_has_no_fields() -> None:
    fields = read_fields(PdfText(fault="PDF-LIMIT"), verdict_of("Nguyễn Văn Mẫu"), pages=3)

    assert fields.pages.value == 3
    assert {f.why for name, f in fields.items() if name not in ("pages", "signed_at")} == {"fault"}


def test_every_doubt_has_its_words(readings: dict[str, tuple[Sample, PdfFields]]) -> None:
    assert [
        field.why
        for _, fields in readings.values()
        for _, field in fields.items()
        if field.why and not has(f"doubt.{field.why}")
    ] == []


def verdict_of(name: str, word: SignatureWord = SignatureWord.VALID, at: datetime = SIGNED) -> FileVerdict:
    signer = SignerVerdict(field="S", verdict=word, name=name, role=SignerRole.PERSON, claimed_at=at)
    return FileVerdict(n=1, file="a.pdf", verdict=word, signers=(signer,))
