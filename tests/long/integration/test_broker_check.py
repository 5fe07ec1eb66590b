"""A check of the axis says what is wrong: each fault is made on a real broker, and the check names it and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aio_pika
import pytest

from gateway.domain.diagnosis import Diagnosis, Level
from gateway.transport.amqp import topology
from gateway.transport.amqp.access import Access, Server
from gateway.transport.broker import check
from gateway.transport.broker.check import STEPS
from gateway.words import labels
from tests.services.process import kept_ports
from tests.support.provisioned import Province

WHERE = {"Z91": "north", "Z91.02": "north", "Z92": "south"}


@pytest.fixture
async def access(nodes: Province) -> Access:
    """How the node `north` of a province that is as it should be asks."""
    await nodes.bring(WHERE)
    name = nodes.node("north")
    server = Server(host=nodes.broker.host, port=nodes.broker.port, tls=False)
    return Access(
        servers=(server,),
        vhost=nodes.broker.vhost,
        user=name,
        password=nodes.passwords[name],
        connect_s=30.0,
    )


async def examined(
    nodes: Province, access: Access, codes: tuple[str, ...] = ("Z91", "Z91.02")
) -> list[Diagnosis]:
    found = [each async for each in check.examine(access, nodes.node("north"), codes)]
    for each in found:
        for lang in labels.LANGUAGES:
            assert each.says(lang)
            assert each.cure is None or each.mends(lang) != each.cure
    return found


def wrong(found: list[Diagnosis]) -> list[tuple[str, str]]:
    return [(each.check, each.cause) for each in found if each.level is Level.RED]


async def test_a_node_whose_axis_is_right_hears_so_at_every_step_and_a_check_changes_nothing(
    nodes: Province, access: Access
) -> None:
    found = await examined(nodes, access)

    assert [each.check for each in found] == list(STEPS)
    assert {each.check for each in found if each.level is Level.SKIPPED} == {"tls"}
    assert wrong(found) == []

    async with nodes.opened() as way:
        before = await way.state()
        await examined(nodes, access)
        after = await way.state()

    # Users belong to the whole broker, where other tests make theirs; what is this vhost's own is compared to the letter.
    assert replace(after, users={}, elsewhere=frozenset()) == replace(before, users={}, elsewhere=frozenset())
    ours = before.users.keys() & {*before.rights, "admin"}
    assert {name: after.users.get(name) for name in ours} == {name: before.users[name] for name in ours}
    assert (await nodes.plan(WHERE)).steps == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"host": "axis.invalid"}, ("dns", "dns.unknown")),
        ({"port": 0}, ("tcp", "tcp.refused")),
        ({"tls": True}, ("tls", "tls.refused")),
    ],
)
async def test_a_wrong_address_is_told_and_what_follows_is_not_examined(
    nodes: Province, access: Access, change: dict[str, Any], fault: tuple[str, str]
) -> None:
    with kept_ports(1) as (silent,):
        changed = {"port": silent} if "port" in change else change
        server = replace(access.servers[0], **changed)

        found = await examined(nodes, replace(access, servers=(server,)))

    assert wrong(found)[0] == fault
    assert all(each.level is not Level.GREEN for each in found[STEPS.index(fault[0]) :])


async def test_a_right_that_lets_a_user_send_in_another_name_or_a_port_of_something_else_is_told_threat_107(
    nodes: Province, access: Access
) -> None:
    """The management API listens there, and speaks no AMQP."""
    port = int(nodes.api.rpartition(":")[2])

    server = replace(access.servers[0], port=port)
    found = await examined(nodes, replace(access, servers=(server,), connect_s=1.0))

    assert wrong(found) == [("login", "login.broken")]

    body = {"password": access.password, "tags": "impersonator"}
    nodes.broker.ask("PUT", f"/api/users/{access.user}", body)

    assert wrong(await examined(nodes, access)) == [("impersonate", "impersonate.allowed")]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"password": "wrong"}, "login.refused"),
        ({"user": "nobody-at-all"}, "login.refused"),
        ({"vhost": "nowhere"}, "vhost.closed"),
        ({"vhost": "/"}, "vhost.closed"),
    ],
)
async def test_a_wrong_user_password_or_vhost_is_told(
    nodes: Province, access: Access, change: dict[str, Any], cause: str
) -> None:
    assert wrong(await examined(nodes, replace(access, **change))) == [("login", cause)]


@pytest.mark.parametrize("which", ["urgent", "normal", "dead"])
async def test_a_queue_that_is_missing_is_told(nodes: Province, access: Access, which: str) -> None:
    queue = f"lienthong.{nodes.node('north')}.{which}"
    nodes.broker.ask("DELETE", f"/api/queues/{{vhost}}/{queue}")

    found = await examined(nodes, access)

    assert ("queues", "queues.missing") in wrong(found)
    assert next(each for each in found if each.check == "queues").params["queue"] == queue


@pytest.mark.parametrize(
    ("right", "pattern", "fault"),
    [
        ("configure", ".*", ("rights", "rights.declare")),
        ("read", ".*", ("rights", "rights.read")),
        ("read", r"^lienthong\.", ("rights", "rights.read")),
        ("read", "^$", ("read", "read.refused")),
        ("write", r"^lienthong\.", ("rights", "rights.dead")),
        ("write", r"^(amq\.default|lienthong\.(urgent|normal|hosted))$", ("rights", "rights.default")),
    ],
)
async def test_a_right_too_many_or_too_few_is_told(
    nodes: Province, access: Access, right: str, pattern: str, fault: tuple[str, str]
) -> None:
    allowed = {
        "configure": topology.CONFIGURE,
        "write": topology.WRITE,
        "read": topology.read_right(access.user),
    }
    nodes.broker.ask("PUT", f"/api/permissions/{{vhost}}/{access.user}", {**allowed, right: pattern})

    assert wrong(await examined(nodes, access)) == [fault]


async def test_a_node_that_may_not_ask_who_hosts_a_code_is_told(nodes: Province, access: Access) -> None:
    allowed = {"configure": "^$", "write": "^$", "read": topology.read_right(access.user)}
    nodes.broker.ask("PUT", f"/api/permissions/{{vhost}}/{access.user}", allowed)

    found = wrong(await examined(nodes, access))

    assert ("confirm", "confirm.refused") in found
    assert ("rights", "rights.dead") not in found


async def test_a_hosted_code_that_leads_nowhere_is_told_with_its_name(
    nodes: Province, access: Access
) -> None:
    found = await examined(nodes, access, ("Z91", "Z97.01", "z91.02", *(f"Z98.{n:04}" for n in range(500))))

    assert wrong(found) == [("hosted", "hosted.missing")]
    assert found[-1].params["count"] == 501
    assert str(found[-1].params["codes"]).startswith("Z97.01, Z98.0000, ")


async def test_a_question_nobody_bound_for_the_node_itself_is_told(nodes: Province, access: Access) -> None:
    key = topology.routing_key(topology.node_route(access.user)).replace("@", "%40")
    path = f"/api/bindings/{{vhost}}/e/lienthong.hosted/q/lienthong.sink/{key}"
    nodes.broker.ask("DELETE", path)

    assert wrong(await examined(nodes, access)) == [("confirm", "confirm.unknown")]


async def test_messages_that_lie_there_stay_there_and_count_as_not_delivered(
    nodes: Province, access: Access
) -> None:
    async with nodes.session("north") as line:
        channel = await line.channel()
        target = await channel.get_exchange("lienthong.normal", ensure=False)
        await target.publish(aio_pika.Message(b"letter"), "z91", mandatory=True)
        for _ in range(topology.DELIVERY_LIMIT + 2):
            assert wrong(await examined(nodes, access)) == []
        queue = await channel.get_queue(topology.lane_queue(access.user, topology.LANES[1]), ensure=False)
        left = await queue.get(no_ack=True)

    assert (left.body, left.redelivered) == (b"letter", False)
