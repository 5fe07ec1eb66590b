"""Every measurement, in order: its module, its report in words, and its marks. In: nothing. Out: the one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from bench import (
    axes,
    burst,
    cost,
    fan_out,
    growth,
    idle,
    large,
    marks,
    memory,
    peer,
    peer_http,
    report,
    stalls,
    there_and_back,
    throughput,
    upload,
    workers,
)
from bench.marks import Figures, Mark


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement. `module` has its `Numbers`, and `measure`, which takes a folder and them. `judged`: the exit status
    says whether its limits hold."""

    module: ModuleType
    words: Callable[[Figures], Iterator[str]]
    marks: Callable[[Figures], Iterator[Mark]]
    judged: bool = False


MEASUREMENTS: Mapping[str, Measurement] = {
    "cost": Measurement(cost, report.cost, marks.cost),
    "axes": Measurement(axes, report.axes, marks.axes),
    "peer": Measurement(peer, report.peer, marks.peer),
    "peer_http": Measurement(peer_http, report.peer_http, marks.peer_http),
    "there_and_back": Measurement(there_and_back, report.there_and_back, marks.there_and_back),
    "stalls": Measurement(stalls, report.stalls, marks.stalls),
    "throughput": Measurement(throughput, report.throughput, marks.throughput),
    "burst": Measurement(burst, report.burst, marks.burst, judged=True),
    "growth": Measurement(growth, report.growth, marks.growth),
    "workers": Measurement(workers, report.workers, marks.workers, judged=True),
    "memory": Measurement(memory, report.memory, marks.memory, judged=True),
    "fan_out": Measurement(fan_out, report.fan_out, marks.fan_out, judged=True),
    "large": Measurement(large, report.large, marks.large, judged=True),
    "upload": Measurement(upload, report.upload, marks.upload, judged=True),
    "idle": Measurement(idle, report.idle, marks.idle, judged=True),
}
