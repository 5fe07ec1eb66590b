"""Reads the node's settings once, in a stated order: defaults, then the TOML file, then GATEWAY_SECTION_KEY in the
environment, then secret files (GATEWAY_SECTION_KEY_FILE, for secrets only). The TOML file may name secret files, too, as
`password_file`. In: a path or none, and an environment. Out:
one frozen `Settings`, every value with its source; or Misconfigured with everything wrong at once. It also shows people the
settings in force, secrets masked, and their bounds; and it reads hours and people of reminders."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gateway.errors import Misconfigured
from gateway.settings import axes as several
from gateway.settings.options import (
    AXIS_SECTIONS,
    LISTS,
    SECTIONS,
    Address,
    Below,
    Between,
    Days,
    NamedAxis,
    Node,
    OneOf,
    Option,
    Pairs,
    RouteSettings,
    Secret,
    Settings,
    names,
    option,
)

PREFIX = "GATEWAY_"
DEFAULT_FILE = "gateway.toml"

# Words of the command line that share the prefix.
_NOT_SETTINGS = frozenset({"GATEWAY_CONFIG", "GATEWAY_AGENCY", "GATEWAY_LANG"})
# Kubernetes sets these in every container beside a service named `gateway`.
_SERVICE_LINKS = ("GATEWAY_SERVICE_", "GATEWAY_PORT")
_ADDRESS = re.compile(r"(sqlite|postgresql)(\+\w+)?://.+")
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^@\s]*@")
_BUCKET, _BUCKET_PREFIX = (
    re.compile(r"[A-Za-z0-9._-]{3,63}"),
    re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"),
)
_OF_AXES = "axes."
_ONE_AXIS = frozenset({"axis", *filter(None, AXIS_SECTIONS.values())})
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Words for true and false, of the settings that take these two alone.
_PAIRS = ({True: "yes", False: "no"}, {True: "on", False: "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _RawValue:
    """One value as it was written. `base` is the folder that a relative path is relative to."""

    value: object
    source: str
    base: Path


def locate(chosen_path: Path | None, environ: Mapping[str, str], folder: Path | None = None) -> Path | None:
    """Return the settings file to read: the one given, else $GATEWAY_CONFIG, else ./gateway.toml where it exists."""
    if chosen_path is not None:
        return chosen_path
    if environ.get("GATEWAY_CONFIG"):
        return Path(environ["GATEWAY_CONFIG"])
    nearby = (folder or Path.cwd()) / DEFAULT_FILE
    return nearby if nearby.is_file() else None


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings in force, later places winning. Misconfigured lists every wrong value with its source."""
    faults: list[str] = []
    tables = _tables(path) if path is not None else {}
    raw_values = _from_file(path, tables, faults) if path is not None else {}
    raw_values |= _from_environment(environ, faults)
    raw_values |= _from_secret_files(environ, faults)
    checked_values = {
        key: checked for key, raw in raw_values.items() if (checked := _check(key, raw, faults)) is not None
    }
    axes, routes = _several(path, tables, environ, checked_values, faults)
    if not faults:
        settings = replace(
            _build(checked_values, {key: raw_values[key].source for key in checked_values}),
            axes=axes,
            routes=routes,
        )
        faults = _contradictions(settings)
    if faults:
        raise Misconfigured(
            "the settings cannot be used:" + "".join(f"\n  {fault}" for fault in faults),
            code="GW-C-001",
            hint="docs/settings.md describes every setting; see those in force with: gateway config show",
        )
    return settings


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise Misconfigured(
            f"the settings file {path} cannot be read: {why.strerror}",
            code="GW-C-001",
            hint="make one with: gateway init, or name another with --config",
        ) from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Misconfigured(f"the settings file {path} is not TOML in UTF-8: {why}", code="GW-C-001") from why


def _from_file(path: Path, tables: Mapping[str, Any], faults: list[str]) -> dict[str, _RawValue]:
    raw_values: dict[str, _RawValue] = {}
    source = f"file {path}"
    for section, table in tables.items():
        if section in LISTS:
            continue
        if not isinstance(table, dict):
            faults.append(f"{section}: expected to stand below a [section], found outside of one ({source})")
        elif _known_section(section, source, faults):
            base = path.resolve().parent
            for name, raw in table.items():
                key = f"{section}.{name}"
                if (secret := _secret_key(key)) is not None and isinstance(raw, str):
                    raw_values |= _from_secret_file(secret, base / raw, f"{key}, {source}", faults)
                elif _is_setting(key, source, faults):
                    raw_values.setdefault(key, _RawValue(value=raw, source=source, base=base))
    return raw_values


