"""Whose seal a document carries decides what it is worth, at every door: five agencies of one authority; one has a right
to seal for another, one has registered nothing (R23)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from gateway.api.inbox_view import inbox_item
from gateway.cli import documents
from gateway.cli.command import Invocation
from gateway.deciding import proposals
from gateway.document_view import checks
from gateway.domain.agency_profile import HOLD, WRONG_SEAL, ProfileVersion
from gateway.domain.document import IncomingDocument, InState, Signer
from gateway.domain.event import EventKind
from gateway.domain.queues import SIGNATURES_JOB, list_subject
from gateway.domain.seals import SealWord, SignatoryWord
from gateway.domain.signatures import LegalValue
from gateway.errors import Refused
from gateway.incoming import rejudge
from gateway.incoming.document_context import DocumentContext
from gateway.ops.evidence import contents
from gateway.policy.verdict import ReasonCode, Verdict
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from tests.support import pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.evidence import pack_of, unpacked
from tests.support.node import DEPARTMENT, PROVINCE, Town, document, opened
from tests.support.pdf_pki import Holder, person, root
from tests.support.seals import person_of, register, right_of, seal_of
from tests.support.strategies import Files

SENDER = DEPARTMENT
PARENT, OTHER, NOBODY = "Z91.01", "Z91.02", "Z91.03"
OWN = root().issue("Sở Mẫu", agency=True)
PARENTS = root().issue("Ủy ban Mẫu", agency=True)
OTHER_SEAL = root().issue("Sở Khác", agency=True)
STRANGE = root().issue("Sở Lạ", agency=True)
OFFICIAL, UNPROVED, INFORMATION = LegalValue.OFFICIAL, LegalValue.UNPROVED, LegalValue.INFORMATION
OTHER_SEAL_CHANGE = seal_of(OTHER, OTHER_SEAL)


@cache
def signed(seal: Holder, by: Holder | None = None) -> bytes:
    return pdfs.sign(pdfs.sign(pdfs.plain(), by or person(), "NguoiKy"), seal, "CoQuan")


@pytest.fixture(scope="module", autouse=True)
def _papers() -> None:
    """Sign the papers of the tests, which cannot be done within an event loop."""
    for seal in (OWN, PARENTS, OTHER_SEAL, STRANGE):
        signed(seal)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Open a node that trusts the authority and asks no one about revocation."""
    place = tmp_path / "node"
    async with opened(place):
        pass  # the stage is copied
    pdf_pki.folder(stage.settings_for(place).trust.folder / "pdf")
    async with opened(place, ManualClock()) as town:
        yield town


def lead(pdf: bytes) -> Files:
    return (("15.pdf", pdf),)


async def arrived(town: Town, pdf: bytes, number: str = "15") -> IncomingDocument:
    """Bring in a document of the sender as a node without this rule would send it."""
    row = await town.brought(town.forge(document(number, lead(pdf), sender=SENDER), lead(pdf)))
    assert row.incoming_id is not None
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return await work.incoming.get(row.incoming_id)


def words(letter: IncomingDocument) -> tuple[str | None, str | None, LegalValue | None]:
    return letter.checks.get("seal"), letter.checks.get("signatory"), letter.legal_value


async def test_threat_153_the_seal_decides_what_a_document_is_worth(town: Town, cases: Cases) -> None:
    """The parent's seal without a right, another agency's, and an unregistered one give no value."""
    await register(
        town.node.deciding,
        seal_of(SENDER, OWN),
        person_of(SENDER, person()),
        seal_of(PARENT, PARENTS),
        OTHER_SEAL_CHANGE,
    )
    known_person = SignatoryWord.KNOWN
    for number, (name, pdf, seal, value) in enumerate(
        (
            ("own", signed(OWN), SealWord.OWN, OFFICIAL),
            ("parent's", signed(PARENTS), SealWord.OTHER, INFORMATION),
            ("another's", signed(OTHER_SEAL), SealWord.OTHER, INFORMATION),
            ("nobody's", signed(STRANGE), SealWord.UNKNOWN, INFORMATION),
        ),
        start=20,
    ):
        with cases.case(name):
            letter = await arrived(town, pdf, str(number))
            assert (letter.state, *words(letter)) == (InState.NEW, seal, known_person, value)
    await register(town.node.deciding, right_of(PARENT, SENDER))
    with cases.case("parent's with a right"):
        letter = await arrived(town, signed(PARENTS), "30")
        assert words(letter) == (SealWord.ENTITLED, known_person, OFFICIAL)


