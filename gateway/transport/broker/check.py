"""Examines the axis as this node's own user meets it, step by step, and changes nothing. In: an `Access`, the node's name,
the codes it hosts. Out: one `Finding` per step with its time, cause and cure; what needs a line is not examined without."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.failures import BROKEN, said
from gateway.transport.broker import check_line, check_rights
from gateway.transport.broker.session import Fault, Session


class Mark(StrEnum):
    """How a step ended."""

    FINE = "✓"
    WRONG = "✗"
    SKIPPED = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`cause` is a label key below `axis.check.`, `cure` one below `axis.cure.`; params fill both."""

    server: str
    step: str
    mark: Mark
    cause: str
    params: Mapping[str, object] = field(default_factory=dict)
    cure: str | None = None
    ms: int = 0


Step = Callable[[Session], Awaitable[Mapping[str, object]]]

# In the order in which a person would mend things: the line, then what is wrong on it.
_LINE: Mapping[str, Step] = {
    "dns": check_line.dns,
    "tcp": check_line.tcp,
    "tls": check_line.tls,
    "login": check_line.login,
}
_INSIDE: Mapping[str, Step] = {
    "queues": check_rights.queues,
    "read": check_rights.read,
    "rights": check_rights.rights,
    "impersonate": check_rights.impersonate,
    "confirm": check_rights.confirm,
    "hosted": check_rights.hosted,
}
STEPS = (*_LINE, *_INSIDE)
SPARE_S = 1.0  # a step that has a limit of its own says better what it waited for


async def examine(access: Access, node: str, codes: Sequence[str]) -> AsyncIterator[Finding]:
    """Every step at every server of the cluster, each as it is done."""
    for server in access.servers:
        async for finding in _at(server, access, node, codes):
            yield finding


async def _at(server: Server, access: Access, node: str, codes: Sequence[str]) -> AsyncIterator[Finding]:
    broken = False
    async with AsyncExitStack() as stack:
        session = Session(
            server=server,
            access=access,
            node=node,
            codes=tuple(codes),
            nonce=secrets.token_hex(8),
            stack=stack,
        )
        for name, step in {**_LINE, **_INSIDE}.items():
            if broken or (name == "tls" and not server.tls):
                cause = "before" if broken else "tls.none"
                yield Finding(server=str(server), step=name, mark=Mark.SKIPPED, cause=cause)
                continue
            finding = await _one(session, name, step)
            yield finding
            # Only a line that is not there leaves nothing to ask; a certificate that ends soon is still one.
            broken = session.line is None and finding.mark is Mark.WRONG and finding.cause != "tls.expiring"


async def _one(session: Session, name: str, step: Step) -> Finding:
    began = monotonic()
    mark, cause, cure = Mark.FINE, f"{name}.fine", None
    try:
        async with asyncio.timeout(session.access.connect_s + SPARE_S):
            params = await step(session)
    except Fault as fault:
        mark, cause, cure, params = Mark.WRONG, fault.cause, fault.cure, fault.params
    except BROKEN as why:
        mark, cause, cure, params = Mark.WRONG, "broken", "again", {"detail": said(why)}
    return Finding(
        server=str(session.server),
        step=name,
        mark=mark,
        cause=cause,
        params=params,
        cure=cure,
        ms=round((monotonic() - began) * 1000),
    )
