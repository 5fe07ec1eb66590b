"""A node asks authorities about the signers of PDFs after it admitted a document, judges again by what they answer, and
keeps the answers that a verdict rests on (R23, certificates; threats 42, 45)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.signatures import LegalValue, SignatureWord
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from tests.support import pdf_pki, pdfs
from tests.support.clock import ManualClock
from tests.support.live_authority import DAY, HOUR, LiveAuthority, live
from tests.support.node import PROVINCE, Town, opened
from tests.support.pdf_pki import Holder


@dataclass(kw_only=True)
class Place:
    """A node, the authority that it may ask, and two holders whose certificates name that authority."""

    town: Town
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

    async def judge_again(self, document: IncomingDocument, after: timedelta) -> IncomingDocument:
        self.town.clock.advance(after)
        await SignaturesClock().step(self.town.node.inn)
        return await self.town.reload(document)

    async def told(self, document: IncomingDocument) -> list[object]:
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
        yield Place(town=town, authority=authority, agency=agency, person=person)


async def test_a_verdict_comes_with_the_answer_after_the_document_was_admitted(place: Place) -> None:
    document = await place.admitted()
    assert (document.legal_value, document.checks["pdf_signature"]) == (None, SignatureWord.UNKNOWN)
    assert place.authority.server.requests == [], "nobody is asked while a packet is taken in"

    judged = await place.judge_again(document, timedelta())

    assert (judged.legal_value, judged.checks["pdf_signature"]) == (
        LegalValue.OFFICIAL,
        SignatureWord.VALID,
    )
    assert await place.told(document) == ["official"]
    assert place.authority.asked == ["ocsp", "ocsp"]
    assert await place.town.count("job") == 0

    (verdict,) = judged.signatures
    stored = await place.town.node.store.pdf_answers.read(verdict.answers)
    assert [answer.digest for answer in stored] == sorted(verdict.answers)
    assert len(stored) == 2
    assert await place.town.count("pdf_answer WHERE used") == 2


async def test_stored_answers_serve_further_documents_until_they_are_to_be_refreshed(place: Place) -> None:
    await place.judge_again(await place.admitted("15"), timedelta())

    second = await place.judge_again(await place.admitted("16"), HOUR)
    assert (second.legal_value, len(place.authority.asked)) == (LegalValue.OFFICIAL, 2)

    third = await place.judge_again(await place.admitted("17"), 5 * HOUR)
    assert (third.legal_value, len(place.authority.asked)) == (LegalValue.OFFICIAL, 4)


async def test_while_the_authority_is_down_the_document_waits_and_its_verdict_comes_later(
    place: Place,
) -> None:
    place.authority.speaks = set()
    document = await place.admitted()

    waiting = await place.judge_again(document, timedelta())
    assert (waiting.legal_value, await place.told(document)) == (None, [])

    place.authority.speaks = {"ocsp"}
    waiting = await place.judge_again(document, timedelta(seconds=30))
    assert waiting.legal_value is None, "not before its time"

    judged = await place.judge_again(document, timedelta(minutes=5))
    assert (judged.legal_value, await place.told(document)) == (LegalValue.OFFICIAL, ["official"])


@pytest.mark.parametrize(
    ("after", "value"),
    [(-DAY, LegalValue.INFORMATION), (timedelta(minutes=1), LegalValue.OFFICIAL)],
    ids=["before it came", "after it came"],
)
async def test_threat_042_a_revocation_counts_by_its_date(
    place: Place, after: timedelta, value: LegalValue
) -> None:
    document = await place.admitted()
    place.authority.revoked[place.agency.certificate.serial_number] = document.arrived_at + after

    judged = await place.judge_again(document, timedelta(minutes=5))

    assert (judged.legal_value, await place.told(judged)) == (value, [str(value)])
    signer = judged.signatures[0].signers[1]
    assert signer.why == (None if value is LegalValue.OFFICIAL else "CERT-REVOKED")
    assert signer.now_why == "CERT-REVOKED"
    assert ("signature_invalid_later" in judged.marks) is (value is LegalValue.INFORMATION)


async def test_threat_045_an_old_answer_is_not_taken_for_a_newer_one(place: Place) -> None:
    document = await place.admitted()
    await place.judge_again(document, timedelta())
    place.authority.now = lambda: place.town.clock.now() - 8 * HOUR

    second = await place.judge_again(await place.admitted("16"), 7 * HOUR)

    assert second.legal_value is None
    assert await place.town.count("pdf_answer") == 2


async def test_an_answer_in_a_file_is_kept_once_a_verdict_rests_on_it(place: Place) -> None:
    trust = place.town.node.settings.trust.folder / "pdf"
    pdf_pki.folder(trust)
    document = await place.admitted()
    assert document.legal_value is LegalValue.OFFICIAL
    (digest,) = document.signatures[0].answers
    (trust / "crl" / "0.pem").unlink()

    (kept,) = await place.town.node.store.pdf_answers.read([digest])

    assert kept.origin == "crl/0.pem"
    assert place.authority.asked == []
