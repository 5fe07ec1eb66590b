"""A trace of a signature is recognised in the bytes of a PDF as they pass, however they are cut."""

from __future__ import annotations

import hashlib

import pytest

from gateway.domain.signatures import SignatureTrace

MARKS = (b"/ByteRange", b"/Type /Sig ", b"/Type/Sig\n", b"/DocTimeStamp", b"/adbe.", b"/ETSI.", b"/SubFilter")
FAR = 10_000


def traced(content: bytes, step: int) -> SignatureTrace:
    trace = SignatureTrace()
    for at in range(0, len(content), step):
        trace.feed(content[at : at + step])
    return trace


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("step", [1, 7, 63, 64, 65, 1000, FAR + 3, 1 << 20])
def test_each_mark_is_recognised_wherever_the_bytes_are_cut(mark: bytes, step: int) -> None:
    for body in (b"", b"x" * FAR):
        content = b"%PDF-1.7\n" + body + mark + b"y" * 100

        trace = traced(content, step)

        assert (trace.is_present, trace.size) == (True, len(content))


@pytest.mark.parametrize("step", [1, 64, 4096, 1 << 20])
def test_bytes_without_a_mark_have_none(step: int) -> None:
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256))

    trace = traced(b"%PDF-1.7\n/Type /Page /Sig /SubFiltre" + noise, step)

    assert (trace.is_pdf, trace.is_present) == (True, False)


@pytest.mark.parametrize("step", [1, 5, 4096, 1 << 20])
def test_only_the_head_of_another_file_is_searched(step: int) -> None:
    """A header may stand as late as a reader looks for it, and a mark before it counts too."""
    assert not traced(b"x" * 2 * FAR + b"/ByteRange", min(step, 4096)).is_present
    assert traced(b"x" * 1000 + b"%PDF-1.4" + b"x" * FAR + b"/ByteRange", step).is_present
    assert traced(b"/ByteRange" + b"x" * 1000 + b"%PDF-1.4", step).is_present
