"""A node whose axis is a provincial service, against its simulator: documents and statuses both ways, each agency by its
own id and key; a send whose end nobody knows waits for a person; faults of the service, forgotten tokens, kills and wrong
credentials lose nothing, and every second copy is counted."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import InState, Kind
from gateway.errors import GatewayError
from gateway.office.node.machine import NodeMachine
from gateway.ops.metrics import Watch
from gateway.outgoing import manage
from gateway.ports import Fate
from gateway.settings import AxisSettings, Settings
from gateway.settings.options import NamedAxis, RouteSettings
from gateway.simulators.settings import HubOptions
from gateway.words import labels
from tests.acceptance.test_vxp import enveloped_file
from tests.services.process import kept_ports
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.town import axes, lgsp, vxp
from tests.support.town.axes import CODES, OnHub


@pytest.fixture
async def on_lgsp(tmp_path: Path) -> AsyncIterator[OnHub]:
    async with axes.on_lgsp(tmp_path, ManualClock()) as made:
        yield made


async def test_a_document_goes_over_the_service_and_its_statuses_come_back(on_lgsp: OnHub) -> None:
    town = on_lgsp.town
    sent = await town.send("15", PROVINCE, COMMUNE)

    await on_lgsp.carry()

    for code in (PROVINCE, COMMUNE):
        came = await town.only(code)
        assert (came.state, came.vouched_by) == (InState.NEW, "axis")
        assert came.checks["axis_session"] == f"lgsp:{lgsp.id_of(code)}"
        assert await town.read(came) == node.PDF
    assert {each.state for each in (await town.deliveries(sent)).values()} == {"delivered"}

    await town.status(await town.only(PROVINCE), "03")
    await on_lgsp.carry()

    states = {code: each.state for code, each in (await town.deliveries(sent)).items()}
    assert states == {PROVINCE: "accepted", COMMUNE: "delivered"}
    assert {row[4] for row in on_lgsp.axis.hub.summary()} == {"done"}
    assert on_lgsp.documents == sorted([(PROVINCE, 1), (COMMUNE, 1)])


async def test_a_token_that_is_forgotten_or_old_is_fetched_anew(on_lgsp: OnHub) -> None:
    town = on_lgsp.town
    await on_lgsp.carry(1)
    assert on_lgsp.axis.faults.calls["login"] == 1  # one for all its agencies

    town.clock.advance(timedelta(minutes=31).total_seconds())
    await on_lgsp.client.look()
    assert on_lgsp.axis.faults.calls["login"] == 2  # the service was not asked with the old one

    on_lgsp.axis.faults.change({"rate": 0.5, "seed": 7, "kinds": ["expired"]})
    for _ in range(5):
        await on_lgsp.client.look()
    assert on_lgsp.axis.faults.done["expired"]

    on_lgsp.axis.faults.change({"rate": 1.0, "operations": ["sendEdoc"]})
    sent = await town.send("16", PROVINCE)
    await town.carry()
    on_lgsp.axis.faults.change({"kinds": []})
    assert on_lgsp.client.state().down_since is not None  # forgotten twice in a row: it does not let us in

    on_lgsp.credentials.touch()
    town.clock.advance(3600)
    await on_lgsp.carry()
    assert (await town.delivery(sent)).state == "delivered"
    assert on_lgsp.documents == [(PROVINCE, 1)]


async def test_a_send_without_an_answer_waits_for_a_person_who_sends_it_again(on_lgsp: OnHub) -> None:
    """The service has no list of what was sent: nothing is sent a second time before somebody has asked the receiver."""
    town = on_lgsp.town
    on_lgsp.axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
    sent = await town.send("17", PROVINCE)
    await town.pack()
    await town.dispatch()
    # The receiver, who is on this node too, does not look yet.
    on_lgsp.axis.faults.change({"kinds": ["fail:20"], "operations": ["syncReceivedEdocList"]})
    assert (await town.delivery(sent)).state == "sending"

    for _ in range(3):
        town.clock.advance(3600)
        await town.carry()

    assert on_lgsp.documents == [(PROVINCE, 1)]
    assert on_lgsp.axis.faults.calls["sendEdoc"] == 1
    delivery = await town.delivery(sent)
    assert delivery.state == "failed"  # a task with the reason, on the page of what is to do
    failed = [each for each in await town.facts(sent) if each.code == "failed"]
    assert "outcome-unknown" in str(failed[-1])

    on_lgsp.axis.faults.change({"kinds": []})
    await on_lgsp.carry()  # it had come after all: its receiver says so, and the task is gone
    assert (await town.delivery(sent)).state == "delivered"
    await town.only(PROVINCE)


async def test_what_a_person_sends_again_is_sent(on_lgsp: OnHub) -> None:
    town = on_lgsp.town
    on_lgsp.axis.faults.change({"rate": 1.0, "kinds": ["html"], "operations": ["sendEdoc"]})
    sent = await town.send("18", PROVINCE)
    for _ in range(3):
        await town.carry()
        town.clock.advance(3600)
    on_lgsp.axis.faults.change({"kinds": []})
    assert (await town.delivery(sent)).state == "failed"
    assert on_lgsp.documents == []

    await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id)
    await on_lgsp.carry()

    assert (await town.delivery(sent)).state == "delivered"
    assert on_lgsp.documents == [(PROVINCE, 1)]


async def test_where_it_may_be_sent_again_the_second_copy_is_one_document(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(
            axes.on_lgsp(tmp_path, ManualClock(), unknown_outcome="resend")
        )
        town = found.town
        found.axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
        sent = await town.send("19", PROVINCE)
        await town.carry()
        found.axis.faults.change({"kinds": []})
        town.clock.advance(3600)
        await found.carry()

        assert (await town.delivery(sent)).state == "delivered"
        await town.only(PROVINCE)
        assert found.documents == [(PROVINCE, 2)]


async def test_threat_137_a_wrong_password_is_tried_once_for_all_agencies(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(
            axes.on_lgsp(tmp_path, ManualClock(), password="của người khác")
        )
        town = found.town
        sent = await town.send("20", PROVINCE)
        for _ in range(3):
            await found.carry()
            town.clock.advance(3600)

        assert dict(found.axis.faults.calls) == {"login": 1}  # nobody is locked out by repetition
        state = found.client.state()
        assert state.down_since is not None
        assert str(found.credentials) in state.reason
        assert "của người khác" not in state.reason

        lgsp.credentials(found.credentials, CODES)
        town.clock.advance(3600)
        await found.carry()
        assert (await town.delivery(sent)).state == "delivered"
        assert found.client.state().down_since is None


async def test_a_wrong_key_stops_its_own_agency_alone(on_lgsp: OnHub) -> None:
    town = on_lgsp.town
    text = on_lgsp.credentials.read_text()
    on_lgsp.credentials.write_text(text.replace(lgsp.key_of(COMMUNE), "of another"))
    first, second = await town.send("21", PROVINCE), await town.send("22", COMMUNE)

    await on_lgsp.carry()

    assert (await town.delivery(first)).state == "delivered"
    assert (await town.delivery(second)).state == "sent"  # it lies at the service
    assert lgsp.id_of(COMMUNE) in on_lgsp.client.state().reason
    assert lgsp.id_of(PROVINCE) not in on_lgsp.client.state().reason


async def test_a_wrong_key_of_one_agency_moves_no_other_agency_to_the_next_axis(tmp_path: Path) -> None:
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        axis = await stack.enter_async_context(lgsp.of_agencies(tmp_path / "hub", CODES, now=clock.now))
        file = lgsp.credentials(tmp_path / "lgsp.toml", CODES)
        file.write_text(file.read_text().replace(lgsp.key_of(COMMUNE), "of another"))

        def change(settings: Settings) -> Settings:
            single = axis.of(file)(settings)
            other = AxisSettings(folder=tmp_path / "other", vouches="all")
            axes = (
                NamedAxis(name="province", away_s=0, parts={"axis": single.axis, "lgsp": single.lgsp}),
                NamedAxis(name="other", away_s=0, parts={"axis": other}),
            )
            return replace(settings, axes=axes, routes=(RouteSettings(to="*", axes=("province", "other")),))

        town = await stack.enter_async_context(node.opened(tmp_path / "node", clock, change=change))
        found = OnHub(town=town, axis=axis, credentials=file)
        await found.carry()
        assert lgsp.id_of(COMMUNE) in found.client.state().reason
        sent = await town.send("27", PROVINCE)
        clock.advance(60)
        await found.carry()

        assert [each.axis for each in await town.facts(sent) if each.code == "sent"] == ["province"]
        assert found.documents == [(PROVINCE, 1)]


async def test_the_page_that_tests_the_line_asks_the_service_and_has_words_for_it(on_lgsp: OnHub) -> None:
    open_node = on_lgsp.town.node
    steps = await NodeMachine(node=open_node, health=Watch(node=open_node)).test_line()

    assert [each.mark for each in steps if each.name == "session"] == ["fine"] * 3
    for each in steps:
        for lang in ("vi", "en"):
            assert labels.say(f"operating.line.step.{each.name}", lang)
            assert labels.say(f"operating.line.mark.{each.mark}", lang)
            assert labels.say(each.says, lang, **each.params)


async def test_what_appears_late_in_the_list_is_seen(tmp_path: Path) -> None:
    """It was created before the days of a usual look: the sweep of the day finds it."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        late = HubOptions(code="TRUC.W00", late_s=timedelta(days=10).total_seconds())
        axis = await stack.enter_async_context(
            lgsp.of_agencies(tmp_path / "hub", CODES, hub=late, now=clock.now)
        )
        file = lgsp.credentials(tmp_path / "lgsp.toml", CODES)
        town = await stack.enter_async_context(
            node.opened(tmp_path / "node", clock, change=axis.of(file, look_days=1, sweep_days=30))
        )
        found = OnHub(town=town, axis=axis, credentials=file)
        await town.send("23", PROVINCE)
        await found.carry()
        assert not await town.incoming(PROVINCE)

        clock.advance(timedelta(days=11).total_seconds())
        await found.carry()

        await town.only(PROVINCE)


