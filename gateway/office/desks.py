"""What the acts of the office are handed, one desk for each of its subjects: accounts, the two flows, register books,
the to-do list. Made once by the wiring; a desk holds ports and the numbers of rules, and no state of its own. The
desks of the two flows are those of the exchange where the office opened them: their units of work have what the
office keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.account import KEY_PREFIX
from gateway.domain.office_calendar import OfficeCalendar
from gateway.incoming.desk import InDesk
from gateway.office.policy.signing_in import IdleRules, PasswordRules, SessionRules, SlowRules
from gateway.office.store.accounts import SqlAccounts
from gateway.office.store.store import SqlOfficeStore
from gateway.outgoing.desk import OutDesk
from gateway.policy.upkeep import CertificateEnding
from gateway.ports import CalendarDays, Clock, Pool
from gateway.ports.deciding import SignInSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """Every number of accounts. `link` is how long a one-time code is good; `key_prefix`: with which programs' keys
    begin."""

    passwords: PasswordRules = field(default_factory=PasswordRules)
    sessions: SessionRules = field(default_factory=SessionRules)
    slow: SlowRules = field(default_factory=SlowRules)
    idle: IdleRules = field(default_factory=IdleRules)
    link: timedelta = timedelta(hours=72)
    key_prefix: str = KEY_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """Made once by the wiring; holds no state of its own."""

    accounts: SqlAccounts
    secrets: SignInSecrets
    clock: Clock
    pool: Pool
    rules: AccountRules


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeOut(OutDesk):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeIn(InDesk):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDesk:
    """Made once by the wiring; holds no state of its own."""

    store: SqlOfficeStore
    clock: Clock
    pool: Pool
    series_by_type: bool = True
    """Whether each type of outgoing document has a run of numbers of its own (R33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoDesk:
    """`wake` rings for whoever waits for events."""

    store: SqlOfficeStore
    calendar: CalendarDays
    office: Callable[[], Awaitable[OfficeCalendar]]
    """When the agencies of this node work, as it is now."""
    certificates: Callable[[datetime], Awaitable[Sequence[CertificateEnding]]]
    """Every certificate that signs for us or speaks for somebody here, the last of each code."""
    clock: Clock
    wake: Callable[[], None]
