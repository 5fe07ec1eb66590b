"""`gw:Terms` (verification.md W6a): what the writer makes both paths read alike, and whatever shape its owner gives it
instead is refused by both, under one code. The rows are vectors too (section 10, groups 1 and 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from gateway.domain.document import DeliveryMode, RecipientRole
from gateway.domain.proof import Receipt, Terms
from gateway.edxml import verify
from gateway.edxml.envelope import Business, Envelope, Organisation
from gateway.edxml.policy import XmlPolicy
from gateway.errors import BreaksRule
from tests.hostile import forge
from tests.hostile.forge import Mutation, swap
from tests.support import envelopes, pki
from tests.support.cases import Cases

MANY = tuple(f"{'Z' * 70}.{n:04d}" for n in range(1000))
ROLES = tuple(RecipientRole)


def _many() -> Envelope:
    return replace(
        envelopes.timed(envelopes.document(())), to=tuple(Organisation(organ_id=code) for code in MANY)
    )


def _both() -> Envelope:
    return envelopes.document((), business=Business(doc_type=0, paper=1))


_MANY_ROLES = tuple((code, ROLES[n % 4]) for n, code in enumerate(MANY))

GOOD: list[tuple[str, Envelope, Receipt | None, Terms]] = [
    ("document", envelopes.timed(envelopes.document()), None, envelopes.wishes()),
    ("update", envelopes.timed(envelopes.update()), None, envelopes.wishes()),
    ("replacement", envelopes.timed(envelopes.replacement()), None, envelopes.wishes()),
    ("03", envelopes.status("03"), envelopes.receipt("03"), envelopes.REGISTERED),
    ("no-reply", envelopes.document(()), None, Terms(reply_required=False)),
    ("paper-follows", _both(), None, Terms(delivery_mode=DeliveryMode.BOTH)),
    ("one-recipient", envelopes.document(()), None, Terms(roles=envelopes.wishes().roles[1:])),
    ("1000-recipients", _many(), None, envelopes.wishes(roles=_MANY_ROLES)),
]

OPEN, CLOSE = b"<gw:Terms>", b"</gw:Terms>"
REPLY = b"<gw:ReplyRequired>true</gw:ReplyRequired>"
DUE = b"<gw:DueAt>2031-03-04T09:00:00Z</gw:DueAt>"
MODE = b"<gw:DeliveryMode>electronic</gw:DeliveryMode>"
FIRST = b'<gw:Recipient Code="000.00.12.Z92" Role="to_act"></gw:Recipient>'
SECOND = b'<gw:Recipient Code="Z93.05" Role="to_know"></gw:Recipient>'
NUMBER = b"<gw:RegisterNumber>1245</gw:RegisterNumber>"
YEAR = b"<gw:RegisterYear>2031</gw:RegisterYear>"
KIND = b"</gw:Kind>"


def _terms(inside: bytes) -> bytes:
    return OPEN + inside + CLOSE


def _added(inside: bytes) -> Mutation:
    """Into a packet that has none."""
    return swap(KIND, KIND + _terms(inside))


def _becomes(inside: bytes) -> Mutation:
    """All that stands in the document's."""
    return swap(OPEN + REPLY + DUE + MODE + FIRST + SECOND + CLOSE, _terms(inside))


def _last(data: bytes) -> bytes:
    """Terms after the receipt."""
    return swap(b"</gw:Receipt>", b"</gw:Receipt>" + _terms(NUMBER + YEAR))(
        swap(_terms(NUMBER + YEAR), b"")(data)
    )


def _before_kind(data: bytes) -> bytes:
    terms_xml = _terms(REPLY + DUE + MODE + FIRST + SECOND)
    return swap(b"<gw:Kind>", terms_xml + b"<gw:Kind>")(swap(terms_xml, b"")(data))


