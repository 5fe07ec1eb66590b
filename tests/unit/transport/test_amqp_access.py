"""The form of a broker's address; no fault repeats a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gateway.clock import SystemClock
from gateway.errors import Misconfigured, Unreachable
from gateway.transport.amqp.access import Access, Server, read_servers
from gateway.transport.amqp.connection import Link


def test_addresses_are_read_with_the_ports_of_their_kind_and_shown_as_they_can_be_written() -> None:
    servers = {
        "amqps://mq.example.invalid": [("mq.example.invalid", 5671, True)],
        "amqp://127.0.0.1:5699/": [("127.0.0.1", 5699, False)],
        " amqps://a.invalid:1 ,\n amqps://b.invalid , ": [("a.invalid", 1, True), ("b.invalid", 5671, True)],
        "amqps://[::1]:5671": [("::1", 5671, True)],
    }
    read = {
        text: [(server.host, server.port, server.tls) for server in read_servers(text)] for text in servers
    }
    assert read == servers
    for text in ("amqps://mq.example.invalid:5671", "amqp://[::1]:5672"):
        assert [str(server) for server in read_servers(text)] == [text]


def test_what_is_no_address_is_refused_with_the_way_to_write_it() -> None:
    for text in (
        *("", " , ", "mq.example.invalid", "https://mq.example.invalid", "amqps://"),
        *("amqps://mq.example.invalid:port", "amqps://mq.example.invalid:70000"),
        *("amqps://node:s3cret@mq.example.invalid", "amqps://mq.example.invalid/vhost"),
        "amqps://mq.example.invalid?heartbeat=1",
    ):
        with pytest.raises(Misconfigured) as caught:
            read_servers(text)
        assert "amqps://host:5671" in caught.value.hint
        assert "s3cret" not in str(caught.value)


def test_certificates_that_cannot_be_read_name_their_settings(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    access = Access(
        servers=(Server(host="127.0.0.1", port=1, tls=True),),
        vhost="v",
        user="u",
        password="s3cret",
        ca=tmp_path / "ca.pem",
    )

    with pytest.raises(Misconfigured) as caught:
        access.tls_context()

    assert "amqp.ca" in caught.value.hint
    assert "s3cret" not in repr(access)


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