def _from_environment(environ: Mapping[str, str], faults: list[str]) -> dict[str, _RawValue]:
    raw_values: dict[str, _RawValue] = {}
    for variable, text in sorted(environ.items()):
        key = _key_of(variable)
        if key is None or key.startswith(_OF_AXES) or _secret_key(key) is not None:
            continue
        source = f"environment {variable}"
        if _known_section(key.split(".")[0], source, faults) and _is_setting(key, source, faults):
            raw_values[key] = _RawValue(value=text, source=source, base=Path.cwd())
    return raw_values


def _from_secret_files(environ: Mapping[str, str], faults: list[str]) -> dict[str, _RawValue]:
    raw_values: dict[str, _RawValue] = {}
    for variable, file in sorted(environ.items()):
        key = _secret_key(_key_of(variable) or "")
        if key is not None:
            raw_values |= _from_secret_file(key, Path(file), f"environment {variable}", faults)
    return raw_values


def _from_secret_file(key: str, file: Path, source: str, faults: list[str]) -> dict[str, _RawValue]:
    """Read the first line of the file; nothing, and a fault, where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        faults.append(f"{key}: expected a readable secret file, found {file} ({source})")
        return {}
    return {key: _RawValue(value=text, source=f"secret file {file}", base=Path.cwd())}


def _several(
    path: Path | None,
    tables: Mapping[str, Any],
    environ: Mapping[str, str],
    checked_values: Mapping[str, object],
    faults: list[str],
) -> tuple[tuple[NamedAxis, ...], tuple[RouteSettings, ...]]:
    """Read `[[axes]]` and `[[routes]]`. Their single values obey the same rules as those of one axis."""
    source, base = (
        (f"file {path}", path.resolve().parent) if path is not None else ("environment", Path.cwd())
    )

    def check(key: str, name: str, raw: object) -> object:
        return _check(key, _RawValue(value=raw, source=source, base=base), faults, name)

    keys = {
        key.removeprefix(_OF_AXES): environ[variable]
        for variable in environ
        if (key := _key_of(variable) or "").startswith(_OF_AXES)
    }
    words = {key.replace("_", ".", 1): word for key, word in keys.items()}
    data_dir = Path(str(checked_values.get("node.data_dir", Path.cwd() / Node().data_dir)))
    axes = several.read_axes(tables.get("axes"), words, check, data_dir, faults)
    routes = several.read_routes(tables.get("routes"), axes, faults)
    if axes:
        faults += [
            f"{key}: not allowed together with [[axes]]; write it in the entry of its axis"
            for key in checked_values
            if key.split(".")[0] in _ONE_AXIS
        ]
    return axes, routes


def _key_of(variable: str) -> str | None:
    """Return section.key of an environment variable that is meant as a setting."""
    if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS or variable.startswith(_SERVICE_LINKS):
        return None
    section, _, name = variable.removeprefix(PREFIX).lower().partition("_")
    return f"{section}.{name}"


def _secret_key(key: str) -> str | None:
    """Return the secret whose file `section.key_file` names."""
    plain = key.removesuffix("_file")
    return plain if plain != key and plain in set(names()) and option(plain).is_secret else None


def _known_section(section: str, source: str, faults: list[str]) -> bool:
    if section not in SECTIONS:
        faults.append(f"{section}: expected a section of {', '.join(SECTIONS)}, found another ({source})")
    return section in SECTIONS


def _is_setting(key: str, source: str, faults: list[str]) -> bool:
    if key in set(names()):
        return True
    near = get_close_matches(key, list(names()), n=1)
    faults.append(f"{key}: no such setting ({source})" + (f"; did you mean {near[0]}?" if near else ""))
    return False


def _check(key: str, raw: _RawValue, faults: list[str], name: str = "") -> object:
    """Return the value in its type and bounds, or None with a fault that names it. A fault never repeats a secret."""
    setting = option(key)
    typed_value = _to_type(setting, raw)
    if typed_value is not None and _is_allowed(setting, typed_value):
        return typed_value
    shown_value = "a value that is not shown" if setting.is_secret else repr(raw.value)
    faults.append(f"{name or key}: expected {explain_key(key)}, found {shown_value} ({raw.source})")
    return None


def _to_type(setting: Option, raw: _RawValue) -> object:
    """Return the text or TOML value in its setting's type; None when it is not one."""
    raw_value = raw.value
    if setting.kind is bool:
        return _truth(raw_value)
    pair = next((pair for pair in _PAIRS if _takes(setting, pair.values())), None)
    if pair is not None and (truth := _truth(raw_value)) is not None:
        return pair[truth]
    if setting.kind in (int, float):
        return _number(setting.kind, raw_value)
    if not isinstance(raw_value, str) or not raw_value.strip():
        return None
    if setting.kind is Path:
        return Path(os.path.abspath(raw.base / Path(raw_value).expanduser()))
    return Secret(raw_value) if setting.kind is Secret else raw_value


