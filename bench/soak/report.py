"""A soak in words. In: its result. Out: lines for a person; the last one is always the same five numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.soak.plan import Plan
from bench.soak.run import Result

_MOST_LISTED = 50


def heading(plan: Plan) -> str:
    return (
        f"soak: {plan.n} documents, {plan.kills} faults, {plan.axis} axis"
        f"{f' of {plan.broker_nodes} nodes' if plan.axis == 'amqp' else ''}, {plan.database}, seed {plan.seed}"
    )


def lines(result: Result) -> Iterator[str]:
    findings, ledger, watch = result.findings, result.ledger, result.watch
    yield heading(result.plan)
    yield (
        f"{len(ledger.sent)} documents in {result.sending_s:.0f} s ({len(ledger.sent) / result.sending_s:.1f} a second), "
        f"{ledger.deliveries} deliveries; at rest {result.resting_s:.0f} s later"
    )
    yield (
        f"202 to 01: p50 {_part(watch.seconds, 50):.1f} s, p99 {_part(watch.seconds, 99):.1f} s; "
        f"longest time without any 01: {watch.longest_silence:.0f} s"
    )
    yield (
        f"callers asked again {ledger.retries} times; processes were started "
        f"{sum(worker.starts for worker in result.workers)} times, "
        f"{sum(len(worker.ended_by_itself) for worker in result.workers)} of them because one ended by itself; "
        f"dead parcels sent on by hand: {result.retried_dead}"
    )
    yield f"faults: {result.injector.counts.total()}, the longest healed after {result.injector.longest_s:.0f} s"
    for name, count in sorted(result.injector.counts.items()):
        yield f"  {count:4} {name}"
    for kind in ("lost", "doubled", "unexplained"):
        yield from _listed(kind, getattr(findings, kind))
    yield findings.line()


def _listed(kind: str, texts: Sequence[str]) -> Iterator[str]:
    for t in texts[:_MOST_LISTED]:
        yield f"{kind}: {t}"
    if len(texts) > _MOST_LISTED:
        yield f"{kind}: and {len(texts) - _MOST_LISTED} more"


def _part(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else 0.0
