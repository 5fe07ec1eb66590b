"""Looks at a PDF before it is signed. In: a path. Out: its `Standing`: digest, pages, earlier signatures with their places
and whether they hold, and what the last of them allows; or one page with what stands on it. Bad content never raises. Whom
an earlier signature is to be trusted to is not asked here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from pyhanko.pdf_utils.form_tools import get_single_field_annot
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pypdf import PdfReader

from gateway.domain.identity import Digest
from gateway.domain.pdf_signing import MOST_BYTES, Area, EarlierSignature, PageView, Standing
from gateway.errors import NotFound
from gateway.trust.pdf import look_into_pdf
from gateway.trust.pdf_signatures import ENCRYPTED
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.pdf_signing.geometry import PageFrame
from gateway.trust.pdf_signing.key_facts import facts_of
from gateway.trust.pdf_signing.page_text import taken

LOOK_S = 60.0
TEXT_S = 10.0
MOST_OBJECTS = 500_000
MOST_SIGNATURES = 20
_PIECE = 256 * 1024
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # no certificate is judged here, so no time counts
_HEADER = 1024  # readers look for %PDF in so many bytes (ISO 32000-1, annex H)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    page: int
    area: Area


def is_bearable(path: Path, reader: PdfSandbox) -> bool:
    """Whether the libraries come to the end of the file within the reader's limits. What is no PDF, too large or encrypted
    is told by `examine`, which does not look far enough into these to be hurt."""
    try:
        with path.open("rb") as stream:
            if path.stat().st_size > MOST_BYTES or b"%PDF-" not in stream.read(_HEADER):
                return True
    except OSError:
        return True
    try:
        facts = reader.read(path, _NEVER, _NEVER, even_unsigned=True)
    finally:
        reader.close()
    return facts.fault is None or facts.detail == ENCRYPTED


def digest_at(path: Path) -> tuple[Digest, int]:
    """SHA-256 and size of the file. NotFound when it is not there."""
    try:
        with path.open("rb") as stream:
            return digest_of(stream)
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror or 'it broke off'}") from why


def examine(path: Path) -> Standing:
    """The file as it stands. NotFound when it is not there."""
    try:
        with path.open("rb") as stream:
            digest, size = digest_of(stream)
            if size > MOST_BYTES:
                return Standing(digest=digest, size=size, fault="too-large")
            return _examined(stream, digest, size)
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror or 'it broke off'}") from why


def view(path: Path, number: int) -> PageView:
    """A page, with what takes room on it."""
    with path.open("rb") as stream:
        page = PdfReader(stream, strict=False).pages[number - 1]
        frame = PageFrame.of(page)
        return PageView(number=number, size=frame.size, taken=taken(page, frame, time.monotonic() + TEXT_S))


def frame_of(path: Path, number: int) -> PageFrame:
    """Where that page's points lie in user space."""
    with path.open("rb") as stream:
        return PageFrame.of(PdfReader(stream, strict=False).pages[number - 1])


def digest_of(stream: BinaryIO) -> tuple[Digest, int]:
    """SHA-256 and size of all of it."""
    whole, size = hashlib.sha256(), 0
    stream.seek(0)
    while piece := stream.read(_PIECE):
        whole.update(piece)
        size += len(piece)
    return Digest.of_bytes(whole.digest()), size


def holds(signature: EmbeddedPdfSignature) -> bool:
    """The bytes it covers are as they were signed, and whatever was added later was allowed."""
    signature.compute_integrity_info()  # type: ignore[no-untyped-call]  # of the library
    told = signature.summarise_integrity_info()
    intact, valid = validate_sig_integrity(
        signature.signer_info,
        signature.signer_cert,
        expected_content_type="data",
        actual_digest=signature.compute_digest(),
    )
    return intact and valid and told["docmdp_ok"] is True


def _examined(stream: BinaryIO, digest: Digest, size: int) -> Standing:
    stream.seek(0)
    if b"%PDF-" not in stream.read(_HEADER):
        return Standing(digest=digest, size=size, fault="not-pdf")
    deadline = time.monotonic() + LOOK_S
    stream.seek(0)
    facts = look_into_pdf(stream, deadline, MOST_OBJECTS)
    if facts.encrypted or facts.broken is not None or not facts.pages:
        return Standing(
            digest=digest, size=size, encrypted=facts.encrypted, fault=facts.broken or "encrypted"
        )
    try:
        return _readable(stream, digest, size, facts.pages, deadline)
    except Exception:  # what a damaged file makes two libraries raise has no common class
        return Standing(digest=digest, size=size, fault="unreadable")


def _readable(stream: BinaryIO, digest: Digest, size: int, pages: int, deadline: float) -> Standing:
    reader = PdfFileReader(stream)
    if reader.encrypted:
        return Standing(digest=digest, size=size, encrypted=True, fault="encrypted")
    signatures = reader.embedded_signatures
    if len(signatures) > MOST_SIGNATURES:
        return Standing(digest=digest, size=size, fault="too-many-signatures")
    # Readers differ on whether a certified file may get a new field that shows; the strictest decides.
    closed = any(each.docmdp_level is not None for each in signatures)
    places = dict(_places(stream, deadline)) if signatures else {}
    earlier = tuple(_earlier(each, places) for each in reader.embedded_regular_signatures)
    return Standing(digest=digest, size=size, closed=closed, pages=pages, earlier=earlier)


def _earlier(signature: EmbeddedPdfSignature, places: Mapping[int, _Place]) -> EarlierSignature:
    try:
        sound = holds(signature)
    except Exception:  # it cannot be read to its end, so it does not hold
        sound = False
    annotation = get_single_field_annot(signature.sig_field)
    place = places.get(getattr(annotation.container_ref, "idnum", 0))
    facts = facts_of(x509.load_der_x509_certificate(signature.signer_cert.dump()))
    return EarlierSignature(
        subject=facts.subject,
        key_id=facts.key_id,
        intact=sound,
        page=place.page if place else None,
        area=place.area if place else None,
    )


def _places(stream: BinaryIO, deadline: float) -> Iterator[tuple[int, _Place]]:
    """Where each form field shows, by the number of its object."""
    for number, page in enumerate(PdfReader(stream, strict=False).pages, start=1):
        if time.monotonic() > deadline:
            raise ValueError("the file has too many pages to look at")
        for reference in page.get("/Annots", ()) or ():
            annotation = reference.get_object()
            if annotation.get("/Subtype") != "/Widget" or not hasattr(reference, "idnum"):
                continue
            left, bottom, right, top = (float(each) for each in annotation["/Rect"])
            area = PageFrame.of(page).area((left, bottom, right, top))
            if area.width > 1 and area.height > 1:
                yield reference.idnum, _Place(page=number, area=area)
