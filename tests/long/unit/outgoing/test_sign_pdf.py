"""Signing as pages and commands call it: what was shown is what is signed, once, with its event, by no exchange key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap import signing as bootstrap_signing
from gateway.bootstrap.core import NodeCore, open_core
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf import Placement, Purpose, Wish
from gateway.errors import Clash, Denied, GatewayError, Refused
from gateway.outgoing import sign_pdf
from gateway.settings import Settings, load
from gateway.trust.pdf_signing.agency_key import HeldKey
from gateway_labs.demo.pictures import seal_png
from tests.support.areas import area_in_mm
from tests.support.clock import ManualClock
from tests.support.pdf_pages import paper
from tests.support.pdf_pki import SIGNED, Holder, agency, person, root
from tests.support.stores import migrated

Z91 = HostedAgency(id="agy_z91", code="Z91", name="Ủy ban nhân dân tỉnh Sao Mai", aliases=("000.00.00.Z91",))
SCOPE = AgencyScope(agency_id=Z91.id, principal_id="prn_clerk")
SEAL = Wish(purpose=Purpose.SEAL, agency_name=Z91.name)
IMAGE = seal_png(Z91.name)


@dataclass(frozen=True, kw_only=True)
class Room:
    """A node's office, its desk of signing, and a document that a person has signed."""

    folder: Path
    clock: ManualClock
    office: NodeCore
    services: sign_pdf.SigningServices
    file: Path

    @property
    def out(self) -> Path:
        return self.folder / "out.pdf"

    def opened(self, holder: Holder | None = None) -> HeldKey:
        chosen = holder or agency()
        return HeldKey(chosen.private_key, chosen.certificate, [root().certificate], self.clock.now())

    async def plan(self, wish: Wish = SEAL) -> sign_pdf.SigningPlan:
        return await sign_pdf.plan(self.services, self.file, wish, IMAGE)

    async def sign(self, plan: sign_pdf.SigningPlan, key: HeldKey) -> None:
        await sign_pdf.sign(self.services, SCOPE, Z91, plan, key, self.out)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    clock = ManualClock(SIGNED)
    settings = load(None, {"GATEWAY_NODE_DATA_DIR": str(tmp_path / "state")})
    (tmp_path / "state").mkdir()
    blank = await asyncio.to_thread(migrated, tmp_path / "state")
    blank.rename(settings.database.url.partition(":///")[2])
    file = tmp_path / "hand.pdf"
    async with open_core(settings, clock) as office:
        await office.store.accounts.add_hosted(Z91)
        services = bootstrap_signing.services(settings, office)
        await asyncio.to_thread(signed_by_hand, settings, tmp_path / "plain.pdf", file)
        yield Room(folder=tmp_path, clock=clock, office=office, services=services, file=file)


def signed_by_hand(settings: Settings, plain: Path, file: Path) -> None:
    signer, area = bootstrap_signing.signer(settings), area_in_mm(115, 182, 60, 20)
    plain.write_bytes(paper())
    placement = Placement(page=1, area=area, image=area, text=area, layout=signer.set_text((), 8, 10))
    holder = person()
    key = HeldKey(holder.private_key, holder.certificate, [], SIGNED)
    signer.sign_picture(plain, file, placement, None, key, SIGNED)


async def refusal(room: Room, plan: sign_pdf.SigningPlan, key: HeldKey) -> GatewayError:
    """Return the error for which it was not signed; nothing may be left behind."""
    with pytest.raises(GatewayError) as refused:
        await room.sign(plan, key)
    assert not list(room.folder.glob("*out.pdf*"))
    async with room.office.store.read(SCOPE) as work:
        assert await work.events.of_subject(key.facts.key_id) == []
    return refused.value


async def test_a_signed_file_has_its_event(room: Room) -> None:
    key = room.opened()

    await room.sign(await room.plan(), key)

    async with room.office.store.read(SCOPE) as work:
        (event,) = await work.events.of_subject(key.facts.key_id)
    standing = room.services.signer.examine(room.out)
    assert event.kind.value == "document.signed"
    assert event.principal_id == "prn_clerk"
    assert event.data["signed"] == str(standing.digest)
    assert event.data["file"] == str(room.services.signer.examine(room.file).digest)
    assert event.data["serial"] == key.facts.serial
    assert [signature.intact for signature in standing.earlier] == [True, True]
    assert await sign_pdf.has_signed_pdfs(room.office.store, SCOPE, key.facts.key_id)


@pytest.mark.parametrize("code", ["Z91", "000.00.00.Z91"])
async def test_threat_120_a_certificate_bound_for_exchange_never_signs_a_document(
    room: Room, code: str
) -> None:
    der = agency().certificate.public_bytes(Encoding.DER)
    await room.office.directory_changes.bind(code, der, None, None, "A. Clerk", "A. Leader")

    why = await refusal(room, await room.plan(), room.opened())

    assert isinstance(why, Refused)
    assert "key-exchange" in str(why)


async def test_a_file_that_changed_after_it_was_shown_is_not_signed(room: Room) -> None:
    plan = await room.plan()
    room.file.write_bytes(room.file.read_bytes() + b"\n% one line more")

    why = await refusal(room, plan, room.opened())

    assert (type(why), why.code) == (Clash, "SIGN-CHANGED")


async def test_a_key_that_has_expired_that_fails_or_that_was_opened_too_long_ago_does_not_sign(
    room: Room,
) -> None:
    old = root().issue("Sở Mẫu cũ", agency=True, not_after=SIGNED - timedelta(days=1))
    plan, key, closed = await room.plan(), room.opened(), room.opened()
    closed.close()

    assert "key-time" in str(await refusal(room, plan, room.opened(old)))
    assert (await refusal(room, plan, closed)).code == "TOKEN-FAILED"
    room.clock.advance(timedelta(minutes=16))
    why = await refusal(room, plan, key)
    assert (type(why), why.code) == (Denied, "TOKEN-TIMED-OUT")


async def test_a_preview_is_a_picture_and_a_seal_without_an_image_is_refused_with_the_way_out(
    room: Room,
) -> None:
    drawn = await sign_pdf.preview(room.services, await room.plan())
    with pytest.raises(Clash, match="no image of the seal") as refused:
        await sign_pdf.plan(room.services, room.file, SEAL, None)

    assert drawn.startswith(b"\x89PNG")
    assert "--image" in refused.value.hint


async def test_a_file_that_is_there_already_is_found_before_the_key_is_used(room: Room) -> None:
    plan, key = await room.plan(), room.opened()
    room.out.write_bytes(b"there")
    key.close()  # it could not sign any more

    with pytest.raises(Clash) as refused:
        await room.sign(plan, key)

    assert refused.value.code == "SIGN-OUT"
    assert room.out.read_bytes() == b"there"
