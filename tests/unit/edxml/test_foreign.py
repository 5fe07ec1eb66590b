"""An envelope that an axis writes anew keeps its meaning and its content digest; one that its sender changes does not."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from gateway.edxml import attachment, foreign, reader
from gateway.edxml.build import write
from gateway.edxml.envelope import Envelope, TraceHeader
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.verify import EnvelopeSource
from gateway.errors import MalformedXml
from gateway_labs.simulators import again
from tests.support import envelopes
from tests.support.clock import START

LIMITS = EnvelopeLimits()


def unsigned(model: Envelope, files: Any = envelopes.TWO_FILES) -> bytes:
    out = io.BytesIO()
    write(model, envelopes.contents(files), out, None, None, START)
    return out.getvalue()


def passed(raw: bytes) -> bytes:
    opener = partial(io.BytesIO, raw)
    read = reader.read(attachment.pieces(opener), LIMITS)
    return b"".join(again.write_envelope(read, opener, "TRUC.W00", START))


def examined(raw: bytes) -> foreign.Unsigned:
    return foreign.examine(EnvelopeSource(open=lambda: [raw], size=len(raw)), LIMITS)


def test_what_was_written_anew_says_the_same_and_other_content_has_another_digest() -> None:
    sent = envelopes.document()
    raw = unsigned(sent)
    rewritten = passed(raw)
    sent_form, after_axis = examined(raw).verified.signed, examined(rewritten).verified.signed

    assert rewritten != raw
    assert b"\r\n" in rewritten
    assert sent_form.body_digest == after_axis.body_digest
    assert [file.sha256 for file in after_axis.files] == [file.sha256 for file in sent_form.files]
    assert after_axis.model.trace[-1].organ_id == "TRUC.W00"
    assert examined(passed(rewritten)).verified.signed.body_digest == after_axis.body_digest
    assert (after_axis.path, after_axis.packet_id, after_axis.certificate_der) == ("axis", None, b"")

    plain = examined(unsigned(sent)).verified.signed
    changes: tuple[dict[str, Any], ...] = (
        {"subject": "Khác"},
        {"document_id": "Z91,2031/03/04,9/X"},
        {"promulgation_date": None},
        {"to": ()},
    )
    for change in changes:
        assert foreign.content_digest(envelopes.document(**change), plain.files) != plain.body_digest
    passed_on = replace(sent, trace=(TraceHeader(organ_id="X"),))
    assert foreign.content_digest(passed_on, plain.files) == plain.body_digest
    assert foreign.content_digest(sent, plain.files[:1]) != plain.body_digest


def test_a_real_signature_is_broken_on_the_way_and_without_a_sender_nobody_can_be_vouched_for() -> None:
    raw = envelopes.native()
    rewritten = passed(raw)

    assert examined(raw).is_signed
    assert not examined(rewritten).is_signed
    assert b"MIIFqTCCBJG" in rewritten
    assert examined(raw).verified.signed.body_digest == examined(rewritten).verified.signed.body_digest

    raw = unsigned(envelopes.document()).replace(envelopes.SENDER.encode(), b"null")

    with pytest.raises(MalformedXml) as refused:
        examined(raw)

    assert refused.value.code == "ENV-DIALECT"
