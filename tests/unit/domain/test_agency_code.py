"""Agency codes: the table of worked examples, and that parsing and printing are one identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.registry import AgencyCode, BadCode, CodeForm, fold_code, propose_new

NEW = st.from_regex(r"[A-Z][0-9]{2}(\.[A-Z0-9]{1,4}){0,6}", fullmatch=True).filter(
    lambda text: len(text) <= 35
)
OLD = st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "form", "level"),
    [
        ("000.00.00.H49", CodeForm.OLD, 1),
        ("000.00.18.G12", CodeForm.OLD, 2),
        ("000.12.07.Z91", CodeForm.OLD, 3),
        ("001.12.07.Z91", CodeForm.OLD, 4),
        ("Z91", CodeForm.NEW, 1),
        ("H52.101.114", CodeForm.NEW, 3),
        ("H37.DN.001", CodeForm.NEW, 3),
        ("Z91" + ".1234567" * 4, CodeForm.NEW, 5),
    ],
)
def test_both_forms_are_read_with_their_level(text: str, form: CodeForm, level: int) -> None:
    """R75, R77"""
    code = AgencyCode.parse(text)

    assert (code.form, code.level, str(code)) == (form, level, text)


@pytest.mark.parametrize(
    "text",
    ["h49", "H4", "H49.", "H49..01", "H49.a1", "Z91" + ".12345678" * 4],
)
def test_what_the_table_refuses_is_refused(text: str) -> None:
    """R75 and the table of worked examples"""
    with pytest.raises(BadCode):
        AgencyCode.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " H49",
        "H49\n",
        "H٤9",
        "H49.Đ1",
        "1.Z91",
        "000.07.Z91",
        "02.0101010101",
        "00.00.00.H49",
        "000.00.00.H4",
        "0000.00.00.H49",
        "000.00.00.h49",
    ],
)
def test_what_is_not_a_code_is_refused(text: str) -> None:
    """R75, R77"""
    with pytest.raises(BadCode):
        AgencyCode.parse(text)


def test_a_refusal_says_how_to_write_it() -> None:
    with pytest.raises(BadCode, match="write it as H49"):
        AgencyCode.parse(" h49 ")
    with pytest.raises(BadCode, match="39 characters: at most 35"):
        AgencyCode.parse("Z91" + ".12345678" * 4)


def test_the_parent_of_a_new_code_is_one_group_shorter() -> None:
    code = AgencyCode.parse("H52.101.114")

    assert str(code.parent) == "H52.101"
    assert AgencyCode.parse("H52").parent is None


def test_no_parent_is_computed_for_the_old_form() -> None:
    assert AgencyCode.parse("000.12.07.Z91").parent is None


@pytest.mark.parametrize(
    ("short", "full"),
    [("07.Z91", "000.00.07.Z91"), ("12.07.Z91", "000.12.07.Z91"), ("00.07.Z91", "000.00.07.Z91")],
)
def test_the_short_old_form_is_completed_with_zeros(short: str, full: str) -> None:
    assert str(AgencyCode.parse(short)) == full


def test_the_short_old_form_is_printed_on_request() -> None:
    assert AgencyCode.parse("000.12.07.Z91").short == "12.07.Z91"
    assert AgencyCode.parse("001.12.07.Z91").short == "001.12.07.Z91"
    assert AgencyCode.parse("Z91.07").short == "Z91.07"


@pytest.mark.parametrize(
    ("old", "new"),
    [("000.00.00.H49", "H49"), ("000.00.18.G12", "G12.18"), ("001.12.07.Z91", "Z91.07.12.001")],
)
def test_the_old_form_proposes_the_new(old: str, new: str) -> None:
    """Rules 14.1: old c.b.a.L1 proposes L1.a.b.c with the zero groups dropped."""
    assert str(propose_new(AgencyCode.parse(old))) == new


@pytest.mark.parametrize("text", ["001.00.07.Z91", "000.12.00.Z91"])
def test_zeros_between_levels_propose_nothing(text: str) -> None:
    assert propose_new(AgencyCode.parse(text)) is None


def test_a_proposal_runs_one_way_only() -> None:
    assert propose_new(AgencyCode.parse("Z91.07")) is None


def test_codes_are_compared_trimmed_and_without_letter_case() -> None:
    assert fold_code(" z91.DN.01 ") == fold_code("Z91.dn.01") != fold_code("Z91.DN.1")


@given(st.one_of(NEW, OLD))
def test_printing_what_was_parsed_gives_the_same_text(text: str) -> None:
    assert str(AgencyCode.parse(text)) == text


@given(st.one_of(NEW, OLD))
def test_parsing_what_was_printed_gives_the_same_code(text: str) -> None:
    code = AgencyCode.parse(text)

    assert AgencyCode.parse(str(code)) == code
    if code.level > 1:
        assert AgencyCode.parse(code.short) == code


@given(st.text(max_size=45))
def test_any_text_is_a_code_or_a_named_refusal(text: str) -> None:
    try:
        code = AgencyCode.parse(text)
    except BadCode:
        return
    assert code.root == AgencyCode.parse(code.root).root
