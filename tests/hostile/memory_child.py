"""Gives one reader of foreign bytes hostile inputs, in a process with a limit on its own memory: `python -m
tests.hostile.memory_child READER`. In: the name of a reader. Out: one line of JSON for each input: its form, its size and
its outcome; `MemoryError` where the reader wanted more than 64 MiB above the idle process and 10 times the input."""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.edxml import verify
from gateway.edxml.policy import XmlPolicy
from gateway.errors import InvalidEnvelope
from tests.fuzz import target

MIB = 1 << 20
ABOVE_IDLE, PER_BYTE = 64 * MIB, 10
NAMESPACE = b"http://www.mic.gov.vn/TBT/QCVN_102_2016"
HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="' + NAMESPACE + b'"><edXMLEnvelope><edXMLHeader>'
    b"</edXMLHeader></edXMLEnvelope><AttachmentEncoded>"
)
TAIL = b"</AttachmentEncoded></edXML>"
ENVELOPE = "envelope file"
AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def filled(unit: bytes, size: int) -> bytes:
    return HEAD + unit * (size // len(unit)) + TAIL


def envelopes() -> Iterator[tuple[str, bytes]]:
    """Yield envelopes that any node on the axis may publish; none needs a key."""
    for size in (3 * MIB, 31 * MIB):
        yield "empty elements", filled(b"<a/>", size)
        yield "elements with a text", filled(b"<a>x</a>", size)
        yield "attributes", filled(b'<a b=""/>', size)
        yield "namespaces", filled(b'<a xmlns:b="urn:b"/>', size)
        yield "comments", filled(b"<!---->", size)
        yield "attachments", filled(b"<Attachment><Content>QUJD</Content></Attachment>", size)
        yield "one text", HEAD + b"x" * size + TAIL
        yield "one long tag", HEAD + b"<a" + b" " * size + b"/>" + TAIL
        yield "text in pieces", HEAD + b"<a>" + b"&#65;" * (size // 5) + b"</a>" + TAIL
    yield "as many elements as are taken", filled(b'<a b=""/>', 449_000)
    yield "nesting", HEAD + b"<a>" * MIB + b"</a>" * MIB + TAIL


def any_bytes(seeds: list[bytes], size: int) -> Iterator[tuple[str, bytes]]:
    """Yield inputs for every reader alike: its own seeds many times over, and bytes that many formats repeat."""
    chance = random.Random(7)
    yield "zeros", bytes(size // 6)
    yield "brackets", b"[" * size
    yield "objects", b'{"a":' * (size // 5)
    yield "empty elements", filled(b"<a/>", size)
    yield "records", b"PK\x05\x06" * (size // 4)
    yield "sequences", b"\x30\x80" * (size // 2)
    yield "objects of a PDF", b"%PDF-1.7\n" + b"1 0 obj<</A[" * (size // 12)
    yield "chance", chance.randbytes(size)
    for n, seed in enumerate(seeds[:6]):
        yield f"seed {n} many times", seed * (size // max(1, len(seed)))
        # The reader of JSON is given each input once more inside a string, where a zero takes six bytes.
        yield f"seed {n} and zeros", seed + bytes(size // 6)
        yield f"seed {n} with a long middle", seed[: len(seed) // 2] * (2 * size // max(2, len(seed))) + seed


def examine(data: bytes) -> None:
    source = verify.EnvelopeSource(size=len(data), open=lambda: [data])
    try:
        verify.examine(source, policy=XmlPolicy(), bindings=lambda code: (), at=AT)
    except InvalidEnvelope:
        return


def virtual_size() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main(name: str) -> None:
    read: Callable[[bytes], object]
    if name == ENVELOPE:
        read, inputs = examine, envelopes()
        read(filled(b"<a/>", 1000))
    else:
        reader = target.load(name)
        seeds = sorted(reader.seeds(), key=len, reverse=True)
        # What is never given a long text is not asked what it makes of one.
        read, inputs = reader.run, any_bytes(seeds, 2 * MIB if reader.longest > 4096 else reader.longest)
        for seed in seeds[:20]:
            read(seed)
    idle = virtual_size()
    for form, data in inputs:
        limit = idle + ABOVE_IDLE + PER_BYTE * len(data) + len(data)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            read(data)
            outcome = "read"
        except MemoryError:
            outcome = "MemoryError"
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(json.dumps({"form": form, "size": len(data), "outcome": outcome}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
