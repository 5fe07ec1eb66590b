"""The fields of an envelope that an axis routes and finds it by."""

from __future__ import annotations

import io
from functools import partial

from gateway_foreign.summary import summarise
from tests.support import envelopes
from tests.unit.edxml.test_foreign import LIMITS, passed, unsigned


def test_a_summary_names_sender_recipients_and_document() -> None:
    raw = unsigned(envelopes.document())

    claims = summarise(partial(io.BytesIO, raw), LIMITS)

    assert claims is not None
    assert claims.sender == envelopes.SENDER
    assert claims.recipients == (envelopes.RECEIVER, envelopes.SECOND_RECEIVER)
    assert envelopes.DOCUMENT_ID in claims.identity
    assert claims.notation == "118/STN-VP"
    assert summarise(partial(io.BytesIO, passed(raw)), LIMITS) == claims
    assert summarise(partial(io.BytesIO, b"<html/>"), LIMITS) is None
