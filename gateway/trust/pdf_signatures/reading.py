"""Reads the signature fields of a PDF: the bytes each covers, later additions, its CMS object, and its text on the first
page, where an electronic copy has its mark (R25). In: an open file. Out: `Reading`, oldest signature first; unreadable
content is a fault with a code, never an exception. Judges no certificate. Runs only in the reading process (`child`),
which limits time and memory."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from asn1crypto import crl, ocsp, x509
from cryptography.exceptions import UnsupportedAlgorithm
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.xref import XRefSectionType
from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, DiffResult, ModificationLevel
from pyhanko.sign.diff_analysis.rules.form_field_rules import is_annot_visible
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.general import CMSExtractionError
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError

from gateway.domain.signatures import Change, Coverage
from gateway.trust import pdf, pdf_layout
from gateway.trust.pdf_signatures import ENCRYPTED, cms
from gateway.trust.pdf_signatures.cms import Material, UnfitError

MAX_SIGNATURES = 20
MAX_REVISIONS = 100
MAX_OBJECTS = 500_000
MAX_GAP = 2 * 1024 * 1024
_MB = 1024 * 1024
_DSS = {"certs": 50, "ocsps": 50, "crls": 20}
_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=32 * _MB),
    document_budget=DocumentDecodeBudget(base_allowance=128 * _MB, max_ratio=20),
)
# Errors that the libraries raise over a hostile file, besides their own.
LIBRARY = (*pdf.LIBRARY, PdfError, CMSExtractionError, UnsupportedAlgorithm, struct.error, zlib.error)
_SIGNATURES = frozenset({"/adbe.pkcs7.detached", "/ETSI.CAdES.detached"})
_LEVELS = {
    ModificationLevel.NONE: Change.NOTHING,
    ModificationLevel.LTA_UPDATES: Change.PROOFS,
    ModificationLevel.FORM_FILLING: Change.SIGNATURES,
}
_COVERAGE = {
    SignatureCoverageLevel.ENTIRE_FILE: Coverage.COMPLETE,
    SignatureCoverageLevel.ENTIRE_REVISION: Coverage.REVISION,
}
_SPACE = b"\0\t\n\f\r "
_TAIL = 2048  # the library finds the end mark in the last kilobyte; its line may begin before
_ENDING = re.compile(rb"(?:\A|[\r\n])startxref[\0\s]{0,99}\d{1,20}[\0\s]{0,99}[\r\n]%%EOF")
_OBJECT_START = re.compile(rb"(?:^|[\r\n])[ \t]*(\d{1,10}) (\d{1,5}) obj\b")
MOST_MARKS = 50
LONGEST_MARK = 200
_LARGEST_MARK_STREAM = 1024 * 1024


@dataclass(slots=True)
class ReadSignature:
    """Signature field with a value; `signed` is None for a document timestamp."""

    field: str
    revision: int = -1
    fault: str | None = None
    detail: str = ""
    coverage: Coverage = Coverage.PART
    update: Change = Change.OTHER
    later_detail: str = ""
    certified: int | None = None
    reason: str = ""
    mark: str = ""
    claimed_at: datetime | None = None
    signed: cms.CheckedSignature | None = None
    stamps: tuple[cms.SignatureStamp, ...] = ()


@dataclass(slots=True)
class Reading:
    """Signatures of one file. `stamps` are document timestamps, each with the revision up to which it vouches."""

    signatures: list[ReadSignature] = field(default_factory=list)
    stamps: list[tuple[int, cms.SignatureStamp]] = field(default_factory=list)
    inside: Material = field(default_factory=Material)
    fault: str | None = None
    detail: str = ""


def read(stream: BinaryIO) -> Reading:
    """Return every signature of the file. Bad content becomes a fault, never an error."""
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # its warnings quote content
    stream.seek(max(0, stream.seek(0, io.SEEK_END) - _TAIL))
    if _ENDING.search(stream.read(_TAIL)) is None:
        # The library would look for it too, and take a step for each letter of a line.
        return Reading(fault="PDF-UNREADABLE", detail="PdfReadError: EOF marker not found")
    try:
        reader = PdfFileReader(stream, strict=True, decode_limits=_LIMITS)
        if (breach := _limit_breach(reader)) is not None:
            return Reading(fault="PDF-LIMIT", detail=breach)
        if reader.encrypted:
            return Reading(fault="PDF-UNREADABLE", detail=ENCRYPTED)
        return _read(reader, stream)
    except LIBRARY as why:
        return Reading(fault="PDF-UNREADABLE", detail=_describe(why))


def _limit_breach(reader: PdfFileReader) -> str | None:
    revisions = reader.xrefs.total_revisions
    if revisions > MAX_REVISIONS:
        return f"it was changed {revisions} times, more than {MAX_REVISIONS}"
    objects = sum(len(reader.xrefs.explicit_refs_in_revision(n)) for n in range(revisions))
    return f"it has {objects} objects, more than {MAX_OBJECTS}" if objects > MAX_OBJECTS else None


def _read(reader: PdfFileReader, stream: BinaryIO) -> Reading:
    fields = list(islice(enumerate_sig_fields(reader, filled_status=True), MAX_SIGNATURES + 1))
    if len(fields) > MAX_SIGNATURES:
        return Reading(fault="PDF-LIMIT", detail=f"it has more than {MAX_SIGNATURES} signatures")
    reading = Reading(inside=_inside(reader))
    own = {name: _shows_unsigned(v, place) for name, v, place in enumerate_sig_fields(reader)}
    opened = [(name, *_open_field(reader, name, place)) for name, _, place in fields]
    stray = _stray(reader, stream, [signature for _, signature, _ in opened if signature is not None])
    for name, embedded, unfit in opened:
        if embedded is None:
            reading.signatures.append(ReadSignature(field=name, fault="SIG-STRUCTURE", detail=unfit))
        else:
            _look(reading, reader, stream, embedded, own, stray)
    marks = marks_on_first_page(stream) if fields else {}
    for signature in reading.signatures:
        signature.mark = marks.get(signature.field.rpartition(".")[2], "")
    reading.signatures.sort(key=lambda signature: signature.revision)
    return reading


def _open_field(
    reader: PdfFileReader, name: str, place: generic.IndirectObject
) -> tuple[EmbeddedPdfSignature | None, str]:
    try:
        return EmbeddedPdfSignature(reader, place.get_object(), name), ""  # type: ignore[no-untyped-call]
    except LIBRARY as why:
        return None, _describe(why)


def _look(
    reading: Reading,
    reader: PdfFileReader,
    stream: BinaryIO,
    embedded: EmbeddedPdfSignature,
    own: Mapping[str, bool],
    stray: str | None,
) -> None:
    signature = ReadSignature(field=embedded.fq_name[:200], revision=embedded.signed_revision)
    is_stamp = embedded.sig_object_type == "/DocTimeStamp"
    try:
        _form(embedded, stream, is_stamp=is_stamp)
        _extent(signature, reader, embedded, own, stray)
        signed_data = cms.parse_content(embedded.pkcs7_content)
        if is_stamp:
            stamp = cms.check_stamp(signed_data, embedded.compute_digest)
            if signature.coverage is not Coverage.PART and stamp.fault is None:
                reading.stamps.append((signature.revision, stamp))
            return
        signature.signed = cms.check_signature(
            signed_data, embedded.compute_digest(cms.digest_name(signed_data))
        )
        signature.claimed_at = signature.signed.claimed_at or _written_time(embedded)
        signature.reason = str(embedded.sig_object.get("/Reason", ""))[:200]
        signature.stamps = tuple(cms.check_stamps(signed_data))
    except UnfitError as why:
        signature.fault, signature.detail = why.code, str(why)[:500]
    except LIBRARY as why:
        signature.fault, signature.detail = "SIG-STRUCTURE", _describe(why)
    if not is_stamp:
        reading.signatures.append(signature)


def _form(embedded: EmbeddedPdfSignature, stream: BinaryIO, *, is_stamp: bool) -> None:
    """Raise UnfitError unless /ByteRange leaves out exactly the signature's /Contents: bytes in a wider gap are not
    signed."""
    kind = str(embedded.sig_object.get("/SubFilter", ""))
    if not (kind == "/ETSI.RFC3161" if is_stamp else kind in _SIGNATURES):
        raise UnfitError("SIG-ALGORITHM", f"signatures of the kind {kind[:60]!r} are not taken")
    covered = [int(n) for n in embedded.byte_range]
    size = stream.seek(0, 2)
    if len(covered) != 4 or covered[0] != 0 or min(covered) < 0 or covered[2] + covered[3] > size:
        raise UnfitError("PDF-COVERAGE", f"the /ByteRange {covered[:8]} does not fit a file of {size} bytes")
    start, end = covered[1], covered[2]
    if not 2 <= end - start <= MAX_GAP:
        raise UnfitError("PDF-COVERAGE", "the /ByteRange leaves out nothing, or too much")
    stream.seek(start)
    gap = stream.read(end - start)
    if gap[:1] != b"<" or gap[-1:] != b">" or not _is_hex_of(gap[1:-1], embedded.pkcs7_content):
        raise UnfitError("PDF-COVERAGE", "the /ByteRange leaves out more than the signature itself")


def _is_hex_of(text: bytes, octets: bytes) -> bool:
    try:
        return bytes.fromhex(text.decode("ascii")) == octets
    except ValueError:
        return False


def _extent(
    sig: ReadSignature,
    reader: PdfFileReader,
    embedded: EmbeddedPdfSignature,
    own: Mapping[str, bool],
    stray: str | None,
) -> None:
    level = embedded.docmdp_level
    sig.certified = level.value if level is not None else None
    coverage = embedded.evaluate_signature_coverage()
    embedded.coverage = coverage  # type: ignore[assignment]  # declared by its first value, None
    sig.coverage = _COVERAGE.get(coverage, Coverage.PART)
    if sig.coverage is Coverage.PART:
        return
    if sig.coverage is Coverage.REVISION and (why := stray or _hybrid_after(reader, sig.revision)):
        sig.later_detail = why
        return
    difference = embedded.evaluate_modifications(DEFAULT_DIFF_POLICY)
    if not isinstance(difference, DiffResult):
        sig.later_detail = _describe(difference)
        return
    sig.update = _LEVELS.get(difference.modification_level, Change.OTHER)
    changed = difference.changed_form_fields
    if covering := sorted(name for name in changed if own.get(name)):
        sig.update, sig.later_detail = (
            Change.OTHER,
            f"signed by nobody, shown on the page: {covering}"[:300],
        )
    elif sig.update is Change.SIGNATURES and not changed <= own.keys():
        sig.update = Change.FIELDS
        sig.later_detail = ", ".join(sorted(changed - own.keys()))[:300]


def _shows_unsigned(value: generic.PdfObject | None, place: generic.IndirectObject) -> bool:
    """Tell whether a signature field without a person's or agency's signature draws something on a page: it may cover
    text that others signed. A timestamp does not count as a signature here, as it needs no appearance."""
    signature = _resolve(value)
    if isinstance(signature, generic.DictionaryObject) and signature.get("/Type", "/Sig") != "/DocTimeStamp":
        return False
    field = _resolve(place)
    widgets = [field, *map(_resolve, field.get("/Kids", ()))]
    return any("/AP" in w and is_annot_visible(w) for w in widgets)  # type: ignore[no-untyped-call]  # library


def _resolve(value: generic.PdfObject | None) -> Any:  # Any: the library's own value, of any kind
    return value.get_object() if value is not None else None  # type: ignore[no-untyped-call]  # untyped library


def _hybrid_after(reader: PdfFileReader, revision: int) -> str | None:
    """Return a fault where a later update has its object table in two forms, which can show two different documents.
    Word processors write such a table only in the first revision."""
    for n in range(max(revision + 1, 1), reader.xrefs.total_revisions):
        if reader.xrefs.get_xref_container_info(n).xref_section_type is XRefSectionType.HYBRID_MAIN:
            return "an update has its table of objects in two forms"
    return None


def _stray(reader: PdfFileReader, stream: BinaryIO, embedded: list[EmbeddedPdfSignature]) -> str | None:
    """Return a fault where bytes after the last signature belong to no update: readers that repair files would show
    them."""
    size = stream.seek(0, 2)
    end = max((x for x in map(_end_of, embedded) if x <= size), default=0)
    if end in (0, size):
        return None
    revisions = range(reader.xrefs.total_revisions)
    sections = [reader.xrefs.get_xref_container_info(n) for n in revisions]
    known_places = {
        (number, offset)
        for n in revisions
        for number, (_, offset) in reader.xrefs.get_xref_data(n).standard_xrefs.items()
    }
    known_places |= {(x.stream_ref.idnum, x.start_location) for x in sections if x.stream_ref}
    stream.seek(end)
    tail = stream.read(size - end)
    for match in _OBJECT_START.finditer(tail):
        if (int(match[1]), end + match.start(1)) not in known_places:
            return f"object {match[1].decode()} was appended and is named in no table"
    last = max(x.end_location for x in sections)
    trailer = tail[max(0, last - end) :]
    mark = trailer.find(b"%%EOF")
    if trailer.strip(_SPACE) and (last < end or trailer[mark + 5 :].strip(_SPACE) or mark < 0):
        return "bytes were appended that belong to no update"
    return None


def _end_of(embedded: EmbeddedPdfSignature) -> int:
    """Return the end of the bytes that a signature claims to cover; 0 where it has no valid range."""
    try:
        _, _, start, length = map(int, embedded.byte_range)
    except LIBRARY:
        return 0
    return start + length


def _inside(reader: PdfFileReader) -> Material:
    """Return the certificates and revocation answers in the document's own store (DSS)."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except (NoDSSFoundError, *LIBRARY):
        return Material()
    certificates = tuple(_load_objects(store.certs.values(), x509.Certificate, _DSS["certs"]))
    answers = tuple(_load_objects(store.ocsps, ocsp.OCSPResponse, _DSS["ocsps"]))
    lists = tuple(_load_objects(store.crls, crl.CertificateList, _DSS["crls"]))
    return Material(certificates=certificates, answers=answers, lists=lists)


