"""One authority and five agencies: each door says alike whose seal a document carries and what became of its certificate
(R23): over the API, on the page and in the list, at the command line, to programs by webhook, and in evidence."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from pyhanko.sign.timestamps import DummyTimeStamper

from gateway.cli import documents
from gateway.cli.applications import build_application
from gateway.cli.command import Invocation
from gateway.document_view.seals import lead_verdict, seal_text, signer_text, value_text
from gateway.domain.document import IncomingDocument
from gateway.edxml.envelope import OtherInfo
from gateway.incoming.document_context import DocumentContext
from gateway.ops.checks import Watch
from gateway.ops.evidence import contents
from gateway.settings import Settings
from gateway.webhooks import NewWebhook
from gateway.words import labels
from gateway.workers.clocks import SignaturesClock
from gateway_office.domain.roles import PostRole
from gateway_office.lister import Lister
from gateway_office.web.page_handling import COOKIE
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown, document
from tests.office.support.scenes import TownScene
from tests.office.support.town import open_town
from tests.support import hooks, pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.evidence import pack_of, unpacked
from tests.support.hooks import Hooked, Receiver
from tests.support.live_authority import DAY, HOUR, LiveAuthority, live
from tests.support.pdf_pki import SIGNED, Holder
from tests.support.pki import NOT_AFTER
from tests.support.seals import person_of, register, right_of, seal_of
from tests.support.town.doors import Door, Served

PARENT, OTHER = "Z91.01", "Z91.02"
PERSON = "Nguyễn Văn Hỏi"
# An answer made after the end of a certificate says nothing about it, so the file brings one of before.
LIST_OF_THEN = pdf_pki.root().crl(this_update=SIGNED, next_update=SIGNED + DAY)
ROLES = f'[[rule]]\nrole = "person"\npart = "common_name"\nis = "{PERSON}"\n'


@dataclass(kw_only=True)
class Place:
    """A node with all its doors, and the authority that it asks about certificates."""

    town: OfficeTown
    door: Door
    session: str
    program: Receiver
    authority: LiveAuthority
    person: Holder

    async def judged(self, number: str, pdf: bytes) -> IncomingDocument:
        """Bring in a document, and let the node ask the authority and judge it."""
        files = ((f"{number}.pdf", pdf),)
        row = await self.town.brought(
            self.town.forge(document(number, files, other=OtherInfo(page_amount=1)), files)
        )
        assert row.incoming_id is not None
        self.town.clock.advance(timedelta(seconds=20))
        await SignaturesClock().step(self.town.node.inn)
        await self.town.number()
        await Hooked(town=self.town).push()
        lister = Lister()
        while await self.town.node.store.lists_wait():
            await lister.step(self.town.node.store, self.town.clock)
        async with self.town.node.store.read(await self.town.scope(PROVINCE)) as work:
            return await work.incoming.get(row.incoming_id)

    async def page(self, path: str) -> str:
        """Return a page as a clerk of the receiver sees it."""
        headers = {"Cookie": f"{COOKIE}={self.session}"}
        async with self.door.client.get(path, headers=headers) as response:
            assert response.status == 200, path
            return html.unescape(await response.text())


@dataclass(frozen=True, kw_only=True)
class Case:
    """A document sealed with the holder's certificate, and what every door says of it: our word and ETSI's for the seal's
    signature, whose seal it is, the document's value, and the check that its row of the list marks."""

    holder: Holder
    word: str
    conclusion: str
    seal: str | None
    value: str | None
    mark: str = ""
    is_stamped: bool = False


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def authority(clock: ManualClock) -> Iterator[LiveAuthority]:
    with live(clock.now) as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, clock: ManualClock, authority: LiveAuthority) -> AsyncIterator[Place]:
    def change(settings: Settings) -> Settings:
        trust = pdf_pki.folder(settings.trust.folder / "pdf", lists=())
        authority.permit(trust)
        (trust / "roles.toml").write_text(ROLES, encoding="utf-8")
        return hooks.near(settings)

    async with (
        open_town(tmp_path / "node", clock, change=change, scene=TownScene.PEOPLE) as town,
        TestClient(Served(build_application(town.node, Watch(node=town.node)))) as client,
        hooks.receiving() as program,
    ):
        clerk = town.people[PostRole.CLERK, "province"].on(town.node.accounts)
        webhook = NewWebhook(url=program.url, types=("inbox.*",))
        await town.node.webhooks.add(await town.scope(PROVINCE), webhook)
        yield Place(
            town=town,
            door=Door(node=town.node, clock=clock, client=client),
            session=(await clerk.enters()).token,
            program=program,
            authority=authority,
            person=authority.issue(PERSON),
        )


