# mypy: disable-error-code="no-untyped-call"
"""Signed PDFs for tests, made with the library's own signer at fixed times. Its writers have no types."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from asn1crypto import crl, keys, tsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSigningSession, PdfTimeStamper
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import TextStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.support.pdf_pki import SIGNED, Holder, agency, person


@cache
def plain(text: str = "Noi dung van ban") -> bytes:
    """One page with a line of text and a text field named `note`."""
    writer = PdfFileWriter()
    page = PageObject(
        contents=writer.add_object(generic.StreamObject(stream_data=f"BT 50 700 Td ({text}) Tj ET".encode())),
        media_box=(0, 0, 595, 842),
    )
    page_ref = writer.insert_page(page)
    widget = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/Widget"),
            pdf_name("/FT"): pdf_name("/Tx"),
            pdf_name("/T"): generic.pdf_string("note"),
            pdf_name("/V"): generic.pdf_string("1000"),
            pdf_name("/Rect"): generic.ArrayObject([generic.NumberObject(n) for n in (50, 50, 150, 70)]),
            pdf_name("/P"): page_ref,
        }
    )
    widget_ref = writer.add_object(widget)
    page["/Annots"] = generic.ArrayObject([widget_ref])
    writer.root["/AcroForm"] = generic.DictionaryObject(
        {pdf_name("/Fields"): generic.ArrayObject([widget_ref])}
    )
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


class _Signer(signers.PdfSigner):
    at: datetime = SIGNED

    def init_signing_session(self, *args: Any, **keywords: Any) -> PdfSigningSession:
        session = super().init_signing_session(*args, **keywords)
        session.system_time = self.at
        return session

    def _enforce_certification_constraints(self, reader: Any) -> None:
        """Sign where a signature forbids it, as a foreign program would."""


def sign(
    pdf: bytes,
    holder: Holder,
    field: str,
    *,
    at: datetime = SIGNED,
    certify: MDPPerm | None = None,
    reason: str | None = None,
    stamper: DummyTimeStamper | None = None,
    chain: Sequence[Holder] = (),
    digest: str = "sha256",
    pades: bool = True,
    mark_text: str | None = None,
    strict: bool = True,
) -> bytes:
    """The PDF with one more signature, as an update; `shown` is the text of its mark on the first page."""
    meta = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm=digest,
        reason=reason,
        certify=certify is not None,
        docmdp_permissions=certify or MDPPerm.FILL_FORMS,
        subfilter=SigSeedSubFilter.PADES if pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
    )
    look = TextStampStyle(stamp_text=mark_text, border_width=0) if mark_text else None
    spec = fields.SigFieldSpec(field, box=(400, 780, 560, 820)) if mark_text else None
    signer = _Signer(
        meta, signer=simple(holder, chain), timestamper=stamper, stamp_style=look, new_field_spec=spec
    )
    signer.at = at
    out = signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf), strict=strict))
    return bytes(out.getvalue())


@cache
def by_agency() -> bytes:
    return sign(plain(), agency(), "CoQuan")


@cache
def by_both() -> bytes:
    return sign(sign(plain(), person(), "NguoiKy"), agency(), "CoQuan")


def simple(holder: Holder, chain: Sequence[Holder] = ()) -> signers.SimpleSigner:
    store = SimpleCertificateStore()
    store.register_multiple([asn1(c.certificate) for c in chain])
    return signers.SimpleSigner(
        signing_cert=asn1(holder.certificate), signing_key=asn1_key(holder), cert_registry=store
    )


def stamper(holder: Holder, at: datetime) -> DummyTimeStamper:
    return DummyTimeStamper(asn1(holder.certificate), asn1_key(holder), fixed_dt=at)


class OtherStamper(DummyTimeStamper):
    """Stamps something else than it is asked to."""

    def __init__(self, holder: Holder, at: datetime) -> None:
        super().__init__(asn1(holder.certificate), asn1_key(holder), fixed_dt=at)

    def request_cms(self, message_digest: bytes, md_algorithm: str) -> tsp.TimeStampReq:
        other = bytes(len(message_digest))
        return super().request_cms(other, md_algorithm)


def stamped(pdf: bytes, by: DummyTimeStamper) -> bytes:
    """With a document timestamp over everything so far."""
    out = PdfTimeStamper(by).timestamp_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), "sha256")
    return bytes(out.getvalue())


def with_dss(
    pdf: bytes, lists: Sequence[pyca.CertificateRevocationList] = (), certificates: Sequence[Holder] = ()
) -> bytes:
    """With a store of revocation data, as an update."""
    output = io.BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        output,
        sig_contents=None,
        certs=[asn1(x.certificate) for x in certificates],
        crls=[crl.CertificateList.load(x.public_bytes(Encoding.DER)) for x in lists],
    )
    return output.getvalue()


def filled(pdf: bytes, value: str = "9999") -> bytes:
    """With the text field changed by a later update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    widget = writer.root["/AcroForm"]["/Fields"][0]
    widget["/V"] = generic.pdf_string(value)
    writer.update_container(widget)
    return _bytes_of(writer)