def _truth(raw_value: object) -> bool | None:
    """Read true and false by any of their words; None for other values."""
    if isinstance(raw_value, str):
        return _TRUTHS.get(raw_value.strip().casefold())
    return raw_value if isinstance(raw_value, bool) else None


def _takes(setting: Option, words: Collection[str]) -> bool:
    return isinstance(setting.rule, OneOf) and set(setting.rule.words) == set(words)


def _number(kind: type, raw_value: object) -> object:
    if isinstance(raw_value, str):
        try:
            return kind(raw_value)
        except ValueError:
            return None
    if isinstance(raw_value, bool) or not isinstance(raw_value, int if kind is int else int | float):
        return None
    return kind(raw_value)


def _is_allowed(setting: Option, value: object) -> bool:
    match setting.rule:
        case OneOf(words):
            return value in words
        case Between(least, most):
            return isinstance(value, int | float) and least <= value <= most
        case Pairs() | Days():
            return setting.rule.read(str(value)) is not None
        case Address():
            return _ADDRESS.fullmatch(str(value)) is not None
    return True


def _build(checked_values: Mapping[str, object], origin: Mapping[str, str]) -> Settings:
    """Make settings from checked values; folders that were not given lie below the data directory."""
    data_dir = Path(str(checked_values.get("node.data_dir", Path.cwd() / Node().data_dir)))
    parts: dict[str, Any] = {}
    for section, kind in SECTIONS.items():
        chosen: dict[str, Any] = {}
        for f in fields(kind):
            key = f"{section}.{f.name}"
            rule = option(key).rule
            if key in checked_values:
                chosen[f.name] = checked_values[key]
            elif isinstance(rule, Below):
                chosen[f.name] = data_dir / rule.name
            elif isinstance(rule, Address):
                chosen[f.name] = f"sqlite+aiosqlite:///{data_dir / rule.file}"
        parts[section] = kind(**chosen)
    parts["node"] = replace(parts["node"], data_dir=data_dir)
    return Settings(**parts, origin=dict(origin))


def _contradictions(settings: Settings) -> list[str]:
    """List faults of values that are fine alone and impossible together."""
    limits, workers, origins = settings.limits, settings.workers, sources(settings)
    faults = []
    if limits.document_mb < limits.file_mb:
        faults.append(
            f"limits.document_mb: expected at least limits.file_mb ({limits.file_mb}), "
            f"found {limits.document_mb} ({origins['limits.document_mb']})"
        )
    if limits.envelope_mb * 3 < limits.document_mb * 4:
        faults.append(
            f"limits.envelope_mb: expected at least 4/3 of limits.document_mb ({limits.document_mb}), because files "
            f"travel as base64; found {limits.envelope_mb} ({origins['limits.envelope_mb']})"
        )
    if workers.poll_s >= workers.lease_s:
        faults.append(
            f"workers.poll_s: expected less than workers.lease_s ({workers.lease_s}), "
            f"found {workers.poll_s} ({origins['workers.poll_s']})"
        )
    if settings.log.require_timestamp_h and not settings.log.tsa_url:
        faults.append(
            "log.tsa_url: expected the address of a timestamp authority, because log.require_timestamp_h is "
            f"{settings.log.require_timestamp_h}; found none"
        )
    if settings.alarms.mail and not (settings.mail.host and settings.mail.sender):
        faults.append("mail.host, mail.sender: expected both, because alarms.mail is set; found none")
    if settings.alarms.url and settings.alarms.secret is None:
        faults.append("alarms.secret: expected a secret, because alarms.url is set; found none")
    faults += _bucket_faults(settings)
    is_broker = settings.axis.kind == "amqp" and not settings.axes
    return faults + (_broker_faults(settings, origins) if is_broker else [])


def _bucket_faults(settings: Settings) -> list[str]:
    """List what is missing for content in a bucket. The address and the key are tried when the node uses them."""
    content = settings.content
    if not content.bucket:
        is_folder = content.store == "folder"
        return (
            [] if is_folder else ["content.bucket: expected a name, because content.store is s3; found none"]
        )
    faults = [
        f"content.{name}: expected a value, because content.bucket is set; found none"
        for name in ("endpoint", "access_key", "secret_key")
        if not getattr(content, name)
    ]
    if not _BUCKET.fullmatch(content.bucket) or not _BUCKET_PREFIX.fullmatch(content.prefix):
        faults.append(
            "content.bucket, content.prefix: expected letters, digits, dots, dashes and, in a prefix, slashes"
        )
    schemes = ("https://", "http://") if content.plain_http == "yes" else ("https://",)
    if content.endpoint and not content.endpoint.startswith(schemes):
        faults.append(
            f"content.endpoint: expected an address that begins with {' or '.join(schemes)}, "
            f"found {content.endpoint}"
        )
    return faults


