"""What a doctor says of periodic jobs. In: the days of each job, the time. Out: level, cause, what to tell, and the command
that cures it; nothing of a node that never worked. `jobs` are keys of the labels below `operating.loop.`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from gateway.domain.node_history import JobDay
from gateway.ops.doctor_log import Told
from gateway.policy import heartbeat


def findings(days: Sequence[JobDay], now: datetime) -> Iterator[Told]:
    found: dict[str, list[str]] = {heartbeat.LATE: [], heartbeat.FAULTY: []}
    for each in heartbeat.lines(days, now):
        if each.word in found:
            found[each.word].append(each.job)
    late = [each for each in found[heartbeat.LATE] if each != "backup"]
    if late:
        yield Told(level="yellow", cause="jobs.late", params={"jobs": tuple(late)}, cure="gateway serve")
    if "backup" in found[heartbeat.LATE]:
        cure = "gateway backup --passphrase-file passphrase.txt"
        yield Told(level="yellow", cause="jobs.late", params={"jobs": ("backup",)}, cure=cure)
    if faulty := found[heartbeat.FAULTY]:
        yield Told(level="yellow", cause="jobs.faulty", params={"jobs": tuple(faulty)})
    if days and not any(found.values()):
        yield Told(level="green", cause="jobs.fine")
