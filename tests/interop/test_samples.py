"""Every variant that was counted in the wild is read or refused as the specification says: one invented
file each in `samples/`, one row each here. What a row does not mention must be as in `plain.edxml`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import Kind
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml.attachment import decoded_pieces
from gateway.edxml.envelope import Envelope, ResponseFor, StaffInfo
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import Read, read
from gateway.errors import MalformedXml
from gateway.ops import explain
from tests.support.cases import Cases

SAMPLES = Path(__file__).parent / "samples"

PDF = ("cong-van.pdf", 15, "14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad")
TXT = ("phu-luc-1.txt", 27, "1d60f6a26d9b60c8b8c4df436d4bce0c454c2b499ffa65d3ec10e66b1c3ea07b")
NO_PDF = ("cong-van.pdf", None, None)
NO_TXT = ("phu-luc-1.txt", None, None)
UUID = "0b9c1d53-9f3f-4a5a-9d55-1a2b3c4d5e6f"


@dataclass(frozen=True)
class Row:
    """Expected reading of one sample. `same` demands the very model of `plain.edxml`."""

    name: str
    findings: tuple[str, ...] = ()
    same: bool = False
    dialect: str = "A"
    kind: Kind = Kind.DOCUMENT
    files: tuple[tuple[str, int | None, str | None], ...] = (PDF, TXT)
    facts: tuple[tuple[Callable[[Envelope], object], object], ...] = ()
    signature: str = "absent"


READ = [
    Row("plain", same=True),
    Row(
        "a-new",
        facts=(
            (lambda e: e.response_for[0].code, "45/SMP-VP"),
            (lambda e: e.to_places, ("Như trên", "Lưu: VT")),
            (lambda e: e.due_date, date(2031, 3, 20)),
            (lambda e: e.other.appendixes if e.other else None, ("Phụ lục 1",)),
        ),
    ),
    Row("a-recall", kind=Kind.RECALL, facts=((lambda e: e.business and e.business.doc_type, 1),)),
    Row(
        "a-update",
        kind=Kind.UPDATE,
        facts=(
            (lambda e: [(r.organ_id, r.added) for r in _change(e)], [("Z93.05", False), ("Z94.01", True)]),
        ),
    ),
    Row(
        "a-replacement",
        kind=Kind.REPLACEMENT,
        facts=(
            (
                lambda e: [r.document_id for r in e.business.replacements] if e.business else None,
                ["000.00.07.Z91,2031/03/04,118/STN-VP"],
            ),
        ),
    ),
    Row("a-status", kind=Kind.STATUS, files=(), facts=((lambda e: _status(e).code, "03"),)),
    Row(
        "status-13",
        kind=Kind.STATUS,
        files=(),
        facts=(
            (lambda e: _status(e).description, "Gửi nhầm nơi nhận"),
            (
                lambda e: e.response_for,
                (
                    ResponseFor(
                        organ_id="000.00.07.Z91",
                        code="118/STN-VP",
                        document_id="000.00.07.Z91,2031/03/04,118/STN-VP",
                        promulgation_date=date(2031, 3, 4),
                    ),
                ),
            ),
        ),
    ),
    Row(
        "status-one-digit",
        ("STATUS-FORM",),
        kind=Kind.STATUS,
        files=(),
        facts=((lambda e: _status(e).code, "01"),),
    ),
    Row("crlf", same=True),
    Row("bom", ("BOM",), same=True),
    Row("json-wrapped", ("JSON-WRAPPED",), same=True),
    Row("document-id-last", same=True),
    Row("business-before-trace", same=True),
    Row("no-prefixes", same=True),
    Row("all-prefixed", same=True),
    Row("attachments-prefixed", same=True),
    Row("attachment-line-breaks", same=True),
    Row("comment-and-instruction", ("COMMENT", "PI"), same=True),
    Row("dates-day-first", ("DATE-FORM", "DATE-FORM"), same=True),
    Row("dates-iso", ("DATE-FORM", "DATE-FORM"), same=True),
    Row("signature-in-envelope-namespace", same=True, signature="placeholder"),
    Row("signature-in-xmldsig-namespace", same=True, signature="placeholder"),
    Row("business-absent", facts=((lambda e: e.business, None),)),
    Row("trace-absent", ("TRACE-ABSENT",), facts=((lambda e: e.trace, ()),)),
    Row(
        "trace-many",
        facts=(
            (lambda e: [hop.organ_id for hop in e.trace], ["000.00.07.Z91", "00.11.W00", "000.00.12.Z92"]),
        ),
    ),
    Row("trace-without-organ", facts=((lambda e: e.trace[1].organ_id, None),)),
    Row("organ-null", ("NULL-TEXT",), facts=((lambda e: e.trace[1].organ_id, None),)),
    Row(
        "to-code-only",
        facts=((lambda e: [(to.organ_id, to.organ_name) for to in e.to], [("Z93.05", None)]),),
    ),
    Row("type-detail-absent", facts=((lambda e: e.document_type and e.document_type.detail, None),)),
    Row(
        "type-71",
        facts=(
            (lambda e: e.document_type and (e.document_type.type, e.document_type.name), (71, "Công văn")),
        ),
    ),
    # Details that remain uncertain.
    Row("type-18", facts=((lambda e: e.document_type and e.document_type.type, 18),)),
    Row("steering-report", facts=((lambda e: e.steering_type, 3),)),
    Row("paper-count", facts=((lambda e: e.business and e.business.paper, 3),)),
    Row("in-charge-code", facts=((lambda e: e.sender.organization_in_charge, "000.00.00.Z91"),)),
    Row(
        "new-with-document-id",
        facts=((lambda e: e.business and e.business.document_id, "000.00.07.Z91,2031/03/04,118/STN-VP"),),
    ),
    Row(
        "recall-by-response",
        kind=Kind.RECALL,
        facts=(
            (
                lambda e: (e.business and e.business.document_id, e.response_for[0].document_id),
                (None, "000.00.07.Z91,2031/03/04,118/STN-VP"),
            ),
        ),
    ),
    Row("signer-name-only", facts=((lambda e: e.signer and e.signer.position, None),)),
    Row("sparse", facts=((lambda e: (e.other, e.steering_type, e.content), (None, None, None)),)),
    Row(
        "bare-header",
        ("MISSING", "MISSING", "MISSING", "MISSING", "TRACE-ABSENT"),
        files=(),
        facts=((lambda e: (e.code, e.promulgation_date, e.document_type), (None, None, None)),),
    ),
    Row(
        "empty-elements",
        facts=(
            (lambda e: (e.due_date, e.response_for), (None, ())),
            (lambda e: e.other and (e.other.typer_notation, e.other.appendixes), (None, ())),
            (lambda e: e.signer and (e.signer.competence, e.signer.position), (None, None)),
        ),
    ),
    Row("attachment-damaged-zip", ("ATTACHMENT-DAMAGED",), files=(PDF, NO_TXT)),
    Row("attachment-not-base64", ("ATTACHMENT-DAMAGED",), files=(NO_PDF, TXT)),
    Row("attachment-placeholder", ("ATTACHMENT-DAMAGED",), files=(NO_PDF, TXT)),
    Row("manifest-type-differs", ("TYPE-DIFFERS",)),
    Row("zip-labelled-text"),
    Row("zip-labelled-pdf", files=(PDF, ("phu-luc-1.pdf", *TXT[1:]))),
    Row("attachments-inline", ("MANIFEST-ABSENT",), files=(PDF,)),
    Row("code-number-long", facts=((lambda e: e.code and e.code.number, "GW-20310304091500-00118"),)),
    Row(
        "aliases",
        ("ALIAS",) * 9,
        kind=Kind.RECALL,
        facts=(
            (lambda e: e.sender.organization_in_charge, "UBND tỉnh Sao Mai"),
            (lambda e: e.other and e.other.typer_notation, "VT"),
            (lambda e: e.trace[0].timestamp, datetime(2031, 3, 4, 9, 15, tzinfo=VIETNAM)),
        ),
    ),
    Row("content-id-doubled-prefix"),
    Row("content-ids-differ", ("PAIRED-BY-NAME",)),
    Row("manifest-lacks-a-file", ("MANIFEST-MISSING",)),
    Row("file-did-not-come", ("MANIFEST-EXTRA",), files=(TXT,)),
    Row(
        "a-net",
        dialect="A-net",
        signature="placeholder",
        facts=(
            (lambda e: e.document_id, UUID),
            (lambda e: e.attachments[0].content_id, "209"),
            (
                lambda e: e.business and e.business.staff,
                (
                    StaffInfo(
                        department="Văn thư",
                        staff="Cán Bộ Mẫu",
                        mobile="000 0000 003",
                        email="vanthu@sao-mai.example",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "b-first",
        ("ALIAS",) * 4 + ("DATE-FORM",) * 2,
        dialect="B",
        files=(PDF,),
        facts=(
            (lambda e: e.sender.organ_id, "000.00.07.Z91"),
            (lambda e: e.document_type and e.document_type.name, "Công văn"),
            (lambda e: e.signer and e.signer.full_name, "Người Ký Mẫu"),
            (lambda e: e.promulgation_date, date(2031, 3, 4)),
        ),
    ),
    Row(
        "b-later",
        dialect="B",
        files=(PDF,),
        facts=(
            (lambda e: e.document_type and (e.document_type.type, e.document_type.name), (2, "Công văn")),
        ),
    ),
]

REFUSED = {
    "c-soap": "ENV-DIALECT",
    "c-e-mail": "ENV-DIALECT",
    "other-root": "ENV-DIALECT",
    "unbound-prefix": "ENV-NOT-XML",
    "mismatched-tags": "ENV-NOT-XML",
    "stray-bytes": "ENV-NOT-XML",
    "truncated": "ENV-NOT-XML",
    "empty": "ENV-NOT-XML",
    "doctype": "ENV-FORBIDDEN",
    "entity": "ENV-FORBIDDEN",
    "latin-1": "ENV-ENCODING",
    "not-utf-8": "ENV-ENCODING",
    "utf-16": "ENV-ENCODING",
}
DIALECT_C = {"c-soap", "c-e-mail"}


def _change(envelope: Envelope) -> tuple[Any, ...]:
    assert envelope.business is not None
    assert envelope.business.document_info is not None
    return envelope.business.document_info.receivers


def _status(envelope: Envelope) -> Any:
    assert envelope.status is not None
    return envelope.status


def _sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.edxml").read_bytes()


def _read(name: str) -> Read:
    return read([_sample(name)], EnvelopeLimits())


def test_a_variant_of_the_wild_is_read_and_explained_as_the_specification_says(cases: Cases) -> None:
    for row in READ:
        with cases.case(row.name):
            reading = _read(row.name)
            assert (reading.dialect, reading.envelope.kind) == (row.dialect, row.kind)
            assert sorted(finding.code for finding in reading.findings) == sorted(row.findings)
            assert [fact(reading.envelope) for fact, _ in row.facts] == [
                expected for _, expected in row.facts
            ]
            if row.same:
                assert reading.envelope == _read("plain").envelope
            explanation = explain.explain(SAMPLES / f"{row.name}.edxml")
            files = tuple((file["name"], file["size"], file["sha256"]) for file in explanation["attachments"])
            assert (files, explanation["signature"]["verdict"]) == (row.files, row.signature)


def test_what_cannot_be_read_is_refused_with_its_code(cases: Cases) -> None:
    for name, code in REFUSED.items():
        with cases.case(name):
            with pytest.raises(MalformedXml, match="dialect C" if name in DIALECT_C else None) as caught:
                _read(name)
            assert caught.value.code == code


def test_the_size_of_the_pieces_changes_nothing_and_a_slice_of_the_source_decodes_to_the_file() -> None:
    for name in ("plain", "a-net", "b-first", "json-wrapped", "bom", "crlf"):
        raw = _sample(name)
        for size in (1, 7, 4096):
            pieces = (raw[at : at + size] for at in range(0, len(raw), size))
            assert read(pieces, EnvelopeLimits()) == _read(name), (name, size)
    for name in ("plain", "a-net", "bom", "crlf", "attachment-line-breaks", "no-prefixes"):
        for file in _read(name).files:
            text = _sample(name)[file.offset : file.offset + file.length]
            decoded = b"".join(decoded_pieces([text], file.coding))
            assert hashlib.sha256(decoded).hexdigest() == file.sha256, name


def test_every_sample_has_its_row() -> None:
    names = {row.name for row in READ} | set(REFUSED)

    assert names == {path.stem for path in SAMPLES.glob("*.edxml")}
