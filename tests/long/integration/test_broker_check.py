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

NODE_OF = {"Z91": "north", "Z91.02": "north", "Z92": "south"}


@pytest.fixture
async def access(nodes: Province) -> Access:
    """Return the access of the node `north` in a province that is set up correctly."""
    await nodes.bring(NODE_OF)
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
    diagnoses = [diagnosis async for diagnosis in check.examine(access, nodes.node("north"), codes)]
    for diagnosis in diagnoses:
        for lang in labels.LANGUAGES:
            assert diagnosis.says(lang)
            assert diagnosis.cure is None or diagnosis.mends(lang) != diagnosis.cure
    return diagnoses


def wrong(diagnoses: list[Diagnosis]) -> list[tuple[str, str]]:
    return [(diagnosis.check, diagnosis.cause) for diagnosis in diagnoses if diagnosis.level is Level.RED]


async def test_a_node_whose_axis_is_right_hears_so_at_every_step_and_a_check_changes_nothing(
    nodes: Province, access: Access
) -> None:
    diagnoses = await examined(nodes, access)

    assert [diagnosis.check for diagnosis in diagnoses] == list(STEPS)
    assert {diagnosis.check for diagnosis in diagnoses if diagnosis.level is Level.SKIPPED} == {"tls"}
    assert wrong(diagnoses) == []

    async with nodes.opened() as line:
        old = await line.state()
        await examined(nodes, access)
        new = await line.state()

    # Users belong to the whole broker, where other tests make theirs; what is this vhost's own is compared to the letter.
    assert replace(new, users={}, elsewhere=frozenset()) == replace(old, users={}, elsewhere=frozenset())
    ours = old.users.keys() & {*old.rights, "admin"}
    assert {name: new.users.get(name) for name in ours} == {name: old.users[name] for name in ours}
    assert (await nodes.plan(NODE_OF)).steps == ()


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

        diagnoses = await examined(nodes, replace(access, servers=(server,)))

    assert wrong(diagnoses)[0] == fault
    assert all(diagnosis.level is not Level.GREEN for diagnosis in diagnoses[STEPS.index(fault[0]) :])


async def test_a_right_that_lets_a_user_send_in_another_name_or_a_port_of_something_else_is_told_threat_107(
    nodes: Province, access: Access
) -> None:
    """The management API listens there, and speaks no AMQP."""
    port = int(nodes.api.rpartition(":")[2])

    server = replace(access.servers[0], port=port)
    diagnoses = await examined(nodes, replace(access, servers=(server,), connect_s=1.0))

    assert wrong(diagnoses) == [("login", "login.broken")]

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
async def test_a_wrong_user_password_or_vhost_is_a_finding(
    nodes: Province, access: Access, change: dict[str, Any], cause: str
) -> None:
    assert wrong(await examined(nodes, replace(access, **change))) == [("login", cause)]


@pytest.mark.parametrize("which", ["urgent", "normal", "dead"])
async def test_a_missing_queue_is_a_finding(nodes: Province, access: Access, which: str) -> None:
    queue = f"lienthong.{nodes.node('north')}.{which}"
    nodes.broker.ask("DELETE", f"/api/queues/{{vhost}}/{queue}")

    diagnoses = await examined(nodes, access)

    assert ("queues", "queues.missing") in wrong(diagnoses)
    assert next(diagnosis for diagnosis in diagnoses if diagnosis.check == "queues").params["queue"] == queue


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
async def test_a_right_too_many_or_too_few_is_a_finding(
    nodes: Province, access: Access, right: str, pattern: str, fault: tuple[str, str]
) -> None:
    allowed = {
        "configure": topology.CONFIGURE,
        "write": topology.WRITE,
        "read": topology.read_right(access.user),
    }
    nodes.broker.ask("PUT", f"/api/permissions/{{vhost}}/{access.user}", {**allowed, right: pattern})

    assert wrong(await examined(nodes, access)) == [fault]


async def test_a_node_that_may_not_ask_who_hosts_a_code_is_a_finding(nodes: Province, access: Access) -> None:
    allowed = {"configure": "^$", "write": "^$", "read": topology.read_right(access.user)}
    nodes.broker.ask("PUT", f"/api/permissions/{{vhost}}/{access.user}", allowed)

    problems = wrong(await examined(nodes, access))

    assert ("confirm", "confirm.refused") in problems
    assert ("rights", "rights.dead") not in problems


async def test_a_hosted_code_that_leads_nowhere_is_told_with_its_name(
    nodes: Province, access: Access
) -> None:
    checks = await examined(nodes, access, ("Z91", "Z97.01", "z91.02", *(f"Z98.{n:04}" for n in range(500))))

    assert wrong(checks) == [("hosted", "hosted.missing")]
    assert checks[-1].params["count"] == 501
    assert str(checks[-1].params["codes"]).startswith("Z97.01, Z98.0000, ")


async def test_a_missing_binding_for_the_node_itself_is_a_finding(nodes: Province, access: Access) -> None:
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
        message = await queue.get(no_ack=True)

    assert (message.body, message.redelivered) == (b"letter", False)
