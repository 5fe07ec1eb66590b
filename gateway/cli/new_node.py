"""Collects what a new node needs, for `gateway init`: answers from flags or a terminal, the settings file and secret files
that follow from them, and whether ports and servers are there. In: flags, settings. Out: `SetupAnswers`; the text of a
settings file that needs no edit; secrets, each in a file of its own that the settings name; findings in words."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from gateway import random_source
from gateway.atomic_files import make_private, write_file
from gateway.cli.command import Invocation
from gateway.domain.account import NumberingMode
from gateway.domain.registry import node_name_fault

if TYPE_CHECKING:
    from gateway.settings import Settings

_BROKER = ("amqp://", "amqps://")
_NO_PASSWORD = re.compile(r"(?P<scheme>\w+(?:\+\w+)?://)(?P<user>[^/@:]+)@(?P<rest>.*)")
_PROMPTS: Mapping[str, object] = {
    "code": None,
    "name": None,
    "numbering": "A",
    "database": "",
    "axis": "",
    "node_name": "",
    "port": "8080 0",
    "ca": "",
    "data_dir": "data",
    "people": "",
}
"""Questions at a terminal, in their order, each with its default."""
# Questions behind which a password is asked, with the name of the secret.
_PASSWORDS = {"database": "database", "axis": "broker"}
SECRETS = ("database", "broker", "keys", "backup")
_SETTING_OF = {"database": "database.url", "broker": "amqp.password", "keys": "keys.password"}
"""Settings of the secrets; the passphrase of the backups is none, as commands name its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupAnswers:
    """Answers that a new node needs. `secrets` is None where none is kept in a file."""

    data_dir: Path
    code: str
    name: str
    numbering: NumberingMode
    port: int
    metrics_port: int = 0
    ca: Path | None = None
    node_name: str = ""
    database_ca: Path | None = None
    axis: str = ""
    broker_ca: Path | None = None
    people: tuple[str, ...] = ()
    secrets: Path | None = None
    typed_secrets: Mapping[str, str]
    """Secrets that a person typed, or a file had, by their names."""

    @property
    def is_on_broker(self) -> bool:
        return self.axis.startswith(_BROKER)


def collect(call: Invocation, flags: Mapping[str, Any], file: Path) -> SetupAnswers:
    """Return the flags, and for missing ones the answers at a terminal; without a terminal a usage error names them."""
    answers, own_secrets = dict(flags), _secrets_of_files(flags)
    is_asking = not call.yes and sys.stdin.isatty()
    if not is_asking:
        if missing := [f"--{key}" for key in ("code", "name") if answers[key] is None]:
            raise typer.BadParameter(f"there is no terminal to ask at; give {', '.join(missing)}")
        preset: dict[str, Any] = {**_PROMPTS, "port": "8080"}
        answers |= {key: preset[key] for key in preset if answers[key] in (None, ())}
    else:
        for key, default in _PROMPTS.items():
            if answers[key] in (None, ()) and key not in own_secrets:
                answers[key] = _prompt(call, key, default=answers["code"] if key == "node_name" else default)
            if key in _PASSWORDS and (secret := _ask_secret(call, key, str(answers[key] or ""), own_secrets)):
                own_secrets[_PASSWORDS[key]] = secret
    if not str(answers["name"]).strip():
        raise typer.BadParameter("the agency needs a name")
    people = answers["people"]
    port, metrics_port = _ports(str(answers["port"]))
    axis = str(answers["axis"]).strip()
    has_files = bool(own_secrets) or is_asking or axis.startswith(_BROKER)
    folder = answers["secrets"] or (file.parent / "secrets" if has_files else None)
    return SetupAnswers(
        data_dir=Path(answers["data_dir"]),
        code=str(answers["code"]).strip(),
        name=str(answers["name"]).strip(),
        numbering=_numbering(str(answers["numbering"])),
        port=port,
        metrics_port=metrics_port if answers["metrics_port"] is None else answers["metrics_port"],
        ca=Path(answers["ca"]) if answers["ca"] else None,
        node_name=_node_name(str(answers["node_name"] or answers["code"]).strip()),
        database_ca=answers["database_ca"],
        axis=axis,
        broker_ca=answers["broker_ca"],
        people=tuple(p.strip() for p in people.split(",") if p.strip())
        if isinstance(people, str)
        else people,
        secrets=folder,
        typed_secrets=own_secrets,
    )


def _prompt(call: Invocation, key: str, *, default: object = None, hidden: bool = False) -> Any:
    word = "database_address" if key == "database" else key
    return typer.prompt(
        call.word(f"cli.init.{word}"),
        default=default,
        show_default=bool(default),
        err=True,
        hide_input=hidden,
    )