async def test_a_sender_without_a_registered_seal_is_marked_and_rejudged_later_on(town: Town) -> None:
    letter = await arrived(town, signed(OWN))
    assert (letter.state, *words(letter)) == (
        InState.NEW,
        SealWord.UNREGISTERED,
        SignatoryWord.UNKNOWN,
        None,
    )

    await register(town.node.deciding, seal_of(SENDER, OWN))
    await SignaturesClock().step(town.node.inn)

    rejudged_letter = await town.reload(letter)
    assert words(rejudged_letter) == (SealWord.OWN, SignatoryWord.UNKNOWN, UNPROVED)
    (event,) = [e for e in await town.events(PROVINCE, letter.id) if e.kind is EventKind.INBOX_SIGNATURES]
    assert event.data == {
        "legal_value": "official-unproved",
        "pdf_signature": "valid",
        "seal": "own",
        "signatory": "unknown",
    }
    assert await town.count("job") == 0


async def test_a_person_who_is_registered_later_makes_a_document_official_on_both_sides(town: Town) -> None:
    """The log keeps the old word beside the new one, and what was judged before is judged batch by batch."""
    await register(town.node.deciding, seal_of(SENDER, OWN))
    await SignaturesClock().step(town.node.inn)
    by = Signer(name="Người Ký Mẫu", title="Phó Giám đốc")
    sent = await town.send("80", files=lead(signed(OWN)), signer=by, confirm=("signatory-unknown",))
    letter = await arrived(town, signed(OWN), "81")
    assert (sent.legal_value, letter.legal_value) == (UNPROVED, UNPROVED)

    await register(town.node.deciding, person_of(SENDER, person()))
    await SignaturesClock().step(town.node.inn)

    assert (await town.document(sent)).legal_value is OFFICIAL
    assert (await town.reload(letter)).legal_value is OFFICIAL
    for code, id, kind in (
        (SENDER, sent.id, EventKind.MESSAGE_SIGNATURES),
        (PROVINCE, letter.id, EventKind.INBOX_SIGNATURES),
    ):
        (event,) = [e for e in await town.events(code, id) if e.kind is kind]
        words = event.data["legal_value"], event.data["legal_value_before"]
        assert words == ("official", "official-unproved")


