"""The figures in words. In: what the measurements gave. Out: lines for a person; the same figures as JSON are for
programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.marks import MOST, Figures, size


def machine(told: Figures) -> Iterator[str]:
    yield (
        f"{told['cores']} cores ({told['processor']}), {told['memory_gb']} GB, {told['system']}, "
        f"Python {told['python']}, load {told['load']}"
    )


def there_and_back(told: Figures) -> Iterator[str]:
    stalls, idle = told["stalls"], told["idle_stalls"]
    yield f"{size(told['bytes'])} there and back, one node: {told['seconds']:.3f} s (median of {told['rounds']})"
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
        f"{size(told['bytes'])} from one process to another: {told['seconds']} s; memory above idle: "
        f"sender {above['sender']} MB (idle {idle['sender']}), receiver {above['receiver']} MB "
        f"(idle {idle['receiver']}); limit {told['limit_mb']:.0f} MB {verdict}"
    )
    yield f"  sender's event loop stalls: p99 {told['stalls']['p99_ms']} ms, longest {told['stalls']['max_ms']} ms"


def cost(told: Figures) -> Iterator[str]:
    yield "CPU of one document, both sides, from file to 01 (median of the turns), beside the bare operations of this run:"
    for row in told["rows"]:
        most = MOST.get((row["bytes"], row["at_once"]))
        limit = f", wanted at most {most}" if most else ""
        for name in ("before", "now"):
            if name in row:
                one = row[name]
                yield (
                    f"  {size(row['bytes']):>7}, {row['at_once']:>2} at once{', before' if name == 'before' else ''}: "
                    f"{one['cpu_s'] * 1000:7.1f} ms (sender {one['sender_cpu_s'] * 1000:.1f}, "
                    f"receiver {one['receiver_cpu_s'] * 1000:.1f}) = {one['ratio']} x "
                    f"{row['primitives_cpu_s'] * 1000:.2f} ms"
                    f"{limit if name == 'now' else ''}; {one['seconds']} s by the clock ({row['documents']} sent)"
                )
        if "before" in row:
            yield f"           now {row['now']['cpu_s'] / row['before']['cpu_s']:.2f} of before"


def axes(told: Figures) -> Iterator[str]:
    yield (
        f"{size(told['bytes'])} there and back by each axis, {told['at_once']} at once, two processes "
        f"({told['documents']} sent over each, foreign axes asked every {told['look_s']:g} s):"
    )
    for kind in told["missing"]:
        yield f"  {kind}: left out, its server is not installed"
    for kind, row in told["axes"].items():
        yield (
            f"  {kind:<9} {row['cpu_ms']:>7} ms CPU (sender {row['sender_cpu_ms']}, receiver {row['receiver_cpu_ms']}) = "
            f"{row['cpu_ratio']} x; {row['seconds']} s = {row['seconds_ratio']} x"
        )


def peer(told: Figures) -> Iterator[str]:
    yield (
        f"{told['library']} and what we are made of, in memory: written and signed, verified, receipt signed, receipt "
        "verified; ours read again before it leaves, and held against the schema (median CPU):"
    )
    if told["missing"]:
        yield f"  left out: {told['missing']}"
    for row in told["rows"]:
        yield (
            f"  {size(row['bytes']):>7}: {row['theirs_ms']} ms and {row['ours_ms']} ms: {row['ratio']} times as "
            f"fast (wanted {row['wanted']:g}); with keys on P-256, as nodes have, {row['own_key_ms']} ms, "
            f"{row['own_key_ratio']} times"
        )


def peer_http(told: Figures) -> Iterator[str]:
    yield (
        f"{told['libraries'][0]} and the node over HTTP, {told['callers']} callers at once, each until its sender has the "
        "signed receipt (median of the turns; CPU of all server processes):"
    )
    if told["missing"]:
        yield f"  left out: {told['missing']}"
        return
    for row in told["rows"]:
        wanted = f", wanted {row['wanted']:g}" if row["wanted"] else ""
        each = ", ".join(map(str, row["ratios"]))
        yield (
            f"  {size(row['bytes']):>7}: node {row['ratio']} times as many (turns: {each}{wanted}), {row['cpu_ratio']} "
            f"times as little CPU ({row['documents']} sent by each)"
        )
        for side, name in (("ours", "node"), ("theirs", told["libraries"][0])):
            one = row[side]
            yield (
                f"           {name}: {one['per_second']} a second, {one['cpu_ms']} ms CPU and {one['callers_cpu_ms']} ms "
                f"of its callers; call to receipt {_shares(one['waited_s'])}"
            )
    yield (
        f"  processes: node {told['processes']['ours']}, the other {told['processes']['theirs']} on SQLite files with "
        f"journal {told['database']['journal']} and synchronous {told['database']['synchronous']}; "
        f"load {told['load']['before']} before, {told['load']['after']} after"
    )


def stalls(told: Figures) -> Iterator[str]:
    yield (
        f"event loop stalls while {size(told['bytes'])} documents pass, {told['asked_per_second']:g} a second asked and "
        f"{told['per_second']} reached ({told['documents']} sent); the idle node beside it in the same seconds:"
    )
    for which in ("busy", "idle"):
        row = told[which]
        yield (
            f"  {which}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms, p99.9 {row['p999_ms']} ms, "
            f"longest {row['max_ms']} ms ({row['beats']} beats)"
        )


def burst(told: Figures) -> Iterator[str]:
    yield (
        f"{told['asked_per_second']:g} documents of {size(told['bytes'])} a second for {told['asked_seconds']:g} s "
        f"by the API: each has its 01, once: {_verdict(told)}"
    )
    for ground in told["missing"]:
        yield f"  {ground}: left out, its servers are not installed"
    for ground, row in told["grounds"].items():
        accept, to_01 = row["accept"], row["to_01"]
        yield f"  {ground}, {row['processes']} process{'es' if row['processes'] > 1 else ''}, {row['documents']} sent:"
        yield f"    202 after {_shares(accept)}"
        yield f"    accepted to 01: {_shares(to_01)} (wanted p99 below {row['limit_s']:g} s)"
        yield (
            f"    {row['most_documents']} as fast as they are taken: {row['most_per_second']} a second there and "
            "back; CPU a document: " + ", ".join(f"{who} {ms} ms" for who, ms in row["cpu_ms"].items())
        )
        yield (
            f"    urgent behind {row['large']} of {size(told['large_bytes'])}, of which {row['large_waiting']} were on "
            f"their way: 202 after {row['urgent_answered_s']} s, 01 {row['urgent_s']} s "
            f"later (wanted {told['urgent_limit_s']:g} s)"
        )


def growth(told: Figures) -> Iterator[str]:
    yield (
        f"a document of {size(told['bytes'])} there and back on one node, {told['at_once']} at once, as the register grows "
        f"({told['documents']} sent to each, in turns; wanted at most {told['wanted']} x the first):"
    )
    for row in told["rows"]:
        yield (
            f"  {row['register']:>9,} documents ({row['database_mb']:,} MB, filled in {row['fill_s']} s): "
            f"{row['cpu_ms']} ms CPU = {row['ratio']} x, {row['seconds']} s by the clock"
        )


def throughput(told: Figures) -> Iterator[str]:
    writer = told["writer"]
    yield (
        f"{size(told['bytes'])} documents, {told['at_once']} at once, one node: {told['per_second']} a second there and "
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
        f"{size(told['bytes'])} documents, accepted → confirmed by the broker, one database and one broker "
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
        f"{size(told['bytes'])} to {told['recipients']} recipients on {told['nodes']} nodes and one that nobody hosts "
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
    yield (
        f"{size(told['bytes'])} in parts, broker killed after {told['up_at_kill']} of {told['envelope']} bytes and back "
        f"after {told['down_s']} s: at its 01 after {told['seconds']} s, {told['uploaded']} bytes uploaded; "
        f"load {told['load']}"
    )
    yield f"  arrived {told['came']} times, bytes {_same(told)}"
    yield _memory(told)


def upload(told: Figures) -> Iterator[str]:
    yield (
        f"{size(told['bytes'])} uploaded in {told['parts']} parts over a line that broke {told['broke']} times: "
        f"{told['passed']} bytes passed, on disk after {told['upload_seconds']} s; sent, and at its 01 after "
        f"{told['seconds']} s in all, bytes {_same(told)}; load {told['load']}"
    )
    yield _memory(told)


def idle(told: Figures) -> Iterator[str]:
    limits = told["limits"]
    yield (
        f"a node with nothing to do: ready after {told['start_cpu_s']} s of CPU (wanted {limits['start_cpu_s']}); "
        f"{told['idle_mb']} MB (limit {limits['mb']:.0f}), {told['threads']} threads"
    )
    yield (
        f"  over {told['watch_s']:.0f} s, {told['settle_s']:.0f} s after that: {told['share']:.2%} of a core "
        f"(limit {limits['share']:.1%}), {told['switches_per_second']} context switches a second: {_verdict(told)}"
    )


def _shares(row: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds} s" for name, seconds in row.items())


def _same(told: Figures) -> str:
    return "the same" if told["same"] else "DIFFERENT"


def _memory(told: Figures) -> str:
    above, idle, peak = told["above_idle_mb"], told["idle_mb"], told["peak_mb"]
    return (
        "  memory above idle: "
        + ", ".join(f"{side} {above[side]} MB (idle {idle[side]}, peak {peak[side]})" for side in above)
        + f"; limit {told['limit_mb']:.0f} MB {_verdict(told)}"
    )


def _verdict(told: Figures) -> str:
    return "holds" if told["holds"] else "BROKEN"
