"""`gateway webhooks listen` and `trigger`: try a receiver of webhooks on a machine that no node can reach. In: its address;
for `listen` a node and a key, for `trigger` a type of event. Out: each event is posted as a node posts it (body, headers,
signature, time limit), and each answer is shown. What the receiver refuses is not tried again."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, argument, existing, noun, option

if TYPE_CHECKING:
    from gateway.ports.services import Posted
    from gateway_client import Client

KEY, SECRET = "GATEWAY_KEY", "GATEWAY_WEBHOOK_SECRET"
TIMEOUT_S = 10.0
# A receiver may be anywhere: these commands post where their user says.
_NETWORKS = ("0.0.0.0/0", "::1/128")
_SECRET_BYTES, _FEWEST_BYTES = 32, 16
# A subject that no event has: the feed then goes to its end in few calls.
_NO_SUBJECT = "none"
_COLUMNS = output.columns("event subject detail")
To = Annotated[str, option("Address of your program: http://127.0.0.1:9000/events", "--to")]
SecretFile = Annotated[
    Path | None,
    existing(f"A file whose first line is the secret (whsec_…); else ${SECRET}; else a new one is printed."),
]
Post = Callable[[Mapping[str, Any]], "Posted"]
verb = noun("webhooks").verb


@verb(
    "--to http://127.0.0.1:9000/events --node http://127.0.0.1:8088 --key-file key",
    "--to http://127.0.0.1:9000/events --node https://node.example.gov.vn --key-file key --type 'message.*' "
    "--after evt_01K-1523",
)
def listen(
    call: Invocation,
    to: To,
    node: Annotated[str, option("Address of the node.", "--node")],
    key_file: Annotated[
        Path | None, existing(f"A file whose first line is the API key; else ${KEY}.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        option("Only this type of event, or the beginning of some as message.* (repeat).", "--type"),
    ] = None,
    cursor: Annotated[
        str | None, option("Go on after this event, or 0 for all. Default: with the next one.", "--after")
    ] = None,
    secret_file: SecretFile = None,
) -> None:
    """Post each new event of a node to your program, as a webhook would, and show each answer. Ctrl+C ends it and says
    where to go on."""
    from gateway_client import Client, Patience

    key = _first_line(key_file) or os.environ.get(KEY, "")
    if not key:
        raise typer.BadParameter(call.word("sandbox.listen.needs", variable=KEY))
    signing_key = _signing_key(call, secret_file)
    patience = Patience(tries=2)
    with (
        _node_errors(node),
        Client(node, key, agency=call.agency, language=call.lang.value, patience=patience) as client,
        _posting(to, signing_key) as post,
    ):
        feed = client.events(_start(client, cursor))
        try:
            call.say("sandbox.listen.ready", node=node, to=to, cursor=feed.cursor)
            for event in feed:
                if not type_ or any(_matches(text, event["type"]) for text in type_):
                    with _interrupt_held():
                        _show(call, event, post(event))
        except KeyboardInterrupt:
            call.say("sandbox.listen.ended", cursor=feed.cursor)


@verb("", "message.status --to http://127.0.0.1:9000/events")
def trigger(
    call: Invocation,
    type_: Annotated[
        str | None, argument("The type; without one the types are listed.", metavar="[TYPE]")
    ] = None,
    to: Annotated[str | None, option("Address of your program: http://127.0.0.1:9000/events", "--to")] = None,
    secret_file: SecretFile = None,
) -> None:
    """Post the recorded example of a type of event, signed, to your program; exit 6 if it was not taken. Its id and time
    are new."""
    from gateway.api import event_types
    from gateway.clock import SystemClock
    from gateway.errors import NotFound

    examples = event_types.recorded()
    if type_ is None:
        rows = [
            {"id": t.name, "event": t.name, "subject": t.subject, "detail": t.when}
            for t in event_types.table()
            if t.name in examples
        ]
        output.rows(call, rows, _COLUMNS, [[r["event"], r["subject"], r["detail"]] for r in rows])
        return
    if type_ not in examples:
        raise NotFound(
            f"no event {type_[:60]!r} is recorded", hint="gateway webhooks trigger lists those that are"
        )
    if to is None:
        raise typer.BadParameter(call.word("sandbox.trigger.needs"))
    clock = SystemClock()
    renewed = {"id": clock.new_id("evt_"), "created_at": output.stamp(clock.now())}
    event = examples[type_] | renewed
    with _posting(to, _signing_key(call, secret_file)) as post:
        posted = post(event)
    _show(call, event, posted)
    if posted.code != "ok":
        raise typer.Exit(output.NETWORK)


def _first_line(file: Path | None) -> str:
    return file.read_text("utf-8").split("\n", 1)[0].strip() if file is not None else ""


def _signing_key(call: Invocation, file: Path | None) -> bytes:
    """Return the key of the secret that is named, or of a new one, which is printed."""
    from gateway import random_source
    from gateway.trust.sealing import PREFIX

    secret = _first_line(file) or os.environ.get(SECRET, "")
    if not secret:
        key = random_source.token_bytes(_SECRET_BYTES)
        call.say("sandbox.listen.secret", secret=PREFIX + base64.b64encode(key).decode())
        return key
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or len(key) < _FEWEST_BYTES:
        raise typer.BadParameter(call.word("sandbox.listen.no_secret"))
    return key


def _start(client: Client, given_cursor: str | None) -> str:
    """Return the cursor to begin after: the one given, which the node must know, or that of the newest event."""
    cursor, has_more = given_cursor or "0", True
    while has_more:
        page = client.call("GET", "/events", query={"after": cursor, "subject": _NO_SUBJECT})
        if given_cursor is not None:
            return given_cursor
        cursor, has_more = page["next_after"], page["has_more"]
    return cursor


def _matches(text: str, kind: str) -> bool:
    return kind.startswith(text.removesuffix("*")) if text.endswith(".*") else kind == text


@contextmanager
def _posting(to: str, signing_key: bytes) -> Iterator[Post]:
    """Yield a function that posts one event to this address, as the worker of webhooks does."""
    from gateway import __version__, tracing
    from gateway.clock import SystemClock
    from gateway.domain import feed, webhook
    from gateway.domain.account import read_network
    from gateway.domain.trace import Trace
    from gateway.transport.webhook import HttpPoster
    from gateway.trust.sealing import webhook_headers

    reach = webhook.Reach(networks=tuple(map(read_network, _NETWORKS)), plain=True)
    webhook.read_url(to, reach)
    with asyncio.Runner() as runner:
        poster = HttpPoster(reach, timeout_s=TIMEOUT_S, at_once=1, agent=f"gateway/{__version__}")

        async def send(event: Mapping[str, Any]) -> Posted:
            body, trace = feed.to_bytes(event), event["data"].get("trace")
            headers = webhook_headers([signing_key], event["id"], SystemClock().now(), body)
            return await poster.post(
                to, body, {**headers, **tracing.headers(Trace(trace) if trace else None)}
            )

        try:
            yield lambda event: runner.run(send(event))
        finally:
            runner.run(poster.close())


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl+C back until the block ends: one that comes at a wrong moment of an event loop is lost, or breaks it."""
    interrupts: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupts:
        raise KeyboardInterrupt


