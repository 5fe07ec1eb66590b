"""What callers send becomes checked values, or every fault with its place."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import asking
from gateway.api.models import MessageIn, RecallIn
from gateway.api.problems import BadCall, pointer
from gateway.api.shapes import stamp
from gateway.api.words import language
from gateway.words.labels import LANGUAGES
from tests.support.clock import START


def faults(raw: bytes) -> dict[str, str]:
    with pytest.raises(BadCall) as refused:
        asking.from_json(raw, MessageIn)
    return {fault.pointer: fault.code for fault in refused.value.faults}


def test_text_becomes_nfc_and_the_caller_is_told() -> None:
    decomposed = unicodedata.normalize("NFD", "Thông báo thu hồi")

    asked = asking.from_json(f'{{"reason": "{decomposed}"}}'.encode(), RecallIn)

    assert asked.value.reason == "Thông báo thu hồi"
    assert asked.normalized


def test_text_that_is_nfc_already_says_nothing() -> None:
    assert not asking.from_json('{"reason": "Thông báo"}'.encode(), RecallIn).normalized


def test_the_canonical_form_does_not_depend_on_order_or_spaces() -> None:
    one = asking.from_json(b'{"reason":"a","notice_no":"1"}', RecallIn)
    other = asking.from_json(b'{ "notice_no" : "1", "reason" : "\\u0061" }', RecallIn)

    assert one.canonical == other.canonical


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"reason": NaN}',
        b"[" * 100_000,
        b'"' + b"\\ud800" + b'"',
        b'{"reason": "\\ud800"}',
    ],
)
def test_what_is_not_json_is_refused_as_such(raw: bytes) -> None:
    with pytest.raises(BadCall) as refused:
        asking.from_json(raw, RecallIn)

    assert refused.value.slug == "bad-json"


def test_a_member_that_stands_twice_is_refused() -> None:
    assert faults(b'{"number": "1", "number": "2"}') == {"/number": "twice"}


def test_a_list_is_not_an_object() -> None:
    assert faults(b"[]") == {"": "not-an-object"}


def test_types_are_not_guessed() -> None:
    assert faults(b'{"number": 15, "pages": "3", "reply_required": "yes"}') == {
        "/number": "wrong-type",
        "/pages": "wrong-type",
        "/reply_required": "wrong-type",
    }


def test_line_breaks_have_no_place_in_a_number_threat_77() -> None:
    assert faults(b'{"number": "1\\r\\nX-Injected: 1", "symbol": "a\\u0000b"}') == {
        "/number": "bad-characters",
        "/symbol": "bad-characters",
    }


def test_a_time_without_an_offset_is_refused() -> None:
    assert faults(b'{"signed_at": "2026-11-20T13:05:42"}') == {"/signed_at": "bad-value"}


def test_missing_fields_alone_are_422_because_the_shape_is_right() -> None:
    with pytest.raises(BadCall) as refused:
        asking.from_json(b'{"recipients": [{"code": "Z91"}]}', MessageIn)

    assert refused.value.slug == "missing-field"
    assert refused.value.faults[0].pointer == "/recipients/0/role"


def test_pointers_escape_what_a_path_is_made_of() -> None:
    assert pointer("a/b", "c~d", 0) == "/a~1b/c~0d/0"


def test_times_go_out_with_the_offset_of_viet_nam() -> None:
    assert stamp(START) == "2026-11-20T08:00:00+07:00"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "vi"),
        ("*", "vi"),
        ("vi", "vi"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("vi-VN,en;q=0.9", "vi"),
        ("en;q=0.5,vi;q=0.9", "vi"),
        ("en;q=0", "vi"),
        ("fr", "vi"),
        ("en;q=x,,;;", "vi"),
    ],
)
def test_the_language_is_the_preferred_of_the_two(accept: str, expected: str) -> None:
    assert language(accept) == expected


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_any_header_names_one_of_the_languages(accept: str) -> None:
    assert language(accept) in LANGUAGES


@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_are_a_request_or_a_bad_call(raw: bytes) -> None:
    try:
        asked = asking.from_json(raw, RecallIn)
    except BadCall:
        return
    assert asking.from_json(asked.canonical.encode(), RecallIn).value == asked.value


def test_a_byte_order_mark_before_the_text_is_ignored() -> None:
    assert asking.from_json(b'\xef\xbb\xbf{"reason": "a"}', RecallIn).value.reason == "a"


@pytest.mark.parametrize("raw", [b'{"pages": NaN}', b'{"subject": "\\ud800"}', b"[" * 100_000, b"\xff\xfe"])
def test_json_that_cannot_be_used_is_told_apart_from_a_place_where_it_ends(raw: bytes) -> None:
    assert faults(raw) == {"": "odd-json"}
    assert faults(b'{"a":') == {"": "bad-json"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"date": "today"}', "2026-11-20"),
        (b'{"signed_at": "2026-11-20T10:00:00"}', "2026-11-20T14:02:11+07:00"),
        (b'{"pages": -1}', "\u2265 0"),
        (b'{"urgency": "now"}', "thuong, khan, thuong_khan, hoa_toc, hoa_toc_hen_gio"),
    ],
)
def test_a_bad_value_is_answered_with_what_a_good_one_looks_like(raw: bytes, expected: str) -> None:
    with pytest.raises(BadCall) as refused:
        asking.from_json(raw, MessageIn)

    assert [fault.params["expected"] for fault in refused.value.faults] == [expected]