# What the owner of the key signs; every value is right, the Terms are not. By the packet that it is done to.
SHAPES: dict[str, list[tuple[str, Mutation, str]]] = {
    "document": [
        ("empty", _becomes(b""), "SIG-STRUCTURE"),
        ("doubled", swap(CLOSE, CLOSE + _terms(REPLY)), "SIG-STRUCTURE"),
        ("before-kind", _before_kind, "SIG-STRUCTURE"),
        ("attribute", swap(OPEN, b'<gw:Terms a="b">'), "SIG-STRUCTURE"),
        ("text-between", swap(REPLY, REPLY + b"x"), "SIG-STRUCTURE"),
        ("out-of-order", swap(REPLY + DUE, DUE + REPLY), "SIG-STRUCTURE"),
        ("recipient-before-mode", swap(MODE + FIRST, FIRST + MODE), "SIG-STRUCTURE"),
        ("leaf-doubled", swap(REPLY, REPLY + REPLY), "SIG-STRUCTURE"),
        ("unknown-child", swap(MODE, MODE + b"<gw:Urgency>4</gw:Urgency>"), "SIG-STRUCTURE"),
        ("child-of-no-namespace", swap(REPLY, b"<ReplyRequired>true</ReplyRequired>"), "SIG-STRUCTURE"),
        ("attribute-on-a-leaf", swap(b"<gw:DueAt>", b'<gw:DueAt a="b">'), "SIG-STRUCTURE"),
        ("reply-is-1", swap(b">true<", b">1<"), "SIG-STRUCTURE"),
        ("reply-in-capitals", swap(b">true<", b">TRUE<"), "SIG-STRUCTURE"),
        ("reply-is-blank", swap(b">true<", b"> <"), "SIG-STRUCTURE"),
        ("reply-is-empty", swap(b">true<", b"><"), "SIG-STRUCTURE"),
        ("hour-with-offset", swap(b"09:00:00Z", b"16:00:00+07:00"), "SIG-STRUCTURE"),
        ("hour-with-fraction", swap(b"09:00:00Z", b"09:00:00.5Z"), "SIG-STRUCTURE"),
        ("hour-without-zone", swap(b"09:00:00Z", b"09:00:00"), "SIG-STRUCTURE"),
        ("hour-of-no-day", swap(b"2031-03-04T09", b"2031-02-29T09"), "SIG-STRUCTURE"),
        ("hour-with-space", swap(b"<gw:DueAt>", b"<gw:DueAt> "), "SIG-STRUCTURE"),
        ("mode-paper", swap(b">electronic<", b">paper<"), "SIG-STRUCTURE"),
        ("mode-unknown", swap(b">electronic<", b">email<"), "SIG-STRUCTURE"),
        ("role-unknown", swap(b"to_know", b"to_see"), "SIG-STRUCTURE"),
        ("role-absent", swap(b' Role="to_know"', b""), "SIG-STRUCTURE"),
        ("code-absent", swap(b' Code="Z93.05"', b""), "SIG-STRUCTURE"),
        ("code-blank", swap(b'Code="Z93.05"', b'Code=" "'), "SIG-STRUCTURE"),
        ("code-with-space", swap(b'Code="Z93.05"', b'Code="Z93.05 "'), "SIG-STRUCTURE"),
        ("code-with-line-feed", swap(b'Code="Z93.05"', b'Code="Z93.&#xA;05"'), "SIG-STRUCTURE"),
        ("code-not-nfc", swap(b'Code="Z93.05"', 'Code="Z93.05e\u0301"'.encode()), "SIG-STRUCTURE"),
        ("recipient-says-more", swap(b'Role="to_know"', b'Role="to_know" State="x"'), "SIG-STRUCTURE"),
        ("recipient-holds-text", swap(b'"to_know">', b'"to_know">x'), "SIG-STRUCTURE"),
        ("recipient-twice", swap(SECOND, FIRST), "SIG-STRUCTURE"),
        ("recipient-twice-with-another-role", swap(SECOND, FIRST.replace(b"act", b"know")), "SIG-STRUCTURE"),
        ("arrival-number-in-a-document", swap(SECOND, SECOND + NUMBER + YEAR), "SIG-STRUCTURE"),
        ("code-not-in-to", swap(b'Code="Z93.05"', b'Code="Z93.06"'), "MSG-ID"),
        ("code-in-other-letters", swap(b'Code="Z93.05"', b'Code="z93.05"'), "MSG-ID"),
        ("recipients-in-another-order", swap(FIRST + SECOND, SECOND + FIRST), "MSG-ID"),
        ("mode-against-paper", swap(b">electronic<", b">both<"), "MSG-ID"),
        ("hour-without-priority", swap(b"<edXML:Priority>4", b"<edXML:Priority>3"), "MSG-ID"),
    ],
    "recall": [
        ("in-a-recall", _added(REPLY), "SIG-STRUCTURE"),
        ("recipient-in-a-recall", _added(FIRST), "SIG-STRUCTURE"),
        ("arrival-number-in-a-recall", _added(NUMBER + YEAR), "SIG-STRUCTURE"),
    ],
    "status 03": [
        ("reply-in-a-03", swap(OPEN, OPEN + REPLY), "SIG-STRUCTURE"),
        ("after-the-receipt", _last, "SIG-STRUCTURE"),
        ("number-without-year", swap(YEAR, b""), "SIG-STRUCTURE"),
        ("year-without-number", swap(NUMBER, b""), "SIG-STRUCTURE"),
        ("year-before-number", swap(NUMBER + YEAR, YEAR + NUMBER), "SIG-STRUCTURE"),
        ("number-empty", swap(b">1245<", b"><"), "SIG-STRUCTURE"),
        ("number-blank", swap(b">1245<", b"> <"), "SIG-STRUCTURE"),
        ("number-with-space", swap(b">1245<", b">1245 <"), "SIG-STRUCTURE"),
        ("number-with-no-break-space", swap(b">1245<", ">\u00a01245<".encode()), "SIG-STRUCTURE"),
        ("number-with-tab", swap(b">1245<", b">12\t45<"), "SIG-STRUCTURE"),
        ("number-with-line-feed", swap(b">1245<", b">12\n45<"), "SIG-STRUCTURE"),
        ("number-with-control", swap(b">1245<", ">12\u008545<".encode()), "SIG-STRUCTURE"),
        ("number-not-nfc", swap(b">1245<", ">1245e\u0301<".encode()), "SIG-STRUCTURE"),
        ("number-of-51-letters", swap(b">1245<", b">" + b"1" * 51 + b"<"), "SIG-STRUCTURE"),
        ("year-of-three-digits", swap(b">2031<", b">231<"), "SIG-STRUCTURE"),
        ("year-of-five-digits", swap(b">2031<", b">02031<"), "SIG-STRUCTURE"),
        ("year-in-other-digits", swap(b">2031<", ">203\u0661<".encode()), "SIG-STRUCTURE"),
        ("year-with-sign", swap(b">2031<", b">+203<"), "SIG-STRUCTURE"),
    ],
    "status 01": [
        ("reply-in-a-01", _added(REPLY), "SIG-STRUCTURE"),
        ("arrival-number-in-a-01", _added(NUMBER + YEAR), "MSG-ID"),
    ],
    "status 13": [
        ("reply-in-a-13", _added(REPLY), "SIG-STRUCTURE"),
        ("arrival-number-in-a-13", _added(NUMBER + YEAR), "SIG-STRUCTURE"),
    ],
}


