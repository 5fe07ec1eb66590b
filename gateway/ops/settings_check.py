"""What `gateway config check` looks at besides single values: every text among the settings is read by the very
reader that will read it at start, and addresses say how they are spoken to. In: settings. Out: every fault at once.
Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gateway.errors import GatewayError
from gateway.ops.doctor_checks import is_here
from gateway.policy import timers
from gateway.settings import Settings
from gateway.settings.reading import read_hours, read_people
from gateway.store.engine import EngineRole, open_engine
from gateway.transport.amqp.access import Server, read_servers
from gateway.trust.bounded_http import parsed
from gateway.trust.clamav import read_address


def faults(settings: Settings) -> list[str]:
    """All of them at once."""
    readers: dict[str, Callable[[], object]] = {
        "office.hours": lambda: timers.read_spans(settings.office.hours),
        "office.weekdays": lambda: timers.read_weekdays(settings.office.weekdays),
        "mail.digest_at": lambda: read_hours(settings.mail.digest_at),
        "mail.people": lambda: read_people(settings.mail.people),
    }
    if not settings.database.url.startswith("sqlite"):  # its file is made by `gateway init`
        readers["database.url"] = lambda: open_engine(settings.database.address, EngineRole.READER)
    for key, text in (("accounts.address", settings.accounts.address), ("log.tsa_url", settings.log.tsa_url)):
        if text:
            readers[key] = partial(parsed, text)
    if settings.scanner.address:
        readers["scanner.address"] = lambda: read_address(settings.scanner.address)
    found = [fault for key, read in readers.items() for fault in _of(key, read)]
    return [*found, *(fault for alone in settings.each_axis().values() for fault in _broker(alone))]


def _of(key: str, read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except GatewayError as error:
        said = str(error)
        yield said if said.startswith(key) else f"{key}: {said}"


def _broker(settings: Settings) -> Iterator[str]:
    if settings.axis.kind != "amqp":
        return
    servers: list[Server] = []
    key = f"axes.{settings.axis_name}.servers" if settings.axis_name else "amqp.servers"
    yield from _of(key, lambda: servers.extend(read_servers(settings.amqp.servers)))
    for each in servers:
        if not each.tls and not is_here(each.host):
            yield (
                f"{key}: {each} is on another machine and in clear text, password and packets' labels with it; "
                f"write amqps://{each.host}"
            )
