"""Calls the broker's management API as its administrator. In: an address, a user, a password; ordered steps of a plan.
Out: the state of one vhost; entities added, changed or removed there, each step yielded when done. HTTP errors are
raised as our own, with a hint. Every step may be repeated, so a run after an interrupted one finishes it."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt
from yarl import URL

from gateway import random_source
from gateway.errors import BrokerRefused, Clash, Denied, Misconfigured, Unreachable
from gateway.http_calls import HttpCaller
from gateway.transport.amqp import topology
from gateway.transport.broker.definitions import document
from gateway.transport.broker.plan import (
    BrokerEntity,
    Exchange,
    PlanStep,
    Queue,
    QueueBinding,
    QueuePolicy,
    Rights,
    Sign,
    State,
    User,
    Vhost,
)

_ANSWER_S = 300.0  # listing or importing a hundred thousand bindings takes the broker many seconds
_ANSWER_BYTES = 1024 * 1024 * 1024
_MISSING = 404
# While another call removes a user or queue, listing them fails with 500, and works a moment later.
_RETRYING = AsyncRetrying(
    retry=retry_if_result(lambda answered: answered[0] >= 500),
    stop=stop_after_attempt(5),
    wait=lambda tried: random_source.backoff_s(tried.attempt_number, 0.1, 1.0),
    retry_error_callback=lambda last: last.outcome.result() if last.outcome else None,
)
STEPS_AT_ONCE = 1000  # bindings added in one call; the broker takes seconds for this many
_INSIDE = (Exchange, Queue, QueuePolicy, QueueBinding)


class Management:
    """One administrator's access to one vhost; `opened` makes it."""

    def __init__(self, caller: HttpCaller, api: str, user: str, password: str, vhost: str) -> None:
        proof = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {proof}", "Content-Type": "application/json"}
        self._caller, self._api = caller, api.rstrip("/")
        self.user, self.vhost, self._v = user, vhost, quote(vhost, safe="")

    async def state(self) -> State:
        """Return everything that a plan compares. Bindings are listed per exchange, which bounds each answer."""
        users = {row["name"]: _user(row) for row in await self._list("/api/users")}
        everyone = await self._list("/api/permissions")
        elsewhere = frozenset(row["user"] for row in everyone if row["vhost"] != self.vhost)
        if await self._ask("GET", f"/api/vhosts/{self._v}") is None:
            return State(vhost=self.vhost, exists=False, users=users, elsewhere=elsewhere)
        exchanges = [
            Exchange(name=row["name"], kind=row["type"], durable=row["durable"])
            for row in await self._list(f"/api/exchanges/{self._v}")
        ]
        queues = [_queue(row) for row in await self._list(f"/api/queues/{self._v}")]
        policies = [_policy(row) for row in await self._list(f"/api/policies/{self._v}")]
        ours = [row.name for row in exchanges if row.name in topology.EXCHANGES]
        return State(
            vhost=self.vhost,
            exchanges={row.name: row for row in exchanges},
            queues={row.name: row for row in queues},
            policies={row.name: row for row in policies},
            users=users,
            rights={row["user"]: _rights(row) for row in everyone if row["vhost"] == self.vhost},
            bindings=frozenset([row for name in ours for row in await self._bindings(name)]),
            elsewhere=elsewhere,
        )

    async def _bindings(self, exchange: str) -> list[QueueBinding]:
        columns = "source,destination,destination_type,routing_key,properties_key"
        path = f"/api/exchanges/{self._v}/{exchange}/bindings/source?columns={columns}"
        # Bindings share one text per name, which saves memory.
        names: dict[str, str] = {}
        return [
            QueueBinding(
                exchange,
                names.setdefault(row["destination"], row["destination"]),
                row["routing_key"],
                names.setdefault(row["destination_type"], row["destination_type"]),
                row["properties_key"],
            )
            for row in await self._list(path)
        ]

    async def create(self, entity: BrokerEntity) -> None:
        """Put a vhost, user or right in force; other entities go to `add`."""
        match entity:
            case Vhost():
                await self._ask("PUT", f"/api/vhosts/{self._v}", {})
            case User():
                body = document([entity], self.vhost)["users"][0]
                await self._ask("PUT", f"/api/users/{quote(entity.name, safe='')}", body)
            case Rights():
                body = {"configure": entity.configure, "write": entity.write, "read": entity.read}
                await self._ask("PUT", f"/api/permissions/{self._v}/{quote(entity.user, safe='')}", body)
            case _:
                await self.add([entity])

    async def add(self, entities: Iterable[BrokerEntity]) -> None:
        """Add entities in one call. A repeat changes nothing."""
        path = f"/api/definitions/{self._v}"
        await self._ask("POST", path, document(entities, self.vhost))

    async def remove(self, entity: BrokerEntity) -> None:
        """Remove an entity; a missing one is fine. Clash for a queue that holds messages or is being read."""
        if isinstance(entity, Queue):
            await self._must_be_empty(entity.name)
        await self._ask("DELETE", self._path(entity))

    async def drop(self) -> None:
        """Remove the vhost with all its content: for a temporary vhost, never as part of a plan."""
        await self._ask("DELETE", f"/api/vhosts/{self._v}")

    def _path(self, entity: BrokerEntity) -> str:
        """Return the API path of an entity."""
        match entity:
            case QueueBinding():
                parts = (entity.source, entity.to[0], entity.destination, entity.props)
                source, kind, destination, props = (quote(part, safe="") for part in parts)
                return f"/api/bindings/{self._v}/e/{source}/{kind}/{destination}/{props}"
            case Rights(user=user):
                return f"/api/permissions/{self._v}/{quote(user, safe='')}"
            case User(name=name):
                return f"/api/users/{quote(name, safe='')}"
            case Queue(name=name):
                return f"/api/queues/{self._v}/{quote(name, safe='')}"
            case QueuePolicy(name=name):
                return f"/api/policies/{self._v}/{quote(name, safe='')}"
        raise Misconfigured(f"{entity} is never removed")

    async def _must_be_empty(self, name: str) -> None:
        """Raise Clash where the queue has messages or consumers. The queue itself is asked, because the API's counts are
        seconds old; a message looked at is put back."""
        path = f"/api/queues/{self._v}/{quote(name, safe='')}"
        queue = await self._ask("GET", path)
        if queue is None:
            return
        look = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 1}
        if queue.get("consumers") or queue.get("messages") or await self._ask("POST", f"{path}/get", look):
            raise Clash(
                f"the queue {name} holds messages or is being read; it was kept, and what comes after it too",
                hint="let its node take them, or look into them, then run gateway axis apply again",
            )

    async def _list(self, path: str) -> list[dict[str, Any]]:  # Any: JSON
        return list(await self._ask("GET", path) or ())

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # Any: JSON
        """Call the API and return its JSON; None where the object does not exist."""
        try:
            url = URL(self._api + path, encoded=True)
            answered: tuple[int, bytes] = await _RETRYING.copy()(self._once, method, url, body)
            status, text = answered
            if status == _MISSING:
                return None
            if status >= 300:
                raise _refused(status, method, path, text.decode(errors="replace"))
            return json.loads(text) if status == 200 else None
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLError) as why:
            raise Unreachable(
                f"{self._api} has a certificate that is not trusted: {why}",
                hint="name its authority with --ca",
            ) from why
        except (aiohttp.ClientError, TimeoutError) as why:
            raise Unreachable(
                f"the management API at {self._api} does not answer: {why or type(why).__name__}",
                hint="check --api, and that the broker has the plugin rabbitmq_management",
            ) from why
        except ValueError as why:
            raise Unreachable(f"{self._api} answers, but not as a management API does: {why}") from why

    async def _once(self, method: str, url: URL, body: object) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        call = self._caller.call(method, url, headers=self._headers, data=data, seconds=_ANSWER_S)
        async with call as answer:
            return answer.status, await self._caller.body(answer)


