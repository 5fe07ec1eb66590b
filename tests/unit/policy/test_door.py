"""Files refused before anything is stored, and the cleaning of file names."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.admission import (
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


def test_no_secrecy_and_an_unlisted_category_pass_and_any_declared_secret_is_refused_r2_r3() -> None:
    assert not [value for value in (None, "", "none", " NONE ", "0") if declares_secret(value)]
    for value in ("mat", "1", "2", "secret", "?"):
        assert [reason.pointer for reason in check_declared(value, None, PROFILE).reasons] == ["/secrecy"]

    assert not check_declared("none", "Complaint", PROFILE).allowed
    assert check_declared("none", "ordinary", PROFILE).allowed


def test_threat_075_077_names_have_one_form_something_to_read_and_no_control_characters() -> None:
    decomposed = unicodedata.normalize("NFD", "Tờ trình.pdf")
    assert clean_name(decomposed) == clean_name("Tờ trình.pdf") == "Tờ trình.pdf"
    stored = stored_names(["Tờ trình.pdf", decomposed, "TỜ TRÌNH.PDF", "Tờ trình (2).pdf", "khác.pdf"])
    assert stored == (
        *("Tờ trình.pdf", "Tờ trình (2).pdf", "TỜ TRÌNH (3).PDF", "Tờ trình (2) (2).pdf", "khác.pdf"),
    )

    for name in ("88\r\nX: y.pdf", "88X\t: y.pdf", "\x1b88X: y.pdf", "88X\u2028: y.pdf"):
        assert not any(unicodedata.category(char) == "Cc" for char in clean_name(name))

    for name in ("", "   ", "../..", "\u200b", "..."):
        assert check_name(name, "/files/0/name") is not None
    assert check_name("88 STN-VP.pdf", "/files/0/name") is None


def test_threat_076_marks_and_letters_that_mislead_are_written_out_and_warned_of() -> None:
    """A word in two alphabets that look alike; an honest name is not warned of."""
    kept_names = {
        "gpj\u202efdp.exe": "gpj[U+202E]fdp.exe",
        "a\u200bb.pdf": "a[U+200B]b.pdf",
        "\ufeffa.pdf": "[U+FEFF]a.pdf",
    }
    assert {name: clean_name(name) for name in kept_names} == kept_names
    for name in kept_names:
        assert [warning.code.value for warning in odd_name(name, "/files/0")] == ["name-odd"]
    for name in ("c\u043eng van.pdf", "\u0391BC.pdf"):
        assert [warning.params["name"] for warning in odd_name(name, "/files/0")] == [name]
    for name in ("Công văn số 88.pdf", "план.pdf", "a план.pdf"):
        assert list(odd_name(name, "/files/0")) == []


def test_threat_078_a_name_is_made_fit_for_any_file_system() -> None:
    """A name of 300 bytes and more is cut, keeps its ending, and is warned of with its length."""
    kept_names = {
        "Công văn.pdf": "Công văn.pdf",
        "../../etc/passwd": "passwd",
        "C:\\Users\\a\\88.pdf": "88.pdf",
        "/tuyệt/đối.pdf": "đối.pdf",
        " 88.pdf. ": "88.pdf",
        "--help.pdf": "help.pdf",
        "CON.pdf": "_CON.pdf",
        "aux": "_aux",
        "com1 .tar.gz": "_com1 .tar.gz",
        "COM\u00b9.pdf": "_COM\u00b9.pdf",
        'a<b>:"c|?*.pdf': "a_b___c___.pdf",
        "a.exe:b.pdf": "a.exe_b.pdf",
        "\x00": "file",
        "..": "file",
    }
    assert {name: clean_name(name) for name in kept_names} == kept_names
    cut = clean_name("ộ" * 300 + ".pdf")
    assert len(cut.encode()) <= 255
    assert cut.endswith("ộ.pdf")
    (warning,) = odd_name("ộ" * 300 + ".pdf", "/files/0")
    assert (warning.code.value, warning.params["length"], warning.params["most"]) == (
        "name-cut",
        "904",
        "255",
    )


@given(names=st.lists(st.text(max_size=300), max_size=8))
@settings(max_examples=60)
def test_threat_075_stored_names_are_clean_stable_and_each_once(names: list[str]) -> None:
    stored = stored_names(names)

    assert len(stored) == len(names)
    assert len({stored_name.casefold() for stored_name in stored}) == len(stored)
    assert stored == stored_names(names)
    assert all(stored_name and len(stored_name.encode()) <= 255 for stored_name in stored)


@given(name=st.text(max_size=400))
@settings(max_examples=100)
def test_threat_078_no_name_keeps_what_a_file_system_or_header_would_trip_over(name: str) -> None:
    kept_name = clean_name(name)

    assert kept_name
    assert len(kept_name.encode()) <= 255
    assert not set(kept_name) & set("/\\\0\r\n")
    assert kept_name not in (".", "..")


def test_threat_074_reading_stops_at_the_first_byte_over_a_limit_r13() -> None:
    file_limit, all_files = PROFILE.max_file_bytes, PROFILE.max_document_bytes

    assert over_limit("a.pdf", file_limit, all_files, PROFILE, "/files/0") is None
    file_over = over_limit("a.pdf", file_limit + 1, file_limit + 1, PROFILE, "/files/0")
    document_over = over_limit("a.pdf", MB, all_files + 1, PROFILE, "/files/0")
    assert file_over is not None
    assert document_over is not None
    assert (file_over.code.value, document_over.code.value) == ("file-too-large", "document-too-large")
    assert not {"size_bytes"} & {*file_over.params, *document_over.params}
    refusal = over_limit("a.pdf", 3 * file_limit, 3 * file_limit, PROFILE, "/files/0", complete=True)
    assert refusal is not None
    assert refusal.params["size_bytes"] == str(3 * file_limit)
