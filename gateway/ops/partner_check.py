"""Examines the way to one partner, step by step, and sends nothing to anybody. In: the ground, the open axis, whose mail,
the partner's code. Out: one finding per step with its cause and cure: what the registry says of the code, which way mail
goes and whether it is open now, whether the axis leads somewhere with that code, the certificate that is believed,
when the partner was last heard, what is under way to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from gateway.bootstrap.axis_route import explained
from gateway.bootstrap.ground import Ground
from gateway.domain.diagnosis import Diagnosis, Level
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.routes import Turn
from gateway.domain.wall_clock import local
from gateway.ports.axis import AxisDesk
from gateway.store import reporting

# Whoever has so little left should ask his authority now.
EXPIRING = timedelta(days=30)
_FINE, _WARNED, _WRONG, _SKIPPED = Level.GREEN, Level.YELLOW, Level.RED, Level.SKIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """`code` is as the registry writes it, where it knows it; `spelled` are that and its older form."""

    ground: Ground
    axis: AxisDesk
    sender: str
    code: str
    spelled: tuple[str, ...]
    ours: tuple[str, ...]
    now: datetime


async def examine_partner(
    ground: Ground, axis: AxisDesk, sender: str, given: str
) -> AsyncIterator[Diagnosis]:
    """`sender`: the agency whose way is examined; empty for the first that is hosted here."""
    now, hosted = ground.clock.now(), await ground.store.hosted()
    began = time.monotonic()
    said = await ground.directory.resolve(given, local(now).date())
    code = said.entry.code if said.entry is not None else given
    yield _timed(_standing(said, code), began)
    asked = _Asked(
        ground=ground,
        axis=axis,
        sender=sender or next((each.code for each in hosted), ""),
        code=code,
        spelled=tuple(filter(None, (code, said.entry.alias if said.entry is not None else None))),
        ours=tuple(each.id for each in hosted),
        now=now,
    )
    for step in _STEPS:
        began = time.monotonic()
        yield _timed(await step(asked), began)


def _standing(said: Resolution, code: str) -> Diagnosis:
    told = {"given": said.given, "code": code, "name": said.entry.name if said.entry is not None else ""}
    match said.standing:
        case CodeStanding.ACTIVE:
            return _finding("registry", _FINE, "registry.fine", **told)
        case CodeStanding.MAPPED:
            return _finding("registry", _FINE, "registry.mapped", **told)
        case CodeStanding.CLOSED if said.successor:
            return _finding(
                "registry", _WRONG, "registry.closed", "successor", successor=said.successor, **told
            )
        case CodeStanding.CLOSED:
            return _finding("registry", _WRONG, "registry.closed", "closed", **told)
        case _ if said.nearest:
            return _finding("registry", _WRONG, "registry.unknown", "nearest", nearest=said.nearest, **told)
        case _:
            return _finding("registry", _WRONG, "registry.unknown", "unknown", **told)


async def _way(asked: _Asked) -> Diagnosis:
    way = await explained(asked.ground.settings, asked.axis, asked.ground.host_of, asked.sender, asked.code)
    down = "; ".join(f"{each.name}: {each.reason}" for each in way.axes if each.state in ("down", "blocked"))
    told = {"axis": way.by, "node": way.node or "", "route": way.route, "reason": down}
    match way.turn:
        case Turn.SEND if down and way.by in down:
            return _finding("way", _WRONG, "way.wait", "way", **told)
        case Turn.SEND:
            return _finding("way", _FINE, "way.send", **told)
        case Turn.MOVE:
            return _finding("way", _WARNED, "way.move", "way", **told)
        case Turn.WAIT:
            return _finding("way", _WRONG, "way.wait", "way", **told)
        case _:
            return _finding("way", _WRONG, "way.never", "route", **told)


async def _led(asked: _Asked) -> Diagnosis:
    nowhere = await asked.axis.unhosted([asked.code])
    if nowhere is None:
        return _finding("led", _SKIPPED, "led.unsaid")
    if asked.code in nowhere:
        return _finding("led", _WRONG, "led.nowhere", "led", code=asked.code)
    return _finding("led", _FINE, "led.fine", code=asked.code)


async def _certificate(asked: _Asked) -> Diagnosis:
    now, ends = asked.now, []
    for each in await asked.ground.directory.bindings(asked.code):
        certificate = x509.load_der_x509_certificate(each.certificate_der)
        begin = max(filter(None, (each.valid_from, certificate.not_valid_before_utc)))
        end = min(filter(None, (each.valid_to, certificate.not_valid_after_utc)))
        if begin <= now < end:
            ends.append(end)
    if not ends:
        return _finding("certificate", _WARNED, "certificate.none", "certificate", code=asked.code)
    last = max(ends)
    told: dict[str, Any] = {"until": local(last).date().isoformat(), "days": (last - now).days}
    if last - now < EXPIRING:
        return _finding("certificate", _WARNED, "certificate.ends", "renewal", **told)
    return _finding("certificate", _FINE, "certificate.fine", **told)


async def _heard(asked: _Asked) -> Diagnosis:
    last = await reporting.last_heard(asked.ground.store, asked.ours, asked.spelled)
    if not last:
        return _finding("heard", _SKIPPED, "heard.never", code=asked.code)
    kind, at = max(last.items(), key=lambda each: each[1])
    cause = "heard.status" if kind == "status" else "heard.document"
    return _finding("heard", _FINE, cause, at=local(at).strftime("%d/%m/%Y %H:%M"))


async def _under_way(asked: _Asked) -> Diagnosis:
    found = await reporting.under_way_to(asked.ground.store, asked.ours, asked.spelled, asked.now)
    told: dict[str, Any] = {"waiting": found.waiting, "silent": found.silent, "failed": found.failed}
    if found.failed:
        return _finding("mail", _WARNED, "mail.failed", "failed", **told)
    if found.silent:
        return _finding("mail", _WARNED, "mail.silent", "silent", **told)
    return _finding("mail", _FINE, "mail.fine", **told)


_STEPS: tuple[Callable[[_Asked], Awaitable[Diagnosis]], ...] = (
    _way,
    _led,
    _certificate,
    _heard,
    _under_way,
)


def _finding(step: str, level: Level, cause: str, cure: str | None = None, **params: Any) -> Diagnosis:
    return Diagnosis(step, level, cause, params, f"ping.cure.{cure}" if cure else None, words="ping.check")


def _timed(found: Diagnosis, began: float) -> Diagnosis:
    return replace(found, ms=round((time.monotonic() - began) * 1000))
