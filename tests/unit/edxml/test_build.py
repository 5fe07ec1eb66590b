"""The writer of native envelopes (W1-W8) is canonical by itself, is accepted by every verifier, is the identity through
the reader, and refuses whatever the wire cannot carry."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.document import Kind
from gateway.domain.fields import FIELDS, Field, fields_of
from gateway.domain.proof import Receipt
from gateway.domain.text import LETTERS
from gateway.edxml import envelope, names, reader
from gateway.edxml.build import AttachmentContent, WrittenEnvelope, write
from gateway.edxml.canonical import Fast, check_key
from gateway.edxml.envelope import (
    Attachment,
    Business,
    Envelope,
    Organisation,
    OtherInfo,
    StatusReport,
    TraceHeader,
)
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import BreaksRule
from tests.support import envelopes, oracles, pki, readers, strategies
from tests.support.amounts import examples
from tests.support.cases import Cases

POLICY = XmlPolicy(allow_p384=True)
FIFTY_FILES = tuple((f"tệp {n}.{('pdf', 'txt', 'zip', 'docx')[n % 4]}", b"x" * n) for n in range(50))


def write_envelope(
    envelope: Envelope, files: envelopes.Files = (), *, signed: bool = True
) -> tuple[bytes, WrittenEnvelope]:
    out = BytesIO()
    output = write(
        envelope,
        envelopes.contents(files),
        out,
        pki.signer(kind="p256") if signed else None,
        envelopes.qualifier(envelope) if signed else None,
        envelopes.SIGNED_AT,
    )
    return out.getvalue(), output


def test_letters_markup_and_texts_of_the_full_length_are_written_as_they_are() -> None:
    """A text of these letters alone needs no second check (W1, canonical letters)."""
    pattern = re.compile(f"[{LETTERS}]")
    letters = [chr(n) for n in range(0x10000) if pattern.fullmatch(chr(n))]

    assert not any(map(unicodedata.combining, letters))
    for letter in letters:
        between = letter + letter.join(letters)
        assert unicodedata.normalize("NFC", between) == between

    for length in (499, 500):
        raw, _ = write_envelope(envelopes.document((), subject="ắ" * length))
        assert ("ắ" * length).encode() in raw

    subject = "& < > \" ' ]]> \t \n ắ \U0010ffff <ds:Signature &amp; &#49;"
    raw, _ = write_envelope(envelopes.document((), subject=subject))
    fast = readers.fast(raw, POLICY)
    assert fast is not None
    assert fast.envelope.subject == subject


def test_every_kind_is_valid_here_and_elsewhere_and_reads_back_as_it_was(cases: Cases) -> None:
    """Vector group 1, W2, W10, G8. R49 (packet)."""
    for name, model, files, receipt in envelopes.every_kind():
        for kind in pki.SOUND:
            with cases.case((name, kind)):
                signer = pki.signer(model.sender.organ_id or "", kind)
                assert _must_survive(model, files, signer, receipt).findings == ()


def test_the_oracles_can_say_no() -> None:
    raw, signer = envelopes.native(), pki.signer()
    changed = raw.replace(b"Sao Mai", b"Sao Hom", 1)
    assert changed != raw
    assert not oracles.xmlsec_says_valid(changed, signer.certificate_der)
    assert not oracles.signxml_says_valid(changed, signer.certificate_der)
    assert readers.fast(changed, POLICY) is None


def test_fifty_attachments_lie_where_the_writer_says() -> None:
    envelope = envelopes.document(FIFTY_FILES)

    raw, output = write_envelope(envelope, FIFTY_FILES)

    fast = readers.fast(raw, POLICY)
    assert fast is not None
    assert (fast.files, fast.body_digest, fast.size) == (output.files, output.body_digest, output.size)
    for (name, content), file in zip(FIFTY_FILES, output.files, strict=True):
        assert (file.name, file.size) == (name, len(content))
        assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert oracles.signxml_says_valid(raw, pki.signer(kind="p256").certificate_der)


@given(
    envelope=strategies.documents(),
    files=strategies.file_sets(),
    kind=st.sampled_from(["p256", "rsa-2048"]),
)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_document_survives_and_every_verifier_takes_it(
    envelope: Envelope, files: envelopes.Files, kind: str
) -> None:
    envelope = envelopes.with_files(envelope, files)
    signer = replace(pki.signer(kind=kind), agency_code=envelope.sender.organ_id or "")
    _must_survive(envelope, files, signer)


@given(envelope=strategies.statuses())
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_any_status_survives_and_every_verifier_takes_it(envelope: Envelope) -> None:
    assert envelope.status is not None
    signer = replace(pki.signer(kind="p256"), agency_code=envelope.sender.organ_id or "")
    receipt = None if envelope.status.code == "13" else envelopes.receipt(envelope.status.code)
    _must_survive(envelope, (), signer, receipt)


def _must_survive(
    envelope: Envelope, files: envelopes.Files, signer: pki.KeySigner, receipt: Receipt | None = None
) -> Fast:
    raw = envelopes.native(envelope, files, signer=signer, receipt=receipt)
    fast = readers.fast(raw, POLICY)
    assert fast is not None
    assert check_key(fast, [envelopes.binding(signer)], POLICY) == envelopes.binding(signer)
    assert (fast.envelope, fast.signature.receipt) == (envelope, receipt)
    assert [file.size for file in fast.files] == [len(content) for _, content in files]
    assert raw[oracles.DECLARATION_LENGTH :] == oracles.canonical_form(raw)
    assert fast.body_digest == hashlib.sha256(oracles.body_form(raw)).hexdigest()
    assert oracles.xmlsec_says_valid(raw, signer.certificate_der)
    assert oracles.signxml_says_valid(raw, signer.certificate_der)
    return fast


def test_w1_w4_the_declaration_is_exact_nothing_follows_the_root_and_s_is_last_in_the_header() -> None:
    raw, output = write_envelope(envelopes.document(), envelopes.TWO_FILES)
    assert raw.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns=')
    assert len(names.DECLARATION) == oracles.DECLARATION_LENGTH
    assert raw.endswith(b"</edXML>")
    assert output.size == len(raw)
    assert raw.count(b"<ds:Signature ") == 1
    assert b"</edXML:TraceHeaderList><ds:Signature " in raw
    assert b"</ds:Signature></edXML:edXMLHeader><edXML:edXMLBody>" in raw


def test_w7_the_body_digest_depends_on_the_body_alone_and_an_unsigned_envelope_reads_the_same() -> None:
    envelope, digests = envelopes.document(()), set()
    for kind, at in (("p256", envelopes.SIGNED_AT), ("rsa-2048", datetime(2031, 5, 1, tzinfo=UTC))):
        signer = pki.signer(kind=kind)
        output = write(envelope, (), BytesIO(), signer, envelopes.qualifier(envelope), at)
        digests.add(output.body_digest)
    digests.add(write_envelope(envelope, signed=False)[1].body_digest)
    assert len(digests) == 1

    envelope = envelopes.document()
    raw, output = write_envelope(envelope, envelopes.TWO_FILES, signed=False)
    assert b"Signature" not in raw
    read_back = reader.read([raw], EnvelopeLimits(), strict=True)
    assert (read_back.envelope, read_back.files, read_back.findings) == (envelope, output.files, ())
    assert readers.fast(raw, POLICY) is None


def test_what_is_absent_is_not_written_and_order_is_the_closed_tables() -> None:
    raw, _ = write_envelope(envelopes.document((), other=OtherInfo(direction=True, priority=0), content=None))
    assert b"Content>" not in raw
    assert (
        b"<edXML:OtherInfo><edXML:Priority>0</edXML:Priority><edXML:Direction>true</edXML:Direction>" in raw
    )
    order = [
        raw.index(f"<edXML:{name}>".encode()) for name in ("From", "To", "DocumentId", "Subject", "ToPlaces")
    ]
    assert order == sorted(order)


def test_times_are_written_as_the_wall_clock_in_hanoi_and_a_year_has_four_digits() -> None:
    hop = TraceHeader(organ_id="Z91", timestamp=datetime(2031, 3, 4, 18, 30, 1, tzinfo=UTC))
    raw, _ = write_envelope(envelopes.document((), trace=(hop,), due_date=date(987, 6, 5)))
    assert b"<edXML:Timestamp>2031/03/05 01:30:01</edXML:Timestamp>" in raw
    assert b"<edXML:DueDate>0987/06/05</edXML:DueDate>" in raw


SAMPLES = {str: "a", int: 1, bool: True, date: date(2031, 3, 4), datetime: envelopes.SIGNED_AT}


def filled(part: Any, **more: object) -> Any:
    """Return a part of the model that says something in each of its elements."""
    fields = dict(more)
    for row in envelope.rows(part):
        value = filled(row.holds) if row.is_part else SAMPLES[row.holds]
        fields[row.attribute] = (value,) if row.many else value
    return part(**fields)


def test_the_outline_has_a_value_for_every_element_of_the_closed_table_and_no_other() -> None:
    """A word that stands in one of the two only would be silently lost."""

    def walk(element: names.Element, tree: Any, path: str) -> Iterator[tuple[str, set[str], set[str]]]:
        yield (
            path,
            set(tree),
            {child.local for child in element.children.values() if child is not names.CONTENT},
        )
        for child in element.children.values():
            value = tree.get(child.local)
            inner = value[0] if child.many and value else value
            if inner is not None and not child.leaf:
                yield from walk(child, inner, f"{path}/{child.local}")

    full = replace(
        filled(Envelope, kind=Kind.STATUS),
        status=filled(StatusReport),
        trace=(filled(TraceHeader),),
        business=filled(Business),
    )
    line = filled(Attachment)
    parts = [
        (names.HEADER, envelope.outline_header(full)),
        (names.MANIFEST, {"Reference": [envelope.outline(line)]}),
        (names.ATTACHMENT, envelope.outline(line)),
    ]
    elements = [e for element, tree in parts for e in walk(element, tree, element.local)]
    assert len(elements) > 20
    for path, own, listed in elements:
        assert own == listed, path


def test_an_element_takes_all_that_its_field_may_say() -> None:
    longest = {path: element.max_length for path, element in names.paths(names.HEADER)}

    def check(field: Field, above: str) -> int:
        path = above + "".join(f"/edXML:{step}" for step in field.rule.wire.split("/"))
        if field.is_part:
            return sum(check(f, path) for f in fields_of(field.holds))
        assert path in longest
        assert field.rule.longest <= (longest[path] or 0), path
        return 1

    header = "/edXML:edXMLHeader/edXML:MessageHeader"
    assert sum(check(f, header) for f in FIELDS if f.rule.wire) >= 17


GOOD = envelopes.document()


def test_a_model_that_the_wire_cannot_carry_is_refused(cases: Cases) -> None:
    rows: list[tuple[str, object]] = [
        ("subject", "a\x00b"),
        ("subject", "a\rb"),
        ("subject", "a\x85b"),
        ("subject", "a\ud800b"),
        ("subject", "a\ufffe"),
        ("subject", "a\u0309"),  # a and a combining hook above, which NFC writes as one letter
        ("subject", ""),
        ("subject", " \n"),
        ("subject", "x" * 501),
        ("place", "x" * 51),
        ("document_id", "x" * 256),
        ("document_id", "null"),
        ("sender", Organisation(organ_name="no code")),
        ("sender", Organisation(organ_id="x" * 76)),
        ("to", (Organisation(),)),
        ("to", (Organisation(organ_id="Z91"),) * 1001),
        ("to_places", ("",)),
        ("steering_type", -1),
        ("steering_type", 10**9),
        ("trace", (TraceHeader(timestamp=datetime(2031, 1, 1)),)),
        ("trace", (TraceHeader(timestamp=datetime(9999, 12, 31, 23, tzinfo=UTC)),)),
        ("business", Business(doc_type=1)),
        ("kind", Kind.RECALL),
        ("kind", Kind.STATUS),
        ("status", envelopes.status().status),
        ("manifest", ()),
        ("manifest", GOOD.manifest[::-1]),
        ("attachments", (GOOD.attachments[0],) * 2),
    ]
    for field, bad in rows:
        with cases.case((field, bad)), pytest.raises(BreaksRule):
            write_envelope(envelopes.document(envelopes.TWO_FILES, **{field: bad}), envelopes.TWO_FILES)


def test_file_and_entry_names_and_types_other_than_what_is_written_are_refused() -> None:
    for name in ("a/b.pdf", "..\\b.pdf", "a\nb.pdf", "a.ZIP"):
        with pytest.raises(BreaksRule):
            write_envelope(envelopes.document(((name, b"x"),)), ((name, b"x"),))

    # Bytes labelled application/zip that are no ZIP make the vendor's reader refuse the whole message.
    zip_named = replace(GOOD.attachments[0], content_type="application/zip")
    with pytest.raises(BreaksRule, match="application/pdf"):
        write_envelope(envelopes.document(attachments=(zip_named, GOOD.attachments[1])), envelopes.TWO_FILES)
    content = AttachmentContent(entry_name="../../a.txt", open=lambda: (b"x",))
    with pytest.raises(BreaksRule, match="UUID"):
        write(envelopes.document((("a.txt", b"x"),)), [content], BytesIO(), None, None, envelopes.SIGNED_AT)


def test_a_status_is_nothing_but_a_status() -> None:
    status = envelopes.status().status
    assert status is not None
    changes: tuple[dict[str, Any], ...] = (
        {"to": (Organisation(organ_id="Z91"),)},
        {"response_for": ()},
        {"business": Business(doc_type=0)},
        {"status": replace(status, code="3")},
        {"status": None},
    )
    for change in changes:
        with pytest.raises(BreaksRule):
            write_envelope(replace(envelopes.status(), **change))


def test_f12_a_qualifier_that_is_absent_or_contradicts_the_envelope_is_refused() -> None:
    document, status = envelopes.document(()), envelopes.status()
    for model, qualifier in (
        (document, replace(envelopes.qualifier(GOOD), kind=Kind.UPDATE)),
        (status, replace(envelopes.qualifier(status), receipt=envelopes.receipt("02"))),
        (document, None),
    ):
        with pytest.raises(BreaksRule):
            write(model, (), BytesIO(), pki.signer(kind="p256"), qualifier, envelopes.SIGNED_AT)
