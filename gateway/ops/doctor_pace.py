"""What a doctor says of how fast the node serves: the 5 s of the regulation (R100, T26). In: the last hour of each process.
Out: level, cause and what to tell; nothing where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.domain.pace import LIMITED, Slot, paces
from gateway.ops.doctor_log import Told


def findings(slots: Iterable[Slot]) -> Iterator[Told]:
    found = [each for each in paces(slots) if each.way in LIMITED]
    for each in found:
        if each.is_slow:
            told = {"way": each.way, "lane": each.lane, "late": each.late, "count": each.count}
            yield Told(level="yellow", cause="pace.slow", params=told, cure="gateway status")
    if found and not any(each.is_slow for each in found):
        sums = {"late": sum(each.late for each in found), "count": sum(each.count for each in found)}
        yield Told(level="green", cause="pace.fine", params=sums)
