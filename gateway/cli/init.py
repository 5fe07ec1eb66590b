"""`gateway init`, `gateway config`, `gateway migrate`: set up a node, show its settings, bring its database to this
version. In: settings; for `init` six answers, as flags or asked at the terminal. Out: a node that can be opened; the
settings in force; the schema's version. `init` makes a commented settings file, a migrated database, the hosted agency, its
key pair with a signing request, and the first API key, printed once; the set-up phase begins, in which two new persons may
decide at once. An existing settings file is never touched. `config` tells where each setting came from, secrets masked, or
every fault at once. `migrate` shows the schema's state and takes its steps, forward only; steps that older nodes cannot
bear need --contract."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, tokens
from gateway.cli.command import Invocation, OutputFormat, existing, noun, option, verb
from gateway.cli.node import at_core, must_exist, operator
from gateway.clock import SystemClock
from gateway.deciding import approvals, people
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.person import Role
from gateway.domain.registry import AgencyCode, BadCode
from gateway.errors import Clash, Misconfigured

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.store.migrate import SchemaStatus

_FIRST_KEY = "first"
_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupAnswers:
    """Answers that a new node needs."""

    data_dir: Path
    code: str
    name: str
    numbering: NumberingMode
    port: int
    ca: Path | None


config, migrate = noun("config"), noun("migrate")


@verb(
    "",
    "gateway --config /etc/gateway/gateway.toml init --data-dir /var/lib/gateway --code Z91.02 --name Trial"
    " --numbering A --port 8080 --ca ca.pem --yes",
    writes=True,
)
async def init(
    call: Invocation,
    data_dir: Annotated[Path | None, option("1. Where the node keeps everything.")] = None,
    code: Annotated[str | None, option("2. Code of your agency, for example Z91.02.")] = None,
    name: Annotated[str | None, option("3. Name of your agency.")] = None,
    numbering: Annotated[
        NumberingMode | None,
        option("4. Arrival numbers: A your document system, B this node, C typed by the clerk."),
    ] = None,
    port: Annotated[int | None, option("5. Port of the API.", min=0, max=65535)] = None,
    ca: Annotated[Path | None, existing("6. Root certificates of the exchange certificates (PEM).")] = None,
    person: Annotated[
        list[str] | None,
        option("A person who decides about trust; give it twice for two. Each gets a code to enrol with."),
    ] = None,
) -> None:
    """Set up a node: settings, database, your agency, its key pair and the first API key (printed once)."""
    from gateway.settings.reading import DEFAULT_FILE

    file = call.config or Path(os.environ.get("GATEWAY_CONFIG") or DEFAULT_FILE)
    if file.exists():
        raise Clash(f"{file} exists already; it was not touched", hint="name another file with --config")
    answers = _collect_answers(
        call,
        {"data_dir": data_dir, "code": code, "name": name, "numbering": numbering, "port": port, "ca": ca},
    )
    _check_code(answers.code)
    if call.dry_run:
        output.lines([settings_text(answers, file)])
        call.say("cli.would", what=f"init {answers.code} → {file}")
        return
    await _set_up(call, file, answers, person or ())


def _collect_answers(call: Invocation, flags: Mapping[str, Any]) -> SetupAnswers:
    """Return the flags, and for missing ones the answers at a terminal; without a terminal a usage error names them."""
    preset: dict[str, Any] = {"data_dir": "data", "code": None, "name": None, "numbering": "A", "port": 8080}
    missing = [key for key, default in preset.items() if flags[key] is None and default is None]
    if call.yes or not sys.stdin.isatty():
        if missing:
            missing_flags = ", ".join(f"--{key}" for key in missing)
            raise typer.BadParameter(f"there is no terminal to ask at; give {missing_flags}")
        answers = {key: default if flags[key] is None else flags[key] for key, default in preset.items()}
        ca = flags["ca"]
    else:
        answers = {
            key: typer.prompt(call.word(f"cli.init.{key}"), default=default, err=True)
            if flags[key] is None
            else flags[key]
            for key, default in preset.items()
        }
        ca_text = flags["ca"] or typer.prompt(
            call.word("cli.init.ca"), default="", show_default=False, err=True
        )
        ca = Path(ca_text) if ca_text else None
    if not str(answers["name"]).strip():
        raise typer.BadParameter("the agency needs a name")
    return SetupAnswers(
        data_dir=Path(answers["data_dir"]),
        code=str(answers["code"]).strip(),
        name=str(answers["name"]).strip(),
        numbering=_numbering(str(answers["numbering"])),
        port=_port(str(answers["port"])),
        ca=ca,
    )


def _numbering(text: str) -> NumberingMode:
    try:
        return NumberingMode(text.strip().upper())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no way of numbering; expected A, B or C") from error


def _port(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > 65535:
        raise typer.BadParameter(f"{text!r} is no port; expected a number from 0 to 65535")
    return int(text)


def _check_code(code: str) -> None:
    try:
        AgencyCode.parse(code)
    except BadCode as error:
        raise typer.BadParameter(str(error)) from error


async def _set_up(call: Invocation, file: Path, answers: SetupAnswers, people: Sequence[str]) -> None:
    """Set up step by step, the settings file last but one, so that a failed set-up can be repeated."""
    from gateway.settings import reading
    from gateway.store import migrate

    draft = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(settings_text(answers, file), encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            f"the settings file {file} cannot be written: {error.strerror or error}",
            hint="name a file that this user may write with --config, and move it to its place afterwards",
        ) from error
    draft.chmod(0o600)
    settings = reading.load(draft, os.environ)
    _make_folders(settings, answers)
    await migrate.up(settings.database.address)
    call.say("cli.init.database", path=reading.printable(settings)["database.url"])
    async with at_core(settings) as core:
        agency = HostedAgency(
            id=SystemClock().new_id("agy_"), code=answers.code, name=answers.name, numbering=answers.numbering
        )
        existing = await core.store.accounts.hosted_by_code(answers.code)
        if existing is None:
            await core.store.accounts.add_hosted(agency)
        agency = existing or agency
        await core.directory_changes.load_starter()
        entries = core.keys.entries(agency.code)
        entry = entries[0] if entries else core.keys.generate(agency.code)
        core.keys.request(agency.code, entry.key_id, agency.name)
        secret, key = await tokens.make(core, agency, _FIRST_KEY, tokens.DAILY, _LIFE)
        codes = await _add_people(core, people)
        open_until = await approvals.begin_set_up(core.deciding, (await operator(core.store)).id)
    draft.replace(file)
    request = settings.keys.folder / agency.code / f"{entry.key_id}.csr.pem"
    output.record(
        call,
        {
            "settings": str(file),
            "agency": agency.code,
            "agency_id": agency.id,
            "key_id": entry.key_id,
            "request": str(request),
            "token_id": key.id,
            "secret": secret,
            **({"people": codes} if codes else {}),
        },
        id_key="secret",
    )
    _next_steps(call, settings, request)
    if open_until is not None:
        call.say("cli.init.set_up", until=output.clock(open_until))


async def _add_people(core: NodeCore, names: Sequence[str]) -> list[dict[str, str]]:
    """Add the first persons, each with the code to enrol with. A repeated set-up skips those it made before."""
    principal = await operator(core.store)
    added = []
    async with core.deciding.decisions.read() as view:
        existing = {p.name for p in await view.people.all()}
    for name in names:
        if name not in existing:
            roles = (Role.TRUST, Role.PEOPLE)
            person, code = await people.add(core.deciding, None, principal.id, name, roles)
            added.append({"name": person.name, "code": code})
    return added


def _make_folders(settings: Any, answers: SetupAnswers) -> None:
    trust = settings.trust.folder
    for folder in (settings.node.data_dir, settings.axis.folder, settings.keys.folder, trust / "chain"):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (settings.node.data_dir, settings.keys.folder):
        folder.chmod(0o700)
    if answers.ca is not None:
        shutil.copyfile(answers.ca, trust / "ca.pem")


def _next_steps(call: Invocation, settings: Any, request: Path) -> None:
    """Print the remaining steps for a person on stderr, in order."""
    call.say("cli.secret_once")
    if settings.keys.password is None:
        call.say("cli.init.no_password")
    if not (settings.trust.folder / "ca.pem").is_file():
        call.say("cli.init.no_ca", path=settings.trust.folder / "ca.pem")
    call.say("cli.init.next", request=request)


def settings_text(answers: SetupAnswers, file: Path) -> str:
    """Write the commented settings file; defaults are commented out."""
    folder = (
        answers.data_dir
        if answers.data_dir.is_absolute()
        else Path(os.path.relpath(answers.data_dir, file.parent))
    )
    return f"""\
