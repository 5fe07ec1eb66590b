"""Puts another Signature into a native envelope (W9). In: the envelope as the fast path read it, its bytes, another key of
the same agency. Out: the bytes of a new file with the same C, the same packet id, terms and receipt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.edxml.canonical import Fast
from gateway.edxml.sign import Qualifier, signature

if TYPE_CHECKING:
    from gateway.ports import EnvelopeSigner


def pieces(fast: Fast, raw: Iterable[bytes], signer: EnvelopeSigner, at: datetime) -> Iterator[bytes]:
    """The new file in pieces; `raw` are the very bytes that `fast` was read from."""
    said = fast.signature
    qualifier = Qualifier(packet_id=said.packet_id, kind=said.kind, receipt=said.receipt, terms=said.terms)
    made = signature(fast.body_digest, signer, qualifier, at)
    position = 0
    for piece in raw:
        start, end = position, position + len(piece)
        if start < fast.a:
            yield piece[: fast.a - start]
        if start <= fast.a < end:
            yield made
        if end > fast.b:
            yield piece[max(fast.b - start, 0) :]
        position = end
