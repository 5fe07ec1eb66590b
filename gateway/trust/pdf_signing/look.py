"""Examines a PDF before it is signed. In: a path. Out: its `PdfStanding` (digest, pages, earlier signatures with their
places and whether they are intact, and whether another one is allowed); or one page with the areas of its text, pictures
and form fields. Bad content is no error; unreadable parts occupy no area. Trust in earlier signers is not judged here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from pyhanko.pdf_utils.form_tools import get_single_field_annot
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pypdf import PdfReader

from gateway import time_source
from gateway.domain.identity import Digest
from gateway.domain.pdf import MOST_PDF_BYTES, Area, EarlierSignature, PageView, PdfStanding
from gateway.errors import NotFound
from gateway.trust.pdf import look_into_pdf
from gateway.trust.pdf_layout import PageFrame, corners, taken_areas, widgets
from gateway.trust.pdf_signatures import ENCRYPTED
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.pdf_signing.agency_key import facts_of

LOOK_S = 60.0
TEXT_S = 10.0
MOST_OBJECTS = 500_000
MOST_SIGNATURES = 20
_PIECE = 256 * 1024
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # no certificate is judged, so any time will do
_HEADER = 1024  # readers look for %PDF in so many bytes (ISO 32000-1, annex H)


def is_bearable(path: Path, reader: PdfSandbox) -> bool:
    """Tell whether the reading process can read the file within its limits. True also for a file that is not a PDF or
    too large or encrypted: `examine` reports these without reading far into the file."""
    try:
        with path.open("rb") as stream:
            if path.stat().st_size > MOST_PDF_BYTES or b"%PDF-" not in stream.read(_HEADER):
                return True
    except OSError:
        return True
    try:
        facts = reader.read(path, _NEVER, _NEVER, even_unsigned=True)
    finally:
        reader.close()
    return facts.fault is None or facts.detail == ENCRYPTED


def digest_at(path: Path) -> tuple[Digest, int]:
    """Return SHA-256 and size of the file. Raise NotFound when it is missing."""
    with _open(path) as stream:
        return digest_of(stream)


def examine(path: Path) -> PdfStanding:
    """Return the standing of the file. Raise NotFound when it is missing."""
    with _open(path) as stream:
        digest, size = digest_of(stream)
        stands = partial(PdfStanding, digest=digest, size=size)
        return stands(fault="too-large") if size > MOST_PDF_BYTES else _examine(stream, stands)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror or 'it broke off'}") from why


def view(path: Path, number: int) -> PageView:
    """Return a page, with the areas that are occupied on it."""
    with path.open("rb") as stream:
        page = PdfReader(stream, strict=False).pages[number - 1]
        frame = PageFrame.of_page(page)
        return PageView(number=number, size=frame.size, occupied=taken_areas(page, frame, TEXT_S))


def frame_of(path: Path, number: int) -> PageFrame:
    """Return the page's frame, which converts its points to user space."""
    with path.open("rb") as stream:
        return PageFrame.of_page(PdfReader(stream, strict=False).pages[number - 1])


def digest_of(stream: BinaryIO, most: int | None = None) -> tuple[Digest, int]:
    """Return SHA-256 and size of the whole stream, or of its first `most` bytes."""
    hasher, size = hashlib.sha256(), 0
    stream.seek(0)
    while piece := stream.read(_PIECE if most is None else min(_PIECE, most - size)):
        hasher.update(piece)
        size += len(piece)
    return Digest.of_bytes(hasher.digest()), size


def holds(signature: EmbeddedPdfSignature) -> bool:
    """Tell whether the covered bytes are unchanged since the signature, and all later additions are allowed."""
    signature.compute_integrity_info()  # type: ignore[no-untyped-call]  # of the library
    summary = signature.summarise_integrity_info()
    intact, valid = validate_sig_integrity(
        signature.signer_info,
        signature.signer_cert,
        expected_content_type="data",
        actual_digest=signature.compute_digest(),
    )
    return intact and valid and summary["docmdp_ok"] is True


def _examine(stream: BinaryIO, stands: Callable[..., PdfStanding]) -> PdfStanding:
    stream.seek(0)
    if b"%PDF-" not in stream.read(_HEADER):
        return stands(fault="not-pdf")
    deadline = time_source.monotonic() + LOOK_S
    stream.seek(0)
    facts = look_into_pdf(stream, deadline, MOST_OBJECTS)
    if facts.encrypted or facts.broken is not None or not facts.pages:
        return stands(encrypted=facts.encrypted, fault=facts.broken or "encrypted")
    try:
        reader = PdfFileReader(stream)
        if reader.encrypted:
            return stands(encrypted=True, fault="encrypted")
        signatures = reader.embedded_signatures
        if len(signatures) > MOST_SIGNATURES:
            return stands(fault="too-many-signatures")
        # Readers differ on whether a certified file may get a new visible field; we follow the strictest.
        closed = any(s.docmdp_level is not None for s in signatures)
        places = dict(_places(stream, deadline)) if signatures else {}
        earlier = tuple(_earlier(s, places) for s in reader.embedded_regular_signatures)
        return stands(closed=closed, pages=facts.pages, earlier=earlier)
    except Exception:  # the two libraries' errors for a damaged file have no common class
        return stands(fault="unreadable")


def _earlier(signature: EmbeddedPdfSignature, places: Mapping[int, tuple[int, Area]]) -> EarlierSignature:
    try:
        sound = holds(signature)
    except Exception:  # a signature that cannot be read is not intact
        sound = False
    annotation = get_single_field_annot(signature.sig_field)
    page, area = places.get(getattr(annotation.container_ref, "idnum", 0), (None, None))
    facts = facts_of(x509.load_der_x509_certificate(signature.signer_cert.dump()))
    return EarlierSignature(
        subject=facts.subject,
        key_id=facts.key_id,
        intact=sound,
        page=page,
        area=area,
    )


def _places(stream: BinaryIO, deadline: float) -> Iterator[tuple[int, tuple[int, Area]]]:
    """Yield page and area of each form field, by its object number. Raise ValueError after the deadline."""
    for number, page in enumerate(PdfReader(stream, strict=False).pages, start=1):
        if time_source.monotonic() > deadline:
            raise ValueError("the file has too many pages to look at")
        for reference, widget in widgets(page):
            if not hasattr(reference, "idnum"):
                continue
            area = PageFrame.of_page(page).area(corners(widget["/Rect"]))
            if area.width > 1 and area.height > 1:
                yield reference.idnum, (number, area)
