"""A vhost of its own for each test, on the broker that the environment names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.services.rabbit import call, quoted
from tests.support.services import AMQP, RABBIT_API, address


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Broker of the tests: its address, and the administrator's login."""

    host: str
    port: int
    api: str
    vhost: str
    user: str
    password: str

    @property
    def amqp(self) -> str:
        """The administrator's own address, with the vhost."""
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/{self.vhost}"

    def ask(self, method: str, path: str, body: object = None) -> Any:  # Any: JSON
        """One call of the management API; `{vhost}` in the path is this test's vhost."""
        return call(self.api, method, path.replace("{vhost}", quoted(self.vhost)), body)


@contextmanager
def fresh_vhost() -> Iterator[Broker]:
    amqp, api = urlsplit(address(AMQP)), address(RABBIT_API)
    broker = Broker(
        host=amqp.hostname or "127.0.0.1",
        port=amqp.port or 5672,
        api=api,
        vhost=f"t{secrets.token_hex(6)}",
        user=amqp.username or "guest",
        password=amqp.password or "guest",
    )
    broker.ask("PUT", "/api/vhosts/{vhost}", {})
    try:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        broker.ask("PUT", f"/api/permissions/{{vhost}}/{quoted(broker.user)}", everything)
        yield broker
    finally:
        broker.ask("DELETE", "/api/vhosts/{vhost}")