@cache
def native(carrier: str) -> bytes:
    """The good packet that a row is made from."""
    if carrier == "document":
        return envelopes.native(envelopes.timed(envelopes.document()), terms=envelopes.wishes())
    model, receipt = next((kind[1], kind[3]) for kind in envelopes.every_kind() if kind[0] == carrier)
    terms = envelopes.REGISTERED if carrier == "status 03" else None
    return envelopes.native(model, receipt=receipt, terms=terms)


def signer(carrier: str) -> pki.KeySigner:
    sender = envelopes.RECEIVER if carrier in ("status 03", "status 01") else envelopes.SENDER
    return pki.signer(sender)


def parked(data: bytes) -> bytes:
    """Somebody without the key takes the Terms out and puts them into a second Object, where a search finds them."""
    terms_xml = _terms(REPLY + DUE + MODE + FIRST + SECOND)
    without = swap(terms_xml, b"")(data)
    object_xml = (
        b'<ds:Object><gw:Terms xmlns:gw="urn:gateway:qualifier:1">' + terms_xml[len(OPEN) :] + b"</ds:Object>"
    )
    return swap(b"</ds:Signature>", object_xml + b"</ds:Signature>")(without)


def _signed(data: bytes, signer: pki.KeySigner, *, fast: bool) -> Terms | None:
    """Return the terms that one path alone reads."""
    policy, bound = XmlPolicy(), forge.bindings(signer)
    examine = verify.examine_fast if fast else verify.examine_general
    examination = examine(forge.source(data), policy=policy, bindings=bound, at=forge.AT)
    assert examination is not None
    assert examination.signed.contradiction is None
    return examination.signed.terms


