"""What names in a hot folder mean, and what things are called where they are put."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.folder_names import Sort, free_name, is_folder_of, is_plain, kept_name, sort_of, stem_of

ANY = st.text(min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("15.json", Sort.SIDECAR),
        ("15.JSON", Sort.SIDECAR),
        ("15.edxml", Sort.ENVELOPE),
        ("15.zip", Sort.ARCHIVE),
        ("15.ready", Sort.READY),
        ("15.pdf", Sort.FILE),
        (".json", None),
        ("15.json.part", None),
        ("~$15.docx", None),
        (".hidden", None),
        ("Thumbs.db", None),
        ("15.result.json", None),
        ("15.error.txt", None),
    ],
)
def test_a_name_says_what_it_is(name: str, sort: Sort | None) -> None:
    assert sort_of(name, is_folder=False) is sort


def test_what_belongs_together_has_one_stem() -> None:
    names = ("15.json", "15.edxml", "15.zip", "15.ready")
    assert {stem_of(each, sort_of(each, is_folder=False) or Sort.FILE) for each in names} == {"15"}
    assert stem_of("15", Sort.FOLDER) == "15"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\\b", "/etc/passwd", "a\0b"])
def test_a_name_that_leads_elsewhere_is_not_plain(name: str) -> None:
    assert not is_plain(name)


@given(name=ANY, tail=st.sampled_from(["", ".result.json", ".error.txt"]))
def test_every_name_becomes_one_that_a_file_system_bears(name: str, tail: str) -> None:
    kept = kept_name(name, tail)

    assert is_plain(kept)
    assert len(kept.encode()) <= 255
    assert kept.endswith(tail)
    assert not any(ord(each) < 32 for each in kept)


@given(names=st.lists(st.sampled_from(["a.pdf", "a", "a (2).pdf"]), max_size=12))
def test_names_that_collide_are_kept_apart(names: list[str]) -> None:
    taken: set[str] = set()
    for each in names:
        free = free_name(each, taken.__contains__)
        assert free not in taken
        taken.add(free)


@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("Z91.07", True),
        ("000.00.12.H41", True),
        ("..", False),
        ("a/b", False),
        (".h", False),
        ("a..b", False),
        ("", False),
    ],
)
def test_a_code_that_leads_elsewhere_names_no_folder(code: str, fits: bool) -> None:
    assert is_folder_of(code) is fits
