"""Fields read from signed PDFs: right on all layouts that a machine can read, and never wrong in silence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.pdf import Found, Ink, PdfFields, PdfText, Sure
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict
from gateway.policy.pdf_fields import is_complete, read_fields
from gateway.trust.pdf_layout import read_text
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.words.labels import has, say
from gateway.words.reading import ABBREVIATIONS
from tests.support import letters, pdf_pki, pdfs
from tests.support.letters import DECISION, LETTER, REPORT, Letter, Sample, Style, Text, nfd, page, paper
from tests.support.pdf_pki import SEEN, SIGNED
from tests.support.printed import FOLDER

TYPES = {
    each.name: key
    for each, key in zip(
        letters._unsigned(),
        (
            "cong_van",
            "to_trinh",
            "quyet_dinh",
            "ke_hoach",
            "cong_van",
            "bao_cao",
            "thong_bao",
            "bao_cao",
            "cong_van",
            None,
        ),
        strict=True,
    )
}


def read(pdf: bytes, verdict: FileVerdict | None = None) -> PdfFields:
    return read_fields(read_text(io.BytesIO(pdf)), verdict)


def of(lines: list[Text], style: Style | None = None) -> PdfFields:
    return read(paper([lines], style))


def values(fields: PdfFields) -> dict[str, object]:
    return {name: one.value for name, one in fields.named()}


def surely_wrong(fields: PdfFields, expected: dict[str, object]) -> dict[str, object]:
    """What nobody would look at again, and should."""
    return {
        name: one.value
        for name, one in fields.named()
        if name in expected and one.sure is Sure.SURE and one.value != expected[name]
    }


# --- the ten samples ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Sample, PdfFields]]]:
    """Each sample as the node reads it: in the process for hostile files, its signatures judged."""
    folder = tmp_path_factory.mktemp("samples")
    sandbox = PdfSandbox(pdf_pki.folder(folder / "trust"))
    found = {}
    for each in letters.samples():
        path = folder / "a.pdf"
        path.write_bytes(each.pdf)
        verdict = pdf_verdict.judge("a.pdf", 1, sandbox.read(path, SEEN, SEEN))
        found[each.name] = each, read_fields(sandbox.text(path), verdict)
    yield found
    sandbox.close()


def expected_of(sample: Sample) -> dict[str, object]:
    return sample.fields() | {"type_key": TYPES[sample.name], "signed_at": SIGNED}


def test_nothing_is_wrong_in_silence_on_any_sample(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    assert len(told) == 10
    for name, (sample, fields) in told.items():
        assert surely_wrong(fields, expected_of(sample)) == {}, name


def test_what_is_filled_is_right_on_nine_samples_of_ten(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    right = [
        name
        for name, (sample, fields) in told.items()
        if all(
            one.value in (None, expected_of(sample)[field])
            for field, one in fields.named()
            if field in expected_of(sample)
        )
    ]

    assert len(right) >= 9, right


def test_eight_samples_are_read_whole_and_surely(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    whole = {
        name
        for name, (sample, fields) in told.items()
        if is_complete(fields) and values(fields) | expected_of(sample) == values(fields)
    }

    assert whole == {*told} - {"poor scan", "no letters"}


def test_of_a_poor_scan_everything_on_the_page_is_doubtful(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    _, fields = told["poor scan"]
    sure = {name for name, one in fields.named() if one.sure is Sure.SURE}

    assert sure == {"pages", "signed_at"}
    assert fields.number.value == "118"
    assert fields.issued_on.value == date(2026, 11, 18)


def test_of_a_font_without_letters_only_what_needs_none_is_told(
    told: dict[str, tuple[Sample, PdfFields]],
) -> None:
    _, fields = told["no letters"]
    known = {name: one for name, one in fields.named() if one.value is not None}

    assert set(known) == {"pages", "signed_at", "signer"}
    assert (known["signer"].sure, known["signer"].why) == (Sure.DOUBTFUL, "from-certificate")


def test_every_place_lies_where_the_words_are(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    _, fields = told["long names"]

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
        ("quyet-dinh", "121", "QĐ-UBND", "quyet_dinh", "Về việc thành lập Tổ", "Người Ký Mẫu", "CHỦ TỊCH"),
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
    told = values(fields)

    assert {one.sure for field, one in fields.named() if field not in ("competence", "signed_at")} == {
        Sure.SURE
    }
    assert [told[each] for each in ("number", "symbol", "type_key", "signer", "title")] == [
        *(number, symbol, key, signer, title)
    ]
    assert str(told["subject"]).startswith(subject)


# --- variations -----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *(
            "triển",
            "khai",
            "thực",
            "hiện",
            "kế",
            "hoạch",
            "phòng,",
            "chống",
            "thiên",
            "tai",
            "năm",
            "2027",
            "và",
        ),
        *("công", "tác", "dân", "vận", "ở", "cơ", "sở", "Ủy", "ban", "Đảng", "ủy", "quý", "III"),
    ]
)
SUBJECTS = st.lists(WORDS, min_size=3, max_size=12).map(" ".join).map(lambda text: text[0].upper() + text[1:])
UNITS = st.sampled_from(["STN", "UBND", "VP", "SNN&MT", "HĐND", "ĐTN", "VP.UBND", "TTCNTT", "BQLDA"])
NAMED = {key: short for short, key in reversed(ABBREVIATIONS.items())}
NAMES = st.lists(
    st.sampled_from(
        ["Nguyễn", "Trần", "Đặng", "Thị", "Văn", "Ánh", "Ngọc", "Quỳnh", "Ưu", "Mẫu", "Thử", "Ý", "Đỗ"]
    ),
    min_size=2,
    max_size=5,
).map(" ".join)
KEYS = st.sampled_from(sorted({*NAMED} - {"cong_van", "nghi_dinh", "thong_tu", "thong_tu_lien_tich"}))


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
        symbol=f"{NAMED[key]}-{unit}" if headed else f"{unit}-{draw(UNITS)}",
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
def test_a_printed_document_is_read_right(made: tuple[Letter, str], style: Style, leading: float) -> None:
    letter, key = made
    fields = of(page(letter, leading=leading), style)
    expected = Sample(name="", letter=letter, pdf=b"").fields() | {"type_key": key}

    assert values(fields) | expected == values(fields)
    assert surely_wrong(fields, expected) == {}
    assert {fields.number.sure, fields.symbol.sure, fields.issued_on.sure, fields.signer.sure} == {Sure.SURE}


@settings(max_examples=40)
@given(documents(), DAMAGED)
def test_a_damaged_text_layer_is_never_wrong_in_silence(made: tuple[Letter, str], style: Style) -> None:
    letter, key = made
    expected = Sample(name="", letter=letter, pdf=b"").fields() | {"type_key": key}

    assert surely_wrong(of(page(letter), style), expected) == {}


@pytest.mark.parametrize(
    "subject", ["V/v Khai hoạch khai", "V/v Khai khái", "V/v hội khai", "V/v khai khoán"]
)
def test_the_only_marks_of_a_line_are_not_put_to_its_last_letter_in_silence(subject: str) -> None:
    """They are drawn when all letters of the line are; what is drawn next is not what stands next."""
    letter = replace(letters.samples()[0].letter, subject=(subject,))

    read = of(page(letter), Style(marks_later=True, form=nfd)).subject

    assert (read.sure, read.why) == (Sure.DOUBTFUL, "letters")


@settings(max_examples=60)
@given(documents(), st.data())
def test_lines_that_are_missing_or_moved_are_never_wrong_in_silence(
    made: tuple[Letter, str], data: st.DataObject
) -> None:
    """A line taken away takes its field away; another field is not read in its place."""
    letter, key = made
    lines = page(letter)
    n = data.draw(st.integers(0, len(lines) - 1))
    lost = lines[n].words
    assume(not any(lost == each for each in (*letter.subject, *letter.positions)))
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

    assert surely_wrong(of(lines[:n] + lines[n + 1 :]), expected | absent) == {}


LEFT_LABEL = 100.0

# --- what stands against a value ------------------------------------------------------------------------------


def replaced(lines: list[Text], old: str, *new: str) -> list[Text]:
    """The line that begins so, written otherwise; further lines go below it."""
    n = next(n for n, each in enumerate(lines) if each.words.startswith(old))
    made = [replace(lines[n], words=words, down=lines[n].down + 14 * k) for k, words in enumerate(new)]
    return [*lines[:n], *made, *lines[n + 1 :]]


def state(one: Found[object] | Found[str] | Found[date]) -> tuple[object, Sure, str | None]:
    return one.value, one.sure, one.why


@pytest.mark.parametrize("blank", ["Số:        /STN-VP", "Số: …/STN-VP", "Số: ..../STN-VP"])
def test_a_number_that_is_left_blank_is_not_found(blank: str) -> None:
    fields = of(replaced(page(LETTER), "Số:", blank))

    assert state(fields.number) == (None, Sure.NONE, "blank")
    assert state(fields.symbol) == ("STN-VP", Sure.SURE, None)


def test_a_date_that_is_left_blank_is_not_taken_from_the_body() -> None:
    fields = of(replaced(page(LETTER), "Sao Mai,", "Sao Mai, ngày      tháng 11 năm 2026"))

    assert state(fields.issued_on) == (None, Sure.NONE, None)


def test_a_day_that_does_not_exist_is_not_found() -> None:
    assert (
        of(replaced(page(LETTER), "Sao Mai,", "Sao Mai, ngày 31 tháng 02 năm 2026")).issued_on.value is None
    )


@pytest.mark.parametrize(
    ("written", "number", "symbol", "sure"),
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
def test_numbers_as_they_are_written(written: str, number: str, symbol: str, sure: Sure) -> None:
    fields = of(replaced(page(LETTER), "Số:", written))

    assert (fields.number.value, fields.symbol.value) == (number, symbol)
    assert fields.number.sure is sure


def test_a_symbol_of_unusual_form_is_doubtful() -> None:
    assert state(of(replaced(page(LETTER), "Số:", "Số: 118/STN-vp")).symbol) == (
        "STN-vp",
        Sure.DOUBTFUL,
        "symbol-form",
    )


def test_a_symbol_over_two_lines_is_put_together_and_doubtful() -> None:
    fields = of(replaced(page(REPORT), "Số:", "Số: 45/BC-", "STN"))

    assert state(fields.symbol) == ("BC-STN", Sure.DOUBTFUL, "wrapped")


def test_two_numbers_in_the_head_make_the_number_doubtful() -> None:
    fields = of(replaced(page(REPORT), "Số:", "Số: 45/BC-STN", "Số: 46/BC-STN"))

    assert state(fields.number) == ("45", Sure.DOUBTFUL, "many")


def test_a_type_that_its_symbol_contradicts_is_doubtful_with_its_symbol() -> None:
    fields = of(page(replace(REPORT, symbol="QĐ-STN")))

    assert state(fields.type_key) == ("bao_cao", Sure.DOUBTFUL, "mismatch")
    assert fields.symbol.sure is Sure.DOUBTFUL


def test_a_project_is_no_scheme() -> None:
    """Their abbreviations differ in one stroke."""
    project = replace(REPORT, heading="DỰ ÁN", symbol="DA-STN")

    assert state(of(page(project)).type_key) == ("du_an", Sure.SURE, None)
    assert of(page(replace(project, symbol="ĐA-STN"))).type_key.why == "mismatch"


def test_an_abstract_that_is_not_in_bold_may_end_elsewhere() -> None:
    lines = [replace(each, bold=False) if each.words in DECISION.subject else each for each in page(DECISION)]

    assert of(lines).subject.sure is Sure.DOUBTFUL


@pytest.mark.parametrize("last", ["III", "UBND"])
def test_an_abbreviation_alone_on_the_last_line_of_an_abstract_may_belong_to_it(last: str) -> None:
    """In capitals, as what begins something else is; it was left out in silence."""
    letter = replace(
        letters.samples()[0].letter, subject=("V/v kiểm thử liên thông", "văn bản điện tử", last)
    )
    headed = replace(DECISION, subject=("Ban hành Kế hoạch kiểm thử liên thông", "văn bản điện tử", last))

    for printed in (letter, headed):
        subject = of(page(printed)).subject
        assert subject.value == " ".join(printed.subject) or subject.sure is Sure.DOUBTFUL


def test_without_the_national_title_the_head_is_doubtful() -> None:
    lines = [each for each in page(LETTER) if each.words not in letters.MOTTO]

    assert state(of(lines).number) == ("118", Sure.DOUBTFUL, "no-motto")


def test_two_signers_are_doubtful() -> None:
    lines = page(REPORT)
    second = replace(lines[-1], words="Trần Thị Thử", down=lines[-1].down + 20)

    assert state(of([*lines, second]).signer) == ("Nguyễn Văn Mẫu", Sure.DOUBTFUL, "many")


@pytest.mark.parametrize("before", ["Đại tá", "TS.", "PGS.TS.", "Thượng tá, "])
def test_a_rank_is_no_part_of_a_name(before: str) -> None:
    fields = of(replaced(page(LETTER), "Nguyễn Văn Mẫu", f"{before} Nguyễn Văn Mẫu"))

    assert fields.signer.sure is not Sure.SURE
    assert fields.signer.value in (None, "Nguyễn Văn Mẫu")


def test_a_number_stamped_far_from_its_label_is_put_together_and_doubtful() -> None:
    lines = replaced(page(LETTER), "Số:", "Số:")
    n = next(n for n, each in enumerate(lines) if each.words == "Số:")
    lines[n] = replace(lines[n], across=LEFT_LABEL)
    beside = [replace(lines[n], words="118", across=150.0), replace(lines[n], words="/STN-VP", across=230.0)]
    fields = of([*lines, *beside])

    assert state(fields.number) == ("118", Sure.DOUBTFUL, "spaced")
    assert fields.symbol.value == "STN-VP"


def test_a_name_that_the_certificate_does_not_bear_is_doubtful() -> None:
    fields = read(paper([page(LETTER)]), verdict_of("Trần Thị Thử"))

    assert state(fields.signer) == ("Nguyễn Văn Mẫu", Sure.DOUBTFUL, "certificate")
    assert read(paper([page(LETTER)]), verdict_of("NGUYỄN VĂN MẪU")).signer.sure is Sure.SURE


def test_a_signature_that_is_not_verified_gives_a_doubtful_time() -> None:
    fields = read(paper([page(LETTER)]), verdict_of("Nguyễn Văn Mẫu", SignatureWord.UNKNOWN))

    assert state(fields.signed_at) == (SIGNED, Sure.DOUBTFUL, "unverified")  # type: ignore[arg-type]  # a time
    assert (
        read(paper([page(LETTER)]), verdict_of("Nguyễn Văn Mẫu", SignatureWord.INVALID)).signed_at.value
        is None
    )


@pytest.mark.parametrize(
    ("at", "why"), [(datetime(2026, 11, 1, tzinfo=UTC), "late"), (datetime(2027, 3, 1, tzinfo=UTC), "early")]
)
def test_a_date_far_from_the_signature_is_doubtful(at: datetime, why: str) -> None:
    fields = read(paper([page(LETTER)]), verdict_of("Nguyễn Văn Mẫu", at=at))

    assert state(fields.issued_on) == (date(2026, 11, 18), Sure.DOUBTFUL, why)


def test_a_file_that_was_changed_after_it_was_signed_is_doubtful_throughout(tmp_path: Path) -> None:
    """Its page as it was, and a field more that draws a cover over it."""
    pdf = pdfs.covered(letters.samples()[0].pdf)
    (tmp_path / "a.pdf").write_bytes(pdf)
    sandbox = PdfSandbox(pdf_pki.folder(tmp_path / "trust"))
    verdict = pdf_verdict.judge("a.pdf", 1, sandbox.read(tmp_path / "a.pdf", SEEN, SEEN))
    sandbox.close()
    fields = read(pdf, verdict)

    assert verdict.verdict is SignatureWord.INVALID
    assert [name for name, one in fields.named() if one.sure is Sure.SURE] == []


def test_a_file_that_cannot_be_read_has_no_fields() -> None:
    fields = read_fields(PdfText(fault="PDF-LIMIT"), verdict_of("Nguyễn Văn Mẫu"), pages=3)

    assert fields.pages.value == 3
    assert {one.why for name, one in fields.named() if name not in ("pages", "signed_at")} == {"fault"}


def test_text_of_an_old_font_is_doubtful() -> None:
    text = read_text(io.BytesIO(paper([page(LETTER)])))
    runs = tuple(
        replace(run, text="V/v phèi hîp kiÓm thö liªn th«ng v¨n b¶n") if run.text.startswith("V/v") else run
        for run in text.runs
    )

    assert read_fields(replace(text, runs=runs)).subject.sure is Sure.DOUBTFUL


def test_a_number_that_was_added_onto_the_page_is_doubtful() -> None:
    text = read_text(io.BytesIO(paper([page(LETTER)])))
    runs = tuple(replace(run, ink=Ink.ADDED) if run.text.startswith("Số:") else run for run in text.runs)

    assert state(read_fields(replace(text, runs=runs)).number) == ("118", Sure.DOUBTFUL, "added")


def test_every_doubt_has_its_words(told: dict[str, tuple[Sample, PdfFields]]) -> None:
    assert [
        one.why
        for _, fields in told.values()
        for _, one in fields.named()
        if one.why and not has(f"doubt.{one.why}")
    ] == []


def verdict_of(name: str, word: SignatureWord = SignatureWord.VALID, at: datetime = SIGNED) -> FileVerdict:
    signer = SignerVerdict(field="S", verdict=word, name=name, role=SignerRole.PERSON, claimed_at=at)
    return FileVerdict(n=1, file="a.pdf", verdict=word, signers=(signer,))
