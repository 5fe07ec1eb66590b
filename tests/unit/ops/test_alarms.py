"""Every alarm that the operators' page recommends fires in the trouble that it is for, and no other does: the page's
own expressions are read and held against a scrape of a node in that trouble, and against one of the node before it;
alarms that keep still beside their cause do so as the page says. Where documents cannot pass in it, the doctor is not
green either. Alarms that need a broker or real seconds are tried in the long lane."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.resources import ROUTES
from gateway.bootstrap.guards import log_sealer
from gateway.domain.account import read_network
from gateway.domain.diagnosis import condition
from gateway.domain.document import Lane, Urgency
from gateway.domain.pace import Metric
from gateway.domain.system_box import MOST_TRIES, PAUSES
from gateway.domain.webhook import Reach
from gateway.folder.layout import NOTE, check_and_note_root, open_base
from gateway.ops import backup, checks, checks_of_watch
from gateway.ops.checks import Watch
from gateway.ops.metrics import Scrape
from gateway.ops.subject import Subject
from gateway.outgoing.intake import Order
from gateway.settings.options import FolderSettings
from gateway.stopwatch import note_arrival
from gateway.store.data_folder import Room
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.webhook import HttpPoster
from gateway.trust.clamav import ClamScanner, read_address
from gateway.workers import couriers
from gateway.workers.clock_guard import ClockGuard
from gateway.workers.loop import Trouble
from gateway_foreign.compat import hand_over
from gateway_foreign.compat.hand_over import Reader
from tests.support.faulty import lose_database
from tests.support.folder import Desk
from tests.support.hooks import Hooked, answers, receiving
from tests.support.log_hour import log_of, turn
from tests.support.node import LEASE_S, PROVINCE, Town, draft
from tests.support.parcels import parcel
from tests.support.small_disk import filled
from tests.support.tls_servers import make_certificate, serving
from tests.support.waiting import within_limit

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
LONG_TESTS = Path(__file__).parents[2] / "long"
EXPRESSION = re.compile(
    r"(?:increase\()?gateway_(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})?(?:\[\w+\]\))? (?P<op>>|<|==) (?P<than>\d+)"
)
# An expression that keeps still beside another one, for the same values of these labels.
UNLESS = re.compile(r"(?P<one>.+) unless on \((?P<on>\w*)\) (?P<other>.+)")
LABELLED = re.compile(r'label_replace\((?P<of>.+), "(?P<label>\w+)", "(?P<value>\w+)", "", ""\)')
QUANTILE = re.compile(
    r"histogram_quantile\((?P<q>0\.\d+), sum by \(le, (?P<by>\w+)\) \(rate\(gateway_(?P<name>\w+_bucket)"
    r"(?:\{(?P<labels>[^}]*)\})?\[\w+\]\)\)\) > (?P<than>\d+)"
)
Sample = tuple[str, Mapping[str, str], float]


def alarms() -> dict[str, str]:
    """Map the name of each alarm to its "when"."""
    table = PAGE.read_text("utf-8").split("| alarm | when | look at |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in table.splitlines()]
    return {name.strip(): when.strip().replace("\\|", "|") for name, when in rows}


async def scraped(town: Town) -> list[Sample]:
    return samples((await Scrape(node=town.node).text()).decode())


def samples(text: str) -> list[Sample]:
    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def matching(expression: re.Match[str], scrape: list[Sample]) -> list[Sample]:
    """Select the samples of one scrape that the expression names."""
    label_patterns = re.findall(r'(\w+)(=~?)"([^"]*)"', expression["labels"] or "")
    return [
        (name, labels, value)
        for name, labels, value in scrape
        if name == f"gateway_{expression['name']}"
        and all(
            re.fullmatch(want if how == "=~" else re.escape(want), labels.get(label, ""))
            for label, how, want in label_patterns
        )
    ]


def quantiles(expression: re.Match[str], past: list[Sample], now: list[Sample]) -> list[float]:
    """Return the quantile for each value of the label as Prometheus does: the increase below each bound, and a straight
    line between the two bounds around the quantile."""
    sums: dict[str, dict[float, float]] = {}
    for scrape, sign in ((now, 1), (past, -1)):
        for _, labels, value in matching(expression, scrape):
            by_bound = sums.setdefault(labels[expression["by"]], {})
            by_bound[float(labels["le"])] = by_bound.get(float(labels["le"]), 0.0) + sign * value
    return [_quantile(float(expression["q"]), sorted(by_bound.items())) for by_bound in sums.values()]


def _quantile(q: float, within: list[tuple[float, float]]) -> float:
    rank, low, under = q * within[-1][1], 0.0, 0.0
    if not within[-1][1]:
        return math.nan
    for bound, n in within:
        if n >= rank:
            return low if math.isinf(bound) else low + (bound - low) * (rank - under) / (n - under)
        low, under = bound, n
    raise AssertionError("the last bound holds for all")


def firing(when: str, past: list[Sample], now: list[Sample]) -> list[Mapping[str, str]]:
    """Return the labels for which the page's own expression holds over one scrape; increases and rates count what was
    added since the scrape before."""
    if unless := UNLESS.search(when):
        other = [labels.get(unless["on"], "") for labels in firing(unless["other"], past, now)]
        label_sets = firing(unless["one"], past, now)
        return [labels for labels in label_sets if labels.get(unless["on"], "") not in other]
    if labelled := LABELLED.search(when):
        return [
            {**labels, labelled["label"]: labelled["value"]} for labels in firing(labelled["of"], past, now)
        ]
    if quantile := QUANTILE.search(when):
        return [{} for value in quantiles(quantile, past, now) if value > float(quantile["than"])]
    expression = EXPRESSION.search(when)
    assert expression is not None, when
    than, values = (
        float(expression["than"]),
        [(labels, value) for _, labels, value in matching(expression, now)],
    )
    if "increase(" in when:
        added = sum(value for _, value in values) - sum(value for *_, value in matching(expression, past))
        values = [({}, added)]
    holds: dict[str, Callable[[float], bool]] = {
        ">": lambda value: value > than,
        "<": lambda value: value < than,
        "==": lambda value: value == than,
    }
    return [labels for labels, value in values if holds[expression["op"]](value)]


def fires(when: str, past: list[Sample], now: list[Sample]) -> bool:
    return bool(firing(when, past, now))


def kept_still() -> dict[str, set[str]]:
    """Map each alarm of the page to the alarms that it inhibits."""
    table = PAGE.read_text("utf-8").split("| while this fires | these are inhibited |\n|---|---|\n")[1]
    rows = [line.split("|")[1:3] for line in table.split("\n\n")[0].splitlines()]
    return {cause.strip(): {name.strip() for name in names.split(",")} for cause, names in rows}


def alarms_fired(past: list[Sample], now: list[Sample], *, ready: bool = True) -> set[str]:
    """Name every alarm that fires and is not kept still."""
    fired = {name for name, when in alarms().items() if name != "not ready" and fires(when, past, now)}
    if not ready:
        fired.add("not ready")
    still = kept_still()
    return fired - {other for name in fired for other in still.get(name, ())}


@asynccontextmanager
async def on_a_broker_that_is_away(town: Town) -> AsyncIterator[Town]:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))  # bound, and not listening
        server = Server(host="127.0.0.1", port=occupied.getsockname()[1], tls=False)
        access = Access(servers=(server,), vhost="axis", user="invented", password="invented")
        folder = town.node.settings.node.data_dir / "parts"
        async with AmqpAxis(access, "town", folder, town.clock, town.node.pool, AmqpOptions()) as axis:
            yield replace(town, node=replace(town.node, axis=axis))


def database_of(town: Town) -> Path:
    return town.node.settings.node.data_dir / "gateway.db"


@asynccontextmanager
async def broker_away(town: Town, for_s: float = 301) -> AsyncIterator[Town]:
    async with on_a_broker_that_is_away(town) as cut:
        town.clock.advance(for_s)
        yield cut


@asynccontextmanager
async def disk_fills(town: Town) -> AsyncIterator[Town]:
    with filled(town) as full:
        yield full


@asynccontextmanager
async def content_away(town: Town) -> AsyncIterator[Town]:
    """Leave an empty folder in place of the content, as a share does that is not mounted."""
    content = town.node.settings.node.data_dir / "content"
    away = content.rename(content.with_name("away"))
    content.mkdir()
    await town.node.marks.look()
    yield town
    content.rmdir()
    away.rename(content)
    await town.node.marks.look()


async def backup_is_old(town: Town, hours: int = 27) -> None:
    data_dir, now = town.node.settings.node.data_dir, town.clock.now()
    backup.note(data_dir, data_dir / "a.snapshot", now, verified_at=now)
    town.clock.advance(timedelta(hours=hours))


async def drill_is_old(town: Town) -> None:
    await backup_is_old(town, 41 * 24)
    data_dir = town.node.settings.node.data_dir
    backup.note(data_dir, data_dir / "a.snapshot", town.clock.now())
    backup.note_success(data_dir, "sampled_at", town.clock.now())


def success_is_old(name: str) -> Callable[[Town], Awaitable[None]]:
    async def note(town: Town) -> None:
        data_dir = town.node.settings.node.data_dir
        backup.note_success(data_dir, name, town.clock.now())
        town.clock.advance(timedelta(hours=73))
        now = town.clock.now()
        backup.note(data_dir, data_dir / "a.snapshot", now, verified_at=now)

    return note


@asynccontextmanager
async def memory_is_short(town: Town) -> AsyncIterator[Town]:
    """Let the kernel say that hardly any memory is left."""
    folder = town.node.settings.node.data_dir / "proc"
    folder.mkdir()
    (folder / "meminfo").write_text("MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  1 kB\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks_of_watch, "_PROC", folder)
        yield town


async def clock_off(town: Town) -> Town:
    async def measure() -> timedelta:
        return timedelta(seconds=21)

    guard = ClockGuard(measure=measure, clock=town.clock, lease_s=60)
    await guard.step()
    return replace(town, node=replace(town.node, guard=guard))


async def urgent_lies(town: Town) -> None:
    await town.send("15", urgency=Urgency.URGENT)
    await couriers.pack_batch(town.node.out, 10, LEASE_S)
    town.clock.advance(301)


async def ordinary_lies(town: Town) -> None:
    await town.send("15")
    await couriers.pack_batch(town.node.out, 10, LEASE_S)
    town.clock.advance(1801)


async def nothing_packed(town: Town) -> None:
    await town.send("15")
    town.clock.advance(1801)


async def worker_dies(town: Town) -> None:
    town.clock.advance(60)


async def mail_waits_at_the_axis(town: Town) -> None:
    await town._host()
    await town.send("15")
    await couriers.pack_batch(town.node.out, 10, LEASE_S)
    await couriers.dispatch_batch(town.node.out, 10, LEASE_S)
    town.clock.advance(301)


async def nobody_works(town: Town) -> None:
    await town._host()
    await town.send("15")
    await couriers.pack_batch(town.node.out, 10, LEASE_S)
    await couriers.dispatch_batch(town.node.out, 10, LEASE_S)
    await town.land()
    town.clock.advance(301)


async def dead(town: Town) -> None:
    await town._host()
    axis = town.node.axis
    await axis.publish(parcel(), [PROVINCE])
    for _ in range(town.node.settings.axis.poison_limit):
        for arrival in await axis.take(1, 60):
            await axis.settle(arrival, is_done=False)
    await axis.take(1, 60)


async def quarantined(town: Town) -> None:
    await town._host()
    for n in range(11):
        await town.node.axis.publish(parcel(f"p{n}", b"no envelope %d" % n), [PROVINCE])
    await couriers.land_batch(town.node.inn, 20, LEASE_S)
    await couriers.process_batch(town.node.inn, 20, LEASE_S)


async def scanner_away(town: Town) -> Town:
    scanner = ClamScanner(read_address("unix:/nowhere/clamd.ctl"), town.node.pool)
    return replace(town, node=replace(town.node, scanner=scanner))


async def webhook_answering_410(town: Town) -> None:
    async with receiving(answers(410)) as receiver:
        desk = replace(town.node.webhooks, reach=Reach(networks=(read_network("127.0.0.0/8"),), plain=True))
        poster = HttpPoster(desk.reach, timeout_s=30, at_once=2, agent="test")
        near = replace(desk, sender=replace(desk.sender, poster=poster))
        hooked = Hooked(town=replace(town, node=replace(town.node, webhooks=near)))
        await hooked.add(receiver.url, start_after=0)
        await hooked.happen()
        await hooked.push()
        await poster.close()


async def system_gives_up(town: Town) -> None:
    await town.send("15")
    await town.carry()
    inn, reader = town.node.inn, Reader(system="qlvb", scope=await town.scope(PROVINCE))
    for _ in range(MOST_TRIES):
        (waiting,) = await hand_over.documents(inn, reader, 10)
        await hand_over.say(inn, reader, waiting.doc_id, None, "disk full", timedelta(hours=1))
        town.clock.advance(PAUSES[-1])


def hot_folder(town: Town) -> tuple[Town, Path]:
    """Give the same node a hot folder; return it and the province's folder there."""
    root = town.node.settings.node.data_dir / "hot"
    root.mkdir()
    settings = replace(town.node.settings, folder=FolderSettings(root=root))
    check_and_note_root(root, settings.node.data_dir / NOTE)
    with open_base(root, PROVINCE, make=True):
        pass
    return replace(town, node=replace(town.node, settings=settings)), root / PROVINCE


