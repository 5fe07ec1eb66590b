"""The axis on a broker of the soak's own: queues, rights and bindings as `gateway axis apply` makes them, and beside them a
queue that keeps copies of the newest parcels, to deliver them again. In: a cluster. Out: the settings of each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.document import Lane
from gateway.transport.amqp import topology
from tests.services.rabbit import ADMIN, Cluster, quoted
from tests.support.broker import Broker
from tests.support.topology import Topology

VHOST = "soak"
COPIES = "soak.copies"
_COPIES_KEPT = {"max-length": 200, "max-length-bytes": 20_000_000, "overflow": "drop-head"}


def set_up(cluster: Cluster, cast: Mapping[str, Sequence[str]]) -> Topology:
    """Make everything, empty, with a user for each node of the cast."""
    first = cluster.nodes[0]
    broker = Broker(
        host="127.0.0.1",
        port=first.amqp_port,
        api=first.api,
        vhost=VHOST,
        user=ADMIN,
        password=first.password,
    )
    broker.ask("PUT", "/api/vhosts/{vhost}", {})
    broker.ask("PUT", f"/api/permissions/{{vhost}}/{ADMIN}", {"configure": ".*", "write": ".*", "read": ".*"})
    # The repeater of a parcel must be allowed to name its first publisher.
    broker.ask(
        "PUT", f"/api/users/{ADMIN}", {"password": first.password, "tags": "administrator,impersonator"}
    )
    axis = Topology(broker)
    axis.host(cast)
    _keep_copies(broker, [code for codes in cast.values() for code in codes])
    return axis


def settings(axis: Topology, node: str, ports: Sequence[int]) -> dict[str, str]:
    """Return the settings that lead a node over its lines to the broker."""
    return {
        "GATEWAY_AXIS_KIND": "amqp",
        "GATEWAY_AMQP_SERVERS": ",".join(f"amqp://127.0.0.1:{port}" for port in ports),
        "GATEWAY_AMQP_VHOST": VHOST,
        "GATEWAY_AMQP_PASSWORD": axis.passwords[axis.name(node)],
        "GATEWAY_AMQP_HEARTBEAT_S": "4",
        "GATEWAY_AMQP_CONFIRM_S": "10",
    }


def _keep_copies(broker: Broker, codes: Sequence[str]) -> None:
    copies, exchange = quoted(COPIES), quoted(topology.lane_exchange(Lane.NORMAL))
    broker.ask("PUT", f"/api/queues/{{vhost}}/{copies}", {"durable": True})
    policy = {"pattern": f"^{COPIES}$", "definition": _COPIES_KEPT, "apply-to": "queues"}
    broker.ask("PUT", f"/api/policies/{{vhost}}/{copies}", policy)
    for code in codes:
        binding = {"routing_key": topology.routing_key(code)}
        broker.ask("POST", f"/api/bindings/{{vhost}}/e/{exchange}/q/{copies}", binding)
