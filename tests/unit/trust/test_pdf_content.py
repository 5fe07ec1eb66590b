"""The content of pages taken apart, beside the library's own reader: the same operators with the same operands, but for
those that are passed over."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import ContentStream, DecodedStreamObject, DictionaryObject

from gateway.trust.pdf_drawing import follow_operators
from gateway_labs.demo import stage
from tests.support import letters, packets
from tests.support.cases import Cases

SAMPLES = Path(__file__).parents[2] / "samples"
PASSED = frozenset(
    b"c m l v y h re S s f F f* B B* b b* n W W* w J j M i g G rg RG k K sc scn SC SCN cs CS gs ri sh BMC EMC MP".split()
)
Operators = list[tuple[list[Any], bytes]]


def ours(content: bytes) -> Operators:
    operators_read: Operators = []
    follow_operators(content, lambda operands, operator: operators_read.append((operands, operator)))
    return operators_read


def theirs(content: bytes) -> Operators:
    stream = DecodedStreamObject()
    stream.set_data(content)
    parsed = ContentStream(stream, None, "bytes").operations
    return [(plain(list(operands)), operator) for operands, operator in parsed if operator not in PASSED]


def plain(operand: Any) -> Any:
    if isinstance(operand, list):
        return [plain(x) for x in operand]
    if isinstance(operand, DictionaryObject):
        return None
    if isinstance(operand, bytes):
        return bytes(operand)
    return str(operand) if isinstance(operand, str) else float(operand)


def test_real_pages_are_taken_apart_as_the_library_does_it(cases: Cases) -> None:
    files = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("*.pdf"))}
    files |= {f"letter {n}": letter.pdf for n, letter in enumerate(letters.samples())}
    cast = stage.cast()
    files |= {key: cast.file(key, 0, packets.TODAY) for key in cast.data["documents"]}
    for name, pdf in files.items():
        with cases.case(name):
            for page in PdfReader(io.BytesIO(pdf)).pages:
                content = page.get_contents()
                assert content is not None
                assert ours(content.get_data()) == theirs(content.get_data())


def encode(operand: object) -> bytes:
    if isinstance(operand, bytes):
        return b"(%b)" % operand.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    if isinstance(operand, list):
        return b"[%b]" % b" ".join(map(encode, operand))
    return str(operand).encode()


numbers = st.one_of(
    st.integers(-9999, 9999), st.decimals(-999, 999, places=3).map(lambda number: f"{number:f}")
)
texts = st.binary(max_size=12)
arrays = st.lists(st.one_of(texts, numbers), max_size=6)
operands = st.lists(st.one_of(numbers, texts, arrays, st.sampled_from(["/F1", "/A#20b", "/"])), max_size=5)
operators = st.sampled_from([b"Tj", b"TJ", b"Td", b"Tm", b"'", b'"', b"cm", b"q", b"Q", b"Do", b"BX", b"d"])
drawn = st.tuples(st.lists(numbers, max_size=6), st.sampled_from(sorted(PASSED)))
lines = st.lists(st.one_of(st.tuples(operands, operators), drawn), max_size=12)


@given(lines, st.sampled_from([b"\n", b" ", b"\r\n", b" % a (comment\n"]))
def test_what_is_well_written_is_read_alike(lines: list[tuple[list[object], bytes]], between: bytes) -> None:
    content = between.join(b" ".join([*map(encode, operands), operator]) for operands, operator in lines)

    assert ours(content) == theirs(content)


@given(st.binary(max_size=300))
def test_any_bytes_end_in_operators_or_one_error(content: bytes) -> None:
    with suppress(ValueError):
        ours(content)


def test_each_form_of_an_operand_is_read(cases: Cases) -> None:
    for content, expected in (
        (b"(a(b)c) Tj", [([b"a(b)c"], b"Tj")]),
        (b"(a\\(b) Tj", [([b"a(b"], b"Tj")]),
        (b"((())\\)) Tj", [([b"(()))"], b"Tj")]),
        (b"(\\101\\7\\n\\\r\nb\\x) Tj", [([b"A\x07\nbx"], b"Tj")]),
        (b"<4 1 4>Tj", [([b"A@"], b"Tj")]),
        (b"[(a)-2.5<42>]TJ", [([[b"a", -2.5, b"B"]], b"TJ")]),
        (b"/A#42 12 Tf", [(["/AB", 12.0], b"Tf")]),
        (b"/Span<</A[(x)]/B<</C 1>>>>BDC(a)'", [(["/Span", None], b"BDC"), ([b"a"], b"'")]),
        (b"1 -.5 --3 . +4.Td", [([1.0, -0.5, 0.0, 0.0, 4.0], b"Td")]),
        (b"0 0 m 9 9 l S 1 0 0 rg/Cs1 cs q 5 w Q", [([], b"q"), ([], b"Q")]),
        (b"1 2 3 4 5 6 7 c (a) Tj", [([b"a"], b"Tj")]),
    ):
        with cases.case(content):
            assert ours(content) == expected


def test_a_picture_in_the_content_is_passed_over_whatever_its_bytes_are() -> None:
    picture = b"\x00(\xff EI \x80)[<" * 5
    operators_read = ours(b"q BI /W 9 /H 9 /CS /G ID " + picture + b"\nEI Q (a) Tj (b) Tj")

    assert [operator for _, operator in operators_read] == [b"q", b"BI", b"ID", b"Q", b"Tj", b"Tj"]


@pytest.mark.parametrize(
    "content", [b"(a", b"((a)", b"[1", b"1]", b">> Tj", b"BI ID \xff\xff", b"{", b"<4g> Tj", b"\x80"]
)
def test_what_is_no_content_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no end|did not begin|neither"):
        ours(content)


def test_what_is_passed_over_is_told_to_nobody_however_much_it_is() -> None:
    drawing = b"0.1 0.2 0.3 rg 10 20 m 30 40 l 1 2 3 4 5 6 c h f\n" * 20_000

    assert ours(drawing + b"(a) Tj") == [([b"a"], b"Tj")]
