"""Each process tells in its heartbeat what it sees of itself, so that a fault of another one is seen everywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from gateway.bootstrap import guards
from gateway.domain.diagnosis import Diagnosis, Tag, check_words, condition
from gateway.ops import checks, metrics
from gateway.ops.checks import KEPT_FOR, Watch
from gateway.ops.subject import Subject
from gateway.settings.options import Secret, Settings
from gateway.workers.heartbeat import EVERY, Pulse, own_name
from tests.support.node import Town


async def beat_of_another(town: Town, settings: Settings, name: str = "worker-9") -> None:
    """Write the heartbeat of a worker process with these settings."""
    node = town.node
    sees = partial(guards.own_view, settings, node.marks, node.guard)
    pulse = replace(node.pulse, sees=sees)
    assert isinstance(pulse, Pulse)
    town.clock.advance(EVERY)
    await pulse.beat()
    (node.pulse.folder / f"{own_name()}.json").rename(node.pulse.folder / f"{name}.json")


async def findings(town: Town, tag: Tag = Tag.DOCTOR) -> list[Diagnosis]:
    subject = Subject(settings=town.node.settings, clock=town.clock, pool=town.node.pool)
    return [f for f in await checks.examine(subject, tag) if f.check.startswith("process")]


def with_password(settings: Settings, text: str) -> Settings:
    return replace(settings, keys=replace(settings.keys, password=Secret(text)))


async def test_a_worker_with_another_secret_is_red_at_its_first_sign_of_life(town: Town) -> None:
    node, watch = town.node, Watch(node=town.node)
    await node.sealer.step()
    await beat_of_another(town, node.settings)
    assert await findings(town) == []

    await beat_of_another(town, with_password(node.settings, "another secret"))

    (finding,) = await findings(town)
    assert (finding.check, finding.level) == ("process.keys", "red")
    assert "worker-9" in finding.says("en")
    assert "keys.password" in (finding.mends("en") or "")
    town.clock.advance(KEPT_FOR[Tag.READY])
    ready = await watch.ready()
    assert (condition(ready), check_words(ready)["process.keys"]) == ("degraded", "faulty")
    assert EVERY + max(checks._DEFAULT_AGE, *KEPT_FOR.values()) <= timedelta(seconds=45), (
        "wherever it is read"
    )
    assert 'gateway_check{check="process.keys"} 2.0' in (await metrics.Scrape(node=node).text()).decode()

    await beat_of_another(town, node.settings)
    assert await findings(town) == []


async def test_processes_that_differ_in_version_or_settings_are_named(town: Town) -> None:
    settings = town.node.settings
    await beat_of_another(town, settings)
    same = replace(settings, metrics=replace(settings.metrics, port=9999))
    other = replace(settings, limits=replace(settings.limits, file_mb=settings.limits.file_mb + 1))

    await beat_of_another(town, same, "worker-8")
    assert await findings(town) == []
    await beat_of_another(town, other, "worker-8")

    (finding,) = await findings(town)
    assert (finding.level, finding.cause) == ("yellow", "process.differ")
    assert {"worker-8", "worker-9"} <= {
        row.partition(":")[0] for row in str(finding.params["processes"]).split(", ")
    }
