"""Wires the axes of others, which are asked over HTTP. In: settings. Out: an axis whose dialect, credentials, shelf and
ledger are this node's. What an envelope says of itself is read by `edxml`, which no adapter may know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.domain.forms import Handed
from gateway.edxml import foreign, forms
from gateway.edxml.foreign import Said
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import Misconfigured
from gateway.ports.axis import Parcel
from gateway.ports.services import Clock, Pool
from gateway.settings import Settings
from gateway.settings.options import LgspSettings, VxpSettings
from gateway.transport.lgsp.dialect import Days, LgspDialect
from gateway.transport.rest.axis import RestAxis, RestOptions, Shapes, keeper
from gateway.transport.rest.dialect import Dialect, listed
from gateway.transport.rest.ledger import Ledger
from gateway.transport.rest.line import Line
from gateway.transport.rest.shelf import Shelf
from gateway.transport.rest.systems import Login, System, Systems
from gateway.transport.vxp.dialect import VxpDialect

MB = 1024 * 1024


def foreign_axis(settings: Settings, clock: Clock, pool: Pool, name: str = "") -> RestAxis:
    """`name`: of one among several. Misconfigured when its address or its credentials are missing."""
    return (_vxp if settings.axis.kind == "vxp" else _lgsp)(settings, clock, pool, name)


def _vxp(settings: Settings, clock: Clock, pool: Pool, name: str) -> RestAxis:
    told = settings.vxp
    given = None
    if told.secret is not None and told.system:
        given = System(id=told.system, secret=told.secret.reveal(), source="vxp.system and vxp.secret")
    ground = _ground(settings, told, clock, pool, name)
    dialect = VxpDialect(
        ground.line,
        clock,
        pool,
        from_system=told.sender == "system",
        final=listed(told.final_codes),
        stops=listed(told.stop_codes),
    )
    options = RestOptions(max_bytes=settings.limits.envelope_mb * MB, poll_s=told.poll_s)
    return _axis(settings, dialect, Systems(told.credentials, given), ground, clock, pool, options)


def _lgsp(settings: Settings, clock: Clock, pool: Pool, name: str) -> RestAxis:
    told = settings.lgsp
    ground = _ground(settings, told, clock, pool, name)
    dialect = LgspDialect(
        ground.line,
        clock,
        pool,
        days=Days(look=told.look_days, sweep=told.sweep_days),
        final=listed(told.final_codes),
        stops=listed(told.stop_codes),
    )
    options = RestOptions(
        max_bytes=settings.limits.envelope_mb * MB,
        poll_s=told.poll_s,
        resend=told.unknown_outcome == "resend",
        to_all=told.partial == "all",
    )
    systems = Systems(told.credentials, _of_one(told), with_login=True)
    return _axis(settings, dialect, systems, ground, clock, pool, options)


def _of_one(told: LgspSettings) -> System | None:
    """The one agency whose credentials stand in the settings themselves; None where none do."""
    words = {"username": told.username, "application": told.application, "system": told.system}
    if told.secret is None or told.password is None or not all(words.values()):
        return None
    login = Login(username=told.username, password=told.password.reveal(), application=told.application)
    return System(id=told.system, secret=told.secret.reveal(), source="lgsp.* of the settings", login=login)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What an axis of others stands on."""

    folder: Path
    ledger: Ledger
    line: Line


def _ground(
    settings: Settings, told: VxpSettings | LgspSettings, clock: Clock, pool: Pool, name: str
) -> _Ground:
    kind = settings.axis.kind
    if not told.endpoint:
        raise Misconfigured(
            f"axis.kind is {kind} and {kind}.endpoint is not set", hint="the operator of the axis names it"
        )
    folder = told.folder or settings.node.data_dir / (f"{kind}-{name}" if name else kind)
    ledger = Ledger(folder / "ledger.sqlite")
    line = Line(
        told.endpoint,
        pool,
        clock,
        ca=told.ca,
        rate_per_s=told.rate_per_s,
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
    """A file in base64 with what stands around it; a list of agencies is smaller."""
    return max(settings.limits.envelope_mb * MB * 4 // 3 + MB, 256 * MB)


def _shelf(settings: Settings, folder: Path, clock: Clock, pool: Pool) -> Shelf:
    return Shelf(
        folder,
        settings.node.name,
        clock,
        pool,
        poison_limit=settings.axis.poison_limit,
        lease_s=settings.workers.lease_s,
    )


def _reads(settings: Settings) -> Callable[[Callable[[], BinaryIO]], Said | None]:
    return partial(foreign.said, limits=_limits(settings))


def _shapes(settings: Settings) -> Shapes:
    policy = XmlPolicy(limits=_limits(settings))

    def shape(parcel: Parcel) -> tuple[Parcel, Handed] | None:
        found = forms.shaped(parcel.form, parcel.open, parcel.size, policy)
        if found is None:
            return None
        return replace(parcel, open=found.open, size=found.handed.size), found.handed

    return shape


def _limits(settings: Settings) -> EnvelopeLimits:
    return EnvelopeLimits(max_bytes=settings.limits.envelope_mb * MB)
