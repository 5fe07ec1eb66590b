"""Many agencies stand around the stage's three, for tests that need a day's mail: a longer cast, letters and answers as an
agency's document system would send them, PDFs that were signed in earnest, and a line to one agency that can be shut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.node import P, Wrap
from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Delivery,
    IncomingDocument,
    OutgoingDocument,
    Recipient,
    RecipientRole,
)
from gateway.ports.axis import Fate, Outcome, Parcel
from gateway_labs.authority import Authority
from gateway_labs.demo import stage
from gateway_labs.demo.signers import DemoSigners
from tests.office.pages.site import Site, opened
from tests.support import letters
from tests.support.areas import area_in_mm
from tests.support.clock import START
from tests.support.letters import Letter
from tests.support.packets import PDF
from tests.support.town.scenes import until_quiet

NAMES = (
    *("An Mẫu", "Bình Thử", "Cam Ví", "Dương Dụ", "Đông Giả", "Gia Định Thử", "Hòa Mẫu"),
    *("Khánh Ví", "Lộc Dụ", "Minh Giả", "Nghĩa Thử", "Phú Mẫu", "Quảng Ví"),
)
MORE_COMMUNES = tuple(f"xa-{n}" for n in range(len(NAMES)))
NEIGHBOURS = ("province", "commune", *MORE_COMMUNES)
# Who signs for the department.
SIGNER = "Đặng Giám Đốc"
HOUR_BEFORE = START - timedelta(hours=1)


def widen(patch: pytest.MonkeyPatch) -> None:
    """Add the further communes to the stage, until the test ends."""
    stage_cast = stage.cast
    people_data = {
        actor: {
            "code": f"Z91.{20 + n}",
            "alias": f"000.00.{20 + n}.Z91",
            "name": f"Ủy ban nhân dân xã {name}",
            "parent": "Z91",
            "numbering": "A",
            "email": f"vanthu.{actor}@sao-mai.example",
        }
        for n, (actor, name) in enumerate(zip(MORE_COMMUNES, NAMES, strict=True))
    }

    def wider() -> stage.Cast:
        cast = stage_cast()
        people = {**cast.data["people"], **{actor: {} for actor in MORE_COMMUNES}}
        return replace(cast, data={**cast.data, **people_data, "people": people})

    patch.setattr(stage, "ACTORS", (*stage.ACTORS, *MORE_COMMUNES))
    patch.setattr(stage, "cast", wider)


@dataclass(kw_only=True)
class Line(Wrap):
    """Wraps the axis so that it refuses all mail to `shut` for good, and is otherwise unchanged."""

    shut: str = ""

    def __call__(self, name: str, port: P) -> P:
        return _Shut(port, self) if name == "axis" else port  # type: ignore[return-value]  # as far as the node calls it


class _Shut:
    def __init__(self, real: Any, line: Line) -> None:
        self._real, self._line = real, line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def publish(self, parcel: Parcel, codes: Sequence[str]) -> Mapping[str, Outcome]:
        open_codes = [code for code in codes if code != self._line.shut]
        reached = dict(await self._real.publish(parcel, open_codes)) if open_codes else {}
        refused = Outcome(fate=Fate.NEVER, code="axis-refused", detail="the axis takes nothing for it")
        return {code: reached.get(code, refused) for code in codes}


@dataclass(frozen=True, kw_only=True)
class Town:
    """The site with its many agencies, and what they do."""

    site: Site
    line: Line
    signers: DemoSigners = field(repr=False)

    async def scope(self, actor: str) -> AgencyScope:
        return await self.site.town.scope(stage.cast().code(actor))

    async def send(self, sender: str, number: str, *to: str, **more: Any) -> OutgoingDocument:
        """Send a document as the agency's document system does: for information, so that it may leave without the seal of
        the agency."""
        codes = [stage.cast().code(actor) for actor in to]
        recipients = tuple(Recipient(code=code, role=RecipientRole.TO_KNOW) for code in codes)
        code, files = stage.cast().code(sender), (("van-ban.pdf", PDF),)
        return await self.site.town.send(number, sender=code, files=files, recipients=recipients, **more)

    async def arrived(self, actor: str, sent: OutgoingDocument) -> IncomingDocument:
        return await self.site.town.as_incoming(sent, stage.cast().code(actor))

    async def answers(self, actor: str, sent: OutgoingDocument, code: str, **more: Any) -> None:
        await self.site.town.status(await self.arrived(actor, sent), code, **more)

    async def deliveries(self, actor: str, *sent: OutgoingDocument) -> list[Delivery]:
        async with self.site.node.store.read(await self.scope(actor)) as work:
            by_document = await work.deliveries.of_documents([document.id for document in sent])
        return [delivery for document in sent for delivery in by_document[document.id]]

    async def list_written(self, actor: str) -> list[OutgoingDocument]:
        async with self.site.node.store.read(await self.scope(actor)) as work:
            return list((await work.outgoing.page(limit=100)).items)

    async def received(self, actor: str) -> list[IncomingDocument]:
        return list(await self.site.town.incoming(stage.cast().code(actor)))

    async def quiet(self) -> None:
        await until_quiet(self.site.node)

    def signed(self, letter: Letter) -> bytes:
        """Return the letter as a PDF with the signature of a person and of the agency. Block for a moment."""
        area = area_in_mm(130, 155, 45, 22)
        return self.signers.signed_by_both(letters.paper([letters.page(letter)]), area, HOUR_BEFORE)


@asynccontextmanager
async def open_town(folder: Path, database: str) -> AsyncIterator[Town]:
    """Open a node of its own, for a stage that was made wide."""
    settings, line = stage.settings_for(folder), Line()
    at = HOUR_BEFORE - timedelta(days=1)
    exchange = Authority.create("Demo exchange authority", at)
    exchange.save(settings.node.data_dir / "authority")
    _revokes_nothing(exchange, settings.trust.folder, at)
    authority = Authority.create("Demo authority of signatures", at)
    _revokes_nothing(authority, settings.trust.folder / "pdf", at)
    (settings.trust.folder / "pdf" / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    department = stage.cast().data["department"]
    signers = DemoSigners.create(authority, department["code"], department["name"], SIGNER, at)
    async with opened(folder, database=database or settings.database.url, wrap=line) as site:
        yield Town(site=site, line=line, signers=signers)


@pytest_asyncio.fixture(loop_scope="session")
async def town(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    widen(monkeypatch)
    async with open_town(tmp_path / "site", database) as new_town:
        yield new_town


@pytest.fixture
def site(town: Town) -> Site:
    return town.site


def _revokes_nothing(authority: Authority, folder: Path, at: datetime) -> None:
    (folder / "crl").mkdir(parents=True, exist_ok=True)
    (folder / "crl" / "list.pem").write_bytes(authority.revocation_list([], at, timedelta(days=3650)))