def test_both_paths_read_the_terms_that_were_written_and_none_that_somebody_changes() -> None:
    """Vectors have what each verifier says of them."""
    for _, model, receipt, terms in GOOD:
        by = pki.signer(model.sender.organ_id or "", "p256")
        data = envelopes.native(model, signer=by, receipt=receipt, terms=terms)
        assert _signed(data, by, fast=True) == _signed(data, by, fast=False) == terms

    # They lie in S and not in the body, so the second reference is what covers them.
    taken_out = swap(_terms(REPLY + DUE + MODE + FIRST + SECOND), b"")
    for change in (swap(b">true<", b">false<"), taken_out):
        verdict = forge.judge(change(native("document")))
        assert (verdict.code, verdict.step) == ("SIG-PROPERTIES", 7)


def test_indented_terms_are_read_by_the_general_path() -> None:
    """Whoever lays S out anew and signs it says the same."""
    good = native("document")
    spaced = swap(OPEN + REPLY, OPEN + b"\n  " + REPLY + b"\n  ")(good)

    data = forge.resign(spaced, good)

    assert forge.judge(data).path == "general"
    assert _signed(data, forge.SIGNER, fast=False) == envelopes.wishes()


def test_the_writer_refuses_terms_that_no_reader_takes(cases: Cases) -> None:
    document, timed = envelopes.document(), envelopes.timed(envelopes.document())
    rows: list[tuple[Envelope, Terms]] = [
        (document, Terms()),
        (envelopes.recall(), Terms(reply_required=True)),
        (envelopes.status("01"), envelopes.REGISTERED),
        (envelopes.status("03"), replace(envelopes.REGISTERED, register_year=None)),
        (envelopes.status("03"), replace(envelopes.REGISTERED, register_no=" 7")),
        (envelopes.status("03"), replace(envelopes.REGISTERED, register_no="7" * 51)),
        (envelopes.status("03"), replace(envelopes.REGISTERED, register_year=10000)),
        (document, envelopes.wishes()),
        (document, Terms(delivery_mode=DeliveryMode.BOTH)),
        (document, Terms(delivery_mode=DeliveryMode.PAPER)),
        (document, Terms(roles=(("Z94", RecipientRole.TO_ACT),))),
        (document, Terms(roles=((envelopes.RECEIVER, RecipientRole.TO_ACT),) * 2)),
        (timed, Terms(due_at=datetime(2031, 3, 4))),
        (timed, Terms(due_at=datetime.fromisoformat("9999-12-31T23:00:00-07:00"))),
    ]
    for model, terms in rows:
        receipt = envelopes.receipt(model.status.code) if model.status else None
        with cases.case(terms), pytest.raises(BreaksRule):
            envelopes.native(model, receipt=receipt, terms=terms)


def test_a_signature_that_no_reader_takes_is_not_written() -> None:
    codes = tuple("&" * 71 + f"{n:04d}" for n in range(1000))
    model = envelopes.document((), to=tuple(Organisation(organ_id=code) for code in codes))
    terms = Terms(roles=tuple((code, RecipientRole.TO_KNOW) for code in codes))

    with pytest.raises(BreaksRule, match="bytes"):
        envelopes.native(model, (), terms=terms)


def test_an_hour_is_written_in_utc_and_whole_seconds() -> None:
    due = datetime.fromisoformat("2031-03-04T16:00:00.5+07:00")
    data = envelopes.native(envelopes.timed(envelopes.document(())), (), terms=Terms(due_at=due))

    terms = _signed(data, forge.SIGNER, fast=True)

    assert terms == Terms(due_at=datetime(2031, 3, 4, 9, 0, tzinfo=UTC))