def _show(call: Invocation, event: Mapping[str, Any], posted: Posted) -> None:
    """Print one event with its answer, at once: a person waits for it."""
    from gateway.domain.webhook import cleaned

    record = {
        "id": event["id"],
        "type": event["type"],
        "subject": event["subject"],
        "code": posted.code.value,
    }
    record |= {"status": posted.status, "answer": cleaned(posted.answer)}
    if call.quiet:
        print(event["id"], flush=True)
    elif call.output is OutputFormat.TABLE:
        words = f"{posted.status or ''} {call.word(f'webhook.code.{posted.code}')}  {record['answer']}"
        print(output.plain(f"{event['type']:<26}  {event['subject']}  {words.strip()}").rstrip(), flush=True)
    else:
        output.stream(record)


@contextmanager
def _node_errors(node: str) -> Iterator[None]:
    """Raise a failure of the client as an error of the program, with its exit code."""
    from gateway.errors import Clash, Denied, Unreachable
    from gateway_client import CursorGone, GatewayClientError, NotAllowed, Problem

    try:
        yield
    except NotAllowed as why:
        raise Denied(
            why.detail or why.title, hint="the key is wrong, has ended, or may not read events"
        ) from why
    except CursorGone as why:
        raise Clash(
            why.detail or why.title, hint="the node does not know this event: leave --after out, or give 0"
        ) from why
    except Problem as why:
        raise Clash(why.detail or why.title) from why
    except GatewayClientError as why:
        raise Unreachable(f"{node} does not answer as a node: {why}", code="GW-SANDBOX-SILENT") from why
