"""Notations and series of outgoing documents (R33, R35), numbers out of their order, and capacities to sign (R28)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.domain.agency_profile import OUT_BOOKS, SETTINGS, SIGNING_ACTS, UNIT_MARKS
from gateway.domain.document import Draft, Signer
from gateway.domain.seals import CertificateKind, RegisteredCertificate
from gateway.policy.numbering import (
    capacity_of,
    propose_symbol,
    series_of,
    warn_of_capacity,
    warn_of_notation,
    warn_of_order,
)
from gateway.policy.profile import Profile
from gateway.words import labels
from tests.unit.policy.test_seals import certificate as registered

TODAY = date(2026, 11, 27)
OWN = Profile(
    abbreviation="UBND",
    unit_marks="VP, TCCB",
    type_marks="Tờ trình | TT.r",
    out_books="QPPL | Quy phạm | YYYY | type; HDKL | Hội đồng | HĐKL | one; BS | Sao | SY, TrS, SL | one; "
    "CV | Công văn | CV | one; HC | Hành chính | * | one",
)


@pytest.mark.parametrize(
    ("symbol", "type_key", "series"),
    [
        ("STD-VP", None, "HC.cong_van"),
        ("QĐ-STD", None, "HC.quyet_dinh"),
        ("qđ-std", "quyet_dinh", "HC.quyet_dinh"),
        ("ĐA-STD", None, "HC.de_an"),
        ("DA-STD", None, "HC.du_an"),
        ("2026/QĐ-UBND", None, "QPPL.quyet_dinh"),
        ("2026/NQ-HĐND", "nghi_quyet", "QPPL.nghi_quyet"),
        ("SY-UBND", None, "BS"),
        ("TrS-UBND", None, "BS"),
        ("", "bao_cao", "HC.bao_cao"),
        ("", None, "HC.cong_van"),
    ],
)
def test_the_ready_made_books_part_normative_documents_copies_and_types(
    symbol: str, type_key: str | None, series: str
) -> None:
    """R33 (series)."""
    assert series_of(Profile(), symbol, type_key).key == series


@pytest.mark.parametrize(
    ("symbol", "series"),
    [
        ("QĐ-HĐKL", "HDKL"),
        ("TB-HĐKL", "HDKL"),
        ("QĐ-UBND", "HC"),
        ("UBND-VP", "CV"),
        ("2026/QĐ-UBND", "QPPL.quyet_dinh"),
    ],
)
def test_councils_have_a_series_of_their_own_where_the_agency_says_so(symbol: str, series: str) -> None:
    assert series_of(OWN, symbol).key == series


@pytest.mark.parametrize(
    ("type_key", "symbol"),
    [
        ("quyet_dinh", "QĐ-UBND"),
        ("bao_cao", "BC-UBND"),
        ("to_trinh", "TT.r-UBND"),
        ("cong_van", "UBND"),
        ("thong_tu", "2026/TT-UBND"),
        ("thu_cong", ""),
        (None, ""),
    ],
)
def test_the_notation_is_proposed_from_type_and_agency(type_key: str | None, symbol: str) -> None:
    assert propose_symbol(OWN, type_key, 2026) == symbol


def test_the_only_unit_is_proposed_for_a_letter_and_nothing_without_the_agency() -> None:
    assert propose_symbol(replace(OWN, unit_marks="VP"), "cong_van", 2026) == "UBND-VP"
    assert propose_symbol(Profile(), "quyet_dinh", 2026) == ""


@pytest.mark.parametrize(
    ("number", "symbol", "type_key", "warned"),
    [
        ("15", "QĐ-UBND", "quyet_dinh", {}),
        ("15", "qđ-ubnd", "quyet_dinh", {}),
        ("15", "UBND-VP", "cong_van", {}),
        ("15", "SY-UBND", None, {}),
        ("15", "QĐ-HĐKL", "quyet_dinh", {}),
        ("12", "2026/QĐ-UBND", "quyet_dinh", {}),
        ("12", "2025/QĐ-UBND", "quyet_dinh", {"notation-shape": "2026/QĐ-UBND"}),
        ("5", "QĐ-UBND", "quyet_dinh", {"number-shape": "05"}),
        ("15", "QĐ.UBND", "quyet_dinh", {"notation-shape": "QĐ-UBND"}),
        ("15", "BC-UBND", "quyet_dinh", {"notation-type": "QĐ-UBND"}),
        ("15", "TB-UBND", "cong_van", {"notation-type": "UBND"}),
        ("15", "QĐ-UBND", "Công văn", {"notation-type": "UBND"}),
        ("15", "UBND-VP", "công  văn", {}),
        ("15", "UBND-VP", "Thông báo", {"notation-shape": "TB-UBND"}),
        ("15", "UBND-KT", "cong_van", {"notation-shape": "UBND"}),
        ("15", "TT-UBND", "thong_tu", {"notation-shape": "2026/TT-UBND"}),
    ],
)
def test_a_notation_of_another_shape_warns_with_the_usual_one(
    number: str, symbol: str, type_key: str | None, warned: dict[str, str]
) -> None:
    """R35 (form of the notation)."""
    is_key = type_key is None or labels.has(f"type.{type_key}")
    by_type = {"type_key": type_key} if is_key else {"type_name": type_key or ""}
    draft = Draft(number=number, symbol=symbol, issued_on=TODAY, **by_type)

    warnings = warn_of_notation(OWN, draft, TODAY)

    assert {w.code.value: w.suggest for w in warnings} == warned


def test_a_notation_of_another_type_is_asked_about_also_without_an_abbreviation() -> None:
    """R35 (form of the notation): a letter with the mark of a notice."""
    (warning,) = warn_of_notation(Profile(), Draft(number="15", symbol="TB-STN", type_name="Công văn"), TODAY)

    assert (warning.code.value, warning.pointer, warning.suggest) == ("notation-type", "/symbol", None)
    assert warning.params == {"given": "TB-STN", "named": "thong_bao", "stated": "cong_van"}


def test_a_row_of_another_form_is_no_mark_of_a_unit() -> None:
    """R35: what a table took for a mark would be proposed as a notation."""
    setting = SETTINGS[UNIT_MARKS]
    assert setting.read("VP, TCCB ,P.KT") == "VP, TCCB, P.KT"
    for wrong in ("VP=Văn phòng", "VP; TCCB", "VP | Văn phòng", "Văn phòng", "VP, VP", ","):
        assert setting.read(wrong) is None, wrong
    assert propose_symbol(replace(OWN, unit_marks="VP=Văn phòng"), "cong_van", 2026) == "UBND"


def test_an_agency_without_its_abbreviation_is_not_warned_of_notations() -> None:
    draft = Draft(number="15", symbol="ABC.DEF", type_key="quyet_dinh", issued_on=TODAY)

    assert [*warn_of_notation(Profile(), draft, TODAY)] == []


@pytest.mark.parametrize(
    ("number", "used", "suggested"),
    [
        ("41", (38, 39, 40), []),
        ("42", (38, 39, 40), ["41"]),
        ("39", (38, 39, 40), ["41"]),
        ("9", (1, 2), ["03"]),
        ("12a", (1, 2), []),
        ("1", (), []),
        ("3", (1, 2, 90_000), []),
    ],
)
def test_a_typed_number_that_is_not_the_next_one_warns(
    number: str, used: tuple[int, ...], suggested: list[str]
) -> None:
    assert [w.suggest for w in warn_of_order(Draft(number=number), used)] == suggested


ACTS = (
    "Nguyễn Văn Mẫu | TUQ. | ký giấy mời | 12/QĐ-UBND | 2026-01-01 | 2026-06-30; "
    "Nguyễn Văn Mẫu | TL. |  | 5/QĐ-UBND | 2026-01-01 | "
)


@pytest.mark.parametrize(
    ("scope", "symbol", "type_key", "is_covered"),
    [
        ("Giấy mời, QĐ", "GM-UBND", "giay_moi", True),
        ("Giấy mời, QĐ", "QĐ-UBND", None, True),
        ("Giấy mời, QĐ", "UBND-VP", "cong_van", False),
        ("quyết định", "QĐ-UBND", "quyet_dinh", True),
        ("Công văn", "UBND-VP", None, True),
        ("CV", "QĐ-UBND", "quyet_dinh", False),
        ("QPPL", "2026/QĐ-UBND", "quyet_dinh", True),
        ("Quy phạm", "QĐ-UBND", "quyet_dinh", False),
        ("Hội đồng, Giấy mời", "QĐ-HĐKL", "quyet_dinh", True),
        ("việc thường ngày của văn phòng", "QĐ-UBND", "quyet_dinh", True),
        ("", "QĐ-UBND", "quyet_dinh", True),
    ],
)
def test_a_scope_that_names_types_or_books_is_judged(
    scope: str, symbol: str, type_key: str | None, *, is_covered: bool
) -> None:
    signer = Signer(name="Nguyễn Văn Mẫu", competence="TL. CHỦ TỊCH")
    draft = Draft(number="15", symbol=symbol, type_key=type_key, issued_on=TODAY, signer=signer)
    acts = f"Nguyễn Văn Mẫu | TL. | {scope} | 5/QĐ-UBND | 2026-01-01 | "

    warned = [*warn_of_capacity(replace(OWN, signing_acts=acts), draft, TODAY, ())]

    assert [w.code.value for w in warned] == ([] if is_covered else ["capacity-scope"])
    assert all(w.params["act"] == "5/QĐ-UBND" and w.params["scope"] == scope for w in warned)


def certificate(capacity: str, name: str = "Nguyễn Văn Mẫu") -> RegisteredCertificate:
    span = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    return replace(registered("Z91.01", "", CertificateKind.PERSON, *span), name=name, capacity=capacity)


@pytest.mark.parametrize(
    ("competence", "day", "certificates", "warned"),
    [
        (None, TODAY, (), []),
        ("TL. CHỦ TỊCH", TODAY, (), []),
        ("TUQ. CHỦ TỊCH", date(2026, 6, 30), (), []),
        ("TUQ. CHỦ TỊCH", date(2026, 7, 1), (), ["12/QĐ-UBND"]),
        ("TUQ CHỦ TỊCH", date(2025, 12, 31), (), ["12/QĐ-UBND"]),
        ("KT. CHỦ TỊCH", TODAY, (), ["–"]),
        ("KT. CHỦ TỊCH", TODAY, (certificate("KT."),), []),
        ("KT. CHỦ TỊCH", TODAY, (certificate("KT.", "Lê Thị Khác"),), ["–"]),
        ("KT. CHỦ TỊCH", TODAY, (certificate("TM."),), ["–"]),
        ("KT. CHỦ TỊCH", date(2027, 2, 1), (certificate("KT."),), ["–"]),
    ],
)
def test_a_capacity_that_no_row_and_no_certificate_allows_on_that_day_warns(
    competence: str | None, day: date, certificates: tuple[RegisteredCertificate, ...], warned: list[str]
) -> None:
    draft = Draft(signer=Signer(name="Nguyễn  văn Mẫu", competence=competence), issued_on=day)

    warnings = warn_of_capacity(Profile(signing_acts=ACTS), draft, TODAY, certificates)

    assert [w.params["act"] for w in warnings] == warned
    assert [*warn_of_capacity(Profile(), draft, TODAY, ())] == []


def test_the_capacity_is_read_from_the_competence_or_the_title() -> None:
    assert capacity_of(Draft(signer=Signer(name="A", title="Q. Giám đốc"))) == "Q."
    assert capacity_of(Draft(signer=Signer(name="A", competence="T/M Ủy ban nhân dân"))) == "TM."
    assert capacity_of(Draft(signer=Signer(name="A", title="Quyền Giám đốc"))) == ""
    assert capacity_of(Draft()) == ""


def test_a_table_of_the_profile_is_kept_in_one_form_and_refused_with_a_wrong_cell() -> None:
    acts, books = SETTINGS[SIGNING_ACTS], SETTINGS[OUT_BOOKS]

    assert acts.read("An | TL. | | 5/QĐ | 01/02/2026 | \n\n Bình|KT.|x|6/QĐ|2026-03-01|2026-04-01") == (
        "An | TL. |  | 5/QĐ | 2026-02-01 | ; Bình | KT. | x | 6/QĐ | 2026-03-01 | 2026-04-01"
    )
    for wrong in (
        "An | XX. | | 5 | 2026-01-01 | ",
        "An | TL. | | 5 | 31/02/2026 | ",
        "An | TL.",
        " | TL. | | 5 | 2026-01-01 |",
    ):
        assert acts.read(wrong) is None
    assert books.read("A | một | * | one; a | hai | * | type") is None
    assert books.read("A | một | * | one; B | hai | QĐ | type") is not None
    assert books.read("") == ""
