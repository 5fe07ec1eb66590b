"""What `gateway config check` looks at besides single values: every text among the settings is read by the very
reader that will read it at start, addresses say how they are spoken to, and files and folders that somebody named are
there. In: settings. Out: every fault at once. Connects to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gateway.errors import GatewayError
from gateway.http_calls import parsed
from gateway.ops.checks_of_lines import is_here
from gateway.policy import timers
from gateway.settings import Settings
from gateway.settings.options import AXIS_SECTIONS
from gateway.settings.reading import read_hours, read_people
from gateway.store.engine import EngineRole, open_engine
from gateway.transport.amqp.access import Server, read_servers
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
    found += _absent(settings)
    for alone in settings.each_axis().values():
        found += [*_broker(alone), *_absent_of_axis(alone)]
    return found


# What must be there where somebody names it. What is not named lies below the data directory, which `gateway init` makes.
_FILES = ("database.ca", "pages.emblem", "keys.pkcs11_module", "sign.module", "mail.ca", "webhooks.ca")
_FOLDERS = ("node.data_dir", "keys.folder", "trust.folder", "folder.root", "log.publish_folder")
_OF_AXIS = ("ca", "certificate", "key", "credentials")


def _absent(settings: Settings) -> Iterator[str]:
    for key in (*_FILES, *_FOLDERS):
        section, name = key.split(".")
        if key in settings.origin:
            path = getattr(getattr(settings, section), name)
            yield from _missing(key, path, is_folder=key in _FOLDERS)


def _absent_of_axis(settings: Settings) -> Iterator[str]:
    section, kind = AXIS_SECTIONS.get(settings.axis.kind), settings.axis.kind
    prefix = f"axes.{settings.axis_name}" if settings.axis_name else section
    if section is not None:
        for name in _OF_AXIS:
            yield from _missing(
                f"{prefix}.{name}", getattr(getattr(settings, section), name, None), is_folder=False
            )
    is_named = settings.axis_name or "axis.folder" in settings.origin
    if kind == "embedded" and is_named:
        prefix = f"axes.{settings.axis_name}" if settings.axis_name else "axis"
        yield from _missing(f"{prefix}.folder", settings.axis.folder, is_folder=True)


def _missing(key: str, path: Path | None, *, is_folder: bool) -> Iterator[str]:
    if path is None or (path.is_dir() if is_folder else path.is_file()):
        return
    what, other = ("folder", "a file") if is_folder else ("file", "a folder")
    found = f"{other} lies there" if path.exists() else "nothing is there"
    yield f"{key}: expected a {what} at {path}; {found}"


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