def new_field(pdf: bytes, name: str = "Next") -> bytes:
    """With one more empty signature field."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    fields.append_signature_field(writer, fields.SigFieldSpec(name))
    return _bytes_of(writer)


def covered(pdf: bytes, by: DummyTimeStamper | None = None) -> bytes:
    """With one more signature field that draws a cover over the page; unsigned, or with a timestamp in it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    fields.append_signature_field(writer, fields.SigFieldSpec("Cover", box=(0, 0, 500, 700)))
    field = next(f for f in writer.root["/AcroForm"]["/Fields"] if f.get_object()["/T"] == "Cover")
    look = RawContent(b"q 1 1 1 rg 0 0 500 700 re f Q", box=BoxConstraints(500, 700)).as_form_xobject()
    cover = field.get_object()
    cover["/AP"] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(look)})
    writer.update_container(cover)
    if by is None:
        return _bytes_of(writer)
    covering = IncrementalPdfFileWriter(io.BytesIO(_bytes_of(writer)))
    out = PdfTimeStamper(by, field_name="Cover").timestamp_pdf(covering, "sha256")
    return bytes(out.getvalue())


def rewritten(pdf: bytes, text: str = "Noi dung khac") -> bytes:
    """With the page's content replaced by a later update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Contents"] = writer.add_object(
        generic.StreamObject(stream_data=f"BT 50 700 Td ({text}) Tj ET".encode())
    )
    writer.update_container(page)
    return _bytes_of(writer)


def overlaid(pdf: bytes) -> bytes:
    """With a stamp annotation laid over the page by a later update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    look = RawContent(b"q 1 1 1 rg 0 0 500 700 re f Q", box=BoxConstraints(500, 700)).as_form_xobject()
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/Stamp"),
            pdf_name("/Rect"): generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 500, 700)]),
            pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): writer.add_object(look)}),
        }
    )
    page["/Annots"] = generic.ArrayObject([*page["/Annots"], writer.add_object(note)])
    writer.update_container(page)
    return _bytes_of(writer)


def _bytes_of(writer: IncrementalPdfFileWriter) -> bytes:
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def asn1(certificate: pyca.Certificate) -> x509.Certificate:
    return x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def asn1_key(holder: Holder) -> keys.PrivateKeyInfo:
    der = holder.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return keys.PrivateKeyInfo.load(der)


def byte_range(pdf: bytes, n: int = -1) -> tuple[int, int, int, int]:
    """The /ByteRange of the n-th signature, as it stands in the file."""
    ranges = list(re.finditer(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\s*\]", pdf))
    a, b, c, d = map(int, ranges[n].groups())
    return a, b, c, d


def signed_over(pdf: bytes, holder: Holder, ranges: Sequence[int], range_text: bytes | None = None) -> bytes:
    """The last signature made anew by its owner over other ranges than a signer would choose. `range_text` stands in the
    file instead of them."""
    match = list(re.finditer(rb"/ByteRange (\[[^\]]*\]\s*)", pdf))[-1]
    text = range_text if range_text is not None else b"[" + b" ".join(b"%d" % n for n in ranges) + b"]"
    room = match.end(1) - match.start(1)
    assert len(text) <= room
    pdf = pdf[: match.start(1)] + text.ljust(room) + pdf[match.end(1) :]
    hasher = hashlib.sha256()
    for start, length in zip(ranges[::2], ranges[1::2], strict=True):
        hasher.update(pdf[start : start + length])
    start = pdf.rindex(b"/Contents <") + len(b"/Contents ")
    end = pdf.index(b">", start)
    signature = simple(holder).async_sign(hasher.digest(), "sha256")
    octets = bytes(asyncio.run(signature).dump()).hex().encode()
    return pdf[: start + 1] + octets.ljust(end - start - 1, b"0") + pdf[end:]


def with_signature_replaced(pdf: bytes, ranges: Sequence[int]) -> bytes:
    """The field's signature object written anew by an update: same contents, these ranges."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    fields = [f.get_object() for f in writer.root["/AcroForm"]["/Fields"]]
    field = next(f for f in fields if f["/FT"] == "/Sig")
    old = field["/V"]
    new = generic.DictionaryObject(old)
    new["/ByteRange"] = generic.ArrayObject([generic.NumberObject(n) for n in ranges])
    new["/Contents"] = generic.ByteStringObject(old.raw_get("/Contents").original_bytes)
    field["/V"] = writer.add_object(new)
    writer.update_container(field)
    return _bytes_of(writer)


def with_other_root(pdf: bytes) -> bytes:
    """With a trailer that names another catalogue, one with a page of its own."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    stream = writer.add_object(generic.StreamObject(stream_data=b"BT 50 700 Td (Khac) Tj ET"))
    box = generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 595, 842)])
    page = generic.DictionaryObject(
        {pdf_name("/Type"): pdf_name("/Page"), pdf_name("/Contents"): stream, pdf_name("/MediaBox"): box}
    )
    pages = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Pages"),
            pdf_name("/Count"): generic.NumberObject(1),
            pdf_name("/Kids"): generic.ArrayObject([writer.add_object(page)]),
        }
    )
    root = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Catalog"),
            pdf_name("/Pages"): writer.add_object(pages),
            pdf_name("/AcroForm"): writer.root.raw_get("/AcroForm"),
        }
    )
    number = writer.add_object(root).idnum
    updated = _bytes_of(writer)
    at = updated.rindex(b"/Root 1 0 R")
    return updated[:at] + b"/Root %d 0 R" % number + updated[at + len(b"/Root 1 0 R") :]


