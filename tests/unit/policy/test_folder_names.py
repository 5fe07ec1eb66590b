"""The meaning of names in a hot folder, and the names of files that the node puts there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.folder_names import Sort, free_name, is_folder_of, is_plain, kept_name, sort_of, stem_of

ANY = st.text(min_size=1, max_size=300)


def test_a_name_says_what_it_is() -> None:
    sorts = {
        "15.json": Sort.SIDECAR,
        "15.JSON": Sort.SIDECAR,
        "15.edxml": Sort.ENVELOPE,
        "15.zip": Sort.ARCHIVE,
        "15.ready": Sort.READY,
        "15.pdf": Sort.FILE,
    }
    none = (".json", "15.json.part", "~$15.docx", ".hidden", "Thumbs.db", "15.result.json", "15.error.txt")
    expected = {**sorts, **dict.fromkeys(none)}
    assert {name: sort_of(name, is_folder=False) for name in expected} == expected
    assert {stem_of(name, sort) for name, sort in sorts.items() if sort is not Sort.FILE} == {"15"}
    assert stem_of("15", Sort.FOLDER) == "15"


def test_what_leads_elsewhere_is_no_plain_name_and_names_no_folder() -> None:
    for name in ("", ".", "..", "a/b", "../x", "a\\b", "/etc/passwd", "a\0b"):
        assert not is_plain(name)
    codes = ("Z91.07", "000.00.12.H41", "..", "a/b", ".h", "a..b", "")
    assert [code for code in codes if is_folder_of(code)] == [*codes[:2]]


@given(name=ANY, tail=st.sampled_from(["", ".result.json", ".error.txt"]))
def test_every_name_becomes_one_that_a_file_system_bears(name: str, tail: str) -> None:
    clean = kept_name(name, tail)

    assert is_plain(clean)
    assert len(clean.encode()) <= 255
    assert clean.endswith(tail)
    assert not any(ord(x) < 32 for x in clean)


@given(names=st.lists(st.sampled_from(["a.pdf", "a", "a (2).pdf"]), max_size=12))
def test_names_that_collide_are_kept_apart(names: list[str]) -> None:
    used_names: set[str] = set()
    for name in names:
        free = free_name(name, used_names.__contains__)
        assert free not in used_names
        used_names.add(free)
