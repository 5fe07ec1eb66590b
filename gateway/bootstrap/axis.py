"""Wires the axis: the embedded one, a message broker, or a kind that another distribution brings, as the settings say, or
several of them behind a table of routes. Such a kind is the name of an entry point of the group `gateway.axes`, whose
function makes the axis. It is apart from `gateway.storeys`, as an axis alone is opened by commands that open no node.
In: settings. Out: an open axis, closed whatever happens. Part of the wiring; nothing runs on import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from gateway.clock import SettledClock, SystemClock
from gateway.domain.registry import node_name_fault
from gateway.domain.routes import Pattern, RouteTable
from gateway.errors import Misconfigured
from gateway.pool import ThreadPool
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock, Pool
from gateway.settings import Settings
from gateway.settings.axes import rules
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.routed import HostOf, RoutedAxis, nobody

if TYPE_CHECKING:
    from gateway.transport.amqp.access import Access

AxisFactory = Callable[[Settings, Clock, Pool, str], AbstractAsyncContextManager[ManagedAxis]]
"""Makes an axis from the settings of one; the last is its name among several. Raises Misconfigured."""
MB = 1024 * 1024


@asynccontextmanager
async def open_axis(
    settings: Settings, clock: Clock | None = None, host_of: HostOf = nobody
) -> AsyncIterator[ManagedAxis]:
    """Open the axis alone: for the node, and to look at its dead list. `host_of`: returns the node of a code by the
    registry, which some routes ask for."""
    time = clock or SystemClock()
    async with AsyncExitStack() as stack:
        opened: dict[str, ManagedAxis] = {}
        for name, alone in settings.each_axis().items():
            # Two threads of its own: the axis moves files while it holds the lock that all nodes of the axis
            # wait for, and must not wait then for this node's own work, nor for another axis that hangs.
            pool = ThreadPool(2)
            stack.callback(pool.close)
            opened[name] = await stack.enter_async_context(_axis(alone, time, pool, name))
        if settings.axes:
            several = join_axes(settings, opened, time, host_of)
            yield await stack.enter_async_context(several)
        else:
            yield opened[settings.axis_name]


def join_axes(
    settings: Settings, axes: Mapping[str, ManagedAxis], clock: Clock, host_of: HostOf = nobody
) -> RoutedAxis:
    """Join the axes of the settings, by name, into one."""
    return RoutedAxis(
        axes,
        RouteTable(rules(settings.routes)),
        clock,
        host_of=host_of,
        serves={a.name: tuple(map(Pattern.read, a.serves)) for a in settings.axes},
        away_s={a.name: float(a.away_s) for a in settings.axes},
    )


def _axis(
    settings: Settings, clock: Clock, pool: ThreadPool, name: str
) -> AbstractAsyncContextManager[ManagedAxis]:
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
    if settings.axis.kind != "amqp":
        return _load_factory(settings.axis.kind)(settings, clock, pool, name)
    from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions

    options = AmqpOptions(
        max_bytes=max_bytes,
        part_bytes=amqp.part_mb * MB,
        prefetch=amqp.prefetch,
        confirm_s=float(amqp.confirm_s),
    )
    parts = settings.node.data_dir / (f"parts-{name}" if name else "parts")
    return AmqpAxis(broker_access(settings), node, parts, clock, pool, options, SettledClock(clock))


def _load_factory(kind: str) -> AxisFactory:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="gateway.axes", name=kind):
        factory: AxisFactory = entry_point.load()
        return factory
    raise Misconfigured(
        f"axis.kind is {kind}, but the package lienthong-gateway-foreign is not installed",
        code="GW-C-006",
        hint="Install it, or choose another axis.kind.",
    )


def broker_access(settings: Settings) -> Access:
    """Describe the connection to the broker. Misconfigured when an address cannot be read or the password is missing."""
    from gateway.transport.amqp.access import Access, read_servers

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
