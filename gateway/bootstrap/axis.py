"""Wires the axis: the embedded one or a message broker, as the settings say. In: settings. Out: an open axis, closed
whatever happens. Part of the wiring; nothing runs on import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.clock import SystemClock
from gateway.domain.registry import node_name_fault
from gateway.errors import Misconfigured
from gateway.pool import ThreadPool
from gateway.ports import AxisDesk, Clock
from gateway.settings import Settings
from gateway.transport.amqp.access import Access, read_servers
from gateway.transport.embedded import EmbeddedAxis

if TYPE_CHECKING:
    from gateway.transport.amqp.axis import AmqpAxis

MB = 1024 * 1024


@asynccontextmanager
async def open_axis(settings: Settings, clock: Clock | None = None) -> AsyncIterator[AxisDesk]:
    """The axis alone: for the node, and to look at what lies on its dead list."""
    # Its own two threads: it moves files while it holds the lock that all nodes of the axis wait for, and must not
    # stand in line behind minutes of this node's own work then.
    pool = ThreadPool(2)
    try:
        async with _axis(settings, clock or SystemClock(), pool) as axis:
            yield axis
    finally:
        pool.close()


def _axis(settings: Settings, clock: Clock, pool: ThreadPool) -> EmbeddedAxis | AmqpAxis:
    node, max_bytes, amqp = settings.node.name, settings.limits.envelope_mb * MB, settings.amqp
    if settings.axis.kind == "embedded":
        return EmbeddedAxis(
            settings.axis.folder,
            node,
            clock,
            pool,
            poison_limit=settings.axis.poison_limit,
            max_bytes=max_bytes,
            lease_s=settings.workers.lease_s,
        )
    from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions

    options = AmqpOptions(
        max_bytes=max_bytes,
        part_bytes=amqp.part_mb * MB,
        prefetch=amqp.prefetch,
        confirm_s=float(amqp.confirm_s),
    )
    return AmqpAxis(broker_access(settings), node, settings.node.data_dir / "parts", clock, pool, options)


def broker_access(settings: Settings) -> Access:
    """How this node connects to its broker. Misconfigured when an address cannot be read or the password is missing."""
    amqp = settings.amqp
    if fault := node_name_fault(settings.node.name):
        raise Misconfigured(f"node.name is {settings.node.name!r}: {fault}")
    if amqp.password is None:
        raise Misconfigured(
            "the broker needs a password and none is set",
            hint="name the file that has it in GATEWAY_AMQP_PASSWORD_FILE",
        )
    return Access(
        servers=read_servers(amqp.servers),
        vhost=amqp.vhost,
        user=amqp.user or settings.node.name,
        password=amqp.password.reveal(),
        ca=amqp.ca,
        certificate=amqp.certificate,
        key=amqp.key,
        heartbeat_s=amqp.heartbeat_s,
    )
