"""Signatures inside PDFs: whatever the bytes are, facts come out and a verdict is made of them, and no signature that
covers the whole file holds over other bytes than were signed. Runs what the reading process runs, in this one."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gateway.domain.signatures import Coverage, SignatureWord
from gateway.policy import pdf_verdict
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder, PdfTrust
from tests.fuzz.target import Target
from tests.support import pdf_pki, pdfs


@cache
def _trust() -> PdfTrust:
    with tempfile.TemporaryDirectory() as folder:
        return PdfFolder(pdf_pki.folder(Path(folder))).read()


@cache
def _signed() -> tuple[bytes, ...]:
    return pdfs.by_agency(), pdfs.by_both(), pdfs.filled(pdfs.by_agency())


def signature(data: bytes) -> None:
    facts = child.collect(io.BytesIO(data), _trust(), pdf_pki.SEEN_AT, pdf_pki.SEEN_AT)
    verdict = pdf_verdict.judge("a.pdf", 1, facts)
    pdf_verdict.legal_value(verdict)
    complete = [s for s in facts.signatures if s.coverage is Coverage.COMPLETE and s.fault is None]
    if verdict.verdict is SignatureWord.VALID and complete:
        assert _bare(data) in map(_bare, _signed()), "a signature holds over bytes that nobody signed"


def _bare(data: bytes) -> bytes:
    """Without the hexadecimal digits of signatures, which no signature covers: another spelling of them is no forgery."""
    begin, end = data.rfind(b"/Contents <"), data.rfind(b">", 0, data.rfind(b"/ByteRange") + 1 or None)
    return data[:begin] + data[end:] if 0 <= begin < end else data


def _seeds() -> Iterator[bytes]:
    yield from _signed()
    yield pdfs.plain()


TARGETS = (Target(name="signature", run=signature, seeds=_seeds, longest=65_536),)
