"""How a broker's address is written, and that no fault repeats a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.transport.amqp.access import Access, Server, read_servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("amqps://mq.example.invalid", [("mq.example.invalid", 5671, True)]),
        ("amqp://127.0.0.1:5699/", [("127.0.0.1", 5699, False)]),
        (
            " amqps://a.invalid:1 ,\n amqps://b.invalid , ",
            [("a.invalid", 1, True), ("b.invalid", 5671, True)],
        ),
        ("amqps://[::1]:5671", [("::1", 5671, True)]),
    ],
)
def test_addresses_are_read_with_the_ports_of_their_kind(
    text: str, servers: list[tuple[str, int, bool]]
) -> None:
    assert [(each.host, each.port, each.tls) for each in read_servers(text)] == servers


def test_an_address_is_shown_as_it_can_be_written() -> None:
    for text in ("amqps://mq.example.invalid:5671", "amqp://[::1]:5672"):
        assert [str(each) for each in read_servers(text)] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "mq.example.invalid",
        "https://mq.example.invalid",
        "amqps://",
        "amqps://mq.example.invalid:port",
        "amqps://mq.example.invalid:70000",
        "amqps://node:s3cret@mq.example.invalid",
        "amqps://mq.example.invalid/vhost",
        "amqps://mq.example.invalid?heartbeat=1",
    ],
)
def test_what_is_no_address_is_refused_with_the_way_to_write_it(text: str) -> None:
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