@asynccontextmanager
async def opened(
    api: str, user: str, password: str, vhost: str, ca_file: str | None = None
) -> AsyncIterator[Management]:
    """Open an administrator's access, and close it at the end."""
    caller = HttpCaller(_ANSWER_BYTES, ca=ca_file, unpacks=True)
    try:
        yield Management(caller, api, user, password, vhost)
    finally:
        await caller.close()


def _refused(status: int, method: str, path: str, text: str) -> Exception:
    """Return the error for a status of refusal."""
    if status == 401:
        return Denied(
            "the broker does not let this user administer it",
            hint="check --user and --password-file; the user needs the tag administrator",
        )
    return BrokerRefused(f"the broker refused {method} {path} ({status}): {text[:500]}")


def _user(row: Mapping[str, Any]) -> User:
    tags = row["tags"].split(",") if isinstance(row["tags"], str) else row["tags"]
    return User(
        name=row["name"], tags=frozenset(filter(None, tags)), password_hash=row.get("password_hash", "")
    )


def _queue(row: Mapping[str, Any]) -> Queue:
    return Queue(
        name=row["name"],
        kind=row.get("type") or row.get("arguments", {}).get("x-queue-type", "classic"),
        durable=row["durable"],
        messages=row.get("messages", 0),
        consumers=row.get("consumers", 0),
    )


def _policy(row: Mapping[str, Any]) -> QueuePolicy:
    return QueuePolicy(
        name=row["name"],
        pattern=row["pattern"],
        definition=row["definition"],
        applies_to=row["apply-to"],
        priority=row["priority"],
    )


def _rights(row: Mapping[str, Any]) -> Rights:
    return Rights(user=row["user"], configure=row["configure"], write=row["write"], read=row["read"])


async def done_steps(broker: Management, steps: Iterable[PlanStep]) -> AsyncIterator[PlanStep]:
    """Carry out the steps, and yield each once it is in force."""
    for batch in batches(steps):
        if batch[0].sign is Sign.REMOVE:
            await broker.remove(batch[0].entity)
        elif isinstance(batch[0].entity, _INSIDE):
            await broker.add([step.entity for step in batch])
        else:
            await broker.create(batch[0].entity)
        for step in batch:
            yield step


def batches(steps: Iterable[PlanStep]) -> Iterator[Sequence[PlanStep]]:
    """Group consecutive steps that one call may carry out in any order: additions of one kind, and of one exchange for
    bindings."""
    batch: list[PlanStep] = []
    for step in steps:
        if batch and (_call_of(step) != _call_of(batch[0]) or len(batch) == STEPS_AT_ONCE):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _call_of(step: PlanStep) -> object:
    """Return a key that is equal for steps that may share a call."""
    if step.sign is Sign.REMOVE or not isinstance(step.entity, _INSIDE):
        return step
    return type(step.entity), step.entity.source if isinstance(step.entity, QueueBinding) else None
