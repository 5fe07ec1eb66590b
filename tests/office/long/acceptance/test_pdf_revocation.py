"""A node asks authorities about the signers of PDFs after it admitted a document, judges again by what they answer, and
keeps the answers that a verdict rests on (R23, certificates; threats 42, 45)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.inbox_view import inbox_item
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.signatures import LegalValue, SignatureWord
from gateway.ops.evidence import contents
from gateway.ops.pdf import verify_pdf
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from gateway_office.domain.listing import doubt_of
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown, document, opened
from tests.support import pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.evidence import pack_of, unpacked
from tests.support.live_authority import DAY, HOUR, LiveAuthority, live
from tests.support.pdf_pki import SIGNED, Holder
from tests.support.seals import person_of, register, seal_of


@dataclass(kw_only=True)
class Place:
    """A node, the authority that it may ask, and two holders whose certificates name that authority."""

    town: OfficeTown
    authority: LiveAuthority
    agency: Holder
    person: Holder

    def pdf(self, text: str) -> bytes:
        return pdfs.sign(pdfs.sign(pdfs.plain(text), self.person, "NguoiKy"), self.agency, "CoQuan")

    async def admitted(self, number: str = "15") -> IncomingDocument:
        await self.town.send(number, files=((f"{number}.pdf", await asyncio.to_thread(self.pdf, number)),))
        await self.town.carry()
        (document,) = [d for d in await self.town.incoming(PROVINCE) if d.number == number]
        return document

    async def rejudge(self, document: IncomingDocument, delay: timedelta) -> IncomingDocument:
        self.town.clock.advance(delay)
        await SignaturesClock().step(self.town.node.inn)
        return await self.town.reload(document)

    async def mark_in_list(self, sent: OutgoingDocument) -> str:
        """Return the doubt that the sender's list shows on the row."""
        async with self.town.node.store.read(await self.town.scope(DEPARTMENT)) as work:
            line = await work.office.lists.line(sent.id)
        assert line is not None
        return doubt_of(line)

    async def load_values(self, document: IncomingDocument) -> list[object]:
        events = await self.town.events(PROVINCE, document.id)
        return [e.data["legal_value"] for e in events if e.kind is EventKind.INBOX_SIGNATURES]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def authority(clock: ManualClock) -> Iterator[LiveAuthority]:
    with live(clock.now) as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, clock: ManualClock, authority: LiveAuthority) -> AsyncIterator[Place]:
    root = tmp_path / "node"
    async with opened(root):
        pass  # the stage is copied
    trust = pdf_pki.folder(stage.settings_for(root).trust.folder / "pdf", lists=())
    authority.permit(trust)
    agency, person = authority.issue("Sở Mẫu"), authority.issue("Nguyễn Văn Hỏi")
    (trust / "roles.toml").write_text(
        '[[rule]]\nrole = "person"\npart = "common_name"\nis = "Nguyễn Văn Hỏi"\n', encoding="utf-8"
    )
    async with opened(root, clock) as town:
        by = person_of(DEPARTMENT, person, name="Nguyễn Văn Mẫu")
        await register(town.node.deciding, seal_of(DEPARTMENT, agency), by)
        await SignaturesClock().step(town.node.inn)
        yield Place(town=town, authority=authority, agency=agency, person=person)


async def test_a_verdict_comes_with_the_answer_after_the_document_was_admitted(place: Place) -> None:
    document = await place.admitted()
    assert (document.legal_value, document.checks["pdf_signature"]) == (None, SignatureWord.UNKNOWN)
    assert place.authority.server.requests == [], "nobody is asked while a packet is taken in"

    judged = await place.rejudge(document, timedelta())

    assert (judged.legal_value, judged.checks["pdf_signature"]) == (
        LegalValue.OFFICIAL,
        SignatureWord.VALID,
    )
    assert await place.load_values(document) == ["official"]
    assert place.authority.request_kinds == ["ocsp", "ocsp"]
    assert await place.town.count("job") == 0

    (verdict,) = judged.signatures
    stored = await place.town.node.store.pdf_answers.read(verdict.answers)
    assert [answer.digest for answer in stored] == sorted(verdict.answers)
    assert len(stored) == 2
    assert await place.town.count("pdf_answer WHERE used") == 2