def _broker_faults(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """List what is missing for a node whose axis is a broker. Addresses and secrets are checked when it connects."""
    amqp, faults = settings.amqp, []
    if not amqp.servers:
        faults.append("amqp.servers: expected the broker's address, because axis.kind is amqp; found none")
    if amqp.key is not None and amqp.certificate is None:
        faults.append(
            f"amqp.certificate: expected the certificate of amqp.key ({amqp.key}); found none "
            f"({origins['amqp.certificate']})"
        )
    return faults


def sources(settings: Settings) -> dict[str, str]:
    """Return the source of each value: `default`, `file …`, `environment …` or `secret file …`."""
    of_lists = {key: f"[[{key.split('.')[0]}]]" for key in _axis_lines(settings)} if settings.axes else {}
    return {key: settings.origin.get(key, "default") for key in names()} | of_lists


def printable(settings: Settings) -> dict[str, object]:
    """Return every value as it may be printed: secrets masked, also the password inside an address."""
    lines: dict[str, object] = {}
    for key in names():
        section, name = key.split(".")
        setting_value: object = getattr(getattr(settings, section), name)
        lines[key] = str(setting_value) if isinstance(setting_value, Path | Secret) else setting_value
    if settings.axes:
        lines = {key: v for key, v in lines.items() if key.split(".")[0] not in _ONE_AXIS}
        lines |= _axis_lines(settings)
    return {key: _PASSWORD.sub(r"\1:********@", v) if isinstance(v, str) else v for key, v in lines.items()}


def _axis_lines(settings: Settings) -> dict[str, object]:
    lines: dict[str, object] = {}
    for axis in settings.axes:
        for part in axis.parts.values():
            for f in fields(part):
                value = getattr(part, f.name)
                lines[f"axes.{axis.name}.{f.name}"] = (
                    str(value) if isinstance(value, Path | Secret) else value
                )
        lines |= {f"axes.{axis.name}.away_s": axis.away_s, f"axes.{axis.name}.serves": ", ".join(axis.serves)}
    for n, route in enumerate(settings.routes, 1):
        by = "" if route.sender == "*" else f" ← {route.sender}"
        words = f"{' > '.join(route.axes)}; away: {route.away}; unsure: {route.unsure}"
        words += f"; form: {route.form}" if route.form != "standard" else ""
        lines[f"routes.{n}"] = f"{route.to}{by}: {words}"
    return lines


def explain_key(key: str) -> str:
    """Describe in words the values that a setting takes."""
    setting = option(key)
    match setting.rule:
        case OneOf(words):
            return "one of " + ", ".join(words)
        case Pairs(words):
            return f"name=word with commas between, each word one of {', '.join(words)}"
        case Days():
            from gateway.domain.algorithms import ALGORITHMS  # most commands need no table

            names = ", ".join(row.name for row in ALGORITHMS.rows)
            return f"name=day with commas between, such as rsa-2048=2030-12-31, each name one of {names}"
        case Address():
            return "an address such as sqlite:///gateway.db or postgresql://user@host/name"
        case Between(least, most):
            return f"a {'whole ' if setting.kind is int else ''}number from {least} to {most}"
    return {Secret: "a secret", Path: "a path", bool: "true or false"}.get(setting.kind, "a text")


def sqlite_file(settings: Settings) -> Path | None:
    """Return the file of a SQLite database; None for another engine."""
    head, _, path = settings.database.url.partition(":///")
    return Path(unquote(path)) if head.startswith("sqlite") else None


def read_hours(text: str) -> tuple[time, ...]:
    """Read `08:00, 14:00` in order; none for an empty text. Misconfigured for anything else."""
    try:
        return tuple(sorted({time.fromisoformat(part.strip()) for part in text.split(",") if part.strip()}))
    except ValueError as why:
        raise Misconfigured(f"mail.digest_at is {text!r}; write times of day, such as 08:00, 14:00") from why


def read_people(text: str) -> Mapping[str, tuple[str, ...]]:
    """Read `CODE=address, CODE=address` by code without letter case; Misconfigured for anything else."""
    addresses: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        code, _, address = (p.strip() for p in part.partition("="))
        if not code or "@" not in address:
            raise Misconfigured(f"mail.people has {part!r}; write CODE=address, and a comma between two")
        addresses[code.casefold()] = (*addresses.get(code.casefold(), ()), address)
    return addresses