def _load_objects(places: object, kind: type, most: int) -> Iterator[object]:
    for place in islice(places, most):  # type: ignore[call-overload]  # untyped library
        try:
            loaded = kind.load(place.get_object().data)  # type: ignore[attr-defined]  # asn1crypto's own
            _ = loaded.native if kind is not crl.CertificateList else loaded["tbs_cert_list"]["issuer"].native
        except LIBRARY:
            continue
        yield loaded


def _written_time(embedded: EmbeddedPdfSignature) -> datetime | None:
    try:
        return cms.aware(embedded.self_reported_timestamp)
    except LIBRARY:
        return None


def _describe(why: object) -> str:
    return f"{type(why).__name__}: {why}"[:500]


def marks_on_first_page(stream: BinaryIO) -> dict[str, str]:
    """Return the text of every signature field shown on the first page, by the field's name."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote content
    try:
        page = PdfReader(stream, strict=False).pages[0]
        return dict(islice(_marks_of(page), MOST_MARKS))
    except (PyPdfError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError):
        return {}


def _marks_of(page: PageObject) -> Iterator[tuple[str, str]]:
    for _, widget in pdf_layout.annotations_on(page):
        look = pdf_layout.look_of(widget) if widget.get("/FT") == "/Sig" else None
        if look is not None and len(look.get_data()) <= _LARGEST_MARK_STREAM:
            text = page.extract_xform_text(look)  # type: ignore[arg-type]  # plain streams are as good
            yield str(widget.get("/T", "")), " ".join(text.split())[:LONGEST_MARK]