async def test_stored_answers_serve_further_documents_until_they_are_to_be_refreshed(place: Place) -> None:
    await place.rejudge(await place.admitted("15"), timedelta())

    second = await place.rejudge(await place.admitted("16"), HOUR)
    assert (second.legal_value, len(place.authority.request_kinds)) == (LegalValue.OFFICIAL, 2)

    place.town.clock.advance(5 * HOUR)
    third = await place.rejudge(await place.admitted("17"), timedelta())
    assert (third.legal_value, len(place.authority.request_kinds)) == (LegalValue.OFFICIAL, 4)


async def test_while_the_authority_is_down_the_document_waits_and_its_verdict_comes_later(
    place: Place,
) -> None:
    place.authority.speaks = set()
    document = await place.admitted()

    waiting = await place.rejudge(document, timedelta())
    assert (waiting.legal_value, await place.load_values(document)) == (None, [])

    place.authority.speaks = {"ocsp"}
    waiting = await place.rejudge(document, timedelta(seconds=30))
    assert waiting.legal_value is None, "not before its time"

    judged = await place.rejudge(document, timedelta(minutes=5))
    assert (judged.legal_value, await place.load_values(document)) == (LegalValue.OFFICIAL, ["official"])


@pytest.mark.parametrize(
    ("delay", "value"),
    [(-DAY, LegalValue.INFORMATION), (timedelta(minutes=1), LegalValue.OFFICIAL)],
    ids=["before it came", "after it came"],
)
async def test_threat_042_a_revocation_counts_by_its_date(
    place: Place, delay: timedelta, value: LegalValue
) -> None:
    document = await place.admitted()
    place.authority.revoked[place.agency.certificate.serial_number] = document.arrived_at + delay

    judged = await place.rejudge(document, timedelta(minutes=5))

    assert (judged.legal_value, await place.load_values(judged)) == (value, [str(value)])
    signer = judged.signatures[0].signers[1]
    assert signer.why == (None if value is LegalValue.OFFICIAL else "CERT-REVOKED")
    assert signer.now_why == "CERT-REVOKED"
    assert ("signature_invalid_later" in judged.marks) is (value is LegalValue.INFORMATION)


async def test_the_sender_too_learns_that_the_seal_on_its_document_was_revoked(place: Place) -> None:
    bytes_ = await asyncio.to_thread(place.pdf, "15")
    sent = await place.town.send("15", files=(("15.pdf", bytes_),))
    assert (sent.legal_value, sent.signatures[0].verdict) == (None, SignatureWord.UNKNOWN)
    assert await place.mark_in_list(sent) == ""
    place.authority.revoked[place.agency.certificate.serial_number] = sent.created_at - DAY

    place.town.clock.advance(timedelta(minutes=5))
    await SignaturesClock().step(place.town.node.inn)

    judged = await place.town.document(sent)
    assert judged.legal_value is LegalValue.INFORMATION
    assert judged.signatures[0].signers[1].why == "CERT-REVOKED"
    assert await place.mark_in_list(sent) == "pdf"
    events = await place.town.events(DEPARTMENT, sent.id)
    assert [e.data["legal_value"] for e in events if e.kind is EventKind.MESSAGE_SIGNATURES] == [
        "information"
    ]
    assert await place.town.count("job WHERE kind = 'signatures'") == 0


async def test_threat_045_an_old_answer_is_not_taken_for_a_newer_one(place: Place) -> None:
    document = await place.admitted()
    await place.rejudge(document, timedelta())
    place.authority.now = lambda: place.town.clock.now() - 8 * HOUR

    place.town.clock.advance(7 * HOUR)
    second = await place.rejudge(await place.admitted("16"), timedelta())

    assert second.legal_value is None
    assert await place.town.count("pdf_answer") == 2