async def folder_away(town: Town) -> Town:
    """Leave an empty folder in place of the hot one, as an unmounted share does."""
    hot, folder = hot_folder(town)
    shutil.rmtree(folder.parent)
    folder.parent.mkdir()
    return hot


async def folder_refuses(town: Town) -> Town:
    hot, folder = hot_folder(town)
    desk = Desk(town=hot, root=folder.parent, code=PROVINCE)
    desk.drop("15.json", "no letter")
    await desk.settle()
    return hot


async def certificate_ends(town: Town) -> None:
    metrics = await scraped(town)
    (days,) = {value for name, _, value in metrics if name == "gateway_certificate_days_left"} or {0.0}
    town.clock.advance(timedelta(days=days - 29))


@asynccontextmanager
async def server_certificate_ends(town: Town) -> AsyncIterator[Town]:
    """Let the broker's certificate end soon. It is asked for by itself, because the line would only break on it when it
    is too late."""
    node = town.node
    certificate_files = make_certificate(
        node.settings.node.data_dir, "broker", town.clock.now() + timedelta(days=20)
    )
    with serving(*certificate_files) as (port, _):
        amqp = replace(node.settings.amqp, servers=f"amqps://127.0.0.1:{port}")
        settings = replace(node.settings, axis=replace(node.settings.axis, kind="amqp"), amqp=amqp)
        yield replace(town, node=replace(node, settings=settings))


