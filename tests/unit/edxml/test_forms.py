"""An envelope in the forms that axes want: the same meaning, the same identity and the same files, read back by both
readers; the same bytes each time, as the golden files have them."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.edxml import attachment, forms, reader
from gateway.edxml.build import write
from gateway.edxml.envelope import Envelope, OtherInfo
from gateway.edxml.foreign import examine
from gateway.edxml.model import bare_content_id
from gateway.edxml.policy import XmlPolicy
from gateway.edxml.verify import EnvelopeSource
from gateway.errors import AlteredContent
from tests.support import envelopes, oracles, pki, strategies
from tests.support.amounts import examples
from tests.support.cases import Cases

POLICY = XmlPolicy(allow_p384=True)
OTHER_FORMS = [Form.UNSIGNED, Form.DOTNET]
GOLDEN = Path(__file__).parent / "forms"


def in_form(form: Form, raw: bytes) -> bytes:
    shaped = forms.reshape(form, partial(BytesIO, raw), len(raw), POLICY)
    assert shaped is not None
    with shaped.open() as file:
        content = file.read()
    assert shaped.handed == Handed(form=form, digest=digest_of(content), size=len(content))
    return content


def digest_of(raw: bytes) -> Digest:
    return Digest.of_bytes(hashlib.sha256(raw).digest())


def meaning(envelope: Envelope) -> Envelope:
    """Remove what the .NET flavour writes in another way, or not at all: it has no Direction, and bare ids of files."""
    files = tuple(replace(a, content_id=bare_content_id(a.content_id)) for a in envelope.attachments)
    lines = tuple(replace(line, content_id=bare_content_id(line.content_id)) for line in envelope.manifest)
    other = replace(envelope.other or OtherInfo(), direction=None)
    return replace(envelope, attachments=files, manifest=lines, other=None if other == OtherInfo() else other)


def read_by_both(raw: bytes) -> reader.Read:
    """Read the bytes by expat, and again in the canonical form of libxml2."""
    read = reader.read([raw], POLICY.limits)
    canonical_read = reader.read([oracles.canonical_form(raw)], POLICY.limits)
    assert canonical_read.envelope == read.envelope
    assert [file.sha256 for file in canonical_read.files] == [file.sha256 for file in read.files]
    return read


def identity(raw: bytes) -> str:
    source = EnvelopeSource(size=len(raw), open=lambda: [raw])
    return examine(source, POLICY.limits).verified.signed.body_digest


def must_say_the_same(envelope: Envelope, files: envelopes.Files, raw: bytes) -> None:
    plain = reader.read([raw], POLICY.limits)
    for form in OTHER_FORMS:
        shaped = in_form(form, raw)
        read = read_by_both(shaped)
        assert meaning(read.envelope) == meaning(envelope)
        assert {finding.code for finding in read.findings} <= {finding.code for finding in plain.findings}
        assert [file.sha256 for file in read.files] == [digest_of(content) for _, content in files]
        assert [file.name for file in read.files] == [file.name for file in plain.files]
        assert identity(shaped) == identity(raw)  # a receiver that has one of them knows the other
        assert read.signature is None or read.signature.value is None


def test_every_kind_says_the_same_in_every_form(cases: Cases) -> None:
    for name, envelope, files, receipt in envelopes.every_kind():
        with cases.case(name):
            must_say_the_same(envelope, files, envelopes.native(envelope, files, receipt=receipt))


@given(envelope=strategies.documents(), files=strategies.file_sets())
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_document_says_the_same_in_every_form(envelope: Envelope, files: envelopes.Files) -> None:
    envelope = envelopes.with_files(envelope, files)
    signer = replace(pki.signer(kind="p256"), agency_code=envelope.sender.organ_id or "")
    must_say_the_same(envelope, files, envelopes.native(envelope, files, signer=signer))


@given(envelope=strategies.statuses(), kind=st.sampled_from(OTHER_FORMS))
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow])
def test_any_status_says_the_same_in_every_form(envelope: Envelope, kind: Form) -> None:
    signer = replace(pki.signer(kind="p256"), agency_code=envelope.sender.organ_id or "")
    raw = envelopes.native(envelope, (), signer=signer)

    assert read_by_both(in_form(kind, raw)).envelope == envelope


def test_without_its_signature_it_is_what_our_writer_writes_and_is_made_again_or_nothing() -> None:
    envelope, out = envelopes.document(), BytesIO()
    write(envelope, envelopes.contents(envelopes.TWO_FILES), out, None, None, envelopes.SIGNED_AT)

    assert in_form(Form.UNSIGNED, envelopes.native(envelope)) == out.getvalue()

    raw, other = envelopes.native(), envelopes.native(envelopes.document(subject="Khác"))
    shaped = forms.reshape(Form.DOTNET, partial(BytesIO, raw), len(raw), POLICY)
    assert shaped is not None

    with forms.reopen(shaped.handed, partial(BytesIO, raw), len(raw), POLICY)() as file:
        assert file.read() == in_form(Form.DOTNET, raw)
    with pytest.raises(AlteredContent):
        forms.reopen(shaped.handed, partial(BytesIO, other), len(other), POLICY)()

    read = reader.read([(GOLDEN / "dotnet.edxml").read_bytes()], POLICY.limits)

    assert read.dialect == "A-net"


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_signed_again_it_gives_the_same_file(form: Form) -> None:
    """A retry after a change of keys therefore sends the same bytes."""
    first = envelopes.native(signer=pki.signer(kind="p256"))
    other = envelopes.native(signer=pki.signer(kind="rsa-2048"), packet_id="pkt_00000000000000000000000002")

    assert first != other
    assert in_form(form, first) == in_form(form, other)


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_the_golden_files(form: Form) -> None:
    """A form is never changed once it went out: the file that was handed over is made anew from the signed one on request,
    and must be the same. Another shape is another form."""
    raw = (GOLDEN / "standard.edxml").read_bytes()

    assert in_form(form, raw) == (GOLDEN / f"{form}.edxml").read_bytes()


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_what_another_writer_wrote_has_no_form_of_ours(form: Form) -> None:
    for raw in (in_form(Form.DOTNET, envelopes.native()), b"", b"no xml", envelopes.native()[:-9]):
        assert forms.reshape(form, partial(BytesIO, raw), len(raw), POLICY) is None


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_large_file_is_never_held_entirely_in_memory(form: Form, tmp_path: Path) -> None:
    files = (("lon.pdf", b"%PDF-1.7\n" + bytes(12 * 1024 * 1024)),)
    path = tmp_path / "large.edxml"
    path.write_bytes(envelopes.native(envelopes.document(files), files))
    size = path.stat().st_size

    tracemalloc.start()
    try:
        shaped = forms.reshape(form, lambda: path.open("rb"), size, POLICY)
        assert shaped is not None
        length = sum(len(piece) for piece in attachment.pieces(shaped.open))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == shaped.handed.size
    assert peak < 6 * 1024 * 1024