def _secrets_of_files(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the address of the database and the broker's password, where files were named: no argument has them."""
    files = {"database": flags["database_file"], "broker": flags["broker_password_file"]}
    return {name: _first_line(file) for name, file in files.items() if file is not None}


def _ask_secret(call: Invocation, key: str, text: str, own_secrets: Mapping[str, str]) -> str:
    """Return the database's address with its password, or the broker's password; empty where none is needed."""
    text = text.strip()
    if _PASSWORDS[key] in own_secrets or not text:
        return ""
    if key == "axis":
        return (
            str(_prompt(call, "broker_password", default="", hidden=True)) if text.startswith(_BROKER) else ""
        )
    if match := _NO_PASSWORD.fullmatch(text):
        password = quote(_prompt(call, "password", default="", hidden=True), safe="")
        return f"{match['scheme']}{match['user']}:{password}@{match['rest']}"
    return text


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")


def _numbering(text: str) -> NumberingMode:
    try:
        return NumberingMode(text.strip().upper())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no way of numbering; expected A, B or C") from error


def _ports(text: str) -> tuple[int, int]:
    """Read the port of the API, and behind it that of the metrics."""
    numbers = text.replace(",", " ").split()
    if not 1 <= len(numbers) <= 2 or not all(n.isdecimal() and int(n) <= 65535 for n in numbers):
        raise typer.BadParameter(f"{text!r} is no port; expected a number from 0 to 65535")
    return int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0


def _node_name(name: str) -> str:
    if fault := node_name_fault(name):
        raise typer.BadParameter(fault)
    return name


def write_secrets(answers: SetupAnswers, environ: Mapping[str, str]) -> None:
    """Write each secret into its file: a typed one replaces that of an earlier try, a missing password is made, and none is
    ever replaced by another made one. A secret in the environment stays there."""
    if answers.secrets is None:
        return
    make_private(answers.secrets)
    for name in _names_of_files(answers, environ):
        file = answers.secrets / name
        secret = answers.typed_secrets.get(name)
        if secret is not None or not file.exists():
            write_file(file, f"{secret or random_source.token_urlsafe(32)}\n".encode(), 0o600)


def _names_of_files(answers: SetupAnswers, environ: Mapping[str, str]) -> Iterator[str]:
    for name in SECRETS if answers.secrets is not None else ():
        variable = "GATEWAY_" + _SETTING_OF.get(name, name).replace(".", "_").upper()
        is_password = name in ("keys", "backup") or (name == "broker" and answers.is_on_broker)
        is_wanted = is_password or name in answers.typed_secrets
        if is_wanted and not {variable, f"{variable}_FILE"} & environ.keys():
            yield name


def settings_text(answers: SetupAnswers, file: Path, environ: Mapping[str, str]) -> str:
    """Write the commented settings file; defaults are commented out."""
    folder = str(answers.data_dir)
    if not answers.data_dir.is_absolute():
        folder = os.path.relpath(answers.data_dir, file.parent)
    file_names = set(_names_of_files(answers, environ))

    def secret(name: str) -> list[str]:
        if name not in file_names or answers.secrets is None:
            return []
        folder = answers.secrets if answers.secrets.is_absolute() else answers.secrets.absolute()
        is_beside = folder.parent == file.absolute().parent
        path = Path(folder.name, name) if is_beside else folder / name
        return [f"{_SETTING_OF[name].partition('.')[2]}_file = {_toml_string(str(path))}"]

    def authority(path: Path | None) -> list[str]:
        return [] if path is None else [f"ca = {_toml_string(str(path.absolute()))}"]

    axis, database = ["[axis]"], ["[database]", *secret("database"), *authority(answers.database_ca)]
    if answers.is_on_broker:
        axis += ['kind = "amqp"', "", "[amqp]", f"servers = {_toml_string(answers.axis)}"]
        axis += ["# The password of the user that has the node's name.", *secret("broker")]
        axis += authority(answers.broker_ca)
    elif answers.axis:
        axis += [
            "# Shared with the other nodes of this machine.",
            f"folder = {_toml_string(str(Path(answers.axis).absolute()))}",
        ]
    keys = secret("keys") or [
        "# The password of the key files is not kept here: set GATEWAY_KEYS_PASSWORD_FILE to a file with it."
    ]
    parts = [
        f"""\
# Settings of this node. Every setting is described in docs/settings.md; check this file with:
#   gateway --config {file.name} config check

[node]
# Its name in logs. On a broker also its user there, and the value of the registry's column "host".
name = {_toml_string(answers.node_name)}
# All data of the node; back up this folder. Relative to this file.
data_dir = {_toml_string(folder)}
""",
        *(["\n".join(database) + "\n"] if len(database) > 1 else []),
        *(["\n".join(axis) + "\n"] if len(axis) > 1 else []),
        f"""\
[api]
# Only this machine; any other address needs a TLS proxy in front.
host = "127.0.0.1"
port = {answers.port}
""",
        *([f"[metrics]\nport = {answers.metrics_port}\n"] if answers.metrics_port else []),
        "\n".join(("[keys]", *keys)) + "\n",
        """\
[limits]
# MB of original bytes: the largest file, and all files of a document together.
# file_mb = 10
# document_mb = 50

[log]
# debug, info, warning or error; one JSON object a line, on stderr.
# level = "info"
""",
    ]
    return "\n".join(parts)


def _toml_string(text: str) -> str:
    """Quote a TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def findings(call: Invocation, settings: Settings) -> AsyncIterator[str]:
    """Yield what would keep the node from working: ports that another program has, servers that do not answer."""
    for key, host, port in (
        ("api.port", settings.api.host, settings.api.port),
        ("metrics.port", settings.metrics.host, settings.metrics.port),
    ):
        if port and not _is_free(host, port):
            yield call.word("cli.init.port_taken", key=key, port=port)
    if settings.axis.kind == "amqp":
        # The client of brokers is large, and loaded only where there is a broker.
        from gateway.bootstrap.axis import broker_access
        from gateway.domain.diagnosis import Level
        from gateway.transport.broker.check import examine

        access = broker_access(settings)
        for server in access.servers:
            steps = examine(replace(access, servers=(server,)), settings.node.name, ())
            async with aclosing(steps) as answers:  # type: ignore[type-var]  # it is a generator
                async for finding in answers:
                    if finding.check == "login":  # the administrator of the axis makes the user later
                        break
                    if finding.level is Level.RED:
                        yield f"{server}: {finding.says(call.lang.value)} → {finding.mends(call.lang.value)}"


def _is_free(host: str, port: int) -> bool:
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
