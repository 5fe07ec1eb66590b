"""`gateway trust`: the authorities that this node trusts to vouch for certificates, and their last answers about
revocation; and the algorithms in use here. In: nothing, or the request to ask at once. Out: anchors, intermediates,
authorities with the age of their answers; exit 6 when a refresh left an authority without an answer; algorithms with their
counts. `gateway status` uses lines of authorities too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun
from gateway.cli.output import NETWORK, age
from gateway.domain.wall_clock import day_text

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.bootstrap.stored import OpenRegistry
    from gateway.ops.algorithms import AlgorithmUse
    from gateway.ops.certificates import IssuerState, ListState, TrustState

MARKS = {"good": "✓", "failing": "!", "late": "✗"}


verb = noun("trust").verb


@verb()
async def show(call: Invocation, node: OpenNode) -> None:
    """Show anchors and intermediates, and the age of each authority's answers."""
    trust_state = await _read_state(node)
    _print(call, trust_state, node.clock.now())


@verb()
async def refresh(call: Invocation, node: OpenNode) -> None:
    """Ask every configured authority now, without waiting for its next turn."""
    await node.asking.plan()
    await node.store.revocation.hurry(node.clock.now())
    while await node.asking.ask():
        pass
    await node.asking.learn()
    trust_state = await _read_state(node)
    _print(call, trust_state, node.clock.now())
    if any(issuer.word != "good" for issuer in trust_state.issuers):
        raise typer.Exit(NETWORK)


@verb()
async def algorithms(call: Invocation, node: OpenRegistry) -> None:
    """Count by algorithm the keys and certificates in use, and show until when each is accepted; ! ends within a year."""
    from gateway.ops.algorithms import YEAR, count_uses

    now = node.clock.now()
    uses = await count_uses(node.settings, node.store, node.directory, now)
    records = [
        output.fields(
            use,
            "algorithm=name count until=last_day",
            accepted=use.row is not None and use.row.is_accepted(now),
        )
        | {"ends_within_a_year": use.ends_within(YEAR, now), "in_use": dict(use.places)}
        for use in uses
    ]
    output.answer(call, {"algorithms": records}, (_use_line(call, use, now) for use in uses))


def _use_line(call: Invocation, use: AlgorithmUse, now: datetime) -> str:
    from gateway.ops.algorithms import YEAR

    places = ", ".join(call.word(f"trust.place.{place}", count=n) for place, n in use.places.items())
    is_ending = use.row is None or use.ends_within(YEAR, now)
    word = "none" if use.row is None else "open" if use.last_day is None else "until"
    until = day_text(use.last_day) or "–"
    return f"{'!' if is_ending else '✓'} {call.word(f'trust.algorithm.{word}', name=use.name, places=places, until=until)}"


async def _read_state(node: OpenNode) -> TrustState:
    from gateway.ops import certificates

    return await certificates.trust_now(node.settings.trust.folder, node.store, node.clock.now())


def _print(call: Invocation, trust_state: TrustState, now: datetime) -> None:
    record = {
        "certificates": [
            output.fields(c, "role subject sha256 until=ends_at") for c in trust_state.certificates
        ],
        "asked": [issuer_record(i) for i in trust_state.issuers],
        "files": [asdict(f) for f in trust_state.files],
    }
    output.answer(call, record, _trust_lines(call, trust_state, now))


def _trust_lines(call: Invocation, trust_state: TrustState, now: datetime) -> Iterator[str]:
    for certificate in trust_state.certificates:
        ends = output.clock(certificate.ends_at)
        yield call.word(f"trust.{certificate.role}", subject=output.plain(certificate.subject), until=ends)
        yield f"    {certificate.sha256}"
    yield from (f"{MARKS[i.word]} {issuer_line(call, i, now)}" for i in trust_state.issuers)
    lists = [*(answer for issuer in trust_state.issuers for answer in issuer.lists), *trust_state.files]
    yield from (list_line(call, answer, now) for answer in lists)
    if not trust_state.issuers and not trust_state.files:
        yield call.word("trust.nobody")


def issuer_line(call: Invocation, issuer: IssuerState, now: datetime) -> str:
    """Describe one authority in one line."""
    oldest_age = age(call, now - issuer.oldest) if issuer.oldest else "–"
    counts = {"certificates": issuer.certificates, "unanswered": issuer.unanswered, "age": oldest_age}
    error = output.plain(issuer.error) if issuer.error else "–"
    return call.word(f"trust.asked.{issuer.word}", issuer=output.plain(issuer.issuer), why=error, **counts)


def list_line(call: Invocation, crl: ListState, now: datetime) -> str:
    """Describe one revocation list in one line."""
    names = {"issuer": output.plain(crl.issuer), "origin": output.plain(crl.origin)}
    if crl.made_at is None:
        return call.word("trust.list.none", why=output.plain(crl.error or "–"), **names)
    end_text = output.clock(crl.ends_at) or "–"
    return call.word("trust.list", age=age(call, now - crl.made_at), until=end_text, **names)


def issuer_record(issuer: IssuerState) -> dict[str, Any]:
    """Return one authority for programs."""
    lists = [asdict(crl) for crl in issuer.lists]
    return output.fields(issuer, "issuer state=word certificates unanswered oldest error", lists=lists)
