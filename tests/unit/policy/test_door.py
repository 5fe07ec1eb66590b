"""What is turned away before anything is stored, and what a file name becomes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.door import (
    check_declared,
    check_name,
    clean_name,
    declares_secret,
    odd_name,
    over_limit,
    stored_names,
)
from gateway.policy.profile import MB, Profile

PROFILE = Profile()


@pytest.mark.parametrize("value", [None, "", "none", " NONE ", "0"])
def test_no_secrecy_passes(value: str | None) -> None:
    assert not declares_secret(value)


@pytest.mark.parametrize("value", ["mat", "1", "2", "secret", "?"])
def test_any_other_declared_value_is_a_secret_r2(value: str) -> None:
    assert [reason.pointer for reason in check_declared(value, None, PROFILE).reasons] == ["/secrecy"]


def test_a_declared_category_is_refused_and_an_unlisted_one_passes_r3() -> None:
    assert not check_declared("none", "Complaint", PROFILE).allowed
    assert check_declared("none", "ordinary", PROFILE).allowed


def test_threat_075_a_name_is_shown_in_one_form_whatever_form_it_came_in() -> None:
    apart = unicodedata.normalize("NFD", "Quyết định.pdf")

    assert clean_name(apart) == clean_name("Quyết định.pdf") == "Quyết định.pdf"


def test_threat_075_names_that_look_the_same_are_stored_under_names_of_their_own() -> None:
    apart = unicodedata.normalize("NFD", "Tờ trình.pdf")

    stored = stored_names(["Tờ trình.pdf", apart, "TỜ TRÌNH.PDF", "Tờ trình (2).pdf", "khác.pdf"])

    assert stored == (
        "Tờ trình.pdf",
        "Tờ trình (2).pdf",
        "TỜ TRÌNH (3).PDF",
        "Tờ trình (2) (2).pdf",
        "khác.pdf",
    )


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("gpj\u202efdp.exe", "gpj[U+202E]fdp.exe"),
        ("a\u200bb.pdf", "a[U+200B]b.pdf"),
        ("\ufeffa.pdf", "[U+FEFF]a.pdf"),
    ],
)
def test_threat_076_marks_that_nobody_sees_are_written_out_and_warned_of(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept
    assert [each.code.value for each in odd_name(given_name, "/files/0")] == ["name-odd"]


@pytest.mark.parametrize("name", ["c\u043eng van.pdf", "\u0391BC.pdf"])
def test_threat_076_a_word_in_two_alphabets_that_look_alike_is_warned_of(name: str) -> None:
    assert [each.params["name"] for each in odd_name(name, "/files/0")] == [name]


@pytest.mark.parametrize("name", ["Công văn số 88.pdf", "план.pdf", "a план.pdf"])
def test_threat_076_an_honest_name_is_not_warned_of(name: str) -> None:
    assert list(odd_name(name, "/files/0")) == []


@pytest.mark.parametrize(
    "given_name", ["88\r\nX: y.pdf", "88X\t: y.pdf", "\x1b88X: y.pdf", "88X\u2028: y.pdf"]
)
def test_threat_077_control_characters_are_not_kept(given_name: str) -> None:
    assert not any(unicodedata.category(char) == "Cc" for char in clean_name(given_name))


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Công văn.pdf", "Công văn.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\88.pdf", "88.pdf"),
        ("/tuyệt/đối.pdf", "đối.pdf"),
        (" 88.pdf. ", "88.pdf"),
        ("--help.pdf", "help.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("aux", "_aux"),
        ("com1 .tar.gz", "_com1 .tar.gz"),
        ("COM\u00b9.pdf", "_COM\u00b9.pdf"),
        ('a<b>:"c|?*.pdf', "a_b___c___.pdf"),
        ("a.exe:b.pdf", "a.exe_b.pdf"),
        ("\x00", "file"),
        ("..", "file"),
    ],
)
def test_threat_078_a_name_is_made_fit_for_any_file_system(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


def test_threat_078_a_name_of_300_bytes_and_more_is_cut_and_keeps_its_ending() -> None:
    name = clean_name("ộ" * 300 + ".pdf")

    assert len(name.encode()) <= 255
    assert name.endswith("ộ.pdf")


def test_a_name_that_is_cut_is_told_with_its_length() -> None:
    (told,) = odd_name("ộ" * 300 + ".pdf", "/files/0")

    assert (told.code.value, told.params["length"], told.params["most"]) == ("name-cut", "904", "255")


@given(names=st.lists(st.text(max_size=300), max_size=8))
@settings(max_examples=60)
def test_threat_075_stored_names_are_clean_stable_and_each_once(names: list[str]) -> None:
    stored = stored_names(names)

    assert len(stored) == len(names)
    assert len({each.casefold() for each in stored}) == len(stored)
    assert stored == stored_names(names)
    assert all(each and len(each.encode()) <= 255 for each in stored)


@given(name=st.text(max_size=400))
@settings(max_examples=100)
def test_threat_078_no_name_keeps_what_a_file_system_or_header_would_trip_over(name: str) -> None:
    kept = clean_name(name)

    assert kept
    assert len(kept.encode()) <= 255
    assert not set(kept) & set("/\\\0\r\n")
    assert kept not in (".", "..")


@pytest.mark.parametrize("name", ["", "   ", "../..", "\u200b", "..."])
def test_a_name_with_nothing_to_read_is_refused(name: str) -> None:
    assert check_name(name, "/files/0/name") is not None


def test_an_ordinary_name_is_not_refused() -> None:
    assert check_name("88 STN-VP.pdf", "/files/0/name") is None


def test_threat_074_reading_stops_at_the_first_byte_over_a_limit_r13() -> None:
    one, all_files = PROFILE.max_file_bytes, PROFILE.max_document_bytes

    assert over_limit("a.pdf", one, all_files, PROFILE, "/files/0") is None
    file_over = over_limit("a.pdf", one + 1, one + 1, PROFILE, "/files/0")
    document_over = over_limit("a.pdf", MB, all_files + 1, PROFILE, "/files/0")
    assert file_over is not None
    assert document_over is not None
    assert (file_over.code.value, document_over.code.value) == ("file-too-large", "document-too-large")
    assert not {"size_bytes"} & {*file_over.params, *document_over.params}
    whole = over_limit("a.pdf", 3 * one, 3 * one, PROFILE, "/files/0", whole=True)
    assert whole is not None
    assert whole.params["size_bytes"] == str(3 * one)
