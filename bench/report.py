"""The figures in words. In: what the measurements gave. Out: lines for a person; the same figures as JSON are for
programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.machine import MB

Figures = Mapping[str, Any]  # Any: each measurement has its own shape


def machine(told: Figures) -> Iterator[str]:
    yield (
        f"{told['cores']} cores ({told['processor']}), {told['memory_gb']} GB, {told['system']}, "
        f"Python {told['python']}, load {told['load']}"
    )


def there_and_back(told: Figures) -> Iterator[str]:
    stalls, idle = told["stalls"], told["idle_stalls"]
    yield f"{_size(told['bytes'])} there and back, one node: {told['seconds']:.3f} s (median of {told['rounds']})"
    yield (
        "  "
        + ", ".join(f"{leg} {at:.3f}" for leg, at in told["legs"].items())
        + " (seconds from the first byte)"
    )
    yield (
        f"  event loop stalls: p50 {stalls['p50_ms']} ms, p99 {stalls['p99_ms']} ms, longest {stalls['max_ms']} ms "
        f"(median round {stalls['median_max_ms']} ms); idle node: p99 {idle['p99_ms']} ms, longest {idle['max_ms']} ms"
    )


def memory(told: Figures) -> Iterator[str]:
    above, idle = told["above_idle_mb"], told["idle_mb"]
    verdict = "holds" if told["holds"] else "BROKEN"
    yield (
        f"{_size(told['bytes'])} from one process to another: {told['seconds']} s; memory above idle: "
        f"sender {above['sender']} MB (idle {idle['sender']}), receiver {above['receiver']} MB "
        f"(idle {idle['receiver']}); limit {told['limit_mb']:.0f} MB {verdict}"
    )
    yield f"  sender's event loop stalls: p99 {told['stalls']['p99_ms']} ms, longest {told['stalls']['max_ms']} ms"


def cost(told: Figures) -> Iterator[str]:
    yield "CPU of one document, both sides, from file to 01 (median):"
    for size, row in told["sizes"].items():
        yield (
            f"  {_size(int(size)):>7}: {row['cpu_s'] * 1000:7.1f} ms (sender {row['sender_cpu_s'] * 1000:.1f}, "
            f"receiver {row['receiver_cpu_s'] * 1000:.1f}) = {row['ratio']} x the bare primitives "
            f"({row['primitives_cpu_s'] * 1000:.2f} ms); {row['seconds']} s by the clock"
        )


def throughput(told: Figures) -> Iterator[str]:
    writer = told["writer"]
    yield (
        f"{_size(told['bytes'])} documents, {told['at_once']} at once, one node: {told['per_second']} a second there and "
        f"back ({told['documents']} sent), {told['cpu_ms_per_document']} ms CPU each; "
        f"longest stall {told['stalls']['max_ms']} ms"
    )
    yield (
        f"  database writer {writer['busy']:.0%} busy: {writer['transactions_per_document']} transactions and "
        f"{writer['commits_per_document']} commits a document, {writer['ms_per_transaction']} ms each, "
        f"of which commit {writer['ms_per_commit']} ms (a bare commit on this disk: {told['bare_commit_ms']} ms)"
    )
    yield "  where documents spend their time (waiting included), a document:"
    for name, row in told["ports"].items():
        yield f"    {name:<28} {row['calls_per_document']:>5} calls {row['ms_per_document']:>8} ms"


def workers(told: Figures) -> Iterator[str]:
    yield (
        f"{_size(told['bytes'])} documents, accepted → confirmed by the broker, one database and one broker "
        f"({told['documents']} a run, best of {told['rounds']}):"
    )
    cases = {"remote": f"{told['sign_ms']:.0f} ms a signature, one session a process", "local": "local keys"}
    for case, words in cases.items():
        each = ", ".join(map(str, told[case]["ratios"]))
        yield f"  {words}: ratio {told[case]['ratio']} (median of {each})"
        for count in ("1", "2"):
            row = told[case][count]
            yield (
                f"    {count} worker{'s' if count > '1' else ''}: {row['per_second']} a second; CPU a document: workers "
                f"{row['worker_ms']} ms, broker {row['broker_ms']} ms, database {row['database_ms']} ms"
            )
    verdict = "holds" if told["holds"] else "BROKEN"
    reached = "reached" if told["remote"]["ratio"] >= told["wanted"] else "NOT REACHED"
    yield f"  worked on twice: {told['twice']} {verdict}; a ratio of {told['wanted']} with the signing service: {reached}"


def fan_out(told: Figures) -> Iterator[str]:
    yield (
        f"{_size(told['bytes'])} to {told['recipients']} recipients on {told['nodes']} nodes and one that nobody hosts "
        f"(RabbitMQ, PostgreSQL): {_verdict(told)}"
    )
    yield (
        "  lane     envelope B   uploaded B   ratio  answered s  failed shown s  all at 01 s  at 01  failed  reason      "
        "load"
    )
    for lane, row in told["lanes"].items():
        yield (
            f"  {lane:<7} {row['envelope']:>11} {row['uploaded']:>12} {row['ratio']:>7} {row['answered_s']:>11} "
            f"{row['failed_s']:>15} {row['seconds']:>12} {row['delivered']:>6} {row['failed']:>7}  {row['reason']:<11} "
            f"{row['load']}"
        )
    yield (
        f"  limits: {told['most_ratio']} x the envelope and {told['beside']} bytes a recipient; failed is shown within "
        f"{told['within_s']:.0f} s"
    )


def large(told: Figures) -> Iterator[str]:
    above, idle, peak = told["above_idle_mb"], told["idle_mb"], told["peak_mb"]
    yield (
        f"{_size(told['bytes'])} in parts, broker killed after {told['up_at_kill']} of {told['envelope']} bytes and back "
        f"after {told['down_s']} s: at its 01 after {told['seconds']} s, {told['uploaded']} bytes uploaded; "
        f"load {told['load']}"
    )
    yield f"  arrived {told['came']} times, bytes {'the same' if told['same'] else 'DIFFERENT'}"
    yield (
        "  memory above idle: "
        + ", ".join(f"{side} {above[side]} MB (idle {idle[side]}, peak {peak[side]})" for side in above)
        + f"; limit {told['limit_mb']:.0f} MB {_verdict(told)}"
    )


def _verdict(told: Figures) -> str:
    return "holds" if told["holds"] else "BROKEN"


WORDS: Mapping[str, Callable[[Figures], Iterator[str]]] = {
    "machine": machine,
    "there_and_back": there_and_back,
    "memory": memory,
    "cost": cost,
    "throughput": throughput,
    "workers": workers,
    "fan_out": fan_out,
    "large": large,
}


def _size(size: int) -> str:
    return f"{size // MB} MB" if size >= MB else f"{size // 1000} KB"