async def test_what_was_official_by_the_former_rule_is_judged_again_in_batches(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was done is not done again, whatever becomes of the process after it."""
    await register(town.node.deciding, seal_of(SENDER, OWN))
    await SignaturesClock().step(town.node.inn)
    letters = [await arrived(town, signed(OWN), str(number)) for number in (82, 83, 84)]
    scope = await town.scope(PROVINCE)
    async with town.node.store.changing(scope) as work:
        for letter in letters:
            old = tuple(replace(v, rule=2) for v in letter.signatures)
            await work.incoming.save(replace(letter, signatures=old, legal_value=OFFICIAL))
        await work.jobs.add(SIGNATURES_JOB, list_subject("in"))
    monkeypatch.setattr(rejudge, "DOCUMENTS_AT_ONCE", 2)

    values_by_batch = []
    for _ in range(2):
        await rejudge.ask_due(town.node.inn)
        values_by_batch.append([(await town.reload(letter)).legal_value for letter in letters])

    assert values_by_batch == [[OFFICIAL, UNPROVED, UNPROVED], [UNPROVED] * 3]
    assert await town.count("job") == 0
    for letter in letters:
        (event,) = [e for e in await town.events(PROVINCE, letter.id) if e.kind is EventKind.INBOX_SIGNATURES]
        assert event.data["legal_value_before"] == "official"


async def test_mail_sealed_by_an_entitled_agency_is_judged_again_when_its_seal_is_registered(
    town: Town,
) -> None:
    await register(town.node.deciding, right_of(PARENT, SENDER))
    letter = await arrived(town, signed(PARENTS))
    assert words(letter)[0] == SealWord.UNREGISTERED

    await register(town.node.deciding, seal_of(PARENT, PARENTS))
    await SignaturesClock().step(town.node.inn)

    assert words(await town.reload(letter)) == (SealWord.ENTITLED, SignatoryWord.UNKNOWN, UNPROVED)


async def test_a_verdict_of_the_first_rule_stays_when_a_seal_is_registered(town: Town) -> None:
    letter = await arrived(town, signed(OWN))
    async with town.node.store.changing(await town.scope(PROVINCE)) as work:
        old = tuple(
            replace(
                v, rule=1, signers=tuple(replace(s, sha256="", seal=None, person=None) for s in v.signers)
            )
            for v in letter.signatures
        )
        await work.incoming.save(replace(letter, signatures=old, legal_value=OFFICIAL, checks={}))

    await register(town.node.deciding, seal_of(SENDER, STRANGE))
    await SignaturesClock().step(town.node.inn)

    reloaded_letter = await town.reload(letter)
    assert (reloaded_letter.legal_value, reloaded_letter.signatures) == (OFFICIAL, old)


async def test_threat_154_a_person_who_left_office_is_not_known_and_the_stamp_of_before_counts(
    town: Town,
) -> None:
    """The document is for information, though its seal is right; the check says why."""
    left_at = town.clock.now() - timedelta(days=1)
    await register(town.node.deciding, seal_of(SENDER, OWN), person_of(SENDER, person(), valid_to=left_at))
    stamper = pdfs.stamper(pdf_pki.tsa(), left_at - timedelta(hours=1))
    stamped = await asyncio.to_thread(pdfs.stamped, signed(OWN), stamper)

    now, stamped_letter = await arrived(town, signed(OWN), "41"), await arrived(town, stamped, "42")

    assert words(now) == (SealWord.OWN, SignatoryWord.ENDED, INFORMATION)
    assert words(stamped_letter) == (SealWord.OWN, SignatoryWord.KNOWN, OFFICIAL)
    (row,) = [r for r in checks.panel(now, "vi").rows if r.label == "Con dấu"]
    assert row.word == "Dấu đúng, chưa xác định người ký"
    assert "không còn (hoặc chưa) giữ chức vụ" in row.details[0]


async def test_an_agency_may_hold_mail_with_a_wrong_seal(town: Town, cases: Cases) -> None:
    """Only mail of senders that have registered a seal, and only from that on."""
    await _choose_hold(town)
    await register(town.node.deciding, OTHER_SEAL_CHANGE)
    with cases.case("nothing registered for the sender"):
        for number, pdf in (("51", signed(STRANGE)), ("52", signed(OTHER_SEAL))):
            assert (await arrived(town, pdf, number)).state is InState.NEW
    await register(town.node.deciding, seal_of(SENDER, OWN))
    for number, pdf, state, code in (
        ("53", signed(OWN), InState.NEW, ""),
        ("54", signed(OTHER_SEAL), InState.HELD, ReasonCode.SEAL_OTHER_ARRIVAL),
        ("55", signed(STRANGE), InState.HELD, ReasonCode.SEAL_UNKNOWN_ARRIVAL),
    ):
        with cases.case(number):
            letter = await arrived(town, pdf, number)
            assert letter.state is state
            assert code in letter.checks["reasons"]


async def _choose_hold(town: Town) -> None:
    async with town.node.store.changing(await town.scope(PROVINCE)) as work:
        now = town.clock.now()
        await work.profile.add(
            ProfileVersion(id="prf_1", key=WRONG_SEAL, value=HOLD, set_by="An", set_at=now, from_when=now)
        )


async def test_every_door_tells_whose_seal_it_is(town: Town, tmp_path: Path) -> None:
    await register(town.node.deciding, seal_of(SENDER, OWN), OTHER_SEAL_CHANGE)
    letter = await arrived(town, signed(OTHER_SEAL))

    view = inbox_item(letter, None, None, "vi").model_dump(mode="json")
    (file,) = view["signatures"]
    seal = file["signers"][1]
    assert (file["rule"], view["checks"]["seal"], view["legal_value"]) == (3, "other", "information")
    assert (seal["seal"], seal["seal_code"]) == ("other", OTHER)
    assert seal["signer_text"] == f"Dấu của cơ quan khác: Sở Mẫu ({OTHER})"
    (row,) = [r for r in checks.panel(letter, "vi").rows if r.label == "Con dấu"]
    assert (row.word, row.grade) == (seal["signer_text"], checks.Grade.DOUBT)
    assert checks.doubt_in(checks.arrival_words(letter), letter.marks) == "seal"
    lines = documents.incoming_lines(Invocation(), letter, letter.state, (), DocumentContext())
    assert [line for line in lines if "Con dấu" in line] == [f"Con dấu: {seal['signer_text']}"]
    pack = unpacked(await pack_of(town, PROVINCE, letter.id), tmp_path)
    story = contents.read_story(pack["story.json"])
    assert [s.seal_code for s in story.signatures[0].signers] == ["", OTHER]
    assert seal["signer_text"] in pack["index.html"].decode()


# --- the way out ----------------------------------------------------------------------------------------------


async def test_the_senders_own_seal_is_checked_before_it_leaves(town: Town, cases: Cases) -> None:
    with cases.case("nothing registered"):
        sent = await town.send("61", files=lead(signed(OWN)))
        assert (sent.legal_value, sent.signatures[0].signers[1].seal) == (None, SealWord.UNREGISTERED)
    await register(town.node.deciding, seal_of(SENDER, OWN), person_of(SENDER, person()), OTHER_SEAL_CHANGE)
    for number, pdf, code in (
        ("62", signed(OTHER_SEAL), ReasonCode.SEAL_OTHER),
        ("63", signed(STRANGE), ReasonCode.SEAL_UNKNOWN),
    ):
        with cases.case(code):
            with pytest.raises(Refused) as refused:
                await town.send(number, files=lead(pdf))
            verdict = refused.value.verdict
            assert isinstance(verdict, Verdict)
            assert [reason.code for reason in verdict.reasons] == [code]
    with cases.case("own"):
        by = Signer(name="Người Ký Mẫu")
        sent = await town.send("64", files=lead(signed(OWN)), signer=by, confirm=("signed-again",))
        assert sent.legal_value is OFFICIAL


async def test_a_withdrawn_seal_gives_no_value_to_what_comes_later(town: Town) -> None:
    await register(town.node.deciding, seal_of(SENDER, OWN), seal_of(SENDER, STRANGE))
    former = await arrived(town, signed(OWN), "71")
    own = await town.node.directory.seal_register(SENDER, ())
    town.clock.advance(timedelta(minutes=1))

    await proposals.withdraw_seal(town.node.deciding, "An", own.certificates[0].id, town.clock.now(), "lost")
    letter = await arrived(town, signed(OWN), "72")
    await SignaturesClock().step(town.node.inn)

    assert {(await town.reload(former)).legal_value, letter.legal_value} == {UNPROVED, INFORMATION}
    assert letter.checks["seal"] == "unknown"
