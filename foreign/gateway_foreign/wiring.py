"""Wires the foreign axes, which are asked over HTTP; entry points of the group `gateway.axes` name the function of each
kind. In: settings. Out: an axis whose dialect, credentials, shelf and ledger are this node's. The fields of an envelope
are read by `edxml`, which no adapter may know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.domain.forms import Handed
from gateway.edxml import forms
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import Misconfigured
from gateway.ports.axis import Parcel
from gateway.ports.services import Clock, Pool
from gateway.settings import Settings
from gateway.settings.options import LgspSettings, VxpSettings
from gateway_foreign.lgsp.dialect import LgspDialect
from gateway_foreign.rest.axis import RestAxis, RestOptions, Shapes, keeper
from gateway_foreign.rest.dialect import Dialect, read_codes
from gateway_foreign.rest.fetched_queue import FetchedQueue
from gateway_foreign.rest.ledger import Ledger
from gateway_foreign.rest.line import Line
from gateway_foreign.rest.systems import Login, System, Systems
from gateway_foreign.summary import EnvelopeSummary, summarise
from gateway_foreign.vxp.dialect import VxpDialect

MB = 1024 * 1024


def make_vxp(settings: Settings, clock: Clock, pool: Pool, name: str) -> RestAxis:
    """Make the client of the national axis. `name`: among several. Misconfigured when its address is missing."""
    vxp = settings.vxp
    system = None
    if vxp.secret is not None and vxp.system:
        system = System(id=vxp.system, secret=vxp.secret.reveal(), source="vxp.system and vxp.secret")
    ground = _ground(settings, vxp, clock, pool, name)
    dialect = VxpDialect(
        ground.line,
        clock,
        pool,
        from_system=vxp.sender == "system",
        final=read_codes(vxp.final_codes),
        stops=read_codes(vxp.stop_codes),
    )
    options = RestOptions(max_bytes=settings.limits.envelope_mb * MB, poll_s=vxp.poll_s)
    return _axis(settings, dialect, Systems(vxp.credentials, system), ground, clock, pool, options)


def make_lgsp(settings: Settings, clock: Clock, pool: Pool, name: str) -> RestAxis:
    """Make the client of a provincial service, likewise."""
    lgsp = settings.lgsp
    ground = _ground(settings, lgsp, clock, pool, name)
    dialect = LgspDialect(
        ground.line,
        clock,
        pool,
        look_days=lgsp.look_days,
        sweep_days=lgsp.sweep_days,
        final=read_codes(lgsp.final_codes),
        stops=read_codes(lgsp.stop_codes),
    )
    options = RestOptions(
        max_bytes=settings.limits.envelope_mb * MB,
        poll_s=lgsp.poll_s,
        resend=lgsp.unknown_outcome == "resend",
        to_all=lgsp.partial == "all",
    )
    systems = Systems(lgsp.credentials, _of_one(lgsp), with_login=True)
    return _axis(settings, dialect, systems, ground, clock, pool, options)


def _of_one(lgsp: LgspSettings) -> System | None:
    """Return the one agency whose credentials stand in the settings themselves; None where none do."""
    words = {"username": lgsp.username, "application": lgsp.application, "system": lgsp.system}
    if lgsp.secret is None or lgsp.password is None or not all(words.values()):
        return None
    login = Login(username=lgsp.username, password=lgsp.password.reveal(), application=lgsp.application)
    return System(id=lgsp.system, secret=lgsp.secret.reveal(), source="lgsp.* of the settings", login=login)


@dataclass(frozen=True, slots=True)
class _Ground:
    """Ledger and line of a foreign axis, and their folder."""

    folder: Path
    ledger: Ledger
    line: Line


def _ground(
    settings: Settings, section: VxpSettings | LgspSettings, clock: Clock, pool: Pool, name: str
) -> _Ground:
    kind = settings.axis.kind
    if not section.endpoint:
        raise Misconfigured(
            f"axis.kind is {kind} and {kind}.endpoint is not set", hint="the operator of the axis names it"
        )
    folder = section.folder or settings.node.data_dir / (f"{kind}-{name}" if name else kind)
    ledger = Ledger(folder / "ledger.sqlite")
    line = Line(
        section.endpoint,
        pool,
        clock,
        ca=section.ca,
        rate_per_s=section.rate_per_s,
        max_bytes=_answer_bytes(settings),
        keep=keeper(ledger, clock),
    )
    return _Ground(folder, ledger, line)


def _axis(
    settings: Settings,
    dialect: Dialect,
    systems: Systems,
    ground: _Ground,
    clock: Clock,
    pool: Pool,
    options: RestOptions,
) -> RestAxis:
    shelf = _shelf(settings, ground.folder, clock, pool)
    return RestAxis(
        dialect, systems, shelf, ground.ledger, _reads(settings), clock, pool, options, _shapes(settings)
    )


def _answer_bytes(settings: Settings) -> int:
    """Return the largest answer: a file in base64 with its JSON; a list of agencies is smaller."""
    return max(settings.limits.envelope_mb * MB * 4 // 3 + MB, 256 * MB)


def _shelf(settings: Settings, folder: Path, clock: Clock, pool: Pool) -> FetchedQueue:
    return FetchedQueue(
        folder,
        settings.node.name,
        clock,
        pool,
        poison_limit=settings.axis.poison_limit,
        lease_s=settings.workers.lease_s,
    )


def _reads(settings: Settings) -> Callable[[Callable[[], BinaryIO]], EnvelopeSummary | None]:
    return partial(summarise, limits=_limits(settings))


def _shapes(settings: Settings) -> Shapes:
    policy = XmlPolicy(limits=_limits(settings))

    def shape(parcel: Parcel) -> tuple[Parcel, Handed] | None:
        shaped = forms.reshape(parcel.form, parcel.open, parcel.size, policy)
        if shaped is None:
            return None
        return replace(parcel, open=shaped.open, size=shaped.handed.size), shaped.handed

    return shape


def _limits(settings: Settings) -> EnvelopeLimits:
    return EnvelopeLimits(max_bytes=settings.limits.envelope_mb * MB)
