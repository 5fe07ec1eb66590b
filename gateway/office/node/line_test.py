"""Tests the line to the axis step by step, with this node's own rights. In: an open node. Out: steps with time, cause and
cure, in the order in which a person would mend things. Changes nothing and sends nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from gateway.bootstrap.axis import broker_access
from gateway.domain.account import HostedAgency
from gateway.edxml.key import value_fault
from gateway.edxml.policy import XmlPolicy
from gateway.errors import GatewayError, TransportFailure
from gateway.office.bootstrap.office import Office
from gateway.office.web.ports_operations import Step
from gateway.ops import axis_now
from gateway.ops.doctor_clock import CLOCK_SKEW
from gateway.outgoing import keys as signing
from gateway.trust.key_material import ENVELOPES

FINE, WRONG, SKIPPED = "fine", "wrong", "skipped"


class _Fault(Exception):
    """The step ended badly, for this cause."""

    def __init__(self, cause: str, **params: object) -> None:
        super().__init__(cause)
        self.cause, self.params = cause, params


async def run(node: Office) -> Sequence[Step]:
    """Every step; what needs a line is not tried without one."""
    hosted = [each for each in await node.store.hosted() if each.left_at is None]
    if node.settings.axis.kind == "amqp":
        steps = [each async for each in _broker(node, hosted)]
    else:
        steps = [await _one("folder", lambda: _folder(node)), await _one("count", lambda: _count(node))]
    for agency in hosted:
        steps.append(await _one("sign", lambda agency=agency: _sign(node, agency), server=agency.code))  # type: ignore[misc]  # mypy cannot type a lambda with a default
    steps.append(await _one("clock", lambda: _clock(node)))
    return steps


async def _broker(node: Office, hosted: Sequence[HostedAgency]) -> AsyncIterator[Step]:
    from gateway.transport.broker import check

    marks = {check.Mark.FINE: FINE, check.Mark.WRONG: WRONG, check.Mark.SKIPPED: SKIPPED}
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    async for each in check.examine(broker_access(node.settings), node.settings.node.name, codes):
        yield Step(
            server=each.server,
            name=each.step,
            mark=marks[each.mark],
            ms=each.ms,
            says=f"axis.check.{each.cause}",
            cure=f"axis.cure.{each.cure}" if each.cure else "",
            params=each.params,
        )


async def _one(name: str, step: Callable[[], Awaitable[Mapping[str, object]]], server: str = "") -> Step:
    began = time.monotonic()
    mark, cause, cure = FINE, f"operating.line.{name}.fine", ""
    params: Mapping[str, object]
    try:
        params = await step()
    except _Fault as fault:
        mark, params = WRONG, fault.params
        cause, cure = f"operating.line.{name}.{fault.cause}", f"operating.line.{name}.cure"
    except GatewayError as error:
        mark, params = WRONG, {"detail": str(error)}
        cause, cure = "operating.line.failed", f"operating.line.{name}.cure"
    ms = round((time.monotonic() - began) * 1000)
    return Step(server=server, name=name, mark=mark, ms=ms, says=cause, cure=cure, params=params)


async def _folder(node: Office) -> Mapping[str, object]:
    if not node.settings.axis.folder.is_dir():
        raise _Fault("missing")
    return {}


async def _count(node: Office) -> Mapping[str, object]:
    try:
        counts = await axis_now.count(node.axis, node.pulse.folder, node.clock.now())
    except TransportFailure as error:
        raise _Fault("down", detail=node.axis.state().reason or str(error)) from error
    state = node.axis.state()
    if state.blocked_since is not None:
        raise _Fault("blocked", detail=state.reason)
    return {"count": counts.get("waiting", 0)}


async def _sign(node: Office, agency: HostedAgency) -> Mapping[str, object]:
    """What the agency's key signs must hold under the certificate that is bound to it."""
    # The key signs what begins like an envelope's signature, and this is none: it has no end.
    now, data = node.clock.now(), ENVELOPES + secrets.token_bytes(32)
    use = await signing.of(node.directory, node.store, agency.code, now)

    def there_and_back() -> tuple[str, str | None]:
        signer = node.keys.signer(agency.code, now, use)
        fault = value_fault(
            signer.certificate_der, signer.algorithm, data, signer.sign(data), XmlPolicy(), native=False
        )
        return signer.algorithm, fault

    algorithm, fault = await node.pool.run(there_and_back)
    if fault is not None:
        raise _Fault("differs", code=agency.code, fault=fault)
    return {"code": agency.code, "algorithm": algorithm}


async def _clock(node: Office) -> Mapping[str, object]:
    gap = abs(await node.store.clock_gap(node.clock.now))
    if gap > CLOCK_SKEW:
        raise _Fault("apart", seconds=round(gap.total_seconds()))
    return {"seconds": round(gap.total_seconds(), 1)}
