"""The reader is strict where our own axis needs one meaning, liberal elsewhere, bounded always."""

from __future__ import annotations

import base64
import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.document import Kind
from gateway.edxml import names
from gateway.edxml.attachment import decoded_pieces
from gateway.edxml.dialects import read_date, read_time
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import ModelBuilder, Read, read
from gateway.errors import MalformedXml
from tests.support import envelopes, strategies
from tests.support.amounts import examples
from tests.support.cases import Cases

Q = names.QCVN
LIMITS = EnvelopeLimits()
PDF = base64.b64encode(b"%PDF-1.4\n").decode()


def envelope(
    *,
    message: str | None = None,
    trace: str = "",
    manifest: str = "",
    attachments: str = "",
    header: str = "",
    root: str = "",
) -> bytes:
    """Build a short envelope of dialect A without prefixes."""
    message = message if message is not None else "<From><OrganId>Z91.01</OrganId></From>"
    return (
        f'<edXML xmlns="{Q}"><edXMLEnvelope><edXMLHeader><MessageHeader>{message}</MessageHeader>'
        f"<TraceHeaderList>{trace}</TraceHeaderList>{header}</edXMLHeader>"
        f'<edXMLBody><edXMLManifest version="1.0">{manifest}</edXMLManifest></edXMLBody></edXMLEnvelope>'
        f"<AttachmentEncoded>{attachments}</AttachmentEncoded>{root}</edXML>"
    ).encode()


def line(cid: str | None, name: str | None = None) -> str:
    return "<Reference>" + _leaf("ContentId", cid) + _leaf("AttachmentName", name) + "</Reference>"


def attached(cid: str | None, name: str | None = None, text: str = PDF) -> str:
    content = f"<ContentTransferEncoded>{text}</ContentTransferEncoded>"
    return (
        "<Attachment>" + _leaf("ContentId", cid) + content + _leaf("AttachmentName", name) + "</Attachment>"
    )


def _leaf(name: str, value: str | None) -> str:
    return "" if value is None else f"<{name}>{value}</{name}>"


def lenient(raw: bytes, limits: EnvelopeLimits = LIMITS) -> Read:
    return read([raw], limits)


def codes(parsed: Read, *ignored: str) -> list[str]:
    return [finding.code for finding in parsed.findings if finding.code not in ("MISSING", *ignored)]


def refused(raw: bytes, limits: EnvelopeLimits = LIMITS, *, strict: bool = False) -> MalformedXml:
    with pytest.raises(MalformedXml) as caught:
        read([raw], limits, strict=strict)
    return caught.value


# What our writer writes reads back to the same model


@settings(max_examples=examples(100))
@given(st.one_of(strategies.documents(), strategies.statuses()))
def test_what_is_written_reads_back_identically(model: Envelope) -> None:
    full_model = replace(model, sender=replace(model.sender, organ_id=envelopes.SENDER))
    assert read([envelopes.native(full_model, ())], LIMITS, strict=True).envelope == full_model