async def step_breaks(town: Town) -> None:
    """Replace the key of the log after the process was started, so that the sealer's step fails."""
    node = town.node
    await town.send("15")
    await town.number()
    await node.sealer.step()
    await town.send("16")
    await town.number()
    (node.settings.keys.folder / "_log" / "seal.key.pem").unlink()
    sealer = log_sealer(node.settings, node.store.log, town.clock, node.pool)
    await loops_turn(replace(town, node=replace(node, sealer=sealer)), "sealer")


async def loops_turn(town: Town, name: str) -> None:
    """Turn the loop for ten minutes, with its own rest after each failure."""
    loop, trouble, end = town.node._loops(LEASE_S)[name], Trouble(name=name), town.clock.now() + TEN_MINUTES
    while town.clock.now() < end:
        town.clock.advance(await turn(name, loop, trouble, town))


async def slow_to_accept(town: Town, took_s: float = 5.5) -> None:
    """Hold the database as another program does, while the node accepts a document."""
    with closing(sqlite3.connect(database_of(town), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            town.clock.advance(timedelta(seconds=took_s))
            holder.execute("ROLLBACK")

        asyncio.get_running_loop().call_later(HELD_S, let_go)
        with note_arrival(town.clock.now()):
            await town.send("100")


async def slow_to_take_in(town: Town, took_s: float = 5.5) -> None:
    await town._host()
    await town.send("100")
    await town.pack()
    await town.dispatch()
    await town.land()
    town.clock.advance(timedelta(seconds=took_s))
    await town.carry()


async def mail_waits_everywhere(town: Town) -> None:
    """Leave documents that are packed, at the axis, landed, and not packed yet."""
    await town._host()
    for steps in (3, 2, 1, 0):
        await town.send(str(15 + steps))
        for step in (town.pack, town.dispatch, town.land)[:steps]:
            await step()
    town.clock.advance(1801)


async def clock_off_and_mail_waits(town: Town) -> Town:
    await mail_waits_everywhere(town)
    return await clock_off(town)


async def scanner_away_and_mail_waits(town: Town) -> Town:
    await nobody_works(town)
    return await scanner_away(town)


@asynccontextmanager
async def broker_away_and_mail_waits(town: Town) -> AsyncIterator[Town]:
    await town.send("15")
    await town.send("16", urgency=Urgency.URGENT)
    await town.pack()
    async with broker_away(town, 1801) as cut:
        yield cut


@asynccontextmanager
async def disk_fills_and_mail_comes(town: Town) -> AsyncIterator[Town]:
    await mail_waits_at_the_axis(town)
    with filled(town) as full:
        await loops_turn(full, "landing")
        yield full


async def certificate_ended(town: Town) -> None:
    await certificate_ends(town)
    town.clock.advance(timedelta(days=31))
    await town.send("15")
    town.clock.advance(1801)


async def database_away_for_long(town: Town) -> None:
    await lose_database(town)
    await log_of(town, TEN_MINUTES)


TEN_MINUTES = timedelta(minutes=10)
# Real seconds: longer than a document takes to the door of the database.
HELD_S = 0.5
Met = Callable[[Town], Awaitable[Town | None] | AbstractAsyncContextManager[Town]]
# Troubles of a node: it, or another one in its place, is scraped then.
TROUBLES: dict[str, Met] = {
    "a disk fills up": disk_fills,
    "a part does not answer": lose_database,
    "axis down": broker_away,
    "clock off": clock_off,
    "urgent mail waits": urgent_lies,
    "mail waits": ordinary_lies,
    "nothing is packed": nothing_packed,
    "no worker": worker_dies,
    "mail waits at the axis": mail_waits_at_the_axis,
    "arrivals wait": nobody_works,
    "dead parcels": dead,
    "quarantine grows": quarantined,
    "scanner down": scanner_away,
    "a folder is not there": content_away,
    "no backup": backup_is_old,
    "no drill": drill_is_old,
    "no copy of the backups": success_is_old("copied_at"),
    "no sample of a backup": success_is_old("sampled_at"),
    "memory is short": memory_is_short,
    "hot folder down": folder_away,
    "hot folder refuses": folder_refuses,
    "a webhook is down": webhook_answering_410,
    "a document system takes nothing": system_gives_up,
    "certificate": certificate_ends,
    "certificate of a server": server_certificate_ends,
    "steps fail": step_breaks,
    "slow to accept": slow_to_accept,
    "slow to take in": slow_to_take_in,
}
# Larger ones, with the one alarm that is heard in each.
LARGER: dict[str, tuple[Met, str]] = {
    "nobody works at anything": (mail_waits_everywhere, "no worker"),
    "the clock is off and mail waits": (clock_off_and_mail_waits, "clock off"),
    "the scanner is away and mail waits": (scanner_away_and_mail_waits, "scanner down"),
    "the broker is away and mail waits": (broker_away_and_mail_waits, "axis down"),
    "the disk fills and mail comes": (disk_fills_and_mail_comes, "a disk fills up"),
    "a certificate has ended": (certificate_ended, "certificate"),
    "the database is away for long": (database_away_for_long, "a part does not answer"),
}
# Where no process works any more.
WITHOUT_WORKER = {"no worker", "nobody works at anything"}
# By the file that fires it.
LONG = {
    "axis blocked": "integration/test_amqp_alarm.py",
    "hot folder not emptied": "unit/ops/test_alarms.py",
    "slow calls": "unit/ops/test_alarms.py",
}
# The check of the doctor that says so, where documents cannot pass.
DOCTORS = {
    "a part does not answer": "database",
    "urgent mail waits": "queues",
    "mail waits": "queues",
    "nothing is packed": "queues",
    "no worker": "workers",
    "mail waits at the axis": "axis",
    "arrivals wait": "queues",
    "dead parcels": "axis.dead",
    "quarantine grows": "quarantine",
    "a document system takes nothing": "compat",
    "a folder is not there": "folder.content",
}


@pytest.mark.parametrize("fault", [*TROUBLES, *LARGER])
@pytest.mark.usefixtures("keys_away")
async def test_in_a_trouble_its_alarm_is_heard_and_no_other_and_none_before(town: Town, fault: str) -> None:
    trouble, alarm = LARGER.get(fault) or (TROUBLES[fault], fault)
    await town.node.pulse.beat()  # as a worker that is well
    past, check = await scraped(town), DOCTORS.get(fault)
    assert alarms_fired(past, past) == set()
    assert check is None or check not in await complaints(town)

    async with AsyncExitStack() as stack:
        met = trouble(town)
        in_it = await (
            stack.enter_async_context(met) if isinstance(met, AbstractAsyncContextManager) else met
        )
        in_it = in_it or town
        if fault not in WITHOUT_WORKER:
            await town.node.pulse.beat()
        ready = condition(await Watch(node=in_it.node).ready()) != "not-well"
        assert alarms_fired(past, await scraped(in_it), ready=ready) == {alarm}
        assert check is None or check in await complaints(in_it)


async def test_a_schema_of_a_newer_program_is_heard_as_not_ready_alone(town: Town) -> None:
    await town.node.pulse.beat()
    past = await scraped(town)
    with closing(sqlite3.connect(database_of(town))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    ready = condition(await Watch(node=town.node).ready()) != "not-well"

    assert alarms_fired(past, await scraped(town), ready=ready) == {"not ready"}


async def complaints(town: Town) -> set[str]:
    """Return the checks of the doctor that are not green."""
    node = Subject(settings=town.node.settings, clock=town.clock, pool=town.node.pool)
    return {finding.check for finding in await checks.examine(node) if finding.level != "green"}


async def test_what_leaves_later_is_not_late_before_its_time(town: Town) -> None:
    await town.order(Order(draft=draft("15", PROVINCE), wait=timedelta(hours=2)))
    past, when = await scraped(town), alarms()["nothing is packed"]
    town.clock.advance(timedelta(hours=2, seconds=1800))
    assert not fires(when, past, await scraped(town))
    assert "queues" not in await complaints(town)

    town.clock.advance(1)

    assert fires(when, past, await scraped(town))
    assert "queues" in await complaints(town)


def test_every_alarm_of_the_page_is_held_against_its_trouble() -> None:
    assert set(alarms()) == {*TROUBLES, *LONG, "not ready"}
    assert set(alarms()) >= {*kept_still(), *(x for names in kept_still().values() for x in names)}
    for alarm, file in LONG.items():
        assert f'"{alarm}"' in (LONG_TESTS / file).read_text("utf-8")


async def test_not_ready_is_told_while_the_disk_is_full_or_the_database_is_away(town: Town) -> None:
    assert condition(await Watch(node=town.node).ready()) != "not-well"
    full = replace(town.node, room=Room(folder=town.node.settings.node.data_dir, reserve=1 << 62))
    assert condition(await Watch(node=full).ready()) == "not-well"
    metrics = await scraped(replace(town, node=full))
    assert ("gateway_up", {"part": "disk"}, 1.0) in metrics
    assert [value for name, _, value in metrics if name == "gateway_disk_free_bytes"] != []

    await lose_database(town)
    assert condition(await Watch(node=town.node).ready()) == "not-well"


@pytest.mark.parametrize(
    ("alarm", "trouble"), [("slow to accept", slow_to_accept), ("slow to take in", slow_to_take_in)]
)
async def test_the_regulations_five_seconds_raise_no_alarm_while_they_are_kept(
    town: Town, alarm: str, trouble: Callable[[Town, float], Awaitable[None]]
) -> None:
    await town._host()
    past = await scraped(town)

    await trouble(town, 5.0)

    assert not fires(alarms()[alarm], past, await scraped(town))


async def test_an_urgent_lane_that_is_slow_is_not_hidden_by_a_quick_ordinary_one(town: Town) -> None:
    when, past = alarms()["slow to accept"], await scraped(town)
    for n in range(30):
        town.node.stopwatch.record(Metric.ACCEPT, Lane.NORMAL, town.clock.now())
        assert n or not fires(when, past, await scraped(town))

    town.node.stopwatch.record(Metric.ACCEPT, Lane.URGENT, town.clock.now() - timedelta(seconds=6))

    assert fires(when, past, await scraped(town))


def test_the_calls_whose_slowness_is_told_are_those_of_the_api() -> None:
    routes = re.search(r'route=~"([^"]+)"', alarms()["slow calls"])

    assert routes is not None
    assert set(routes[1].split("|")) <= {route.name for route in ROUTES}


async def test_a_line_that_is_down_is_told_while_the_broker_does_not_answer(town: Town) -> None:
    async with on_a_broker_that_is_away(town) as cut:
        town.clock.advance(60)
        metrics = await scraped(cut)

    values = {name: value for name, labels, value in metrics if not labels}
    assert values["gateway_axis_connected"] == 0
    assert values["gateway_axis_down_seconds"] == 60
    assert ("gateway_up", {"part": "axis"}, 0.0) in metrics


async def test_parts_that_never_answer_are_waited_for_once_and_side_by_side(town: Town) -> None:
    """Else a monitoring system gives up on the whole scrape, and no alarm fires at all."""
    asked_after_the_axis: list[bool] = []

    class Watched:
        """The axis, and whether it has been given up."""

        is_over = False

        def __getattr__(self, name: str) -> Any:  # Any: it answers for the axis
            return getattr(cut.node.axis, name)

        async def counts(self) -> Mapping[str, int]:
            try:
                return await cut.node.axis.counts()
            finally:
                self.is_over = True

    watched: Any = Watched()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_after_the_axis.append(watched.is_over)
        await reader.read()
        writer.close()

    with TemporaryDirectory() as folder:  # a socket's path must be short
        server = await asyncio.start_unix_server(never_answers, f"{folder}/clamd.ctl")
        async with server, on_a_broker_that_is_away(town) as cut:
            scanner = ClamScanner(read_address(f"unix:{folder}/clamd.ctl"), town.node.pool)
            stuck = replace(cut, node=replace(cut.node, scanner=scanner, axis=watched))
            metrics = await within_limit(scraped(stuck), "a scrape of parts that never answer")

    assert asked_after_the_axis[0] is False
    assert ("gateway_scanner_works", {}, 0.0) in metrics
    assert ("gateway_up", {"part": "axis"}, 0.0) in metrics
    assert ("gateway_up", {"part": "database"}, 1.0) in metrics