# Settings of this node. Every setting is described in docs/settings.md; check this file with:
#   gateway --config {file.name} config check

[node]
# Its name in logs. On a broker also its user there, and the value of the registry's column "host".
name = {_toml_string(answers.code)}
# All data of the node; back up this folder. Relative to this file.
data_dir = {_toml_string(str(folder))}

[api]
# Only this machine; any other address needs a TLS proxy in front.
host = "127.0.0.1"
port = {answers.port}

[keys]
# The password of the key files is not kept here: set GATEWAY_KEYS_PASSWORD_FILE to a file with it.

[limits]
# MB of original bytes: the largest file, and all files of a document together.
# file_mb = 10
# document_mb = 50

[log]
# debug, info, warning or error; one JSON object a line, on stderr.
# level = "info"
"""


def _toml_string(text: str) -> str:
    """Quote a TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@config.verb("", "--config province.toml -o json", name="show")
def show_settings(call: Invocation) -> None:
    """Print every setting with its value and its source; secrets are masked."""
    from gateway.settings.reading import printable, sources

    settings = call.settings()
    values, origins = printable(settings), sources(settings)
    records = [{"id": key, "value": values[key], "source": origins[key]} for key in values]
    cells = [(key, "" if values[key] is None else str(values[key]), origins[key]) for key in values]
    heads = (("cli.setting", ""), ("cli.value", ""), ("cli.source", "dim"))
    output.rows(call, records, [output.Column(*head) for head in heads], cells)


