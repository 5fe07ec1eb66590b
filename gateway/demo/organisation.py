"""The demonstration's further agencies, and how their organisation changes: one change in force, one decided for a later
day, one that waits for the second person beside a new certificate. In: an open node whose agencies are not bound yet. Out:
all of it decided by the two persons who bind the certificates, as on a real node."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.node import Node
from gateway.deciding import propose
from gateway.deciding import reform as reforms
from gateway.demo import deciders, stage
from gateway.demo.deciders import Two
from gateway.demo.stage import Cast
from gateway.domain.proof import Binding
from gateway.domain.proposal import Content, Proposal
from gateway.domain.registry_reform import DecidingDocument, Reform, ReformKind, Target
from gateway.trust.authority import Authority

_TOMORROW, _LATER = timedelta(days=1), timedelta(days=30)


async def told(node: Node, cast: Cast) -> None:
    """Once: what binds certificates is the last of it."""
    await _known(node, cast)
    wanted = await stage.unbound(node)
    if not wanted:
        return
    both = await deciders.two(node.deciding, cast.deciders)
    decided = {each.reform.decision.number for each in await reforms.listed(node.deciding, 100)}
    # While no certificate was ever bound the two need not have been there for a day.
    for key, begins in (("done", _TOMORROW), ("planned", _LATER)):
        if cast.data["changes"][key]["number"] not in decided:
            made = await _proposed(node, both, cast, key, begins)
            await deciders.agreed(node.deciding, both, made)
    await deciders.bind(node.deciding, both, wanted)
    await _proposed(node, both, cast, "waiting", _LATER, cast.words("waiting_why"))
    await _certificate(node, both, cast)


async def _known(node: Node, cast: Cast) -> None:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["code", "name", "parent", "email"])
    for each in cast.data["agencies"]:
        if await node.directory.entry(each["code"]) is None:
            rows.writerow([each["code"], each["name"], cast.code("province"), each["email"]])
    plan = await node.directory.plan_import(text.getvalue().encode())
    if plan.added:
        await node.directory.apply(plan, "demo")


async def _proposed(
    node: Node, both: Two, cast: Cast, key: str, begins: timedelta, why: str = ""
) -> Proposal:
    planned = await reforms.plan(node.deciding, _reform(node, cast, cast.data["changes"][key], begins))
    return await reforms.proposed(node.deciding, both.proposer, planned, why)


def _reform(node: Node, cast: Cast, change: dict[str, Any], begins: timedelta) -> Reform:
    today = node.out.today()
    return Reform(
        kind=ReformKind(change["kind"]),
        decision=DecidingDocument(
            number=change["number"], issued_on=today, issuer=str(cast.data["province"]["name"])
        ),
        effective_on=today + begins,
        sources=tuple(change["sources"]),
        targets=tuple(Target(code=each) for each in change.get("targets", ())),
        name=change.get("name"),
    )


async def _certificate(node: Node, both: Two, cast: Cast) -> None:
    """A partner's, which came with a letter: the second person calls there before it is believed."""
    made = await node.pool.run(partial(_issued, node, cast))
    now = node.clock.now()
    content = Content(bindings=(propose.binding([], made, now, node.deciding.overlap),))
    await propose.run(node.deciding, both.proposer, content, cast.words("certificate_why"))


def _issued(node: Node, cast: Cast) -> Binding:
    """Of a key that nobody keeps: nothing is ever signed with it."""
    partner = cast.data["silent"]
    authority = Authority.load(node.settings.node.data_dir / "authority")
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issued = authority.issue(partner["code"], partner["name"], key, node.clock.now())
    return Binding(
        code=partner["code"],
        certificate_der=issued.public_bytes(Encoding.DER),
        valid_from=issued.not_valid_before_utc,
        valid_to=issued.not_valid_after_utc,
    )