@settings(max_examples=25)
@given(strategies.file_sets(), st.integers(1, 5000))
def test_written_files_read_back_with_their_digests_and_slices(files: envelopes.Files, size: int) -> None:
    raw = envelopes.native(envelopes.document(files), files)

    parsed = read((raw[at : at + size] for at in range(0, len(raw), size)), LIMITS, strict=True)

    assert parsed.envelope.attachments == envelopes.document(files).attachments
    assert parsed.findings == ()
    for slice_, (_, content) in zip(parsed.files, files, strict=True):
        stored = raw[slice_.offset : slice_.offset + slice_.length]
        assert b"".join(decoded_pieces([stored], slice_.coding)) == content
        assert (slice_.size, slice_.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_every_kind_of_native_packet_is_read_strictly_without_a_finding(cases: Cases) -> None:
    for name, model, files, receipt in envelopes.every_kind():
        with cases.case(name):
            parsed = read([envelopes.native(model, files, receipt=receipt)], LIMITS, strict=True)
            assert (parsed.envelope, parsed.findings) == (model, ())
            assert parsed.signature is not None
            assert parsed.signature.in_xmldsig


# Pairing with the manifest, both ways


def test_ids_pair_without_their_prefixes_and_then_the_name_and_then_the_place() -> None:
    manifest = line("cid:cid:1", "a.pdf") + line("cid:2", "b.pdf")
    raw = envelope(manifest=manifest, attachments=attached("2") + attached("1"))
    assert [file.name for file in read([raw], LIMITS, strict=True).files] == ["b.pdf", "a.pdf"]
    manifest = line("x", "a.pdf") + line("y", "b.pdf") + line("z", "c.pdf")
    attachments = attached("1", "b.pdf") + attached("2", "a.pdf") + attached("3")
    parsed = lenient(envelope(manifest=manifest, attachments=attachments))
    assert [file.name for file in parsed.files] == ["b.pdf", "a.pdf", "c.pdf"]
    assert codes(parsed) == ["PAIRED-BY-NAME", "PAIRED-BY-POSITION"]


def test_a_mismatch_is_a_finding_and_on_our_axis_a_refusal() -> None:
    for manifest, attachments, code in (
        (line("1") + line("1"), attached("1"), "CID-DOUBLED"),
        (line("1"), attached("1") + attached("cid:1"), "CID-DOUBLED"),
        (line("1"), attached("1") + attached("2"), "MANIFEST-MISSING"),
        (line("1") + line("2"), attached("1"), "MANIFEST-EXTRA"),
        ("", attached("1"), "MANIFEST-ABSENT"),
        (line("1"), attached("2"), "PAIRED-BY-POSITION"),
    ):
        raw = envelope(manifest=manifest, attachments=attachments)
        assert code in codes(lenient(raw))
        assert refused(raw, strict=True).code == "ENV-DIALECT"


# F10 and 12.3: one sender, one meaning

SENDER = "<From><OrganId>Z91.01</OrganId></From>"


def test_f10_a_packet_of_two_meanings_is_no_dialect_of_our_axis(cases: Cases) -> None:
    for message in (
        "",
        "<From></From>",
        "<From><OrganId></OrganId></From>",
        "<From><OrganId>null</OrganId></From>",
        SENDER + SENDER,
        "<From><OrganId>Z91.01</OrganId><OrganId>Z91.02</OrganId></From>",
        "<From><OrganId>Z91<b/>.01</OrganId></From>",
        "<From><OrganId>Z91.01</OrganId><x:b xmlns:x='urn:x'/></From>",
        SENDER + "<Odd><x:b xmlns:x='urn:x'/></Odd>",
        SENDER + f"<Signature xmlns='{names.DS}'/>",
        SENDER + f"<Odd><Signature xmlns='{names.DS}'/></Odd>",
        SENDER + "<DocumentId>1</DocumentId><DocumentId>2</DocumentId>",
    ):
        with cases.case(message):
            assert refused(envelope(message=message), strict=True).code == "ENV-DIALECT"


def test_the_liberal_reader_takes_the_first_of_two_and_keeps_spaces() -> None:
    message = "<From><OrganId>Z91.01</OrganId><OrganId>Z91.02</OrganId></From>"

    parsed = lenient(envelope(message=message))

    assert parsed.envelope.sender.organ_id == "Z91.01"
    assert codes(parsed) == ["DOUBLED"]

    # Of an identity the space is a finding.
    parsed = read([envelope(message="<From><OrganId> Z91.01\n</OrganId></From>")], LIMITS, strict=True)
    assert parsed.envelope.sender.organ_id == " Z91.01\n"
    assert codes(parsed) == ["ID-SPACE"]
    assert lenient(envelope(message="<Subject> a  b </Subject>")).envelope.subject == " a  b "
    assert lenient(envelope(message="<Subject> \n </Subject>")).envelope.subject is None


def test_foreign_attributes_are_a_finding_and_dialect_b_is_read_and_not_used_on_our_axis() -> None:
    raw = envelope(message=SENDER.replace("<From>", "<From xml:lang='vi'>"))

    assert codes(read([raw], LIMITS, strict=True)) == ["ATTRIBUTE"]

    raw = f'<edXMLEnvelope xmlns="{names.DIALECT_B}"><MessageHeader>{SENDER}</MessageHeader></edXMLEnvelope>'.encode()

    assert lenient(raw).dialect == "B"
    assert refused(raw, strict=True).code == "ENV-DIALECT"


def test_nothing_inside_a_signature_reaches_the_model() -> None:
    forged = (
        f'<Signature xmlns="{names.DS}"><Object><MessageHeader xmlns="{Q}"><From><OrganId>Z99</OrganId></From>'
        "</MessageHeader></Object></Signature>"
    )

    parsed = read([envelope(header=forged)], LIMITS, strict=True)

    assert parsed.envelope.sender.organ_id == "Z91.01"


# Kinds


def test_the_operation_gives_the_kind_and_a_status_code_makes_it_a_status() -> None:
    kinds = {"0": Kind.DOCUMENT, "1": Kind.RECALL, " 2 ": Kind.UPDATE, "3": Kind.REPLACEMENT}
    kinds |= {"7": Kind.DOCUMENT, "one": Kind.DOCUMENT}
    operation = "<Bussiness><BussinessDocType>{}</BussinessDocType></Bussiness>"
    traces = {operation.format(code): kind for code, kind in kinds.items()}
    traces |= {"": Kind.DOCUMENT, "<Bussiness/>": Kind.DOCUMENT}
    traces["<Business><BusinessDocType>1</BusinessDocType></Business>"] = Kind.RECALL
    assert {trace: lenient(envelope(trace=trace)).envelope.kind for trace in traces} == traces

    status = envelope(message=SENDER + "<StatusCode>02</StatusCode>", trace=operation.format("1"))
    assert lenient(status).envelope.kind is Kind.STATUS


# Dates


def test_a_date_is_read_day_first_and_in_hanoi() -> None:
    dates = {
        "2031/03/04": ("2031-03-04", True),
        "04/03/2031": ("2031-03-04", False),
        "2031-03-04": ("2031-03-04", False),
        "2031/03/04 23:59:59": ("2031-03-04", False),
        "2031-03-04T00:00:00+07:00": ("2031-03-04", False),
        "2031-03-03T17:00:00Z": ("2031-03-04", False),
        "2031/02/30": (None, True),
        "13/13/2031": (None, False),
        "0001-01-01T00:00:00+14:00": (None, False),
        "٢٠٣١/٠٣/٠٤": (None, False),
        "tomorrow": (None, False),
    }
    assert {text: _iso(read_date(text)) for text in dates} == dates


def test_a_time_without_a_zone_is_hanois() -> None:
    times = {
        "2031/03/04 09:15:00": ("2031-03-04T09:15:00+07:00", True),
        "04/03/2031 09:15:00": ("2031-03-04T09:15:00+07:00", False),
        "2031-03-04T02:15:00.250Z": ("2031-03-04T09:15:00.250000+07:00", False),
        "2031/03/04": ("2031-03-04T00:00:00+07:00", False),
        "2031/03/04 24:15:00": (None, True),
    }
    assert {text: _iso(read_time(text)) for text in times} == times


def _iso(parsed: tuple[date | None, bool]) -> tuple[str | None, bool]:
    return parsed[0].isoformat() if parsed[0] else None, parsed[1]


# Limits (F1, F3) and memory

ROOT = f"<edXML xmlns='{Q}'/>".encode()
DEEP = "<OtherInfo>" * 70 + "</OtherInfo>" * 70


def test_f3_what_is_too_much_is_refused(cases: Cases) -> None:
    signature = f'<Signature xmlns="{names.DS}">' + "{}</Signature>"
    rows = [
        (envelope(), EnvelopeLimits(max_bytes=100), "ENV-TOO-LARGE"),
        (envelope(message=f"<Subject>{'x' * 70_000}</Subject>"), LIMITS, "ENV-LIMIT"),
        (envelope(message="<Odd>" + "x" * 5000 + "</Odd>"), EnvelopeLimits(text_total=4000), "ENV-LIMIT"),
        (envelope(message=DEEP), LIMITS, "ENV-LIMIT"),
        (envelope(message=f"<To {'a' * 2000}='1'/>"), LIMITS, "ENV-LIMIT"),
        (envelope(message="<To " + "".join(f"a{n}='' " for n in range(400)) + "/>"), LIMITS, "ENV-LIMIT"),
        (envelope(message="<To/>" * 4), EnvelopeLimits(recipients=3), "ENV-LIMIT"),
        (envelope(attachments=attached("1") * 4), EnvelopeLimits(attachments=3), "ENV-LIMIT"),
        (envelope(manifest=line("1") * 4), EnvelopeLimits(attachments=3), "ENV-LIMIT"),
        (envelope(header=signature.format("x" * 200)), EnvelopeLimits(signature_bytes=100), "ENV-LIMIT"),
        (envelope(header=signature.format("<X509Certificate/>" * 20_000)), LIMITS, "ENV-LIMIT"),
        (envelope(message="<!--" + "x" * 5_000_000 + "-->"), LIMITS, "ENV-LIMIT"),
        (envelope(message="<Odd/>" * 200_001), LIMITS, "ENV-LIMIT"),
        (b'"' + ROOT + b'\\x"', LIMITS, "ENV-NOT-XML"),
        (b'"' + ROOT + b'" more', LIMITS, "ENV-NOT-XML"),
        (b'"' + ROOT, LIMITS, "ENV-NOT-XML"),
        (b'"' + ROOT + b'\\ud800"', LIMITS, "ENV-NOT-XML"),
    ]
    for raw, limits, code in rows:
        with cases.case(raw[:300]), pytest.raises(MalformedXml) as caught:
            read((raw[at : at + 65_536] for at in range(0, len(raw), 65_536)), limits)
        assert caught.value.code == code


def test_zipped_attachments_share_one_limit_on_what_they_unpack_to() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.txt", bytes(600_000))
    text = base64.b64encode(packed.getvalue()).decode()
    raw = envelope(
        manifest=line("1") + line("2"),
        attachments=attached("1", "a.txt", text) + attached("2", "b.txt", text),
    )

    parsed = lenient(raw, EnvelopeLimits(inflated_bytes=1_000_000))

    assert [file.damaged is None for file in parsed.files] == [True, False]


def test_a_large_file_passes_through_in_bounded_memory() -> None:
    head, tail = envelope(manifest=line("1"), attachments=attached("1", "a.pdf", "@")).split(b"@")
    body = base64.b64encode(bytes(48 * 1024))

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(500):
            yield body
        yield tail

    tracemalloc.start()
    parsed = read(pieces(), LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert parsed.files[0].size == 500 * 48 * 1024
    assert peak < 4 * 1024 * 1024


def test_a_slice_that_holds_references_is_found_and_findings_are_bounded() -> None:
    """In canonical octets a carriage return stands as a reference, which base64 cut out of the file would not know."""
    raw = envelope(manifest=line("1"), attachments=attached("1", "a.pdf", "JVBE&#xD;\nRi0x"))

    parsed = lenient(raw)

    assert parsed.files[0].size == 6
    assert codes(parsed) == ["ATTACHMENT-SLICE"]

    parsed = lenient(envelope(message="<Odd/>" * 5000))

    assert len(parsed.findings) == 201
    assert parsed.findings[-1].code == "MORE"


def test_an_attachment_without_content_is_damaged_and_keeps_its_place() -> None:
    raw = envelope(
        manifest=line("1") + line("2"),
        attachments="<Attachment><ContentId>1</ContentId></Attachment>" + attached("2"),
    )

    parsed = lenient(raw)

    assert [file.damaged for file in parsed.files] == ["no content", None]


# The builder on its own, as the fast path uses it


def test_the_builder_refuses_to_finish_before_the_root_ends_and_slices_name_what_they_count_in() -> None:
    builder = ModelBuilder(LIMITS)
    builder.start(Q, "edXML", ())
    with pytest.raises(MalformedXml) as caught:
        builder.finish()
    assert caught.value.code == "ENV-NOT-XML"
    raw = envelope(manifest=line("1"), attachments=attached("1"))
    assert read([raw], LIMITS, source="canonical").files[0].source == "canonical"
    assert read([raw], LIMITS).files[0].source == "envelope"


@settings(max_examples=examples(100))
@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_bytes_give_a_model_or_our_own_error(junk: bytes, at: int) -> None:
    good = envelope(manifest=line("1"), attachments=attached("1", "a.pdf"))
    raw = good[:at] + junk + good[at + len(junk) :]

    with suppress(MalformedXml):
        assert isinstance(lenient(raw).envelope, Envelope)
