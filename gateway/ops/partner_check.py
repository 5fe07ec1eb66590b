"""Check the route to one partner, step by step, without sending anything. In: the node's core, the open axis, the sending
agency, the partner's code. Out: one finding per step with its cause and cure: the code's entry in the registry, the route
of mail and whether it is open now, whether the axis delivers to that code, the trusted certificate, when the partner's last
packet came, and the mail that is under way to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from gateway import time_source
from gateway.bootstrap.core import NodeCore
from gateway.domain.diagnosis import Diagnosis, Level
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.routes import Turn
from gateway.domain.wall_clock import local
from gateway.ops.axis_route import explain_route
from gateway.ports.axis import ManagedAxis
from gateway.store import reporting

# A partner whose certificate ends within this time should ask its authority for a new one now.
EXPIRING = timedelta(days=30)
_FINE, _WARNED, _WRONG, _SKIPPED = Level.GREEN, Level.YELLOW, Level.RED, Level.SKIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partner:
    """A partner, and the node from which it is reached. `code` is the registry's code, or as typed when that is unknown;
    `spellings` adds its older form; `ours` are the ids of the hosted agencies."""

    core: NodeCore
    axis: ManagedAxis
    sender: str
    code: str
    spellings: tuple[str, ...]
    ours: tuple[str, ...]
    now: datetime


async def examine_partner(
    core: NodeCore, axis: ManagedAxis, sender: str, written_code: str
) -> AsyncIterator[Diagnosis]:
    """Yield the findings about the route from the agency `sender` (for "" the first hosted one) to the partner."""
    now, hosted = core.clock.now(), await core.store.hosted()
    started = time_source.monotonic()
    answer = await core.directory.resolve(written_code, local(now).date())
    code = answer.entry.code if answer.entry is not None else written_code
    yield _with_time(_registry_finding(answer, code), started)
    partner = _Partner(
        core=core,
        axis=axis,
        sender=sender or next((agency.code for agency in hosted), ""),
        code=code,
        spellings=tuple(filter(None, (code, answer.entry.alias if answer.entry is not None else None))),
        ours=tuple(agency.id for agency in hosted),
        now=now,
    )
    for step in _STEPS:
        started = time_source.monotonic()
        yield _with_time(await step(partner), started)


def _registry_finding(hit: Resolution, code: str) -> Diagnosis:
    params = {"given": hit.query, "code": code, "name": hit.entry.name if hit.entry is not None else ""}
    match hit.standing:
        case CodeStanding.ACTIVE:
            return _finding("registry", _FINE, "registry.fine", **params)
        case CodeStanding.MAPPED:
            return _finding("registry", _FINE, "registry.mapped", **params)
        case CodeStanding.CLOSED if hit.successor:
            return _finding(
                "registry", _WRONG, "registry.closed", "successor", successor=hit.successor, **params
            )
        case CodeStanding.CLOSED:
            return _finding("registry", _WRONG, "registry.closed", "closed", **params)
        case _ if hit.nearest:
            return _finding("registry", _WRONG, "registry.unknown", "nearest", nearest=hit.nearest, **params)
        case _:
            return _finding("registry", _WRONG, "registry.unknown", "unknown", **params)


async def _route(partner: _Partner) -> Diagnosis:
    """Check which axis and node mail to the partner takes, and whether that route is open now."""
    route = await explain_route(
        partner.core.settings, partner.axis, partner.core.host_of, partner.sender, partner.code
    )
    reasons = {a.name: f"{a.name}: {a.reason}" for a in route.axes if a.state in ("down", "blocked")}
    params = {
        "axis": route.by,
        "node": route.node or "",
        "route": route.route,
        "reason": "; ".join(reasons.values()),
    }
    match route.turn:
        case Turn.SEND if route.by in reasons:
            return _finding("way", _WRONG, "way.wait", "way", **params)
        case Turn.SEND:
            return _finding("way", _FINE, "way.send", **params)
        case Turn.MOVE:
            return _finding("way", _WARNED, "way.move", "way", **params)
        case Turn.WAIT:
            return _finding("way", _WRONG, "way.wait", "way", **params)
        case _:
            return _finding("way", _WRONG, "way.never", "route", **params)


async def _axis_delivery(partner: _Partner) -> Diagnosis:
    unhosted_codes = await partner.axis.unhosted([partner.code])
    if unhosted_codes is None:
        return _finding("led", _SKIPPED, "led.unsaid")
    if partner.code in unhosted_codes:
        return _finding("led", _WRONG, "led.nowhere", "led", code=partner.code)
    return _finding("led", _FINE, "led.fine", code=partner.code)


async def _certificate(partner: _Partner) -> Diagnosis:
    now, ends = partner.now, []
    for binding in await partner.core.directory.bindings(partner.code):
        certificate = x509.load_der_x509_certificate(binding.certificate_der)
        begin = max(filter(None, (binding.valid_from, certificate.not_valid_before_utc)))
        end = min(filter(None, (binding.valid_to, certificate.not_valid_after_utc)))
        if begin <= now < end:
            ends.append(end)
    if not ends:
        return _finding("certificate", _WARNED, "certificate.none", "certificate", code=partner.code)
    last = max(ends)
    params: dict[str, Any] = {"until": local(last).date().isoformat(), "days": (last - now).days}
    if last - now < EXPIRING:
        return _finding("certificate", _WARNED, "certificate.ends", "renewal", **params)
    return _finding("certificate", _FINE, "certificate.fine", **params)


async def _last_contact(partner: _Partner) -> Diagnosis:
    last_by_kind = await reporting.last_packet_times(partner.core.store, partner.ours, partner.spellings)
    if not last_by_kind:
        return _finding("heard", _SKIPPED, "heard.never", code=partner.code)
    kind, at = max(last_by_kind.items(), key=lambda pair: pair[1])
    cause = "heard.status" if kind == "status" else "heard.document"
    return _finding("heard", _FINE, cause, at=local(at).strftime("%d/%m/%Y %H:%M"))


async def _open_mail(partner: _Partner) -> Diagnosis:
    mail = await reporting.under_way_to(partner.core.store, partner.ours, partner.spellings, partner.now)
    params: dict[str, Any] = {"waiting": mail.waiting, "silent": mail.silent, "failed": mail.failed}
    if mail.failed:
        return _finding("mail", _WARNED, "mail.failed", "failed", **params)
    if mail.silent:
        return _finding("mail", _WARNED, "mail.silent", "silent", **params)
    return _finding("mail", _FINE, "mail.fine", **params)


_STEPS: tuple[Callable[[_Partner], Awaitable[Diagnosis]], ...] = (
    _route,
    _axis_delivery,
    _certificate,
    _last_contact,
    _open_mail,
)


def _finding(step: str, level: Level, cause: str, cure: str | None = None, **params: Any) -> Diagnosis:
    return Diagnosis(step, level, cause, params, f"ping.cure.{cure}" if cure else None, words="ping.check")


def _with_time(finding: Diagnosis, started: float) -> Diagnosis:
    return replace(finding, ms=round((time_source.monotonic() - started) * 1000))