async def test_whose_seal_it_is_and_what_became_of_it_is_told_alike_at_each_door(
    place: Place, tmp_path: Path, cases: Cases
) -> None:
    own, parents, outsider = map(place.authority.issue, ("Sở Mẫu", "Ủy ban Mẫu", "Sở Khác"))
    town = place.town
    table = _table(place.authority, own, parents, outsider)
    sealed = [(DEPARTMENT, case.holder) for case in table.values() if case.holder not in (parents, outsider)]
    await register(
        town.node.deciding,
        *(seal_of(code, holder) for code, holder in dict.fromkeys(sealed)),
        seal_of(PARENT, parents),
        seal_of(OTHER, outsider),
        person_of(DEPARTMENT, place.person),
    )
    stamper = pdfs.stamper(place.authority.stamper(), SIGNED)
    for n, (name, case) in enumerate(table.items(), start=20):
        if "with a written act" in name:
            await register(town.node.deciding, right_of(PARENT, DEPARTMENT))
        pdf = await asyncio.to_thread(_signed, str(n), place.person, case, stamper)
        judged = await place.judged(str(n), pdf)
        doors = (_over_the_api, _at_the_command_line, _on_the_page, _in_the_list, _to_programs, _in_evidence)
        for door in doors:
            with cases.case(f"{name}: {door.__name__}"):
                await door(place, judged, case, tmp_path / str(n))


async def _over_the_api(place: Place, judged: IncomingDocument, case: Case, _: Path) -> None:
    answer = await place.door.ask("GET", f"/inbox/{judged.id}", agency=PROVINCE)
    assert answer.status == 200
    view = answer.json
    signer = view["signatures"][0]["signers"][-1]
    conclusion = "/".join(filter(None, (signer["indication"], signer["sub_indication"])))
    assert (signer["verdict"], conclusion) == (case.word, case.conclusion)
    assert (view["checks"].get("seal"), view["legal_value"]) == (case.seal, case.value)


async def _at_the_command_line(place: Place, judged: IncomingDocument, case: Case, _: Path) -> None:
    lines = documents.incoming_lines(Invocation(), judged, judged.state, (), DocumentContext())
    texts = _texts(judged)
    assert [line for line in lines if line.startswith("Con dấu: ")] == [f"Con dấu: {t}" for t in texts[1:]]
    assert f"Giá trị pháp lý: {texts[0]}" in lines


async def _on_the_page(place: Place, judged: IncomingDocument, case: Case, _: Path) -> None:
    page = await place.page(f"/van-ban-den/{judged.id}")
    assert [text for text in _texts(judged) if text not in page] == []


def _texts(judged: IncomingDocument) -> list[str]:
    """Return the sentences about value and seal, as every door words them; that about the seal only where it was
    compared."""
    lead = lead_verdict(judged)
    return list(filter(None, (value_text(judged.legal_value, lead, "vi"), seal_text(lead, "vi"))))


async def _in_the_list(place: Place, judged: IncomingDocument, case: Case, _: Path) -> None:
    listed = await place.page("/van-ban-den")
    (row,) = [piece for piece in listed.split("data-row")[1:] if judged.id in piece]
    mark = labels.say(f"listing.doubtful.{case.mark}") if case.mark else ""
    assert (labels.say("listing.doubtful", what=mark) in row) if mark else ("Nghi vấn" not in row), row


