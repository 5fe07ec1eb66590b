"""The few figures of each table that count: a chart draws them, and two runs are compared by them. In: the figures of a
measurement. Out: marks in a fixed order, each with its unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.machine import MB

Figures = Mapping[str, Any]  # Any: each measurement has its own shape


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure. `limit`: the value that it should not pass, or should reach where more is better."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    less_is_better: bool = True


def size(bytes: int) -> str:
    return f"{bytes // MB} MB" if bytes >= MB else f"{bytes // 1000} KB"


# Limits of the ratio to the bare operations, by content (bytes, at once).
MOST = {(10_000, 32): 30, (MB, 8): 4, (10 * MB, 1): 3}


def cost(figures: Figures) -> Iterator[Mark]:
    for unit, key, factor in (("x bare", "ratio", 1), ("ms CPU", "cpu_s", 1000)):
        for row in figures["rows"]:
            limit = MOST.get((row["bytes"], row["at_once"])) if key == "ratio" else None
            for name in ("before", "now"):
                if name in row:
                    words = f"{size(row['bytes'])}, {row['at_once']} at once{', before' if name == 'before' else ''}"
                    yield Mark(words, round(row[name][key] * factor, 1), unit, limit)


def axes(figures: Figures) -> Iterator[Mark]:
    for key, unit in (("cpu_ratio", "x CPU"), ("seconds_ratio", "x time")):
        for kind, row in figures["axes"].items():
            yield Mark(kind, row[key], unit)


def peer(figures: Figures) -> Iterator[Mark]:
    for row in figures["rows"]:
        yield Mark(f"{size(row['bytes'])}, times as fast", row["ratio"], "times", row["wanted"], False)
    for row in figures["rows"]:
        yield Mark(f"{size(row['bytes'])}, ours", row["ours_ms"], "ms CPU")
        yield Mark(f"{size(row['bytes'])}, theirs", row["theirs_ms"], "ms CPU")


def peer_http(figures: Figures) -> Iterator[Mark]:
    names = {"ours": "node", "theirs": "django-pyas2"}
    for row in figures["rows"]:
        yield Mark(
            f"{size(row['bytes'])}, times as many", row["ratio"], "times", row["wanted"] or None, False
        )
        yield Mark(f"{size(row['bytes'])}, times as little CPU", row["cpu_ratio"], "times", None, False)
    for unit, key, less in (("a second", "per_second", False), ("ms CPU", "cpu_ms", True)):
        for row in figures["rows"]:
            for side, name in names.items():
                yield Mark(f"{size(row['bytes'])}, {name}", row[side][key], unit, None, less)


def there_and_back(figures: Figures) -> Iterator[Mark]:
    for leg, at in figures["legs"].items():
        yield Mark(leg, round(at * 1000), "ms")


def stalls(figures: Figures) -> Iterator[Mark]:
    for name, limit in (("p99_ms", None), ("p999_ms", 20), ("max_ms", 100)):
        for which in ("busy", "idle"):
            yield Mark(f"{name.removesuffix('_ms')}, {which} node", figures[which][name], "ms", limit)
    yield Mark("documents a second", figures["per_second"], "a second", figures["asked_per_second"], False)


def throughput(figures: Figures) -> Iterator[Mark]:
    yield Mark("there and back", figures["per_second"], "a second", 100, False)
    yield Mark("CPU a document", figures["cpu_ms_per_document"], "ms CPU")
    yield Mark("commits a document", figures["writer"]["commits_per_document"], "commits")


def burst(figures: Figures) -> Iterator[Mark]:
    for ground, row in figures["grounds"].items():
        for step in ("accept", "to_01"):
            for share in ("p50", "p95", "p99"):
                limit = row["limit_s"] * 1000 if (step, share) == ("to_01", "p99") else None
                words = f"{ground}: {'accept to 01' if step == 'to_01' else step}, {share}"
                yield Mark(words, round(row[step][share] * 1000), "ms", limit)
        yield Mark(f"{ground}: urgent behind large ones", round(row["urgent_s"] * 1000), "ms", 2000)
    for ground, row in figures["grounds"].items():
        yield Mark(f"{ground}: there and back, all at once", row["most_per_second"], "a second", None, False)


def growth(figures: Figures) -> Iterator[Mark]:
    for row in figures["rows"]:
        yield Mark(f"{row['register']:,} in the register", row["cpu_ms"], "ms CPU")
    for row in figures["rows"]:
        yield Mark(f"{row['register']:,} in the register", row["seconds"] * 1000, "ms")
    for row in figures["rows"][1:]:
        yield Mark(f"{row['register']:,} in the register", row["ratio"], "x the first", figures["wanted"])


def workers(figures: Figures) -> Iterator[Mark]:
    for case in ("remote", "local"):
        for count in ("1", "2"):
            yield Mark(
                f"{case} keys, {count} processes", figures[case][count]["per_second"], "a second", None, False
            )
    for case in ("remote", "local"):
        yield Mark(f"{case} keys, two against one", figures[case]["ratio"], "times", None, False)


def memory(figures: Figures) -> Iterator[Mark]:
    for side, above in figures["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", figures["limits_mb"][side])
    for side, idle in figures["idle_mb"].items():
        yield Mark(f"{side}, idle", idle, "MB idle")


def fan_out(figures: Figures) -> Iterator[Mark]:
    for lane, row in figures["lanes"].items():
        yield Mark(f"{lane} lane: bytes up, of the envelope's", row["ratio"], "times", figures["most_ratio"])
    for lane, row in figures["lanes"].items():
        yield Mark(f"{lane} lane: all at 01", row["seconds"], "s")


def large(figures: Figures) -> Iterator[Mark]:
    for side, above in figures["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", figures["limit_mb"])
    yield Mark("at its 01", figures["seconds"], "s")


def upload(figures: Figures) -> Iterator[Mark]:
    for side, above in figures["above_idle_mb"].items():
        yield Mark(f"{side}, above idle", above, "MB", figures["limit_mb"])
    yield Mark("in parts on disk", figures["upload_seconds"], "s")
    yield Mark("at its 01", figures["seconds"], "s")


def idle(figures: Figures) -> Iterator[Mark]:
    limits = figures["limits"]
    yield Mark("share of a core", round(figures["share"] * 100, 3), "%", limits["share"] * 100)
    yield Mark("memory", figures["idle_mb"], "MB", limits["mb"])
    yield Mark("until it is ready", figures["start_cpu_s"], "s CPU", limits["start_cpu_s"])
    yield Mark("context switches", figures["switches_per_second"], "a second")