@pytest.mark.parametrize("partial", ["refuse", "all"])
async def test_a_document_of_which_only_some_recipients_go_over_the_service(
    tmp_path: Path, partial: str
) -> None:
    """No call can say for whom it is: everybody whom the file names would get it."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        axis = await stack.enter_async_context(lgsp.of_agencies(tmp_path / "hub", CODES, now=clock.now))
        file = lgsp.credentials(tmp_path / "lgsp.toml", CODES)

        def change(settings: Settings) -> Settings:
            single = axis.of(file, partial=partial)(settings)
            folder = AxisSettings(folder=tmp_path / "other", vouches="all")
            axes = (
                NamedAxis(name="province", parts={"axis": single.axis, "lgsp": single.lgsp}),
                NamedAxis(name="other", parts={"axis": folder}),
            )
            routes = (
                RouteSettings(to=COMMUNE, axes=("other",)),
                RouteSettings(to="*", axes=("province", "other")),
            )
            return replace(settings, axes=axes, routes=routes)

        town = await stack.enter_async_context(node.opened(tmp_path / "node", clock, change=change))
        found = OnHub(town=town, axis=axis, credentials=file)
        sent = await town.send("24", PROVINCE, COMMUNE)
        await found.carry()

        facts = await town.facts_by(sent)
        by = {code: each.axis for code, told in facts.items() for each in told if each.code == "sent"}
        if partial == "refuse":
            assert found.documents == []
            assert by == {PROVINCE: "other", COMMUNE: "other"}  # the next of its route
        else:
            assert found.documents == sorted([(PROVINCE, 1), (COMMUNE, 1)])
            assert by == {PROVINCE: "province", COMMUNE: "other"}
        for code in (PROVINCE, COMMUNE):
            await town.only(code)


@pytest.mark.parametrize("at", ["took", "ended", "told", "mark"])
async def test_a_kill_at_the_ledger_loses_and_doubles_nothing(on_lgsp: OnHub, at: str) -> None:
    town, ledger = on_lgsp.town, on_lgsp.client._ledger
    real = getattr(ledger, at)
    killed: list[int] = []

    def kills(*given: Any, **more: Any) -> Any:
        if not killed:
            killed.append(1)
            raise RuntimeError("killed here")
        return real(*given, **more)

    setattr(ledger, at, kills)
    sent = await town.send("25", PROVINCE)
    for _ in range(6):
        try:
            await on_lgsp.carry(1)
        except RuntimeError:
            town.clock.advance(3600)
        town.clock.advance(120)
    town.clock.advance(7200)
    await on_lgsp.carry()

    assert killed
    if at == "mark":  # the outbox alone knows of a try, and not how far it came: a person decides
        assert (await town.delivery(sent)).state == "failed"
        assert on_lgsp.documents == []
        await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id)
        await on_lgsp.carry()
    assert (await town.only(PROVINCE)).vouched_by == "axis"
    assert (await town.delivery(sent)).state == "delivered"
    assert on_lgsp.documents == [(PROVINCE, 1)]
    assert {row[4] for row in on_lgsp.axis.hub.summary()} == {"done"}


async def test_the_same_bytes_published_again_are_not_sent_again(on_lgsp: OnHub) -> None:
    town = on_lgsp.town
    sent = await town.send("26", PROVINCE)
    await on_lgsp.carry()
    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)

    await town.deliver(packet, PROVINCE)

    assert on_lgsp.documents == [(PROVINCE, 1)]
    assert (await town.delivery(sent)).state == "delivered"


FAULTY = """
[hub]
code = "TRUC.W00"
dedupe = false
plain = %s
ahead_s = %f
[faults]
rate = 0.2
slow_s = 0.05
seed = %d
operations = ["sendEdoc", "syncReceivedEdocList", "getEdoc", "updateStatus"]
kinds = ["error500", "html", "lost", "half", "slow", "duplicate", "reorder", "damaged", "nodata", "fail:20"]
"""


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_two_nodes_on_one_service_with_faults_and_kills(tmp_path: Path) -> None:
    """The service in a process of its own, which is killed between rounds; one call in five goes wrong, and it takes every
    copy for a new document. What has no end is sent again: nothing is lost, and each receiver has one document."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        (port,) = stack.enter_context(kept_ports(1))
        url = f"http://127.0.0.1:{port}"

        async def at(name: str, codes: list[str]) -> Town:
            file = lgsp.credentials(tmp_path / f"{name}.toml", codes)
            change = lgsp.on(url, file, poll_s=0.05, unknown_outcome="resend")
            return await stack.enter_async_context(node.opened(tmp_path / name, clock, change=change))

        north, south = await at("north", [DEPARTMENT]), await at("south", [PROVINCE, COMMUNE])
        sent = [await north.send(str(40 + n), PROVINCE, COMMUNE) for n in range(4)]
        back = await south.send("60", DEPARTMENT, sender=PROVINCE)

        async def round_() -> None:
            for _ in range(4):
                for town in (north, south):
                    await town.carry()
                    await quietly(town)
                clock.advance(600)

        accepted: set[str] = set()
        for n in range(30):
            # Its list is asked by days: it has the time of the nodes, whose clock the test moves.
            told = FAULTY % (["true", "false"][n % 2], behind(clock), n)
            with lgsp.start(tmp_path / "hub", CODES, told, port):
                await round_()
            for code in (PROVINCE, COMMUNE):
                for document in await south.incoming(code):
                    if document.id not in accepted and document.state is InState.NEW:
                        accepted.add(document.id)
                        await south.status(document, "03")
            states = [each.state for one in sent for each in (await north.deliveries(one)).values()] + [
                (await south.delivery(back)).state
            ]
            if set(states) == {"accepted", "delivered"} and states.count("accepted") == 8:
                break
        else:
            pytest.fail(f"not all came through: {states}")
        with lgsp.start(tmp_path / "hub", CODES, f"[hub]\nahead_s = {behind(clock)}\n", port):
            for _ in range(5):  # what left in the last moment of one round is fetched in the next
                await round_()
                rows = vxp.looked_into(tmp_path / "hub")
                if {row[4] for row in rows} == {"done"}:
                    break
        taken = {code: len(await south.incoming(code)) for code in (PROVINCE, COMMUNE)}
        came_back = len(await north.incoming(DEPARTMENT))

    assert taken == {PROVINCE: 4, COMMUNE: 4}  # one document each, however many copies came
    assert came_back == 1
    assert len({row[0] for row in rows if row[1] == "edoc"}) >= 5
    assert {row[4] for row in rows} == {"done"}


