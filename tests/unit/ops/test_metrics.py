"""The metrics of a real node that carries documents: read by the library's own parser, true, and free of ids."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli.serve import open_monitor
from gateway.domain.document import Kind, Urgency
from gateway.domain.pace import Beat, Metric, paces
from gateway.ops import backup, metrics
from gateway.ops.checks import Watch
from gateway.ops.metrics import Scrape
from gateway.outgoing import manage
from gateway.stopwatch import note_arrival
from gateway.workers import couriers
from gateway.workers.heartbeat import beats, slots
from tests.support.faulty import lose_database
from tests.support.node import DEPARTMENT, LEASE_S, PDF, PROVINCE, Town, document, recall_of
from tests.support.tls_servers import in_days, make_certificate, serving
from tests.support.waiting import wait_until, within_limit
from tests.unit.workers.conftest import carried_by_workers

WAYS = ("accept", "accept_to_01", "arrival_to_admitted")
NORMAL = {"lane": "normal", "axis": "embedded"}
TIMINGS = {"accepted_to_sent", "landed_to_verdict", "publish", "transaction", "webhook", "api_call", *WAYS}


@dataclass(frozen=True)
class Samples:
    """Samples of one scrape, or added between two, by name and labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def __call__(self, name: str, **labels: str) -> float:
        return self.values.get((f"gateway_{name}", frozenset(labels.items())), 0.0)

    def since(self, earlier: Samples) -> Samples:
        return Samples({key: value - earlier.values.get(key, 0.0) for key, value in self.values.items()})


async def look_at(town: Town) -> Samples:
    text = (await Scrape(node=town.node).text()).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    every = [sample for family in families for sample in family.samples]
    return Samples({(x.name, frozenset(x.labels.items())): x.value for x in every})


async def test_the_last_success_of_each_task_every_check_and_the_needs_of_the_process_are_metrics(
    town: Town,
) -> None:
    data_dir, now = town.node.settings.node.data_dir, town.clock.now()
    backup.note(data_dir, data_dir / "a.snapshot", now, verified_at=now - timedelta(days=3))
    await town.node.store.history.record([Beat(job="sealer", at=now, beats=1)], [], now)
    town.clock.advance(60)

    look = await look_at(town)

    ages = {task: look("last_success_seconds", task=task) for task in ("backup", "drill", "sealer")}
    assert ages == {"backup": 60, "drill": 3 * 86400 + 60, "sealer": 60}
    assert "process_resident_memory_bytes" in (await Scrape(node=town.node).text()).decode()
    levels = {dict(labels)["check"] for name, labels in look.values if name == "gateway_check"}
    assert levels >= {"scanner", "bindings", "memory", "disk", "axis", "database"}


async def test_every_part_of_a_healthy_node_is_up(town: Town) -> None:
    look = await look_at(town)

    assert [look("up", part=part) for part in ("database", "axis", "disk", "keys")] == [1, 1, 1, 1]
    assert look("certificate_days_left", agency=PROVINCE) > 0
    assert look("disk_free_bytes") > 0
    assert look("axis_connected") == 1
    assert look("axis_blocked") == look("axis_down_seconds") == 0


@pytest.mark.usefixtures("keys_away")
async def test_what_waits_is_told_with_its_age_and_is_gone_when_it_is_done(town: Town) -> None:
    await town._host()
    await town.send("15")
    town.clock.advance(timedelta(seconds=90))

    queued = await look_at(town)
    await couriers.pack_batch(town.node.out, 10, LEASE_S)
    packed = await look_at(town)
    await couriers.dispatch_batch(town.node.out, 10, LEASE_S)
    sent = await look_at(town)
    await town.land()
    landed = await look_at(town)

    assert (queued("jobs", kind="pack"), queued("jobs_oldest_seconds", kind="pack")) == (1, 90)
    assert (packed("jobs", kind="pack"), packed("outbox", lane="normal")) == (0, 1)
    assert (sent("outbox", lane="normal"), sent("axis_parcels", state="waiting")) == (0, 1)
    assert (sent("deliveries", state="sent"), sent("late_deliveries")) == (1, 0)
    assert (landed("inbox", state="landed"), landed("axis_parcels", state="waiting")) == (1, 0)
    assert landed("events_unnumbered") == 0  # an SQLite file numbers them as they are written


