"""Names every exchange, queue, right and header of the axis on a broker. In: a node, a lane, a code. Out: texts. Pure:
the node's adapter and the administrator's tools share these names, so that they cannot disagree."""

from __future__ import annotations

import re

from gateway.domain.document import Lane
from gateway.domain.registry import fold_code

APP_ID = "lienthong/1"

LANES = (Lane.URGENT, Lane.NORMAL)  # the order in which both are read
HOSTED_EXCHANGE = "lienthong.hosted"  # a message to it asks whether any node hosts a code
DEAD_EXCHANGE = "lienthong.dead"
SINK_QUEUE = "lienthong.sink"  # keeps nothing; it only makes that question routable
SINK_POLICY = "lienthong.sink"
DEAD_POLICY = "lienthong.dead"
DELIVERY_LIMIT = 5

SENDER, LANE, DIGEST, SIZE = "x-sender", "x-lane", "x-digest", "x-size"
MORE_RECIPIENTS = "CC"  # the broker's own header: further routing keys of the same message
RETURNED = "x-delivery-count"  # the broker's own header: how often the message was returned
FIRST_NODE = "x-node"  # original publisher of a dead parcel that is sent again; "" for none
FIRST_RECIPIENTS = "x-recipients"  # original recipients of a dead parcel that is sent again to its node
# Rights of a node's user: it declares nothing, writes to the exchanges and reads its own queues.
CONFIGURE = "^$"
WRITE = r"^lienthong\.(urgent|normal|hosted)$"


def lane_exchange(lane: Lane) -> str:
    return f"lienthong.{lane.value}"


EXCHANGES = (*(lane_exchange(lane) for lane in LANES), HOSTED_EXCHANGE, DEAD_EXCHANGE)


def lane_queue(node: str, lane: Lane) -> str:
    return f"lienthong.{node}.{lane.value}"


def dead_queue(node: str) -> str:
    return f"lienthong.{node}.dead"


def routing_key(route: str) -> str:
    """Return the routing key of a code, an alias, or a node (`@name`), without regard to letter case."""
    return fold_code(route)


def node_route(node: str) -> str:
    """Return the route to the node itself rather than to one of its agencies."""
    return f"@{node}"


def node_policy(node: str) -> str:
    return f"lienthong.{node}"


def node_policy_pattern(node: str) -> str:
    """Return the pattern that matches the node's two lane queues and nothing else."""
    return rf"^lienthong\.{_escaped(node)}\.(urgent|normal)$"


def node_policy_definition(node: str, delivery_limit: int = DELIVERY_LIMIT) -> dict[str, str | int]:
    """Return the policy of a node's lane queues: a parcel returned too often moves to the node's dead queue, and is not
    lost on the way."""
    return {
        "delivery-limit": delivery_limit,
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-routing-key": node,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }


def dead_policy_definition() -> dict[str, str | int]:
    """Return the policy of dead queues, with a very high delivery limit: listing dead parcels returns them, and some
    brokers drop a message at its 20th return."""
    return {"delivery-limit": 1_000_000}


def sink_policy_definition() -> dict[str, str | int]:
    """Return the policy of the sink queue, which drops every message at once."""
    return {"max-length": 0, "overflow": "drop-head"}


def read_right(node: str) -> str:
    return rf"^lienthong\.{_escaped(node)}\.(urgent|normal|dead)$"


def _escaped(node: str) -> str:
    return re.sub(r"([^A-Za-z0-9_])", r"\\\1", node)
