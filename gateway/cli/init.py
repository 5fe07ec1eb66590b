"""`gateway init`, `gateway config`, `gateway migrate`: set up a node, show its settings, bring its database to this
version. In: settings; for `init` the answers of `new_node`. Out: a node that can be opened; the settings in force; the
schema's version. `init` makes a commented settings file, its secret files, a migrated database, the hosted agency, its key
pair with a signing request, and the first API key, printed once; the set-up phase begins, in which two new persons may
decide at once. An existing settings file is never touched. `config` tells where each setting came from, secrets masked, or
every fault at once. `migrate` shows the schema's state and takes its steps, forward only; steps that older nodes cannot
bear need --contract."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import new_node, output, tokens
from gateway.cli.command import Invocation, OutputFormat, existing, noun, option, verb
from gateway.cli.new_node import SetupAnswers
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


config, migrate = noun("config"), noun("migrate")


@verb(
    "",
    "gateway --config /etc/gateway/gateway.toml init --data-dir /var/lib/gateway --code Z91.02 --name Trial"
    " --numbering A --port 8080 --ca ca.pem --secrets /etc/gateway/secrets --person 'A. Clerk' --person 'A. Leader' --yes",
    writes=True,
)
async def init(
    call: Invocation,
    code: Annotated[str | None, option("Code of your agency, for example Z91.02.")] = None,
    name: Annotated[str | None, option("Name of your agency.")] = None,
    numbering: Annotated[
        NumberingMode | None,
        option("Arrival numbers: A your document system, B this node, C typed by the clerk."),
    ] = None,
    database_file: Annotated[
        Path | None,
        existing("1. A file whose first line is the address of a PostgreSQL database; default: SQLite."),
    ] = None,
    database_ca: Annotated[Path | None, existing("Authority of the database's certificate (PEM).")] = None,
    axis: Annotated[
        str | None,
        option("2. Servers of the broker (amqps://…), or the folder that the nodes of one machine share."),
    ] = None,
    broker_password_file: Annotated[
        Path | None,
        existing("A file whose first line is the node's password at the broker; default: a new one."),
    ] = None,
    broker_ca: Annotated[Path | None, existing("Authority of the broker's certificate (PEM).")] = None,
    node_name: Annotated[
        str | None, option("3. Name of the node, its user at the broker; default: the agency's code.")
    ] = None,
    port: Annotated[int | None, option("4. Port of the API.", min=0, max=65535)] = None,
    metrics_port: Annotated[int | None, option("Port for monitoring; 0: none.", min=0, max=65535)] = None,
    ca: Annotated[Path | None, existing("5. Root certificates of the exchange certificates (PEM).")] = None,
    data_dir: Annotated[Path | None, option("6. Where the node keeps everything.")] = None,
    secrets: Annotated[
        Path | None,
        option(
            "Folder of the secrets, each in a file; missing passwords of keys and backups are made.",
            file_okay=False,
        ),
    ] = None,
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
    flags = {
        "data_dir": data_dir,
        "code": code,
        "name": name,
        "numbering": numbering,
        "port": port,
        "ca": ca,
        "database": None,
        "database_file": database_file,
        "database_ca": database_ca,
        "axis": axis,
        "broker_password_file": broker_password_file,
        "broker_ca": broker_ca,
        "node_name": node_name,
        "metrics_port": metrics_port,
        "secrets": secrets,
        "people": tuple(person or ()),
    }
    answers = new_node.collect(call, flags, file)
    _check_code(answers.code)
    if call.dry_run:
        output.lines([new_node.settings_text(answers, file, os.environ)])
        call.say("cli.would", what=f"init {answers.code} → {file}")
        return
    await _set_up(call, file, answers)


def _check_code(code: str) -> None:
    try:
        AgencyCode.parse(code)
    except BadCode as error:
        raise typer.BadParameter(str(error)) from error


async def _set_up(call: Invocation, file: Path, answers: SetupAnswers) -> None:
    """Set up step by step, the settings file last but one, so that a failed set-up can be repeated."""
    from gateway.settings import reading
    from gateway.store import migrate

    draft = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(new_node.settings_text(answers, file, os.environ), encoding="utf-8")
        new_node.write_secrets(answers, os.environ)
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
        codes = await _add_people(core, answers.people)
        open_until = await approvals.begin_set_up(core.deciding, (await operator(core.store)).id)
    draft.replace(file)
    async for finding in new_node.findings(call, settings):
        call.tell(f"! {finding}")
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
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"the folder {folder} cannot be made: {error.strerror or error}",
                hint="make it for the user of the node, or name another one",
            ) from error
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