async def test_an_answer_in_a_file_is_kept_once_a_verdict_rests_on_it(place: Place) -> None:
    trust = place.town.node.settings.trust.folder / "pdf"
    pdf_pki.folder(trust)
    document = await place.admitted()
    assert document.legal_value is LegalValue.OFFICIAL
    (digest,) = document.signatures[0].answers
    (trust / "crl" / "0.pem").unlink()

    (answer,) = await place.town.node.store.pdf_answers.read([digest])

    assert answer.origin == "crl/0.pem"
    assert place.authority.request_kinds == []


async def test_each_state_is_told_alike_at_every_door(place: Place, tmp_path: Path, cases: Cases) -> None:
    """In the API, by `gateway verify` of the file alone, and in evidence: our word and that of ETSI."""
    town, authority, hour = place.town, place.authority, HOUR
    own, stamp = authority.issue, pdfs.stamper(authority.stamper(), SIGNED)
    revoked_early, revoked_late = own("Sở Sớm"), own("Sở Muộn")
    authority.revoked[revoked_early.certificate.serial_number] = SIGNED - DAY
    authority.revoked[revoked_late.certificate.serial_number] = SIGNED + hour
    ended = own("Sở Cũ", not_after=SIGNED + hour)
    stranger = pdf_pki.root("Another Root").issue("Sở Lạ", agency=True)
    silent = pdf_pki.root().issue("Sở Im", agency=True)

    def by(holder: Holder, is_stamped: bool) -> bytes:
        pdf = pdfs.sign(pdfs.plain(), holder, "CoQuan", stamper=stamp if is_stamped else None)
        return pdfs.with_dss(pdf, [old_list]) if holder is ended and is_stamped else pdf

    # An answer made after the end of a certificate says nothing about it, so the file brings one of before.
    old_list = pdf_pki.root().crl(this_update=SIGNED, next_update=SIGNED + DAY)
    table: dict[str, tuple[Holder, bool, str, str]] = {
        "good": (place.agency, False, "valid", "TOTAL-PASSED"),
        "revoked before signing": (revoked_early, False, "invalid", "TOTAL-FAILED/REVOKED"),
        "revoked after signing": (revoked_late, False, "invalid", "INDETERMINATE/REVOKED_NO_POE"),
        "revoked after signing, stamped": (revoked_late, True, "valid", "TOTAL-PASSED"),
        "expired": (ended, False, "unknown", "INDETERMINATE/OUT_OF_BOUNDS_NO_POE"),
        "expired, stamped, with its list": (ended, True, "valid", "TOTAL-PASSED"),
        "no revocation data": (silent, False, "unknown", "INDETERMINATE/TRY_LATER"),
        "unknown authority": (stranger, False, "invalid", "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"),
    }
    for n, (name, (holder, is_stamped, word, conclusion)) in enumerate(table.items(), start=20):
        pdf = await asyncio.to_thread(by, holder, is_stamped)
        files = ((f"{n}.pdf", pdf),)
        await town.brought(town.forge(document(str(n), files=files), files))
        (arrived,) = [d for d in await town.incoming(PROVINCE) if d.number == str(n)]
        judged = await place.rejudge(arrived, timedelta(seconds=20))
        answers = await town.node.store.pdf_answers.read(judged.signatures[0].answers)
        with cases.case(name):
            view = inbox_item(judged, None, None, "vi").model_dump(mode="json")["signatures"][0]["signers"][0]
            indication = "/".join(filter(None, (view["indication"], view["sub_indication"])))
            assert (view["verdict"], indication) == (word, conclusion)
            story = contents.read_story(
                unpacked(await pack_of(town, PROVINCE, judged.id), tmp_path / str(n))["story.json"]
            )
            assert (story.files[0].verdict, story.files[0].conclusion) == (word, conclusion)
            court = pdf_pki.folder(tmp_path / f"court-{n}", lists=())
            (court / "ocsp").mkdir()
            for m, answer in enumerate(answers):
                (court / "ocsp" / f"{m}.der").write_bytes(answer.body)
            file = tmp_path / f"{n}.pdf"
            file.write_bytes(pdf)
            report = await asyncio.to_thread(verify_pdf, file, court, judged.arrived_at, judged.arrived_at)
            assert report["verdict"] == word
            assert "/".join(filter(None, (report["indication"], report["sub_indication"]))) == conclusion
