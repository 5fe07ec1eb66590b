"""The name of a sent file, whatever library wrote the header: the ending must survive (threats 75 to 78)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.admission import meant_name


def name_of(raw_name: str) -> str | None:
    """Read the name of a header as a library does that takes a backslash for an escape."""
    return meant_name(f'form-data; name="lead"; filename="{raw_name}"', raw_name.replace("\\", "") or None)


def test_the_last_part_of_what_was_meant_is_the_name() -> None:
    """The extended form is read by the library; an unreadable one counts as absent."""
    names = {
        "15.pdf": "15.pdf",
        r"C:\Users\van thu\Công văn 15.pdf": "Công văn 15.pdf",
        r"C:\\Users\\van thu\\15.pdf": "15.pdf",
        r"\\may-chu\chung\15.pdf": "15.pdf",
        "/home/a/15.pdf": "15.pdf",
        "=?UTF-8?B?Q8O0bmcgdsSDbi5wZGY=?=": "Công văn.pdf",
        "=?utf-8?Q?C=C3=B4ng_v=C4=83n.pdf?=": "Công văn.pdf",
        "=?UTF-8?B?Q8O0bmcg?= =?UTF-8?B?dsSDbi5wZGY=?=": "Công văn.pdf",
        "C%C3%B4ng%20v%C4%83n.pdf": "Công văn.pdf",
        "giảm 50%.pdf": "giảm 50%.pdf",
        "giảm 50%ff.pdf": "giảm 50%ff.pdf",
        r"a\"b.pdf": 'a"b.pdf',
        "C\u0302ong.pdf": "\u0108ong.pdf",
        **dict.fromkeys(("=?UTF-8?B?%%%?=", "=?nowhere?B?Q8O0?=", "=?UTF-8?B?/w==?=")),
        **dict.fromkeys(("a%0D%0AX-Injected: 1.pdf", "a%00b.pdf")),
    }
    assert {name: name_of(name) for name in names} == names
    header = 'form-data; name="lead"; filename="x.pdf"; filename*=UTF-8\'\'C%C3%B4ng%20v%C4%83n.pdf'
    assert meant_name(header, "Công văn.pdf") == "Công văn.pdf"
    assert meant_name('form-data; name="lead"', None) is None


@given(st.text(max_size=80))
def test_no_header_breaks_the_reading_and_no_name_has_a_folder(text: str) -> None:
    name = meant_name(f'form-data; filename="{text}"', text or None)

    assert name is None or not set(name) & set("/\\\r\n\0")


@given(st.text(alphabet="?=%a/ \\", max_size=4000))
def test_long_rows_of_signs_are_read_at_once(text: str) -> None:
    assert (meant_name(f'form-data; filename="{text}"', text or None) or "").count("/") == 0