@config.verb("", "gateway --config agency.toml config check", name="check")
def check_settings(call: Invocation) -> None:
    """Read the settings and say whether they can be used; if not, list every fault and exit 1."""
    from gateway.ops import settings_check
    from gateway.settings.reading import locate

    if faults := settings_check.faults(call.settings()):
        raise Misconfigured(
            "the settings cannot be used:" + "".join(f"\n  {f}" for f in faults),
            code="GW-C-001",
            hint="docs/settings.md describes every setting; see those in force with: gateway config show",
        )
    path = locate(call.config, os.environ)
    call.say("cli.settings_fine", file=path or "-")


@migrate.verb(name="status")
async def schema_status(call: Invocation) -> None:
    """Show the schema's version and the steps still to come."""
    from gateway.store import migrate

    settings = call.settings()
    must_exist(settings)
    _print_schema(call, await migrate.status(settings.database.address))


@migrate.verb("", "--contract --yes", name="up", writes=True)
async def schema_up(
    call: Invocation,
    contract: Annotated[
        bool, option("Also remove parts that only older versions needed.", "--contract")
    ] = False,
) -> None:
    """Apply the steps still to come, all of them or none."""
    from gateway.store import migrate

    settings = call.settings()
    must_exist(settings)
    url = settings.database.address
    pending = len((await migrate.status(url)).pending)
    if not contract or call.agrees("cli.ask.contract", count=pending):
        if call.dry_run:
            call.say("cli.would", what=f"migrate up ({pending})")
            return
        _print_schema(call, await migrate.up(url, contract))


def _print_schema(call: Invocation, schema: SchemaStatus) -> None:
    pending = [output.fields(step, "revision phase says=summary") for step in schema.pending]
    if call.output is not OutputFormat.TABLE:
        output.record(call, output.fields(schema, "current head newer=is_newer", pending=pending))
        return
    output.record(call, {"current": schema.current or "–", "head": schema.head, "pending": len(pending)})
    if schema.is_newer:
        key = "cli.schema.newer" if schema.is_supported else "cli.schema.too_new"
        output.print_lines(call, [call.word(key, current=schema.current, head=schema.head)])
    output.print_lines(call, (f"  {step['revision']} {step['phase']}: {step['says']}" for step in pending))