async def test_the_way_of_a_document_is_counted_and_timed(town: Town) -> None:
    await town._host()
    earlier = await look_at(town)
    await town.send("15")
    town.clock.advance(timedelta(seconds=20))
    await carried_by_workers(town)
    grown = (await look_at(town)).since(earlier)

    assert grown("accepted_total") == 1
    # The document, and its 01 on the way back.
    assert grown("published_total", lane="normal") == grown("confirmed_total", lane="normal") == 2
    assert grown("received_total", lane="normal") == 2
    assert grown("settled_total", state="done", code="") == 2
    assert grown("accepted_to_sent_seconds_count") == 1
    assert grown("accepted_to_sent_seconds_sum") == pytest.approx(20)
    assert grown("landed_to_verdict_seconds_count", state="done") == 2
    assert grown("publish_seconds_count", lane="normal") == 2
    assert grown("transaction_seconds_count", kind="writing") > 5


@pytest.mark.parametrize(("urgency", "lane"), [(Urgency.NORMAL, "normal"), (Urgency.EXPRESS, "urgent")])
async def test_a_document_there_and_back_is_timed_on_all_three_ways_by_lane_and_axis(
    town: Town, urgency: Urgency, lane: str
) -> None:
    earlier = await look_at(town)
    with note_arrival(town.clock.now()):
        town.clock.advance(2)
        await town.send("15", urgency=urgency)
    town.clock.advance(20)
    await town.carry()
    grown = partial((await look_at(town)).since(earlier), lane=lane, axis="embedded")

    assert {metric: grown(f"{metric}_seconds_count") for metric in WAYS} == dict.fromkeys(WAYS, 1)
    # Of what the process has served before, sums of fractions of seconds remain.
    assert [grown(f"{metric}_seconds_sum") for metric in WAYS] == pytest.approx([2, 20, 0], abs=1e-6)
    assert grown("accept_seconds_bucket", le="1.0") == 0
    assert grown("accept_seconds_bucket", le="2.0") == grown("accept_seconds_bucket", le="5.0") == 1


async def test_what_is_called_back_for_a_while_is_timed_from_when_it_may_leave(town: Town) -> None:
    draft = await town.send("15", send=False)
    earlier = await look_at(town)
    scope = await town.scope(DEPARTMENT)
    sent = await manage.send_draft(town.node.out, scope, draft.id, wait=timedelta(seconds=30))
    town.clock.advance(33)
    await town.carry()
    assert (await town.delivery(sent)).state == "delivered"
    grown = (await look_at(town)).since(earlier)

    assert grown("accept_to_01_seconds_sum", **NORMAL) == pytest.approx(3)


async def test_a_repeated_01_is_not_timed_twice(town: Town) -> None:
    document = await town.send("15")
    await town.carry()
    earlier = await look_at(town)
    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    town.clock.advance(3600)
    await town.deliver(packet)
    await town.carry()
    assert (await town.delivery(document)).state == "delivered"
    grown = (await look_at(town)).since(earlier)

    assert [grown(f"{metric}_seconds_count", **NORMAL) for metric in WAYS] == [0, 0, 0]


async def test_a_packet_that_waited_for_another_one_is_not_timed_as_slow(town: Town) -> None:
    first, recall = town.forge(document(), (("van-ban.pdf", PDF),)), town.forge(recall_of())
    assert (await town.brought(recall)).state == "waiting"
    town.clock.advance(3600)
    earlier = await look_at(town)
    await town.brought(first)
    assert [inbox_item.state for inbox_item in await town.inbox()] == ["done", "done"]
    grown = (await look_at(town)).since(earlier)

    assert [grown(f"arrival_to_admitted_seconds_{part}", **NORMAL) for part in ("count", "sum")] == [1, 0]


async def test_what_no_call_asked_for_and_what_is_kept_as_a_draft_is_no_acceptance(town: Town) -> None:
    earlier = await look_at(town)

    await town.send("15")
    with note_arrival(town.clock.now()):
        await town.send("16", send=False)

    assert (await look_at(town)).since(earlier)("accept_seconds_count", **NORMAL) == 0


async def test_an_unroutable_recipient_and_a_repeat_are_counted_as_such(town: Town) -> None:
    earlier = await look_at(town)
    await town.node.inn.axis.host([])
    await town.send("15")
    await town.pack()
    await town.dispatch()
    later_samples = await look_at(town)

    assert later_samples.since(earlier)("returned_total", code="unroutable") == 1
    assert later_samples("outbox_failed") == 1


