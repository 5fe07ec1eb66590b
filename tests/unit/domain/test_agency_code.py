"""Agency codes: the table of worked examples, and that parsing and printing are one identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.registry import (
    LONGEST_CODE,
    AgencyCode,
    BadCode,
    CodeForm,
    fold_code,
    other_code_fault,
    propose_new,
)
from tests.support.cases import Cases

NEW = st.from_regex(r"[A-Z][0-9]{2}(\.[A-Z0-9]{1,4}){0,6}", fullmatch=True).filter(
    lambda text: len(text) <= 35
)
OLD = st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}", fullmatch=True)


def test_both_forms_are_read_with_their_level() -> None:
    """R75, R77"""
    codes = {
        "000.00.00.H49": (CodeForm.OLD, 1),
        "000.00.18.G12": (CodeForm.OLD, 2),
        "000.12.07.Z91": (CodeForm.OLD, 3),
        "001.12.07.Z91": (CodeForm.OLD, 4),
        "Z91": (CodeForm.NEW, 1),
        "H52.101.114": (CodeForm.NEW, 3),
        "H37.DN.001": (CodeForm.NEW, 3),
        "Z91" + ".1234567" * 4: (CodeForm.NEW, 5),
    }
    parsed = {text: AgencyCode.parse(text) for text in codes}
    assert {str(code): (code.form, code.level) for code in parsed.values()} == codes


def test_what_is_not_a_code_is_refused_with_how_to_write_it(cases: Cases) -> None:
    """R75, R77, and the table of worked examples"""
    long = "Z91" + ".12345678" * 4
    for text in (
        *("h49", "H4", "H49.", "H49..01", "H49.a1", long, "", " H49", "H49\n", "H٤9", "H49.Đ1", "1.Z91"),
        *("000.07.Z91", "02.0101010101", "00.00.00.H49", "000.00.00.H4", "0000.00.00.H49", "000.00.00.h49"),
    ):
        with cases.case(text), pytest.raises(BadCode):
            AgencyCode.parse(text)
    with pytest.raises(BadCode, match="write it as H49"):
        AgencyCode.parse(" h49 ")
    with pytest.raises(BadCode, match="39 characters: at most 35"):
        AgencyCode.parse(long)


def test_codes_are_compared_trimmed_their_parent_is_one_group_shorter_and_old_forms_are_completed() -> None:
    assert fold_code(" z91.DN.01 ") == fold_code("Z91.dn.01") != fold_code("Z91.DN.1")

    assert str(AgencyCode.parse("H52.101.114").parent) == "H52.101"
    assert AgencyCode.parse("H52").parent is None
    assert AgencyCode.parse("000.12.07.Z91").parent is None

    full = {"07.Z91": "000.00.07.Z91", "12.07.Z91": "000.12.07.Z91", "00.07.Z91": "000.00.07.Z91"}
    assert {short: str(AgencyCode.parse(short)) for short in full} == full
    printed = {"000.12.07.Z91": "12.07.Z91", "001.12.07.Z91": "001.12.07.Z91", "Z91.07": "Z91.07"}
    assert {code: AgencyCode.parse(code).short for code in printed} == printed

    proposals = {"000.00.00.H49": "H49", "000.00.18.G12": "G12.18", "001.12.07.Z91": "Z91.07.12.001"}
    assert {old: str(propose_new(AgencyCode.parse(old))) for old in proposals} == proposals
    for code in ("001.00.07.Z91", "000.12.00.Z91", "Z91.07"):
        assert propose_new(AgencyCode.parse(code)) is None


@given(st.one_of(NEW, OLD))
def test_printing_what_was_parsed_gives_the_same_text_and_parsing_that_the_same_code(text: str) -> None:
    code = AgencyCode.parse(text)
    assert str(code) == text
    if code.level > 1:
        assert AgencyCode.parse(code.short) == code


@given(st.text(max_size=45))
def test_any_text_is_a_code_or_a_named_refusal(text: str) -> None:
    try:
        code = AgencyCode.parse(text)
    except BadCode:
        return
    assert code.root == AgencyCode.parse(code.root).root


LIKE_A_CODE = st.from_regex(r"[A-Z0-9._-]{1,37}", fullmatch=True)


@given(st.one_of(LIKE_A_CODE, NEW, OLD, st.builds("{}.{}".format, NEW, LIKE_A_CODE)))
def test_a_code_of_another_scheme_is_never_one_of_decision_20_nor_below_one_by_its_dots(text: str) -> None:
    if other_code_fault(text) is not None:
        return
    with pytest.raises(BadCode):
        AgencyCode.parse(text)
    with pytest.raises(BadCode):
        AgencyCode.parse(text.partition(".")[0])
    assert len(text) <= LONGEST_CODE


def test_numbers_and_codes_that_other_bodies_give_are_accepted() -> None:
    for code in ("0199990000", "0199990000-001", "MAU.01.02", "A1", "79-001_B"):
        assert other_code_fault(code) is None
    for code in ("", "Z91", "Z91.01", "Z91.01_B", "07.Z91", "000.00.07.Z91", "mau", "A B", ".A", "A" * 36):
        assert other_code_fault(code) is not None
