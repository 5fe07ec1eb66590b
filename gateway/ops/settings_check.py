"""Check settings for `gateway config check`, beyond single values: every text is parsed by the same function as at start,
addresses name their protocol, named files and folders exist. In: settings. Out: every fault. It connects to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gateway.errors import GatewayError
from gateway.http_calls import parse_url
from gateway.ops import alarms
from gateway.ops.checks_of_lines import is_here
from gateway.policy import timers
from gateway.policy.alarms import read_quiet
from gateway.settings import Settings
from gateway.settings.options import AXIS_SECTIONS
from gateway.settings.reading import read_hours, read_people
from gateway.store.engine import EngineRole, open_engine
from gateway.transport.amqp.access import Server, read_servers
from gateway.trust.clamav import read_address

# Settings whose file or folder must exist if they are set. By default these are below the data directory, which `gateway
# init` creates.
_FILES = (
    "database.ca",
    "pages.emblem",
    "keys.pkcs11_module",
    "sign.module",
    "mail.ca",
    "webhooks.ca",
    "registry.feed_ca",
)
_FOLDERS = ("node.data_dir", "keys.folder", "trust.folder", "folder.root", "log.publish_folder")
_OF_AXIS = ("ca", "certificate", "key", "credentials")


def faults(settings: Settings) -> list[str]:
    """Return all faults of the settings as sentences, each with the setting's name."""
    readers: dict[str, Callable[[], object]] = {
        "office.hours": lambda: timers.read_spans(settings.office.hours),
        "office.weekdays": lambda: timers.read_weekdays(settings.office.weekdays),
        "mail.digest_at": lambda: read_hours(settings.mail.digest_at),
        "mail.people": lambda: read_people(settings.mail.people),
        "alarms.mail": lambda: alarms.read_addresses(settings.alarms.mail),
        "alarms.quiet": lambda: read_quiet(settings.alarms.quiet),
    }
    if not settings.database.url.startswith("sqlite"):  # its file is made by `gateway init`
        readers["database.url"] = lambda: open_engine(settings.database.address, EngineRole.READER)
    addresses = {
        "accounts.address": settings.accounts.address,
        "log.tsa_url": settings.log.tsa_url,
        "registry.feed_url": settings.registry.feed_url,
        "alarms.url": settings.alarms.url,
    }
    for key, text in addresses.items():
        if text:
            readers[key] = partial(parse_url, text)
    if settings.alarms.url:
        readers["alarms.secret"] = lambda: alarms.read_key(settings.alarms.secret)
    if settings.scanner.address:
        readers["scanner.address"] = lambda: read_address(settings.scanner.address)
    all_faults = [fault for key, read in readers.items() for fault in _read_faults(key, read)]
    all_faults += _absent_files(settings)
    for axis_settings in settings.each_axis().values():
        all_faults += [*_broker_faults(axis_settings), *_absent_of_axis(axis_settings)]
    return all_faults


def _absent_files(settings: Settings) -> Iterator[str]:
    for key in (*_FILES, *_FOLDERS):
        section, name = key.split(".")
        if key in settings.origin:
            path = getattr(getattr(settings, section), name)
            yield from _missing_fault(key, path, is_folder=key in _FOLDERS)


def _absent_of_axis(settings: Settings) -> Iterator[str]:
    section, kind = AXIS_SECTIONS.get(settings.axis.kind), settings.axis.kind
    prefix = f"axes.{settings.axis_name}" if settings.axis_name else section
    if section is not None:
        for name in _OF_AXIS:
            yield from _missing_fault(
                f"{prefix}.{name}", getattr(getattr(settings, section), name, None), is_folder=False
            )
    is_named = settings.axis_name or "axis.folder" in settings.origin
    if kind == "embedded" and is_named:
        prefix = f"axes.{settings.axis_name}" if settings.axis_name else "axis"
        yield from _missing_fault(f"{prefix}.folder", settings.axis.folder, is_folder=True)


def _missing_fault(key: str, path: Path | None, *, is_folder: bool) -> Iterator[str]:
    if path is None or (path.is_dir() if is_folder else path.is_file()):
        return
    expected, wrong_kind = ("folder", "a file") if is_folder else ("file", "a folder")
    state = f"{wrong_kind} lies there" if path.exists() else "nothing is there"
    yield f"{key}: expected a {expected} at {path}; {state}"


def _read_faults(key: str, read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except GatewayError as error:
        fault = str(error)
        yield fault if fault.startswith(key) else f"{key}: {fault}"


def _broker_faults(settings: Settings) -> Iterator[str]:
    if settings.axis.kind != "amqp":
        return
    servers: list[Server] = []
    key = f"axes.{settings.axis_name}.servers" if settings.axis_name else "amqp.servers"
    yield from _read_faults(key, lambda: servers.extend(read_servers(settings.amqp.servers)))
    for server in servers:
        if not server.tls and not is_here(server.host):
            yield (
                f"{key}: {server} is on another machine and in clear text, password and packets' labels with it; "
                f"write amqps://{server.host}"
            )
