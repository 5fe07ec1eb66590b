"""The signatures inside its PDFs give a document its legal value, from the sender's desk to the receiver's (R19 to R26):
it is refused unsigned, official when both signed, and judged again later where it could not be decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.api.inbox_view import inbox_item
from gateway.api.message_view import message
from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.event import EventKind
from gateway.domain.signatures import LegalValue, SignatureWord
from gateway.errors import Refused
from gateway.outgoing import manage
from gateway.policy.verdict import ReasonCode, Verdict
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from tests.support import pdf_pki, pdfs
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened
from tests.support.pdf_pki import SIGNED, agency, person, root
from tests.support.seals import person_of, register, seal_of
from tests.support.strategies import Files

BOTH = pdfs.by_both()
AGENCY = pdfs.by_agency()
COPY = pdfs.sign(pdfs.plain(), agency(), "CoQuan", reason="SAO Y")
CHANGED = BOTH.replace(b"Noi dung van ban", b"Noi dung van bai")
STRANGE = pdfs.sign(pdfs.plain(), pdf_pki.root("Another Root").issue("Sở Lạ", agency=True), "A")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "node"


async def town_with(
    place: Path, lists: Sequence[x509.CertificateRevocationList] | None
) -> AsyncIterator[Town]:
    async with opened(place):
        pass  # the stage is copied
    pdf_pki.folder(stage.settings_for(place).trust.folder / "pdf", lists=lists)
    async with opened(place, ManualClock()) as town:
        by = person_of(DEPARTMENT, person(), name="Nguyễn Văn Mẫu")
        await register(town.node.deciding, seal_of(DEPARTMENT, agency()), by)
        await SignaturesClock().step(town.node.inn)
        yield town


@pytest.fixture
async def town(place: Path) -> AsyncIterator[Town]:
    """Open a node that knows whose seals to trust, and which were revoked."""
    async for town in town_with(place, None):
        yield town


@pytest.fixture
async def unlisted(place: Path) -> AsyncIterator[Town]:
    """Open a node that knows whose seals to trust, and nothing of revocations."""
    async for town in town_with(place, ()):
        yield town


def lead(pdf: bytes) -> Files:
    return (("15.pdf", pdf),)


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    verdict = refused.value.verdict
    assert isinstance(verdict, Verdict)
    return [reason.code for reason in verdict.reasons]


# --- the way out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdf", "code"),
    [
        pytest.param(pdfs.plain(), ReasonCode.UNSIGNED_LEAD, id="unsigned"),
        pytest.param(
            pdfs.sign(pdfs.plain(), person(), "A"), ReasonCode.UNSIGNED_LEAD, id="by a person alone"
        ),
        pytest.param(CHANGED, ReasonCode.SIGNATURE_INVALID, id="changed since"),
        pytest.param(STRANGE, ReasonCode.SIGNATURE_INVALID, id="unknown authority"),
    ],
)
async def test_an_official_send_without_a_valid_agency_signature_is_refused(
    town: Town, pdf: bytes, code: ReasonCode
) -> None:
    with pytest.raises(Refused) as refused:
        await town.send("15", files=lead(pdf))

    assert codes(refused) == [code]
    assert await town.count("outgoing_document") == 0


async def test_what_is_sent_only_to_be_known_needs_no_signature(town: Town) -> None:
    to = Recipient(code=PROVINCE, role=RecipientRole.TO_KNOW)

    sent = await town.send("15", files=lead(pdfs.plain()), recipients=(to,))

    assert sent.legal_value is LegalValue.INFORMATION


async def test_a_node_without_anchors_warns_and_sends(place: Path) -> None:
    async with opened(place) as town:
        sent = await town.send("15", files=lead(BOTH))

    assert sent.legal_value is None
    assert [signature.why for signature in sent.signatures] == ["PDF-NO-ANCHORS"]


async def test_a_signed_document_says_by_whom_and_when(town: Town) -> None:
    sent = await town.send("15", files=lead(BOTH))

    stored = await town.document(sent)
    assert (stored.legal_value, stored.draft.signed_at) == (LegalValue.OFFICIAL, SIGNED)
    message_view = message(stored, (), "vi").model_dump(mode="json")
    assert message_view["legal_value"] == "official"
    assert [(s["name"], s["role"], s["verdict"]) for s in message_view["signatures"][0]["signers"]] == [
        ("Nguyễn Văn Mẫu", "person", "valid"),
        ("Sở Mẫu", "agency", "valid"),
    ]
    accepted = (await town.events(DEPARTMENT, sent.id))[0]
    assert accepted.data["legal_value"] == "official"


async def test_the_time_of_signing_that_the_sender_states_stays(town: Town) -> None:
    stated = SIGNED - timedelta(hours=1)

    sent = await town.send("15", files=lead(BOTH), signed_at=stated)

    assert sent.draft.signed_at == stated


async def test_a_draft_may_be_unsigned_and_may_not_leave_so(town: Town) -> None:
    draft = await town.send("15", files=lead(pdfs.plain()), send=False)

    with pytest.raises(Refused) as refused:
        await manage.send_draft(town.node.out, await town.scope(DEPARTMENT), draft.id)

    assert codes(refused) == [ReasonCode.UNSIGNED_LEAD]


# --- the way in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdf", "value", "word"),
    [
        (BOTH, LegalValue.OFFICIAL, SignatureWord.VALID),
        (AGENCY, LegalValue.INFORMATION, SignatureWord.VALID),
        (COPY, LegalValue.COPY, SignatureWord.VALID),
    ],
    ids=["both", "agency alone", "copy"],
)
async def test_what_arrives_has_its_value(
    town: Town, pdf: bytes, value: LegalValue, word: SignatureWord
) -> None:
    await town.act_and_carry(town.send("15", files=lead(pdf)))

    letter = await town.only()

    assert (letter.legal_value, letter.checks["pdf_signature"], letter.signed_at) == (value, word, SIGNED)
    view = inbox_item(letter, None, None, "vi").model_dump(mode="json")
    assert (view["legal_value"], view["checks"]["pdf_signature"]) == (value, word)


@pytest.mark.parametrize(
    "pdf", [CHANGED, pdfs.plain(), STRANGE], ids=["changed", "unsigned", "unknown authority"]
)
async def test_a_bad_signature_stops_no_intake(town: Town, pdf: bytes) -> None:
    from tests.support.node import document

    await town.brought(town.forge(document(files=lead(pdf)), lead(pdf)))

    arrived = await town.only()
    assert (arrived.state, arrived.legal_value) == ("new", LegalValue.INFORMATION)
    assert arrived.checks["pdf_signature"] in (SignatureWord.INVALID, SignatureWord.UNSIGNED)


async def test_a_document_with_an_undecided_signature_is_admitted_and_rechecked(unlisted: Town) -> None:
    town = unlisted
    await town.act_and_carry(town.send("15", files=lead(BOTH)))
    document = await town.only()
    assert (document.state, document.legal_value, document.checks["pdf_signature"]) == (
        "new",
        None,
        SignatureWord.UNKNOWN,
    )

    pdf_pki.folder(town.node.settings.trust.folder / "pdf")
    await SignaturesClock().step(town.node.inn)
    assert (await town.reload(document)).legal_value is None  # not before its time

    town.clock.advance(timedelta(hours=7))
    await SignaturesClock().step(town.node.inn)

    reread = await town.reload(document)
    assert (reread.legal_value, reread.checks["pdf_signature"]) == (LegalValue.OFFICIAL, SignatureWord.VALID)
    (event,) = [e for e in await town.events(PROVINCE, document.id) if e.kind is EventKind.INBOX_SIGNATURES]
    assert event.data == {
        "legal_value": "official",
        "pdf_signature": "valid",
        "seal": "own",
        "signatory": "known",
        "signer": "same",
    }
    assert await town.count("job") == 0


async def test_while_no_answer_comes_it_is_asked_again_and_given_up_after_a_month(unlisted: Town) -> None:
    """One job for the document at its sender, one for that at its receiver: this node has both."""
    town = unlisted
    await town.act_and_carry(town.send("15", files=lead(BOTH)))
    for _ in range(3):
        town.clock.advance(timedelta(hours=7))
        await SignaturesClock().step(town.node.inn)
        assert await town.count("job") == 2

    town.clock.advance(timedelta(days=31))
    await SignaturesClock().step(town.node.inn)

    assert await town.count("job") == 0
    assert (await town.only()).legal_value is None


async def test_threat_042_an_answer_that_says_revoked_before_arrival_takes_the_value_and_tells(
    unlisted: Town,
) -> None:
    town = unlisted
    await town.act_and_carry(town.send("15", files=lead(BOTH)))
    revoked = root().crl((agency(), SIGNED - timedelta(days=1)))
    pdf_pki.folder(town.node.settings.trust.folder / "pdf", lists=(revoked,))
    town.clock.advance(timedelta(hours=7))

    await SignaturesClock().step(town.node.inn)

    document = await town.only()
    assert (document.legal_value, document.checks["pdf_signature"]) == (
        LegalValue.INFORMATION,
        SignatureWord.INVALID,
    )
    kinds = [event.kind for event in await town.events(PROVINCE, document.id)]
    assert EventKind.INBOX_SIGNATURES in kinds


async def test_threat_042_a_revocation_after_arrival_does_not_reach_back(unlisted: Town) -> None:
    town = unlisted
    await town.act_and_carry(town.send("15", files=lead(BOTH)))
    later_list = root().crl((agency(), town.clock.now() + timedelta(hours=1)))
    pdf_pki.folder(town.node.settings.trust.folder / "pdf", lists=(later_list,))
    town.clock.advance(timedelta(hours=7))

    await SignaturesClock().step(town.node.inn)

    assert (await town.only()).legal_value is LegalValue.OFFICIAL


async def test_twenty_pdfs_of_a_packet_are_read_and_no_more(town: Town) -> None:
    files = (("0.pdf", BOTH), *((f"{n}.pdf", AGENCY + b"\n" * n) for n in range(1, 22)))
    await town.act_and_carry(town.send("15", files=files))

    document = await town.only()

    assert [signature.why for signature in document.signatures[20:]] == ["PDF-LIMIT", "PDF-LIMIT"]
    assert document.legal_value is LegalValue.OFFICIAL


# --- files that an update replaces ----------------------------------------------------------------------------


async def test_an_update_that_replaces_the_signed_file_takes_its_value_away(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15", files=lead(BOTH)))
    arrived = await town.only()
    assert arrived.legal_value is LegalValue.OFFICIAL
    await town.act_and_carry(town.update(sent, "Trích yếu mới", lead(AGENCY)))

    await town.status(arrived, "15")

    document = await town.reload(arrived)
    assert document.legal_value is LegalValue.INFORMATION
    assert [[s.name for s in signature.signers] for signature in document.signatures] == [["Sở Mẫu"]]


async def test_threat_042_what_an_update_brought_is_held_against_the_time_of_the_update(
    unlisted: Town,
) -> None:
    town = unlisted
    sent = await town.act_and_carry(town.send("15", files=lead(BOTH)))
    arrived = await town.only()
    between = town.clock.now() + timedelta(hours=12)
    town.clock.advance(timedelta(days=1))
    await town.act_and_carry(town.update(sent, "Trích yếu mới", lead(BOTH + b"\n")))
    await town.status(arrived, "15")
    revoked = root().crl((agency(), between), this_update=between)
    pdf_pki.folder(town.node.settings.trust.folder / "pdf", lists=(revoked,))
    town.clock.advance(timedelta(hours=7))

    await SignaturesClock().step(town.node.inn)

    document = await town.reload(arrived)
    assert (document.legal_value, document.checks["pdf_signature"]) == (
        LegalValue.INFORMATION,
        SignatureWord.INVALID,
    )


# --- while the node itself cannot check -----------------------------------------------------------------------


async def test_a_broken_trust_folder_refuses_nothing_and_the_arrivals_are_rechecked(town: Town) -> None:
    broken = town.node.settings.trust.folder / "pdf" / "crl" / "half.pem"
    broken.write_bytes(b"-----BEGIN X509 CRL-----\nMIIB")
    sent = await town.act_and_carry(town.send("15", files=lead(BOTH)))
    document = await town.only()
    assert [x.why for x in (*sent.signatures, *document.signatures)] == ["PDF-TRUST", "PDF-TRUST"]
    assert (sent.legal_value, document.legal_value) == (None, None)

    broken.unlink()
    town.clock.advance(timedelta(hours=7))
    await SignaturesClock().step(town.node.inn)

    reread = await town.reload(document)
    assert (reread.legal_value, reread.checks["pdf_signature"]) == (LegalValue.OFFICIAL, SignatureWord.VALID)
    kinds = [x.kind for x in await town.events(PROVINCE, document.id)]
    assert EventKind.INBOX_SIGNATURES in kinds
