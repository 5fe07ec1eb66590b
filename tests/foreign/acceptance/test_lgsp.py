"""A node whose axis is a provincial service, against its simulator: documents and statuses both ways, each agency by
its own id and key; a send with an unknown outcome waits for a person; faults of the service, forgotten tokens, kills
and wrong credentials lose nothing, and every second copy is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.outgoing import manage
from gateway.settings.options import AxisSettings, NamedAxis, RouteSettings, Settings
from gateway_labs.simulators.settings import HubOptions
from tests.foreign.acceptance.test_vxp import CODES, OnHub, TwoNodes, passes_in_little_memory
from tests.services.process import kept_ports
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.town import lgsp, vxp


@dataclass(frozen=True, kw_only=True)
class OnLgsp(OnHub):
    axis: lgsp.Axis
    credentials: Path


@asynccontextmanager
async def opened(
    folder: Path,
    password: str = lgsp.LOGIN.password,
    hub: HubOptions | None = None,
    set_up: Callable[[Settings, lgsp.Axis, Path], Settings] | None = None,
    **options: object,
) -> AsyncIterator[OnLgsp]:
    """Open a node on a service of its own; `set_up` replaces the usual settings of the axis."""
    clock = ManualClock()
    more = {} if hub is None else {"hub": hub}
    file = lgsp.credentials(folder / "lgsp.toml", CODES, password)
    async with lgsp.of_agencies(folder / "hub", CODES, now=clock.now, **more) as axis:
        usual = axis.connect(file, **options)

        def change(settings: Settings) -> Settings:
            return set_up(settings, axis, file) if set_up else usual(settings)

        async with node.opened(folder / "node", clock, change=change) as town:
            yield OnLgsp(town=town, axis=axis, credentials=file)


@pytest.fixture
async def on_lgsp(tmp_path: Path) -> AsyncIterator[OnLgsp]:
    async with opened(tmp_path) as on_hub:
        yield on_hub


async def test_a_document_goes_over_the_service_and_its_statuses_come_back(on_lgsp: OnLgsp) -> None:
    await on_lgsp.arrives_and_is_answered({code: f"lgsp:{lgsp.id_of(code)}" for code in (PROVINCE, COMMUNE)})

    assert {row[4] for row in on_lgsp.axis.hub.summary()} == {"done"}
    assert on_lgsp.documents == sorted([(PROVINCE, 1), (COMMUNE, 1)])


async def test_a_token_that_is_forgotten_or_old_is_replaced(on_lgsp: OnLgsp) -> None:
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
    sent = await town.act_and_carry(town.send("16", PROVINCE))
    on_lgsp.axis.faults.change({"kinds": []})
    assert on_lgsp.client.state().down_since is not None  # forgotten twice in a row: it does not let us in

    on_lgsp.credentials.touch()
    town.clock.advance(3600)
    await on_lgsp.carry()
    assert (await town.delivery(sent)).state == "delivered"
    assert on_lgsp.documents == [(PROVINCE, 1)]


async def test_a_send_without_an_answer_waits_for_a_person_who_repeats_it(on_lgsp: OnLgsp) -> None:
    """The service has no list of sent documents: nothing is sent a second time before a person asked the receiver."""
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
    failed = [fact for fact in await town.facts(sent) if fact.code == "failed"]
    assert "outcome-unknown" in str(failed[-1])

    on_lgsp.axis.faults.change({"kinds": []})
    await on_lgsp.carry()  # it had come after all: its receiver says so, and the task is gone
    assert (await town.delivery(sent)).state == "delivered"
    await town.only(PROVINCE)


async def test_what_a_person_sends_again_is_sent(on_lgsp: OnLgsp) -> None:
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
    async with opened(tmp_path, unknown_outcome="resend") as on_hub:
        town = on_hub.town
        on_hub.axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
        sent = await town.act_and_carry(town.send("19", PROVINCE))
        on_hub.axis.faults.change({"kinds": []})
        town.clock.advance(3600)
        await on_hub.carry()

        assert (await town.delivery(sent)).state == "delivered"
        await town.only(PROVINCE)
        assert on_hub.documents == [(PROVINCE, 2)]


async def test_threat_137_a_wrong_password_is_tried_once_for_all_agencies(tmp_path: Path) -> None:
    async with opened(tmp_path, password="của người khác") as on_hub:
        town = on_hub.town
        sent = await town.send("20", PROVINCE)
        for _ in range(3):
            await on_hub.carry()
            town.clock.advance(3600)

        assert dict(on_hub.axis.faults.calls) == {"login": 1}  # repetition locks no account
        state = on_hub.client.state()
        assert state.down_since is not None
        assert str(on_hub.credentials) in state.reason
        assert "của người khác" not in state.reason

        lgsp.credentials(on_hub.credentials, CODES)
        town.clock.advance(3600)
        await on_hub.carry()
        assert (await town.delivery(sent)).state == "delivered"
        assert on_hub.client.state().down_since is None


async def test_a_wrong_key_stops_its_own_agency_alone(on_lgsp: OnLgsp) -> None:
    town = on_lgsp.town
    text = on_lgsp.credentials.read_text()
    on_lgsp.credentials.write_text(text.replace(lgsp.key_of(COMMUNE), "of another"))
    first, second = await town.send("21", PROVINCE), await town.send("22", COMMUNE)

    await on_lgsp.carry()

    assert (await town.delivery(first)).state == "delivered"
    assert (await town.delivery(second)).state == "sent"  # it lies at the service
    assert lgsp.id_of(COMMUNE) in on_lgsp.client.state().reason
    assert lgsp.id_of(PROVINCE) not in on_lgsp.client.state().reason


def on_two(
    settings: Settings, single: Settings, folder: Path, *routes: RouteSettings, away_s: int = 30
) -> Settings:
    """Return settings of a node on two axes: the service first, then a folder."""
    axes = (
        NamedAxis(name="province", parts={"axis": single.axis, "lgsp": single.lgsp}, away_s=away_s),
        NamedAxis(name="other", parts={"axis": AxisSettings(folder=folder, vouches="all")}, away_s=away_s),
    )
    every = RouteSettings(to="*", axes=("province", "other"))
    return replace(settings, axes=axes, routes=(*routes, every))


async def test_a_wrong_key_of_one_agency_moves_no_other_agency_to_the_next_axis(tmp_path: Path) -> None:
    def set_up(settings: Settings, axis: lgsp.Axis, file: Path) -> Settings:
        file.write_text(file.read_text().replace(lgsp.key_of(COMMUNE), "of another"))
        return on_two(settings, axis.connect(file)(settings), tmp_path / "other", away_s=0)

    async with opened(tmp_path, set_up=set_up) as on_hub:
        await on_hub.carry()
        assert lgsp.id_of(COMMUNE) in on_hub.client.state().reason
        sent = await on_hub.town.send("27", PROVINCE)
        on_hub.town.clock.advance(60)
        await on_hub.carry()

        assert [fact.axis for fact in await on_hub.town.facts(sent) if fact.code == "sent"] == ["province"]
        assert on_hub.documents == [(PROVINCE, 1)]


async def test_a_document_that_appears_late_in_the_list_is_fetched(tmp_path: Path) -> None:
    """It was created before the days of a usual look: the sweep of the day finds it."""
    late = HubOptions(code="TRUC.W00", late_s=timedelta(days=10).total_seconds())
    async with opened(tmp_path, hub=late, look_days=1, sweep_days=30) as on_hub:
        await on_hub.town.send("23", PROVINCE)
        await on_hub.carry()
        assert not await on_hub.town.incoming(PROVINCE)

        on_hub.town.clock.advance(timedelta(days=11).total_seconds())
        await on_hub.carry()

        await on_hub.town.only(PROVINCE)


@pytest.mark.parametrize("partial", ["refuse", "all"])
async def test_a_document_of_which_only_some_recipients_go_over_the_service(
    tmp_path: Path, partial: str
) -> None:
    """No call can name its recipients: all that the file names would get it."""

    def set_up(settings: Settings, axis: lgsp.Axis, file: Path) -> Settings:
        other_route = RouteSettings(to=COMMUNE, axes=("other",))
        return on_two(
            settings, axis.connect(file, partial=partial)(settings), tmp_path / "other", other_route
        )

    async with opened(tmp_path, set_up=set_up) as on_hub:
        sent = await on_hub.town.send("24", PROVINCE, COMMUNE)
        await on_hub.carry()

        facts = await on_hub.town.facts_by(sent)
        by = {code: x.axis for code, its_facts in facts.items() for x in its_facts if x.code == "sent"}
        if partial == "refuse":
            assert on_hub.documents == []
            assert by == {PROVINCE: "other", COMMUNE: "other"}  # the next of its route
        else:
            assert on_hub.documents == sorted([(PROVINCE, 1), (COMMUNE, 1)])
            assert by == {PROVINCE: "province", COMMUNE: "other"}
        for code in (PROVINCE, COMMUNE):
            await on_hub.town.only(code)


@pytest.mark.parametrize("at", ["note_fetched", "note_end", "note_reported", "mark"])
async def test_a_kill_at_the_ledger_loses_and_doubles_nothing(on_lgsp: OnLgsp, at: str) -> None:
    town, sent = on_lgsp.town, await on_lgsp.sent_past_a_kill(at, "25")

    if at == "mark":  # the outbox alone knows of a try, and not how far it came: a person decides
        assert (await town.delivery(sent)).state == "failed"
        assert on_lgsp.documents == []
        await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id)
        await on_lgsp.carry()
    assert (await town.only(PROVINCE)).vouched_by == "axis"
    assert (await town.delivery(sent)).state == "delivered"
    assert on_lgsp.documents == [(PROVINCE, 1)]
    assert {row[4] for row in on_lgsp.axis.hub.summary()} == {"done"}


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
    """The service in a process of its own, which is killed between rounds; one call in five goes wrong, and it takes
    every copy for a new document. An unfinished send is repeated: nothing is lost, and each receiver has one
    document."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        (port,) = stack.enter_context(kept_ports(1))
        url = f"http://127.0.0.1:{port}"

        async def at(name: str, codes: list[str]) -> Town:
            file = lgsp.credentials(tmp_path / f"{name}.toml", codes)
            change = lgsp.on(url, file, poll_s=0.05, unknown_outcome="resend")
            return await stack.enter_async_context(node.opened(tmp_path / name, clock, change=change))

        def at_work(n: int) -> AbstractContextManager[object]:
            # Its list is asked by days: it has the time of the nodes, whose clock the test moves.
            faults_text = FAULTY % (["true", "false"][n % 2], behind(clock), n)
            return lgsp.start(tmp_path / "hub", CODES, faults_text, port)

        north, south = await at("north", [DEPARTMENT]), await at("south", [PROVINCE, COMMUNE])
        two = TwoNodes(north=north, south=south, clock=clock)
        await two.wait_for_all(at_work)
        with lgsp.start(tmp_path / "hub", CODES, f"[hub]\nahead_s = {behind(clock)}\n", port):
            for _ in range(5):  # what left in the last moment of one round is fetched in the next
                await two.round()
                rows = vxp.looked_into(tmp_path / "hub")
                if {row[4] for row in rows} == {"done"}:
                    break
        counts_by_code = {code: len(await south.incoming(code)) for code in (PROVINCE, COMMUNE)}
        came_back = len(await north.incoming(DEPARTMENT))

    assert counts_by_code == {PROVINCE: 4, COMMUNE: 4}  # one document each, however many copies came
    assert came_back == 1
    assert len({row[0] for row in rows if row[1] == "edoc"}) >= 5
    assert {row[4] for row in rows} == {"done"}


def behind(clock: ManualClock) -> float:
    """Return the seconds that set another process's clock to the test's."""
    return (clock.now() - datetime.now(UTC)).total_seconds()


@pytest.mark.long
@pytest.mark.parametrize("plain", ["true", "false"])
async def test_sixty_megabytes_and_a_country_of_agencies_pass_in_little_memory(
    tmp_path: Path, plain: str
) -> None:
    more = f"[hub]\nplain = {plain}\nmore_agencies = 111000\n"
    with lgsp.start(tmp_path / "hub", ["Z91.07", "Z92"], more) as url:
        file = lgsp.credentials(tmp_path / "lgsp.toml", ["Z91.07", "Z92"])
        options = {"limits_envelope_mb": "200", "lgsp_credentials": str(file)}
        async with lgsp.client(tmp_path / "node", url, "Z92", None, **options) as axis:
            await passes_in_little_memory(axis, tmp_path)
