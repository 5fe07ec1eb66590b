"""A line to the broker that closes while a channel is asked for: the library's error becomes our own."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.clock import SystemClock
from gateway.errors import Unreachable
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.connection import Link


class _ClosedMeanwhile:
    """A connection of the library that was open a moment ago."""

    def channel(self, **_: object) -> _ClosedMeanwhile:
        return self

    async def initialize(self) -> None:
        raise RuntimeError("<Connection: ...> closed")


async def test_a_line_that_closes_while_a_channel_is_opened_is_a_broker_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Access(
        servers=(Server(host="127.0.0.1", port=5672, tls=False),), vhost="axis", user="one", password="two"
    )
    link = Link(access, "one", SystemClock())

    async def ready(self: Link, within_s: float, *, patient: bool = True) -> Any:
        return cast("Any", _ClosedMeanwhile())

    monkeypatch.setattr(Link, "ready", ready)

    with pytest.raises(Unreachable, match="the line was closed"):
        await link.channel(5.0)
