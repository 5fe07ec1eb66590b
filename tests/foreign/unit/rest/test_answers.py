"""JSON answers in pieces: the same whatever the pieces are, nothing large held, and everything else refused."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_foreign.rest.answers import Answer, BadAnswer, Base64File, TextOrBase64
from tests.support.cases import Cases

_SMALL = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))
_NAMES = st.text(min_size=1, max_size=8).filter(lambda text: text.casefold() not in ("data", "status"))


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(place % (len(raw) + 1) for place in at)})
    return [raw[a:b] for a, b in itertools.pairwise(places)]


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=8), _SMALL, max_size=4), max_size=8),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
    ascii_=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_a_list_is_the_same_in_pieces(
    rows: list[dict[str, Any]], cuts: list[int], ascii_: bool, indent: int | None
) -> None:
    rows_read: list[Any] = []
    answer = Answer(item=rows_read.append)
    answer_json = {"status": "OK", "ErrorCode": "0", "data": rows, "count": 12}

    for piece in cut(json.dumps(answer_json, ensure_ascii=ascii_, indent=indent).encode(), cuts):
        answer.feed(piece)
    values = answer.close()

    assert rows_read == [{str(key).casefold(): text for key, text in row.items()} for row in rows]
    assert values == {"status": "OK", "errorcode": "0", "count": 12}
    assert answer.has_list


@given(raw=st.binary(max_size=600), cuts=st.lists(st.integers(0, 10_000), max_size=8), slashes=st.booleans())
def test_a_file_is_the_same_in_pieces(raw: bytes, cuts: list[int], slashes: bool) -> None:
    content = bytearray()
    file = Base64File(content.extend)
    answer = Answer(file=frozenset({"data"}), out=file.feed)
    text = json.dumps({"status": "OK", "data": base64.b64encode(raw).decode(), "ErrorCode": 0})
    if slashes:
        text = text.replace("/", "\\/")

    for piece in cut(text.encode(), cuts):
        answer.feed(piece)
    answer.close()
    file.close()

    assert bytes(content) == raw
    assert answer.text("errorcode") == "0"


@given(text=st.text(max_size=80), cuts=st.lists(st.integers(0, 10_000), max_size=8), ascii_=st.booleans())
def test_text_inside_an_object_is_the_same_in_pieces(text: str, cuts: list[int], ascii_: bool) -> None:
    chunks: list[str] = []
    answer = Answer(file=frozenset({"edxml"}), out=chunks.append)
    answer_json = {"success": True, "data": {"docId": "d", "edxml": text, "from": "Z91"}, "message": "OK"}

    for piece in cut(json.dumps(answer_json, ensure_ascii=ascii_).encode("utf-8", "replace"), cuts):
        answer.feed(piece)

    assert answer.close() == {"success": True, "data.docid": "d", "data.from": "Z91", "message": "OK"}
    assert "".join(chunks) == text


def test_what_is_no_such_answer_is_refused(cases: Cases) -> None:
    for text in (
        "",
        "<html><body>502</body></html>",
        '{"status":"OK"',
        '{"status":"OK","data":[{"a":1}',
        '{"status":"OK","data":"AAAA',
        '{"status":"OK"} trailing',
        '{"a":{"b":{"c":{"d":{"e":1}}}}}',
        '{"status":"' + "x" * 70_000 + '"}',
        '{"data":"AAAA\\q"}            ',
        "null",
    ):
        answer = Answer(file=frozenset({"data"}), out=lambda _: None)
        with cases.case(text[:60]), pytest.raises(BadAnswer):  # noqa: PT012 - either the piece or the end shows it
            answer.feed(text.encode())
            answer.close()
    for text in ("AAA", "AA=A", "Aé==", "AA==AA==", "!!!!"):
        file = Base64File(lambda _: None)
        with cases.case(text), pytest.raises(BadAnswer):  # noqa: PT012 - as above
            file.feed(text)
            file.close()


def test_a_list_of_a_hundred_thousand_leaves_nothing_behind() -> None:
    rows = [{"id": str(n), "code": f"X{n}", "name": "Cơ quan"} for n in range(1000)]
    count = 0

    def note(_: object) -> None:
        nonlocal count
        count += 1

    answer = Answer(item=note)
    answer.feed(b'{"status":"OK","data":[')
    text = json.dumps(rows)[1:-1].encode()
    most = 0
    for n in range(111):
        answer.feed((b"," if n else b"") + text)
        most = max(most, len(answer._text))
    answer.feed(b"]}")
    answer.close()

    assert count == 111_000
    assert most < 1000


def test_a_member_that_nobody_needs_passes_unread_whatever_is_in_it() -> None:
    odd = ['\\"]}[{', {"a": ["}", '"', "\\"], "b": [[], {}]}, "x" * 200_000, None, 3]
    raw = json.dumps({"passed": odd, "data": {"passed": 'a\\"b', "docId": "d1"}}).encode()
    for size in (1, 3, 7, 1 << 20):
        answer = Answer(passed=frozenset({"passed"}))
        for at in range(0, len(raw), size):
            answer.feed(raw[at : at + size])
        answer.close()
        assert answer.text("data.docId") == "d1"
        assert "passed" not in answer.values


def test_a_file_is_its_own_text_or_base64_of_it() -> None:
    """A text that does not end as XML does is cut short."""
    xml = '\ufeff \n<?xml version="1.0"?><a>Số 1 𠀀</a>'
    coded = base64.b64encode(xml.encode()).decode()
    for text, content in ((xml, xml.lstrip("\ufeff \n").encode()), (coded, xml.encode())):
        for size in (1, 5, 4096):
            chunks: list[bytes] = []
            file = TextOrBase64(chunks.append)
            for at in range(0, len(text), size):
                file.feed(text[at : at + size])
            file.close()
            assert b"".join(chunks) == content
            assert file.size == len(content)
    file = TextOrBase64(lambda _: None)
    file.feed("<a>half of wh")
    with pytest.raises(BadAnswer):
        file.close()