def stowed(pdf: bytes, octets: bytes) -> bytes:
    """With bytes put before the last table, which stays right for everything that it names."""
    at = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    tail = pdf[at:].replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + len(octets)))
    return pdf[:at] + octets + tail


@cache
def shadowed() -> bytes:
    """A page whose amount lies under a cover, and a second content that no page shows yet."""
    pdf = overlaid(plain())
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    hidden = generic.StreamObject(stream_data=b"BT 50 700 Td (Noi dung giau) Tj ET")
    page["/PieceInfo"] = generic.DictionaryObject({pdf_name("/Hidden"): writer.add_object(hidden)})
    writer.update_container(page)
    return _bytes_of(writer)


def uncovered(pdf: bytes) -> bytes:
    """With the cover taken off by an update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    annotations = [a for a in page["/Annots"] if a.get_object().get("/Subtype") != "/Stamp"]
    page["/Annots"] = generic.ArrayObject(annotations)
    writer.update_container(page)
    return _bytes_of(writer)


def with_hidden_page(pdf: bytes) -> bytes:
    """With the content shown that was hidden, all of it signed."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Contents"] = page["/PieceInfo"].raw_get("/Hidden")
    writer.update_container(page)
    return _bytes_of(writer)


def with_loop(pdf: bytes) -> bytes:
    """With tables that name each other as the one before."""
    at = len(pdf)
    table = b"xref\n0 0\ntrailer\n<< /Size 99 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (at, at)
    return pdf + table


def with_fields_in_a_circle(pdf: bytes) -> bytes:
    """With a form field that is its own child."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    form = writer.root["/AcroForm"]
    circle = generic.DictionaryObject({pdf_name("/T"): generic.pdf_string("loop")})
    place = writer.add_object(circle)
    circle["/Kids"] = generic.ArrayObject([place])
    form["/Fields"].append(place)
    writer.update_root()
    return _bytes_of(writer)


def locked(pdf: bytes) -> bytes:
    """Encrypted, signature and all."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt("secret", algorithm="AES-256")
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def deep(pdf: bytes, depth: int = 5000) -> bytes:
    """With an update whose catalogue holds arrays in arrays."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    marker = "x" * (2 * depth - 2)
    writer.root["/Deep"] = generic.pdf_string(marker)
    writer.update_root()
    return _bytes_of(writer).replace(f"({marker})".encode(), b"[" * depth + b"]" * depth)


def with_endless_table(pdf: bytes) -> bytes:
    """An update whose table has entries of no width, a million million of them."""
    octets = zlib.compress(b"")
    place = len(pdf)
    entry = b"<< /Type /XRef /Size 99 /Root 1 0 R /W [0 0 0] /Index [0 1000000000000] /Prev 0"
    body = b" /Filter /FlateDecode /Length %d >>\nstream\n" % len(octets)
    return (
        pdf + b"98 0 obj\n" + entry + body + octets + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % place
    )


def with_endless_paths(pdf: bytes) -> bytes:
    """Signed and changed since: objects that each name the next one twice, so that the ways through them double at every
    step."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    below = writer.add_object(generic.ArrayObject())
    for _ in range(40):
        below = writer.add_object(generic.ArrayObject([below, below]))
    writer.root["/Deep"] = below
    writer.update_root()
    return filled(sign(_bytes_of(writer), agency(), "Deep"))


@cache
def hybrid() -> bytes:
    """A page whose table of objects stands in two forms, as a word processor writes it."""
    pdf = plain()
    at = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    size = int(re.findall(rb"/Size (\d+)", pdf)[-1])
    octets = zlib.compress(b"\x01" + at.to_bytes(4, "big") + b"\x00")
    head = b"%d 0 obj\n<< /Type /XRef /Size %d /W [1 4 1] /Index [%d 1] /Root 1 0 R" % (size, size + 1, size)
    stream = head + b" /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (
        len(octets),
        octets,
    )
    table = pdf[at:].replace(b"/Size %d" % size, b"/Size %d /XRefStm %d" % (size + 1, at))
    return pdf[:at] + stream + table.replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + len(stream)))
