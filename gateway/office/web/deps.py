"""What the pages are handed by the wiring: the desks of the flows, and promises for what other rings have. Adapters do not
inherit from these; they only fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aiohttp import web

from gateway.deciding.desk import DecidingDesk
from gateway.domain.account import AgencyScope
from gateway.holding.desk import HoldDesk
from gateway.office.accounts.desk import AccountDesk
from gateway.office.accounts.program_keys import KeyBook
from gateway.office.book.desk import BookDesk
from gateway.office.letters.desk import OfficeIn, OfficeOut
from gateway.office.letters.first_page import FirstPages
from gateway.office.ports.keepings import Keepings
from gateway.office.ports.store import OfficeStore
from gateway.office.todo.desk import TodoDesk
from gateway.office.web.listing.live import Live
from gateway.office.web.ports_compose import Agencies, Signing
from gateway.office.web.ports_operations import Operations
from gateway.office.web.ports_packets import Packets
from gateway.office.web.ports_registry import AgencyRegistry, CertificateFacts, Contacts, ExchangeCertificates
from gateway.office.web.previews import Previews
from gateway.policy import code_file
from gateway.policy.code_file import Workbook
from gateway.ports import Blobs, Clock, Health, Pool
from gateway.ports.calls import ApiCalls


class Bell(Protocol):
    """How many tasks wait in an agency: asked for every page, so known for some seconds."""

    async def count(self, scope: AgencyScope) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A pause that is planned, or an incident, as people are told of it (R97, R98)."""

    id: str
    kind: str
    starts_at: datetime
    ends_at: datetime | None
    text_vi: str
    text_en: str

    def text(self, lang: str) -> str:
        return self.text_en if lang == "en" and self.text_en else self.text_vi


class Notices(Protocol):
    async def current(self, now: datetime, agency_id: str = "") -> Notice | None:
        """What is to be shown on every page of that agency now, of all for the empty id: asked each time, so known for some
        seconds."""


class NoNotices:
    """Where nothing is announced."""

    async def current(self, now: datetime, agency_id: str = "") -> Notice | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How the line to the axis is: `up`, `slow` or `down`, and since when."""

    word: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Words and limits of the pages. `ribbon` marks a node that is not for real mail; `undo_s` is how long a document that
    was sent on a page can still be called back. `contact` is whom error pages name."""

    name: str = ""
    ribbon: bool = False
    contact: str = ""
    undo_s: int = 30
    undo_express_s: int = 5
    urge_days: int = 7
    form_bytes: int = 1024 * 1024
    upload_s: float = 600.0
    address: str = ""
    login_style: str = "next"
    login_tail: str = ""
    clerks_mailbox: str = "vanthu{abbr}"
    admins_mailbox: str = "{abbr}qtdv"
    calls_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDeps:
    """Everything that the pages work with. `request_id` and `address` ask the server's outer layer, which named the call
    and knows which proxies to believe."""

    store: OfficeStore
    blobs: Blobs
    accounts: AccountDesk
    deciding: DecidingDesk
    hold: HoldDesk
    out: OfficeOut
    inn: OfficeIn
    todo: TodoDesk
    book: BookDesk
    registry: AgencyRegistry
    contacts: Contacts
    certificate: Callable[[bytes], CertificateFacts]
    exchange: ExchangeCertificates
    clock: Clock
    pool: Pool
    health: Health
    bell: Bell
    keys: KeyBook
    calls: ApiCalls
    keepings: Keepings
    previews: Previews
    packets: Packets
    agencies: Agencies
    signing: Signing
    operations: Operations
    light: Callable[[], Light]
    request_id: Callable[[web.Request], str]
    address: Callable[[web.Request], str]
    version: str
    notices: Notices = field(default_factory=NoNotices)
    workbook: Workbook = code_file.no_workbook
    live: Live = field(default_factory=Live)
    first_pages: FirstPages = field(default_factory=FirstPages)
    options: WebOptions = field(default_factory=WebOptions)
