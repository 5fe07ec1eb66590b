"""Bodies of callers become checked values, or every fault with its place."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import parsing
from gateway.api.models import MessageIn, RecallIn
from gateway.api.shapes import stamp
from gateway.api.words import language
from gateway.domain.request_fault import BadCall, pointer
from gateway.words.labels import LANGUAGES
from tests.support.clock import START


def faults(raw: bytes) -> dict[str, str]:
    with pytest.raises(BadCall) as refused:
        parsing.parse_json(raw, MessageIn)
    return {fault.pointer: fault.code for fault in refused.value.faults}


def test_text_becomes_nfc_and_the_caller_learns_it() -> None:
    decomposed = unicodedata.normalize("NFD", "Thông báo thu hồi")

    parsed = parsing.parse_json(f'{{"reason": "{decomposed}"}}'.encode(), RecallIn)

    assert (parsed.value.reason, parsed.normalized) == ("Thông báo thu hồi", True)
    assert not parsing.parse_json('{"reason": "Thông báo"}'.encode(), RecallIn).normalized


@pytest.mark.parametrize(
    "letters", ["ô", "o\u0302", "\n\u0303", '"\u0303', "\u0302", "\t\u0323\u0302", "\u0302\u0323"]
)
@pytest.mark.parametrize("as_numbers", [True, False])
def test_text_is_nfc_however_it_is_written_and_whatever_stands_before_it(
    letters: str, as_numbers: bool
) -> None:
    reason = f"Th{letters}ng"
    parsed = parsing.parse_json(json.dumps({"reason": reason}, ensure_ascii=as_numbers).encode(), RecallIn)
    assert parsed.value.reason == unicodedata.normalize("NFC", reason)
    assert parsed.normalized is not unicodedata.is_normalized("NFC", reason)
    assert json.loads(parsed.canonical) == {"reason": parsed.value.reason}
    assert parsing.parse_json(b'\xef\xbb\xbf{"reason": "a"}', RecallIn).value.reason == "a"


def test_the_canonical_form_does_not_depend_on_order_or_spaces() -> None:
    compact = parsing.parse_json(b'{"reason":"a","notice_no":"1"}', RecallIn)
    other = parsing.parse_json(b'{ "notice_no" : "1", "reason" : "\\u0061" }', RecallIn)

    assert compact.canonical == other.canonical


ODD = {
    b'{"subject": "\xff"}': "not-utf-8",
    b'{"subject": NaN}': "no-number",
    b'{"subject": "\\ud800"}': "half-character",
    b"[" * 100_000: "deep-json",
}


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a":', b'"' + b"\\ud800" + b'"', *ODD])
def test_what_is_not_json_is_refused_as_such(raw: bytes) -> None:
    """A body of another shape and a body that ends too early are different faults."""
    with pytest.raises(BadCall) as refused:
        parsing.parse_json(raw, MessageIn)

    assert refused.value.slug == "bad-json"
    if raw in (*ODD, b'{"a":'):
        assert faults(raw) == {"": ODD.get(raw, "bad-json")}
        assert raw[:14] != b'{"subject": "\xff' or refused.value.faults[0].params == {"n": "13"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"number": "1", "number": "2"}', {"/number": "twice"}),
        (b"[]", {"": "not-an-object"}),
        (
            b'{"number": 15, "pages": "3", "reply_required": "yes"}',
            dict.fromkeys(("/number", "/pages", "/reply_required"), "wrong-type"),
        ),
        (
            b'{"number": "1\\r\\nX-Injected: 1", "symbol": "a\\u0000b"}',
            dict.fromkeys(("/number", "/symbol"), "bad-characters"),
        ),
        (b'{"signed_at": "2026-11-20T13:05:42"}', {"/signed_at": "bad-value"}),
    ],
)
def test_each_fault_is_told_with_its_place_threat_77(raw: bytes, expected: dict[str, str]) -> None:
    assert faults(raw) == expected


def test_a_bad_value_is_answered_with_what_a_good_one_looks_like() -> None:
    for raw, expected in (
        (b'{"date": "today"}', "2026-11-20"),
        (b'{"signed_at": "2026-11-20T10:00:00"}', "2026-11-20T14:02:11+07:00"),
        (b'{"pages": -1}', "\u2265 0"),
        (b'{"urgency": "now"}', "thuong, khan, thuong_khan, hoa_toc, hoa_toc_hen_gio"),
    ):
        with pytest.raises(BadCall) as refused:
            parsing.parse_json(raw, MessageIn)
        assert [fault.params["expected"] for fault in refused.value.faults] == [expected]


def test_missing_fields_alone_are_422_because_the_shape_is_right() -> None:
    with pytest.raises(BadCall) as refused:
        parsing.parse_json(b'{"recipients": [{"code": "Z91"}]}', MessageIn)

    assert refused.value.slug == "missing-field"
    assert refused.value.faults[0].pointer == "/recipients/0/role"
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
        parsed = parsing.parse_json(raw, RecallIn)
    except BadCall:
        return
    assert parsing.parse_json(parsed.canonical.encode(), RecallIn).value == parsed.value
