"""The cost of a small document in calls, the same on every machine: written and proved before it leaves (W10), verified and
checked when it comes, and the same of its 01. Limits lie a little above what is reached."""

from __future__ import annotations

from collections.abc import Callable
from cProfile import Profile
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import TypeVar, cast

from gateway.domain.proof import Evidence, Receipt, SignedEnvelope
from gateway.domain.signatures import FileFacts
from gateway.edxml import build, schema, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.outgoing import package
from gateway.outgoing.services import OutgoingServices
from gateway.policy import incoming, trust
from gateway.policy.profile import Profile as Rules
from tests.support import envelopes, pki
from tests.support.cases import Cases

T = TypeVar("T")

AT, POLICY, RULES = envelopes.SIGNED_AT, XmlPolicy(), Rules()
FILES = (("van-ban.pdf", bytes(range(256)) * 40),)
DOCUMENT, STATUS = envelopes.document(FILES), envelopes.status("01")
SENDER, RECEIVER = (pki.signer(code, "p256") for code in (envelopes.SENDER, envelopes.RECEIVER))
TERMS = envelopes.wishes(due_at=None)


class _Desk:
    """All of a desk that is asked for."""

    xml = POLICY


def _calls(work: Callable[[], T]) -> tuple[T, int, int]:
    """Run work a second time; return its outcome and its numbers of Python and C calls."""
    work()
    profile = Profile()
    outcome = profile.runcall(work)
    counts = [(isinstance(entry.code, str), entry.callcount) for entry in profile.getstats()]
    python, c = (sum(count for is_c, count in counts if is_c is kind) for kind in (False, True))
    return outcome, python, c


def _write(
    model: Envelope, files: envelopes.Files, signer: pki.KeySigner, qualifier: build.Qualifier
) -> tuple[bytes, SignedEnvelope[Envelope]]:
    """Write an envelope and prove it, as on the way out."""
    out = BytesIO()
    output = build.write(model, envelopes.contents(files), out, signer, qualifier, AT)
    services, packet_id = cast("OutgoingServices", _Desk()), qualifier.packet_id
    signed = package.verify_written(
        services, partial(BytesIO, out.getvalue()), output.size, signer, packet_id, AT
    )
    assert signed.model == model
    return out.getvalue(), signed


def _judge(raw: bytes, signer: pki.KeySigner, ours: str) -> incoming.Ruling | None:
    """Examine an envelope as a receiver does; a status ends with its proof."""
    bound = (envelopes.binding(signer),)
    source = verify.EnvelopeSource(size=len(raw), open=lambda: (raw,))
    examined = verify.examine_fast(
        source, policy=POLICY, bindings=lambda code: bound, at=AT, transport=None, opens=False
    )
    assert examined is not None
    routing = trust.Routing(sender=signer.agency_code, node="n1", host="n1")
    proved = trust.decide(examined.signed, _EVIDENCE, trust.TrustPolicy(), AT, routing)
    model = proved.model
    if model.status is not None:
        return None
    assert examined.keeps_form()
    assert not incoming.goes_round((ours,), [hop.organ_id for hop in model.trace if hop.organ_id])
    assert model.code is not None
    packet = incoming.ArrivedPacket(
        our_codes=(ours,),
        addressed_to=tuple(to.organ_id for to in model.to if to.organ_id),
        number=model.code.number or "",
        symbol=model.code.notation or "",
        issued_on=model.promulgation_date,
        subject=model.subject or "",
        files=tuple(incoming.ArrivedFile(name=file.name, facts=_FACTS) for file in examined.signed.files),
    )
    return incoming.check(packet, RULES)


_FACTS = FileFacts(found_type="pdf", size=10_240, pages=3)
_EVIDENCE = Evidence(
    chain_code=None,
    chain_detail="a chain to an anchor",
    not_before=AT - timedelta(days=1),
    not_after=AT + timedelta(days=1),
    usage_ok=True,
    revocation="good",
)


def _receipt(doc: SignedEnvelope[Envelope]) -> Receipt:
    return replace(
        envelopes.receipt("01"), body_digest=doc.body_digest, file_digest=doc.file_digest, size=doc.file_size
    )


# Calls of Python, and of C. A reader by one pattern saved up to half of them, and too little CPU (docs/performance.md):
# it went, and these came back.
LIMITS = {
    "document written and proved": (395, 695),
    "document verified and checked": (335, 485),
    "01 written and proved": (210, 338),
    "01 verified": (145, 190),
}


def test_a_small_document_and_its_01_take_no_more_calls_than_they_need(cases: Cases) -> None:
    for name in (schema.DOCUMENT, schema.STATUS):
        schema.compiled(name)
    calls = {}
    document = partial(_write, DOCUMENT, FILES, SENDER, envelopes.qualifier(DOCUMENT, terms=TERMS))
    (raw, signed), *calls["document written and proved"] = _calls(document)
    ruling, *calls["document verified and checked"] = _calls(partial(_judge, raw, SENDER, envelopes.RECEIVER))
    answer = partial(_write, STATUS, (), RECEIVER, envelopes.qualifier(STATUS, _receipt(signed)))
    (raw, _), *calls["01 written and proved"] = _calls(answer)
    _, *calls["01 verified"] = _calls(partial(_judge, raw, RECEIVER, envelopes.SENDER))

    assert ruling is not None
    assert ruling.decision is incoming.Admission.ALLOWED
    for name, (python, c) in LIMITS.items():
        with cases.case(name):
            assert calls[name][0] <= python, calls[name]
            assert calls[name][1] <= c, calls[name]
