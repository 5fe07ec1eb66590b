"""What the agency-code directory answers: entries at a date, and what became of a code someone wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.domain.registry_reform import Ending


class RowSource(StrEnum):
    """Where a row came from. Starter rows only warn; the others may refuse and redirect (R48)."""

    STARTER = "starter"
    IMPORTED = "imported"
    SYNCED = "synced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyEntry:
    """One agency at a date."""

    code: str
    name: str
    alias: str | None = None
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    source: RowSource = RowSource.IMPORTED
    email: str | None = None
    address: str | None = None
    phone: str | None = None
    check: str | None = None
    host: str | None = None
    """The node that speaks for this code on the axis, where the registry says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Which node speaks for a code on the axis on a day; `alias` is the code's older form, which leads there too."""

    node: str
    code: str
    alias: str | None = None


class Standing(StrEnum):
    """What a code someone wrote turned out to be."""

    ACTIVE = "active"
    MAPPED = "mapped"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The answer for one given code or name. `may_refuse` is False where only starter rows speak."""

    given: str
    standing: Standing
    entry: AgencyEntry | None = None
    mapped_by: str | None = None
    successor: str | None = None
    nearest: str | None = None
    may_refuse: bool = True
    ending: Ending | None = None
    """Of a closed code: how it ended, where a reform of this node ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyFilter:
    """Which agencies a list shall show; what is left out narrows nothing. `standing` is active, upcoming or ended; `root`
    the code of a province or ministry; `certificate_days`: the last certificate ends within so many days."""

    text: str = ""
    level: int | None = None
    root: str = ""
    standing: str = ""
    certificate_days: int | None = None
    is_unbound: bool = False
    has_no_alias: bool = False
    changed_since: date | None = None
