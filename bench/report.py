"""The figures in words. In: the figures of the measurements. Out: lines for a person; programs read the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.marks import MOST, Figures, size


def machine(table: Figures) -> Iterator[str]:
    yield (
        f"{table['cores']} cores ({table['processor']}), {table['memory_gb']} GB, {table['system']}, "
        f"Python {table['python']}, load {table['load']}"
    )


def there_and_back(table: Figures) -> Iterator[str]:
    stalls, idle = table["stalls"], table["idle_stalls"]
    yield f"{size(table['bytes'])} there and back, one node: {table['seconds']:.3f} s (median of {table['rounds']})"
    yield (
        "  "
        + ", ".join(f"{leg} {at:.3f}" for leg, at in table["legs"].items())
        + " (seconds from the first byte)"
    )
    yield (
        f"  event loop stalls: p50 {stalls['p50_ms']} ms, p99 {stalls['p99_ms']} ms, longest {stalls['max_ms']} ms "
        f"(median round {stalls['median_max_ms']} ms); idle node: p99 {idle['p99_ms']} ms, longest {idle['max_ms']} ms"
    )


def memory(table: Figures) -> Iterator[str]:
    above, idle, limits = table["above_idle_mb"], table["idle_mb"], table["limits_mb"]
    verdict = "holds" if table["holds"] else "BROKEN"
    yield (
        f"{size(table['bytes'])} from one process to another: {table['seconds']} s; memory above idle: "
        f"sender {above['sender']} MB (idle {idle['sender']}), receiver {above['receiver']} MB "
        f"(idle {idle['receiver']}); limit {limits['sender']:.0f} MB"
    )
    yield (
        "  peak above idle: "
        + ", ".join(f"{name} {above[name]} MB (idle {idle[name]})" for name in ("backup", "restore", "demo"))
        + f"; limit {limits['demo']:.0f} MB {verdict}"
    )
    yield f"  sender's event loop stalls: p99 {table['stalls']['p99_ms']} ms, longest {table['stalls']['max_ms']} ms"


def cost(table: Figures) -> Iterator[str]:
    yield "CPU of one document, both sides, from file to 01 (median of the turns), beside the bare operations of this run:"
    for row in table["rows"]:
        most = MOST.get((row["bytes"], row["at_once"]))
        limit = f", wanted at most {most}" if most else ""
        for name in ("before", "now"):
            if name in row:
                own = row[name]
                yield (
                    f"  {size(row['bytes']):>7}, {row['at_once']:>2} at once{', before' if name == 'before' else ''}: "
                    f"{own['cpu_s'] * 1000:7.1f} ms (sender {own['sender_cpu_s'] * 1000:.1f}, "
                    f"receiver {own['receiver_cpu_s'] * 1000:.1f}) = {own['ratio']} x "
                    f"{row['primitives_cpu_s'] * 1000:.2f} ms"
                    f"{limit if name == 'now' else ''}; {own['seconds']} s by the clock ({row['documents']} sent)"
                )
        if "before" in row:
            yield f"           now {row['now']['cpu_s'] / row['before']['cpu_s']:.2f} of before"


def axes(table: Figures) -> Iterator[str]:
    yield (
        f"{size(table['bytes'])} there and back by each axis, {table['at_once']} at once, two processes "
        f"({table['documents']} sent over each, foreign axes asked every {table['look_s']:g} s):"
    )
    for kind in table["missing"]:
        yield f"  {kind}: left out, its server is not installed"
    for kind, row in table["axes"].items():
        yield (
            f"  {kind:<9} {row['cpu_ms']:>7} ms CPU (sender {row['sender_cpu_ms']}, receiver {row['receiver_cpu_ms']}) = "
            f"{row['cpu_ratio']} x; {row['seconds']} s = {row['seconds_ratio']} x"
        )


def peer(table: Figures) -> Iterator[str]:
    yield (
        f"{table['library']} and what we are made of, in memory: written and signed, verified, receipt signed, receipt "
        "verified; ours read again before it leaves, and held against the schema (median CPU):"
    )
    if table["missing"]:
        yield f"  left out: {table['missing']}"
    for row in table["rows"]:
        yield (
            f"  {size(row['bytes']):>7}: {row['theirs_ms']} ms and {row['ours_ms']} ms: {row['ratio']} times as "
            f"fast (wanted {row['wanted']:g}); with keys on P-256, as nodes have, {row['own_key_ms']} ms, "
            f"{row['own_key_ratio']} times"
        )


def peer_http(table: Figures) -> Iterator[str]:
    yield (
        f"{table['libraries'][0]} and the node over HTTP, {table['callers']} callers at once, each until its sender has "
        "the signed receipt (median of the turns; CPU of all server processes):"
    )
    if table["missing"]:
        yield f"  left out: {table['missing']}"
        return
    for row in table["rows"]:
        limit = f", wanted {row['wanted']:g}" if row["wanted"] else ""
        turns = ", ".join(map(str, row["ratios"]))
        yield (
            f"  {size(row['bytes']):>7}: node {row['ratio']} times as many (turns: {turns}{limit}), {row['cpu_ratio']} "
            f"times as little CPU ({row['documents']} sent by each)"
        )
        for side, name in (("ours", "node"), ("theirs", table["libraries"][0])):
            own = row[side]
            yield (
                f"           {name}: {own['per_second']} a second, {own['cpu_ms']} ms CPU and {own['callers_cpu_ms']} ms "
                f"of its callers; call to receipt {_shares(own['waited_s'])}"
            )
    yield (
        f"  processes: node {table['processes']['ours']}, the other {table['processes']['theirs']} on SQLite files with "
        f"journal {table['database']['journal']} and synchronous {table['database']['synchronous']}; "
        f"load {table['load']['before']} before, {table['load']['after']} after"
    )


def stalls(table: Figures) -> Iterator[str]:
    yield (
        f"event loop stalls while {size(table['bytes'])} documents pass, {table['asked_per_second']:g} a second asked and "
        f"{table['per_second']} reached ({table['documents']} sent); the idle node beside it in the same seconds:"
    )
    for which in ("busy", "idle"):
        row = table[which]
        yield (
            f"  {which}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms, p99.9 {row['p999_ms']} ms, "
            f"longest {row['max_ms']} ms ({row['beats']} beats)"
        )


def burst(table: Figures) -> Iterator[str]:
    yield (
        f"{table['asked_per_second']:g} documents of {size(table['bytes'])} a second for {table['asked_seconds']:g} s "
        f"by the API: each has its 01, once: {_verdict(table)}"
    )
    for ground in table["missing"]:
        yield f"  {ground}: left out, its servers are not installed"
    for ground, row in table["grounds"].items():
        accept, to_01 = row["accept"], row["to_01"]
        yield f"  {ground}, {row['processes']} process{'es' if row['processes'] > 1 else ''}, {row['documents']} sent:"
        yield f"    202 after {_shares(accept)}"
        yield f"    accepted to 01: {_shares(to_01)} (wanted p99 below {row['limit_s']:g} s)"
        yield (
            f"    {row['most_documents']} as fast as they are taken: {row['most_per_second']} a second there and "
            "back; CPU a document: " + ", ".join(f"{name} {ms} ms" for name, ms in row["cpu_ms"].items())
        )
        yield (
            f"    urgent behind {row['large']} of {size(table['large_bytes'])}, of which {row['large_waiting']} were on "
            f"their way: 202 after {row['urgent_answered_s']} s, 01 {row['urgent_s']} s "
            f"later (wanted {table['urgent_limit_s']:g} s)"
        )


def growth(table: Figures) -> Iterator[str]:
    yield (
        f"a document of {size(table['bytes'])} there and back on one node, {table['at_once']} at once, as the register "
        f"grows ({table['documents']} sent to each, in turns; wanted at most {table['wanted']} x the first):"
    )
    for row in table["rows"]:
        yield (
            f"  {row['register']:>9,} documents ({row['database_mb']:,} MB, filled in {row['fill_s']} s): "
            f"{row['cpu_ms']} ms CPU = {row['ratio']} x, {row['seconds']} s by the clock"
        )


def throughput(table: Figures) -> Iterator[str]:
    writer = table["writer"]
    yield (
        f"{size(table['bytes'])} documents, {table['at_once']} at once, one node: {table['per_second']} a second there and "
        f"back ({table['documents']} sent), {table['cpu_ms_per_document']} ms CPU each; "
        f"longest stall {table['stalls']['max_ms']} ms"
    )
    yield (
        f"  database writer {writer['busy']:.0%} busy: {writer['transactions_per_document']} transactions and "
        f"{writer['commits_per_document']} commits a document, {writer['ms_per_transaction']} ms each, "
        f"of which commit {writer['ms_per_commit']} ms (a bare commit on this disk: {table['bare_commit_ms']} ms)"
    )
    yield "  where documents spend their time (waiting included), a document:"
    for name, row in table["ports"].items():
        yield f"    {name:<28} {row['calls_per_document']:>5} calls {row['ms_per_document']:>8} ms"


def workers(table: Figures) -> Iterator[str]:
    yield (
        f"{size(table['bytes'])} documents, accepted → confirmed by the broker, one database and one broker "
        f"({table['documents']} a run, best of {table['rounds']}):"
    )
    cases = {"remote": f"{table['sign_ms']:.0f} ms a signature, one session a process", "local": "local keys"}
    for case, words in cases.items():
        ratios = ", ".join(map(str, table[case]["ratios"]))
        yield f"  {words}: ratio {table[case]['ratio']} (median of {ratios})"
        for count in ("1", "2"):
            row = table[case][count]
            yield (
                f"    {count} worker{'s' if count > '1' else ''}: {row['per_second']} a second; CPU a document: workers "
                f"{row['worker_ms']} ms, broker {row['broker_ms']} ms, database {row['database_ms']} ms"
            )
    verdict = "holds" if table["holds"] else "BROKEN"
    reached = "reached" if table["remote"]["ratio"] >= table["wanted"] else "NOT REACHED"
    yield f"  worked on twice: {table['twice']} {verdict}; a ratio of {table['wanted']} with the signing service: {reached}"


def fan_out(table: Figures) -> Iterator[str]:
    yield (
        f"{size(table['bytes'])} to {table['recipients']} recipients on {table['nodes']} nodes and one that nobody hosts "
        f"(RabbitMQ, PostgreSQL): {_verdict(table)}"
    )
    yield (
        "  lane     envelope B   uploaded B   ratio  answered s  failed shown s  all at 01 s  at 01  failed  reason      "
        "load"
    )
    for lane, row in table["lanes"].items():
        yield (
            f"  {lane:<7} {row['envelope']:>11} {row['uploaded']:>12} {row['ratio']:>7} {row['answered_s']:>11} "
            f"{row['failed_s']:>15} {row['seconds']:>12} {row['delivered']:>6} {row['failed']:>7}  {row['reason']:<11} "
            f"{row['load']}"
        )
    yield (
        f"  limits: {table['most_ratio']} x the envelope and {table['beside']} bytes a recipient; failed is shown within "
        f"{table['within_s']:.0f} s"
    )


def large(table: Figures) -> Iterator[str]:
    yield (
        f"{size(table['bytes'])} in parts, broker killed after {table['up_at_kill']} of {table['envelope']} bytes and back "
        f"after {table['down_s']} s: at its 01 after {table['seconds']} s, {table['uploaded']} bytes uploaded; "
        f"load {table['load']}"
    )
    yield f"  arrived {table['came']} times, bytes {_same(table)}"
    yield _memory(table)


def upload(table: Figures) -> Iterator[str]:
    yield (
        f"{size(table['bytes'])} uploaded in {table['parts']} parts over a line that broke {table['broke']} times: "
        f"{table['passed']} bytes passed, on disk after {table['upload_seconds']} s; sent, and at its 01 after "
        f"{table['seconds']} s in all, bytes {_same(table)}; load {table['load']}"
    )
    yield _memory(table)


def idle(table: Figures) -> Iterator[str]:
    limits = table["limits"]
    yield (
        f"a node with nothing to do: ready after {table['start_cpu_s']} s of CPU (wanted {limits['start_cpu_s']}); "
        f"{table['idle_mb']} MB (limit {limits['mb']:.0f}), {table['threads']} threads"
    )
    yield (
        f"  over {table['watch_s']:.0f} s, {table['settle_s']:.0f} s after that: {table['share']:.2%} of a core "
        f"(limit {limits['share']:.1%}), {table['switches_per_second']} context switches a second: {_verdict(table)}"
    )


def _shares(row: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds} s" for name, seconds in row.items())


def _same(table: Figures) -> str:
    return "the same" if table["same"] else "DIFFERENT"


def _memory(table: Figures) -> str:
    above, idle, peak = table["above_idle_mb"], table["idle_mb"], table["peak_mb"]
    return (
        "  memory above idle: "
        + ", ".join(f"{side} {above[side]} MB (idle {idle[side]}, peak {peak[side]})" for side in above)
        + f"; limit {table['limit_mb']:.0f} MB {_verdict(table)}"
    )


def _verdict(table: Figures) -> str:
    return "holds" if table["holds"] else "BROKEN"