def behind(clock: ManualClock) -> float:
    """How far a process has to set its clock to be at the test's."""
    return (clock.now() - datetime.now(UTC)).total_seconds()


async def quietly(town: Town) -> None:
    try:
        await town.look()
    except GatewayError:
        return


@pytest.mark.long
@pytest.mark.parametrize("plain", ["true", "false"])
async def test_sixty_megabytes_and_a_country_of_agencies_pass_in_little_memory(
    tmp_path: Path, plain: str
) -> None:
    """G8: neither a file in one string nor a list of 111,000 lies in memory whole."""
    more = f"[hub]\nplain = {plain}\nmore_agencies = 111000\n"
    with lgsp.start(tmp_path / "hub", ["Z91.07", "Z92"], more) as url:
        file = lgsp.credentials(tmp_path / "lgsp.toml", ["Z91.07", "Z92"])
        told = {"limits_envelope_mb": "200", "lgsp_credentials": str(file)}
        async with lgsp.client(tmp_path / "node", url, "Z92", None, **told) as axis:
            await axis.host(["Z92"])
            large = enveloped_file(tmp_path / "large.edxml", 60 * 1024 * 1024)
            tracemalloc.start()
            try:
                outcomes = await axis.publish(large, ["Z92"])
                await axis.look()
                (arrival,) = await axis.take(1, 60.0)
                count = 0

                def note(_: object) -> None:
                    nonlocal count
                    count += 1

                await axis.agencies(note)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert arrival.size > 80 * 1024 * 1024
    assert count == 111_002
    assert peak < 64 * 1024 * 1024