async def _to_programs(place: Place, judged: IncomingDocument, case: Case, _: Path) -> None:
    events = [body for body in place.program.bodies if body["subject"] == judged.id]
    assert [body["type"] for body in events] == ["inbox.received", "inbox.signatures"]
    announcement = events[-1]["data"]
    assert (announcement["legal_value"], announcement["pdf_signature"], announcement.get("seal")) == (
        case.value,
        case.word,
        case.seal,
    )


async def _in_evidence(place: Place, judged: IncomingDocument, case: Case, folder: Path) -> None:
    pack = unpacked(await pack_of(place.town, PROVINCE, judged.id), folder)
    story = contents.read_story(pack["story.json"])
    assert (story.files[0].verdict, story.files[0].conclusion) == (case.word, case.conclusion)
    assert story.signatures == judged.signatures
    index = html.unescape(pack["index.html"].decode())
    sentences = [signer_text(signer, "vi") for signer in judged.signatures[0].signers]
    sentences += [labels.say(f"legal.{case.value}")] if case.value else []
    assert [text for text in sentences if text not in index] == []


def _signed(text: str, person: Holder, case: Case, stamper: DummyTimeStamper) -> bytes:
    pdf = pdfs.sign(pdfs.plain(text), person, "NguoiKy")
    pdf = pdfs.sign(pdf, case.holder, "CoQuan", stamper=stamper if case.is_stamped else None)
    is_over = case.holder.certificate.not_valid_after_utc < NOT_AFTER
    return pdfs.with_dss(pdf, [LIST_OF_THEN]) if is_over and case.is_stamped else pdf


def _table(authority: LiveAuthority, own: Holder, parents: Holder, outsider: Holder) -> dict[str, Case]:
    issue = authority.issue
    early, late = issue("Sở Sớm"), issue("Sở Muộn")
    authority.revoked[early.certificate.serial_number] = SIGNED - DAY
    authority.revoked[late.certificate.serial_number] = SIGNED + HOUR
    ended = issue("Sở Cũ", not_after=SIGNED + HOUR)
    silent = pdf_pki.root().issue("Sở Im", agency=True)
    stranger = pdf_pki.root("Another Root").issue("Sở Lạ", agency=True)
    information = "information"
    passed = partial(Case, word="valid", conclusion="TOTAL-PASSED")
    official = partial(passed, value="official")
    return {
        "right seal": official(holder=own, seal="own"),
        "parent's seal without a written act": passed(
            holder=parents, seal="other", value=information, mark="seal"
        ),
        "parent's seal with a written act": official(holder=parents, seal="entitled"),
        "another's seal": passed(holder=outsider, seal="other", value=information, mark="seal"),
        "revoked before signing": Case(
            holder=early,
            word="invalid",
            conclusion="TOTAL-FAILED/REVOKED",
            seal=None,
            value=information,
            mark="pdf",
        ),
        "revoked after signing": Case(
            holder=late,
            word="invalid",
            conclusion="INDETERMINATE/REVOKED_NO_POE",
            seal=None,
            value=information,
            mark="pdf",
        ),
        "revoked after signing, stamped": official(holder=late, seal="own", is_stamped=True),
        # A registration ends with its certificate: without a stamp nothing shows that the seal was made before.
        "expired": Case(
            holder=ended,
            word="unknown",
            conclusion="INDETERMINATE/OUT_OF_BOUNDS_NO_POE",
            seal="unknown",
            value=information,
            mark="seal",
        ),
        "expired, stamped, with its list": official(holder=ended, seal="own", is_stamped=True),
        "no revocation data": Case(
            holder=silent, word="unknown", conclusion="INDETERMINATE/TRY_LATER", seal="own", value=None
        ),
        "unknown authority": Case(
            holder=stranger,
            word="invalid",
            conclusion="INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND",
            seal=None,
            value=information,
            mark="pdf",
        ),
    }
