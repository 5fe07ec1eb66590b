"""Several axes as one: an axis that hangs or fails holds up no other, what it brings late is handed out, its hosting is
told when it is back; when it counts as away; and what a publish to several says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import Lane
from gateway.domain.forms import Form
from gateway.domain.routes import OnTrouble, Pattern, RouteTable, Rule, Trail
from gateway.errors import NotFound, Unreachable
from gateway.pool import ThreadPool
from gateway.ports.axis import Arrival, Fate, ManagedAxis, Outcome, Parcel, Promises
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.routed import RoutedAxis
from tests.support.clock import ManualClock
from tests.support.cut import line_of
from tests.support.parcels import LEASE_S, parcel
from tests.support.waiting import wait_until, within_limit

HOSTED_CODES = ["Z91", "Z92"]


class Hanging:
    """An axis that answers nothing until it is let go."""

    def __init__(self, axis: ManagedAxis) -> None:
        self.axis, self.goes_on = axis, asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.axis, name)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        await self.goes_on.wait()
        return await self.axis.take(limit, lease_s)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        await self.goes_on.wait()
        return await self.axis.publish(parcel, routes)


@pytest.fixture
async def two(tmp_path: Path, clock: ManualClock) -> AsyncIterator[RoutedAxis]:
    """Open an axis that reaches Z91 by the first or the second, Z92 by the second; both host everything that is hosted
    here."""
    async with AsyncExitStack() as stack:
        pool = ThreadPool(2)
        stack.callback(pool.close)
        axes: dict[str, ManagedAxis] = {
            name: EmbeddedAxis(tmp_path / name, "one", clock, pool) for name in ("first", "second")
        }
        rules = (
            Rule(to=Pattern.read("Z91"), axes=("first", "second"), away=OnTrouble.NEXT),
            Rule(to=Pattern.read("*"), axes=("second",)),
        )
        patience = {"first": 30.0, "second": 30.0}
        axis = RoutedAxis(axes, RouteTable(rules), clock, away_s=patience, patience_s=60.0, wait_s=60.0)
        await stack.enter_async_context(axis)
        await axis.host(HOSTED_CODES)
        yield axis


def hanging(axis: RoutedAxis, name: str) -> Hanging:
    axes: dict[str, Any] = dict(axis.axes)
    hanging_axis = Hanging(axes[name])
    vars(axis)["_axes"][name] = hanging_axis
    return hanging_axis


async def ids(axis: RoutedAxis, limit: int = 10) -> list[str]:
    return [arrival.packet_id for arrival in await axis.take(limit, LEASE_S)]


async def soon(axis: RoutedAxis) -> list[str]:
    """Return the ids of the next arrivals, however slow this machine is."""
    arrived_ids: list[str] = await wait_until(lambda: ids(axis), "the next arrival")
    return arrived_ids


async def test_mail_is_split_by_its_routes_and_each_arrival_names_its_axis(two: RoutedAxis) -> None:
    outcomes = await two.publish(parcel(), HOSTED_CODES)

    assert {route: (outcome.fate, outcome.axis) for route, outcome in outcomes.items()} == {
        "Z91": (Fate.DELIVERED, "first"),
        "Z92": (Fate.DELIVERED, "second"),
    }
    arrivals = await two.take(10, LEASE_S)
    assert {arrival.recipient: arrival.axis for arrival in arrivals} == {"Z91": "first", "Z92": "second"}
    for arrival in arrivals:
        await two.settle(arrival, is_done=True)
    assert await two.counts() == {"waiting": 0, "urgent": 0, "leased": 0, "dead": 0}


async def test_urgent_mail_of_every_axis_goes_first_and_no_axis_is_ahead_for_long(two: RoutedAxis) -> None:
    """One has all the room that the other does not need."""
    for n in range(6):
        await two.publish(parcel(f"bulk{n}"), ["Z91"])
        await two.publish(parcel(f"other{n}"), ["Z92"])
    await two.publish(parcel("urgent1", lane=Lane.URGENT), ["Z91"])
    await two.publish(parcel("urgent2", lane=Lane.URGENT), ["Z92"])
    first = await ids(two, 6)
    assert set(first[:2]) == {"urgent1", "urgent2"}
    assert sum(x.startswith("bulk") for x in first) == 2
    assert len(await ids(two, 20)) == 8
    for n in range(9):
        await two.publish(parcel(f"p{n}"), ["Z92"])
    assert len(await ids(two, 8)) == 8


async def test_an_axis_that_hangs_is_waited_for_once_and_what_it_brings_late_is_handed_out(
    two: RoutedAxis,
) -> None:
    await two.publish(parcel("slow"), ["Z91"])
    await two.publish(parcel("quick"), ["Z92"])
    hangs = hanging(two, "first")
    vars(vars(two)["_in"])["_wait_s"] = 0.2
    assert await soon(two) == ["quick"]
    await two.publish(parcel("next"), ["Z92"])
    assert await soon(two) == ["next"]

    hangs.goes_on.set()

    assert await soon(two) == ["slow"]


async def test_an_axis_that_hangs_keeps_back_no_word_of_the_other(two: RoutedAxis) -> None:
    hanging(two, "first")
    vars(two)["_patience_s"] = 3.0

    outcomes = await within_limit(two.publish(parcel(), HOSTED_CODES), "a publish beside an axis that hangs")
    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert (outcomes["Z91"].fate, outcomes["Z91"].code) == (Fate.RETRY, "axis-slow")
    assert outcomes["Z91"].unsure  # it may have it all the same
    assert outcomes["Z91"].axis == "first"


async def test_an_axis_that_was_away_hears_whom_this_node_hosts_when_it_is_back(
    two: RoutedAxis, clock: ManualClock
) -> None:
    cut = line_of(two, "first")
    cut.is_cut = True
    await two.host([*HOSTED_CODES, "Z93"])
    await ids(two)
    cut.is_cut = False
    clock.advance(120)

    await ids(two)

    assert await cut.axis.unhosted(["Z93"]) == frozenset()


async def test_hosting_fails_only_where_no_axis_hears_it(two: RoutedAxis) -> None:
    for name in two.axes:
        line_of(two, name).is_cut = True
    for call in (two.host(HOSTED_CODES), two.take(10, LEASE_S), two.counts()):
        with pytest.raises(Unreachable):
            await call


async def test_an_axis_is_away_after_its_patience_and_back_with_the_first_answer(
    two: RoutedAxis, clock: ManualClock
) -> None:
    cut = line_of(two, "first")
    cut.is_cut = True
    first = (await two.publish(parcel(), ["Z91"]))["Z91"]
    clock.advance(31)
    second = (await two.publish(parcel(), ["Z91"]))["Z91"]

    assert (first.fate, first.axis, first.unsure, first.at_once) == (Fate.RETRY, "first", False, False)
    assert (second.fate, second.code, second.axis, second.at_once) == (
        Fate.RETRY,
        "axis-moved",
        "second",
        True,
    )
    assert (await two.counts())["waiting"] == 0
    assert two.state().connected_since is not None
    assert two.state().reason == "first: the line is cut"

    trail = Trail(axis=second.axis)
    moved = replace(parcel(), trails={"Z91": trail})
    assert (await two.publish(moved, ["Z91"]))["Z91"].axis == "second"

    cut.is_cut = False
    clock.advance(61)
    second_outcome = (await two.publish(parcel(), ["Z91"]))["Z91"]
    assert (second_outcome.fate, second_outcome.axis) == (Fate.DELIVERED, "first")
    assert two.state().down_since is None


async def test_a_short_trouble_moves_nothing_and_while_taking_goes_well_sending_may_be_away(
    two: RoutedAxis, clock: ManualClock
) -> None:
    cut = line_of(two, "first")
    cut.is_cut = True
    await two.publish(parcel(), ["Z91"])
    clock.advance(10)
    cut.is_cut = False
    outcome = (await two.publish(parcel(), ["Z91"]))["Z91"]
    assert (outcome.fate, outcome.axis) == (Fate.DELIVERED, "first")
    clock.advance(31)
    circuit = two.circuits["first"]
    assert not circuit.is_away()
    circuit.note_send_failure("no confirm")
    clock.advance(31)
    circuit.note_take()
    assert circuit.is_away()
    circuit.note_sent()
    assert not circuit.is_away()


async def test_a_code_that_no_axis_of_its_route_hosts_is_reported(two: RoutedAxis) -> None:
    assert await two.unhosted(["Z91", "Z92", "Z99"]) == frozenset({"Z99"})
    cuts = [line_of(two, name) for name in ("first", "second")]
    cuts[0].is_cut = True
    assert await two.unhosted(["Z91", "Z99"]) == frozenset({"Z99"})
    cuts[1].is_cut = True
    assert await two.unhosted(["Z99"]) is None


async def test_dead_parcels_are_named_with_their_axis(two: RoutedAxis, clock: ManualClock) -> None:
    await two.publish(parcel("poison"), ["Z92"])
    for _ in range(6):
        await ids(two)
        clock.advance(LEASE_S + 1)
    line_of(two, "first").is_cut = True

    (dead,) = await two.dead_list()

    assert (dead.axis, dead.id.partition(":")[0], dead.packet_id) == ("second", "second", "poison")
    with await two.dead_open(dead.id) as file:
        assert file.read() == b"bytes of a packet"
    await two.dead_retry(dead.id)
    assert await two.dead_list() == []
    for strange in ("7", "third:7", "second:"):
        with pytest.raises(NotFound):
            await two.dead_drop(strange, "a trial")


async def test_what_breaks_in_one_axis_in_a_way_nobody_foresaw_is_told_and_stops_no_other(
    two: RoutedAxis, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Hanging):
        async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
            raise ZeroDivisionError("a mistake of ours")

    vars(two)["_axes"]["first"] = Broken(two.axes["first"])
    await two.publish(parcel(), ["Z92"])

    assert await ids(two) == ["p1"]
    assert "a mistake of ours" in caplog.text
    assert not two.circuits["first"].may_take()


class Noting:
    """An axis that notes what it was handed, and in which form."""

    def __init__(self, axis: ManagedAxis, promises: Promises) -> None:
        self.axis, self.told, self.at_once = axis, promises, 0
        self.handed: list[tuple[Form, tuple[str, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.axis, name)

    def promises(self) -> Promises:
        return self.told

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        assert not self.at_once
        self.at_once += 1
        await asyncio.sleep(0)
        self.handed.append((parcel.form, tuple(routes)))
        self.at_once -= 1
        return {route: Outcome(fate=Fate.DELIVERED) for route in routes}


async def test_each_form_is_handed_over_by_itself_and_none_to_an_axis_that_needs_signatures(
    tmp_path: Path, clock: ManualClock
) -> None:
    rules = (
        Rule(to=Pattern.read("Z91"), axes=("vouches",), form=Form.DOTNET),
        Rule(to=Pattern.read("Z92"), axes=("vouches",), form=Form.UNSIGNED),
        Rule(to=Pattern.read("Z93.*"), axes=("vouches",), form=Form.DOTNET),
        Rule(to=Pattern.read("*"), axes=("vouches",)),
    )
    async with AsyncExitStack() as stack:
        pool = ThreadPool(2)
        stack.callback(pool.close)
        vouches, other = (
            Noting(
                EmbeddedAxis(tmp_path / name, "one", clock, pool), Promises(needs_signature=name == "other")
            )
            for name in ("vouches", "other")
        )
        axes: dict[str, Any] = {"vouches": vouches, "other": other}
        axis = await stack.enter_async_context(RoutedAxis(axes, RouteTable(rules), clock))

        # An answer goes back by the axis that its packet came by, whatever the route names.
        back = replace(parcel(), trails={"Z92": Trail(axis="other")})
        outcomes = await axis.publish(back, ["Z91", "Z92", "Z93.01", "Z94"])

        assert {outcome.fate for outcome in outcomes.values()} == {Fate.DELIVERED}
        assert vouches.handed == [(Form.STANDARD, ("Z94",)), (Form.DOTNET, ("Z91", "Z93.01"))]
        assert other.handed == [(Form.STANDARD, ("Z92",))]
        assert [await axis.form("Z91.07", code) for code in ("Z92", "Z94")] == [Form.UNSIGNED, Form.STANDARD]
