"""What is turned away before anything is stored, and what a file name becomes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.door import check_declared, check_name, clean_name, declares_secret, over_limit
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


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Công văn.pdf", "Công văn.pdf"),
        (unicodedata.normalize("NFD", "Quyết định.pdf"), "Quyết định.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\88.pdf", "88.pdf"),
        ("/tuyệt/đối.pdf", "đối.pdf"),
        ("88\r\nX: y.pdf", "88X: y.pdf"),
        ("gpj\u202efdp.exe", "gpjfdp.exe"),
        ("a\u200bb.pdf", "ab.pdf"),
        (" 88.pdf. ", "88.pdf"),
        ("--help.pdf", "help.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("\x00", "file"),
        ("..", "file"),
    ],
)
def test_a_name_is_made_fit_to_show_75_to_78(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


def test_a_long_name_keeps_its_ending() -> None:
    name = clean_name("ộ" * 300 + ".pdf")

    assert len(name.encode()) <= 255
    assert name.endswith("ộ.pdf")


@given(name=st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_no_name_keeps_what_a_file_system_or_header_would_trip_over(name: str) -> None:
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


def test_reading_stops_at_the_first_byte_over_a_limit_r13() -> None:
    one, all_files = PROFILE.max_file_bytes, PROFILE.max_document_bytes

    assert over_limit("a.pdf", one, all_files, PROFILE, "/files/0") is None
    file_over = over_limit("a.pdf", one + 1, one + 1, PROFILE, "/files/0")
    document_over = over_limit("a.pdf", MB, all_files + 1, PROFILE, "/files/0")
    assert file_over is not None
    assert document_over is not None
    assert (file_over.code.value, document_over.code.value) == ("file-too-large", "document-too-large")