async def test_a_silent_recipient_is_late_after_half_an_hour(town: Town) -> None:
    await town._host()
    await town.send("15")
    await town.pack()
    await town.dispatch()
    town.clock.advance(timedelta(minutes=30))
    assert (await look_at(town))("late_deliveries") == 0

    town.clock.advance(timedelta(seconds=1))

    assert (await look_at(town))("late_deliveries") == 1


@pytest.mark.usefixtures("keys_away")
async def test_a_lease_is_counted_while_it_runs(town: Town) -> None:
    await town.send("15")
    await town.node.store.claim_jobs("pack", 1, LEASE_S)
    assert (await look_at(town))("leases", table="job") == 1

    town.clock.advance(timedelta(seconds=LEASE_S))

    assert (await look_at(town))("leases", table="job") == 0


async def test_a_database_that_is_gone_leaves_the_rest_of_the_scrape(town: Town) -> None:
    await lose_database(town)

    look = await look_at(town)

    assert look("up", part="database") == 0
    assert look("up", part="axis") == 1
    assert look("disk_free_bytes") > 0
    assert look("outbox", lane="normal") == 0


async def test_servers_that_are_silent_keep_the_scrape_from_no_other_server(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent server takes the connection and says nothing; they are asked before the one that answers."""
    monkeypatch.setattr(metrics, "SCRAPE_PATIENCE_S", 1.0)
    with ExitStack() as servers:
        silent = [servers.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        port, _ = servers.enter_context(serving(*make_certificate(tmp_path, "server", in_days(9))))
        ports = [*(server.getsockname()[1] for server in silent), port]
        amqp = replace(
            town.node.settings.amqp, servers=", ".join(f"amqps://127.0.0.1:{port}" for port in ports)
        )
        axis = replace(town.node.settings.axis, kind="amqp")
        node = replace(town.node, settings=replace(town.node.settings, amqp=amqp, axis=axis))
        scrape = Scrape(node=node)

        texts = [(await scrape.text()).decode() for _ in range(2)]

        for text in texts:
            assert f'gateway_server_certificate_days_left{{part="axis",server="127.0.0.1:{port}"}}' in text
            assert 'gateway_up{part="servers"} 1.0' in text


async def test_every_metric_is_explained_to_operators_and_no_other(town: Town) -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
    section = page.split("## Metrics and alarms")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section, flags=re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}

    text = (await Scrape(node=town.node).text()).decode()

    names = {family.name for family in text_string_to_metric_families(text)}
    names = {name.removeprefix("gateway_") for name in names if not name.startswith("process_")}
    histograms = {f"{name}_seconds" for name in TIMINGS}
    invented = {name for name in names if name.startswith("invented_")}
    assert names - invented - histograms == documented - TIMINGS
    assert documented >= TIMINGS
    assert histograms <= names


async def test_no_label_names_a_document_or_a_packet(town: Town) -> None:
    await town._host()
    document = await town.send("15")
    await town.pack()
    await town.dispatch()

    text = (await Scrape(node=town.node).text()).decode()

    for secret in (document.id, document.packet_id, document.document_id, document.draft.subject):
        assert secret not in text


async def test_each_worker_process_is_watched_at_a_port_of_its_own(town: Town) -> None:
    """Worker 10 is ten above the port of the settings, which is that of the web process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = port - 10
    changed = replace(town.node.settings.metrics, port=base)
    node = replace(town.node, settings=replace(town.node.settings, metrics=changed))

    async with (
        open_monitor(node, Watch(node=node), 10),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200


async def test_a_process_that_only_answers_tells_the_others_how_fast_it_was_until_it_ends(town: Town) -> None:
    with note_arrival(town.clock.now()):
        await town.send("15")
    stop, folder = asyncio.Event(), town.node.pulse.folder
    process = asyncio.create_task(town.node.run_beside(stop))
    pace_slots = await wait_until(lambda: slots(folder, town.clock.now()), "the measure of this process")
    assert [(pace.way, pace.count) for pace in paces(pace_slots)] == [(Metric.ACCEPT, 1)]
    assert beats(folder, town.clock.now()) == []

    stop.set()
    await within_limit(process, "a process that only answers")

    assert slots(folder, town.clock.now()) == []
