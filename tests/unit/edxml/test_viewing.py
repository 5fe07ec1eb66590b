"""The safe view of an untrusted file: shown as far as it can be read, bounded, and without running anything in it."""

from __future__ import annotations

from gateway.edxml import parse
from gateway.edxml.parse import view


def test_a_whole_file_is_a_tree_of_names_attributes_and_texts() -> None:
    shown_file = view([b'<a xmlns="urn:x"><b n="1">one</b>', b"<c>two</c></a>"])

    assert shown_file.fault == ""
    assert [(line.depth, line.kind, line.name, line.value) for line in shown_file.lines] == [
        (0, "element", "a", ""),
        (1, "attribute", "xmlns", "urn:x"),
        (1, "element", "b", ""),
        (2, "attribute", "n", "1"),
        (2, "text", "b", "one"),
        (1, "element", "c", ""),
        (2, "text", "c", "two"),
    ]


def test_the_line_where_reading_ends_is_marked_with_its_byte() -> None:
    shown_file = view([b"<a><b>one</b><c></d></a>"])

    assert shown_file.fault == "mismatched tag"
    assert shown_file.at == len(b"<a><b>one</b><c></")
    assert [line.name for line in shown_file.lines if line.failed] == ["c"]
    assert shown_file.lines[-1].failed


def test_nothing_is_resolved_or_run_and_a_file_inside_is_told_by_its_size_alone() -> None:
    for content in (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>',
        b"<a><?php run ?></a>",
    ):
        shown_file = view([content])
        assert shown_file.fault == "forbidden"
        assert not any(line.value for line in shown_file.lines)

    shown_file = view([b"<a><Attachment><Content>" + b"QUJD" * 1000 + b"</Content></Attachment></a>"])

    inside = [line for line in shown_file.lines if line.kind == "file"]
    assert [(i.value, i.size) for i in inside] == [("", 4000)]


def test_what_never_ends_is_cut_and_says_how_long_it_was() -> None:
    for content, fault in (
        (b"<a>" * (parse.MAX_VIEW_DEPTH + 1), "depth"),
        (b"<a>" + b"<b/>" * parse.MAX_VIEW_LINES, "lines"),
    ):
        shown_file = view([content])
        assert shown_file.fault == fault
        assert len(shown_file.lines) <= parse.MAX_VIEW_LINES
    (_, text) = view([b"<a>" + b"x" * 5000 + b"</a>"]).lines
    assert (len(text.value), text.size) == (parse.MAX_VIEW_TEXT, 5000)
