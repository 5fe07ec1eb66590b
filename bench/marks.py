"""The few figures of each table that count: what a chart draws and what two runs are compared by. In: the figures of a
measurement. Out: marks in a fixed order, each with its unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.machine import MB

Figures = Mapping[str, Any]  # Any: each measurement has its own shape


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure. `limit`: what it should not pass, or should reach where more is better."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    less_is_better: bool = True


def size(bytes: int) -> str:
    return f"{bytes // MB} MB" if bytes >= MB else f"{bytes // 1000} KB"


# How many times the bare operations a document may cost, by what is sent (bytes, at once).
MOST = {(10_000, 32): 30, (MB, 8): 4, (10 * MB, 1): 3}


def cost(told: Figures) -> Iterator[Mark]:
    for unit, key, factor in (("x bare", "ratio", 1), ("ms CPU", "cpu_s", 1000)):
        for row in told["rows"]:
            limit = MOST.get((row["bytes"], row["at_once"])) if key == "ratio" else None
            for name in ("before", "now"):
                if name in row:
                    words = f"{size(row['bytes'])}, {row['at_once']} at once{', before' if name == 'before' else ''}"
                    yield Mark(words, round(row[name][key] * factor, 1), unit, limit)


def axes(told: Figures) -> Iterator[Mark]:
    for key, unit in (("cpu_ratio", "x CPU"), ("seconds_ratio", "x time")):
        for kind, row in told["axes"].items():
            yield Mark(kind, row[key], unit)


def peer(told: Figures) -> Iterator[Mark]:
    for row in told["rows"]:
        yield Mark(f"{size(row['bytes'])}, times as fast", row["ratio"], "times", row["wanted"], False)
    for row in told["rows"]:
        yield Mark(f"{size(row['bytes'])}, ours", row["ours_ms"], "ms CPU")
        yield Mark(f"{size(row['bytes'])}, theirs", row["theirs_ms"], "ms CPU")


def peer_http(told: Figures) -> Iterator[Mark]:
    names = {"ours": "node", "theirs": "django-pyas2"}
    for row in told["rows"]:
        yield Mark(
            f"{size(row['bytes'])}, times as many", row["ratio"], "times", row["wanted"] or None, False
        )
        yield Mark(f"{size(row['bytes'])}, times as little CPU", row["cpu_ratio"], "times", None, False)
    for unit, key, less in (("a second", "per_second", False), ("ms CPU", "cpu_ms", True)):
        for row in told["rows"]:
            for side, name in names.items():
                yield Mark(f"{size(row['bytes'])}, {name}", row[side][key], unit, None, less)


def there_and_back(told: Figures) -> Iterator[Mark]:
    for leg, at in told["legs"].items():
        yield Mark(leg, round(at * 1000), "ms")


def stalls(told: Figures) -> Iterator[Mark]:
    for name, limit in (("p99_ms", None), ("p999_ms", 20), ("max_ms", 100)):
        for which in ("busy", "idle"):
            yield Mark(f"{name.removesuffix('_ms')}, {which} node", told[which][name], "ms", limit)
    yield Mark("documents a second", told["per_second"], "a second", told["asked_per_second"], False)


def throughput(told: Figures) -> Iterator[Mark]:
    yield Mark("there and back", told["per_second"], "a second", 100, False)
    yield Mark("CPU a document", told["cpu_ms_per_document"], "ms CPU")
    yield Mark("commits a document", told["writer"]["commits_per_document"], "commits")


def burst(told: Figures) -> Iterator[Mark]:
    for ground, row in told["grounds"].items():
        for what in ("accept", "to_01"):
            for share in ("p50", "p95", "p99"):
                limit = row["limit_s"] * 1000 if (what, share) == ("to_01", "p99") else None
                words = f"{ground}: {'accept to 01' if what == 'to_01' else what}, {share}"
                yield Mark(words, round(row[what][share] * 1000), "ms", limit)
        yield Mark(f"{ground}: urgent behind large ones", round(row["urgent_s"] * 1000), "ms", 2000)
    for ground, row in told["grounds"].items():
        yield Mark(f"{ground}: there and back, all at once", row["most_per_second"], "a second", None, False)


def growth(told: Figures) -> Iterator[Mark]:
    for row in told["rows"]:
        yield Mark(f"{row['register']:,} in the register", row["cpu_ms"], "ms CPU")
    for row in told["rows"]:
        yield Mark(f"{row['register']:,} in the register", row["seconds"] * 1000, "ms")
    for row in told["rows"][1:]:
        yield Mark(f"{row['register']:,} in the register", row["ratio"], "x the first", told["wanted"])


def workers(told: Figures) -> Iterator[Mark]:
    for case in ("remote", "local"):
        for count in ("1", "2"):
            yield Mark(
                f"{case} keys, {count} processes", told[case][count]["per_second"], "a second", None, False
            )
    for case in ("remote", "local"):
        yield Mark(f"{case} keys, two against one", told[case]["ratio"], "times", None, False)


def memory(told: Figures) -> Iterator[Mark]:
    for side, above in told["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", told["limit_mb"])
    for side, idle in told["idle_mb"].items():
        yield Mark(f"{side}, idle", idle, "MB idle")


def fan_out(told: Figures) -> Iterator[Mark]:
    for lane, row in told["lanes"].items():
        yield Mark(f"{lane} lane: bytes up, of the envelope's", row["ratio"], "times", told["most_ratio"])
    for lane, row in told["lanes"].items():
        yield Mark(f"{lane} lane: all at 01", row["seconds"], "s")


def large(told: Figures) -> Iterator[Mark]:
    for side, above in told["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", told["limit_mb"])
    yield Mark("at its 01", told["seconds"], "s")


def upload(told: Figures) -> Iterator[Mark]:
    for side, above in told["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", told["limit_mb"])
    yield Mark("in parts on disk", told["upload_seconds"], "s")
    yield Mark("at its 01", told["seconds"], "s")


def idle(told: Figures) -> Iterator[Mark]:
    limits = told["limits"]
    yield Mark("share of a core", round(told["share"] * 100, 3), "%", limits["share"] * 100)
    yield Mark("memory", told["idle_mb"], "MB", limits["mb"])
    yield Mark("until it is ready", told["start_cpu_s"], "s CPU", limits["start_cpu_s"])
    yield Mark("context switches", told["switches_per_second"], "a second")
