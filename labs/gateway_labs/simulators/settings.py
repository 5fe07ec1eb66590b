"""Settings of a simulator: its systems with their credentials and agencies, the behaviour of the hub, and its faults. In: a
TOML file. Out: frozen values, or Misconfigured with what is wrong."""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAgency:
    code: str
    name: str
    old: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLogin:
    """Credentials that an application signs in with, on hubs that need them."""

    username: str
    password: str = field(repr=False)
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSystem:
    id: str
    secret: str = field(repr=False)
    agencies: tuple[HubAgency, ...]
    login: HubLogin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Behaviour of the hub. `code`: its own in traces; `entries`: a packet for several agencies of one system is listed
    once for each receiver or once for the system; `dedupe`: the same file, or the same new document, is answered with its
    first id; `late_s`: when a packet shows in lists; `ahead_s`: how far its clock is before the machine's, or behind it;
    `more_agencies`: so many invented entries besides; `fresh_h`: how far a call's time stamp may be from now, 0 for any:
    clients make it once and keep it; `token_min`: for how long a token holds; `plain`: a file is given as its own text,
    where the hub may do so, and not as base64; `anew`: every file is written anew, else it is passed on unchanged."""

    code: str = "HUB"
    entries: str = "receiver"
    dedupe: bool = True
    late_s: float = 0.0
    ahead_s: float = 0.0
    more_agencies: int = 0
    fresh_h: float = 48.0
    token_min: float = 30.0
    plain: bool = True
    anew: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOptions:
    """Faults: `rate` of calls have one of `kinds`, in these `operations` (none named: all); `seed` repeats them."""

    rate: float = 0.0
    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    slow_s: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    systems: tuple[HubSystem, ...]
    hub: HubOptions = field(default_factory=HubOptions)
    faults: FaultOptions = field(default_factory=FaultOptions)


KINDS = frozenset(
    {
        "error500",
        "html",
        "unauthorized",
        "slow",
        "lost",
        "half",
        "duplicate",
        "reorder",
        "damaged",
        "nodata",
        "expired",
    }
)


def read(file: Path) -> SimulatorSettings:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Misconfigured(f"the systems {file} cannot be read: {why}") from why
    try:
        systems = tuple(system for row in tables.get("system", ()) for system in _systems(row, file.parent))
        hub = HubOptions(**tables.get("hub", {}))
        faults = fault_options(tables.get("faults", {}))
    except KeyError as why:
        raise Misconfigured(f"{file}: a [[system]] or one of its agencies lacks {why}") from why
    except (TypeError, ValueError, OSError) as why:
        raise Misconfigured(f"{file} is not understood: {why}") from why
    if not systems:
        raise Misconfigured(f"{file} has no [[system]]")
    return SimulatorSettings(systems=systems, hub=hub, faults=faults)


def fault_options(table: Mapping[str, Any], earlier: FaultOptions | None = None) -> FaultOptions:
    """Read fault options. ValueError for an unknown kind of fault."""
    options: dict[str, Any] = dict(table)
    for name in ("kinds", "operations"):
        if name in options:
            options[name] = tuple(str(kind) for kind in options[name])
    old = earlier or FaultOptions()
    values = {name: getattr(old, name) for name in FaultOptions.__slots__}
    new_options = FaultOptions(**{**values, **options})
    for kind in new_options.kinds:
        late_of(kind)
    if odd := [
        kind for kind in new_options.kinds if kind not in KINDS and not kind.startswith(("fail:", "late:"))
    ]:
        raise ValueError(
            f"there is no fault {', '.join(odd)}; there are {', '.join(sorted(KINDS))}, fail:CODE and late:DAYS"
        )
    return new_options


def late_of(fault: str) -> timedelta:
    """Return how long after sending a packet with this fault shows in lists. ValueError for days that are no number."""
    kind, _, days = fault.partition(":")
    if kind != "late":
        return timedelta()
    try:
        return timedelta(days=float(days))
    except OverflowError as why:
        raise ValueError(f"{fault}: so many days there are not") from why


def _systems(row: Mapping[str, Any], folder: Path) -> Iterator[HubSystem]:
    """Yield the systems; each agency of an application that signs in is a system of its own."""
    if "username" in row:
        login = HubLogin(
            username=str(row["username"]),
            password=_secret(row, "password", folder),
            application=str(row["application"]),
        )
        for agency in row["agencies"]:
            id = str(agency.get("system", agency["code"]))
            secret = _secret(agency, "secret", folder)
            yield HubSystem(id=id, secret=secret, agencies=(_agency(agency),), login=login)
        return
    yield HubSystem(
        id=str(row["id"]),
        secret=_secret(row, "secret", folder),
        agencies=tuple(_agency(agency) for agency in row.get("agencies", ())),
    )


def _secret(row: Mapping[str, Any], name: str, folder: Path) -> str:
    """Read a secret itself, or from a file of its own, as a node reads it."""
    if f"{name}_file" not in row:
        return str(row[name])
    return (folder / str(row[f"{name}_file"])).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")


def _agency(row: Any) -> HubAgency:
    if isinstance(row, str):
        return HubAgency(code=row, name=row)
    code = str(row["code"])
    return HubAgency(
        code=code,
        name=str(row.get("name", code)),
        old=str(row.get("old", "")),
    )


class Faults:
    def __init__(self, options: FaultOptions) -> None:
        self.options = options
        self.done: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._chance = random.Random(options.seed)  # noqa: S311 - the same faults again, not a secret

    def change(self, table: Mapping[str, Any]) -> None:
        """Change the options. ValueError or TypeError for an unknown one."""
        self.options = fault_options(table, self.options)
        self._chance = random.Random(self.options.seed)  # noqa: S311 - as above

    def pick(self, operation: str) -> str:
        self.calls[operation] += 1
        options = self.options
        if not options.kinds or (options.operations and operation not in options.operations):
            return ""
        if self._chance.random() >= options.rate:
            return ""
        kind = self._chance.choice(options.kinds)
        self.done[kind] += 1
        return kind
