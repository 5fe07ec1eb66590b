"""`gateway axis` and `gateway ping`: the axes that this node shares with others, and the way to one partner. In:
settings; to change a broker also the registry and the administrator's way in. Out: how each axis is, which way mail
goes and whether it would arrive, or the broker brought in line with the registry.

`status` says whether each axis is connected and how much is under way on it; exit 6 when one does not answer. `check`
examines each with this node's own rights, a line per step with its time, cause and cure; exit 6 when one is wrong.
`route` says which way mail to a code goes, and why. `definitions` writes the axis as the registry says it to a file;
`apply` shows what is to be added and removed on the broker, and does it."""

from __future__ import annotations

import codecs
import csv
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.cli import output
from gateway.cli.command import ROOT, Invocation, OutputFormat, existing, noun
from gateway.cli.node import at_axis, at_ground
from gateway.cli.output import FAILED, NETWORK
from gateway.cli.status import aloud_finding, axis_lines, axis_shown
from gateway.clock import SystemClock
from gateway.domain.diagnosis import Diagnosis
from gateway.domain.registry import AgencyCode, BadCode
from gateway.errors import Misconfigured
from gateway.ops import axis_now
from gateway.ports.axis import AxisDesk, each_axis
from gateway.whole_files import new_file

if TYPE_CHECKING:
    from gateway.bootstrap.axis_route import RouteExplained
    from gateway.bootstrap.ground import Ground
    from gateway.transport.broker.management import Management
    from gateway.transport.broker.plan import BrokerLayout, BrokerPlan, PlanStep, State
    from gateway.transport.rest.axis import RestAxis
    from gateway.transport.rest.dialect import ListedAgency

verb = noun("axis").verb
Sender = Annotated[
    str, typer.Option("--from", help="Code of the sending agency; default: the first of this node.")
]
LINES_SHOWN = 200
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")

Vhost = Annotated[str | None, typer.Option(help="The axis's vhost; default: amqp.vhost of the settings.")]
Passwords = Annotated[
    Path | None,
    typer.Option(help="Folder with one file per node, its first line the password.", file_okay=False),
]
Make = Annotated[bool, typer.Option("--make-passwords", help="Make the files that are not there.")]


@ROOT.verb("H41.07", "H41.07 --from H41.01 -o json")
async def ping(
    call: Invocation,
    ground: Ground,
    code: Annotated[str, typer.Argument(help="The partner's code, old or new.")],
    sender: Sender = "",
) -> None:
    """Examine the way to a partner without sending anything: its code, route, axis, certificate, last news, mail. Exit 6
    when something is wrong."""
    from gateway.ops.partner_check import examine_partner

    async with at_axis(call.settings()) as axis:
        steps = examine_partner(ground, axis, sender, code)
        await _tell_findings(call, (("", each) async for each in steps))


@verb()
async def status(call: Invocation, axis: AxisDesk) -> None:
    """Say whether the axis is connected, and how much waits on it, is being handed over, or was put aside."""
    from gateway.workers.pulse import HEARTBEAT

    found = await axis_now.look(axis, call.settings().node.data_dir / HEARTBEAT, SystemClock().now())
    output.answer(call, axis_shown(found), (output.plain(text) for _, text in axis_lines(call, found)))
    if not found.answers:
        raise typer.Exit(NETWORK)


@verb("--passwords secrets --make-passwords --out axis.json", "--vhost trial")
async def definitions(
    call: Invocation,
    ground: Ground,
    vhost: Vhost = None,
    out: Annotated[
        Path | None, typer.Option(help="Write this file; default: stdout.", dir_okay=False)
    ] = None,
    passwords: Passwords = None,
    make_passwords: Make = False,
) -> None:
    """Write the whole axis, as the registry says it, as one definitions file that RabbitMQ imports."""
    from gateway.transport.broker.definitions import password_hashes, pieces

    _need_folder(passwords, make_passwords)
    axis = await _layout(ground, vhost)
    told = password_hashes(await _secrets(ground, axis, passwords, make_passwords), {})
    if passwords is None:
        call.say("broker.no_passwords")
    if out is None:
        for piece in pieces(axis, told):
            print(piece, end="")
        return
    # The hashes of passwords stand in it.
    with new_file(out, 0o600, alone=True) as file:
        file.writelines(piece.encode() for piece in pieces(axis, told))
    call.say("broker.written", file=out, nodes=len(axis.nodes), codes=len(axis.hosts))


async def _tell_findings(call: Invocation, steps: AsyncIterator[tuple[str, Diagnosis]]) -> None:
    """Each as it comes, of several axes below the name of its own. Exit 6 when one is wrong."""
    found, heading = [], ""
    async for name, each in steps:
        told = finding_shown(call, each) | ({"axis": name} if name else {})
        found.append(told)
        if call.output is OutputFormat.TABLE:
            if name != heading and not call.quiet:
                heading = name
                print(f"{name}:")
            say_finding(call, each)
        elif call.output is OutputFormat.NDJSON:
            output.stream(told)
    if call.output is OutputFormat.JSON:
        output.document({"data": found})
    if any(told["state"] == "wrong" for told in found):
        raise typer.Exit(NETWORK)


@verb(
    "--api https://broker.example:15671 --user boss --password-file boss.txt --preview",
    "--api https://broker.example:15671 --user boss --password-file boss.txt --passwords secrets"
    " --make-passwords --yes",
    writes=True,
)
async def apply(
    call: Invocation,
    ground: Ground,
    api: Annotated[str, typer.Option(help="Address of the broker's management API.")],
    user: Annotated[str, typer.Option(help="A user of the broker with the tag administrator.")],
    password_file: Annotated[Path, existing("A file whose first line is that user's password.")],
    vhost: Vhost = None,
    passwords: Passwords = None,
    make_passwords: Make = False,
    ca: Annotated[Path | None, existing("Root certificates of the API (PEM).")] = None,
    remove_nodes: Annotated[
        bool, typer.Option("--remove-nodes", help="Also remove what nodes left behind, where it is empty.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show the plan and do nothing.")] = False,
) -> None:
    """Bring the broker in line with the registry: show what is to be added and removed, ask, do it. Exit 1 when
    something is left that no step can mend."""
    from gateway.transport.broker.management import opened

    if urlsplit(api).scheme == "http" and urlsplit(api).hostname not in _THIS_MACHINE:
        call.say("broker.in_clear", api=api)
    _need_folder(passwords, make_passwords)
    password = password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    axis = await _layout(ground, vhost)
    looking = preview or call.dry_run
    secrets = await _secrets(ground, axis, passwords, make_passwords, keep=not looking)
    async with opened(api, user, password, axis.vhost, str(ca) if ca else None) as broker:
        made = _planned(await broker.state(), axis, secrets, user, remove_nodes)
        await _carry_out(call, broker, made, preview)
    if any(remark.serious for remark in made.remarks):
        raise typer.Exit(FAILED)


def _route_lines(call: Invocation, found: RouteExplained) -> Iterator[str]:
    yield output.plain(call.word("axis.route.rule", code=found.code, route=found.route))
    if found.node:
        yield output.plain(call.word("axis.route.node", code=found.code, node=found.node))
    for n, one in enumerate(found.axes, 1):
        state = call.word(f"axis.route.state.{one.state}", reason=one.reason)
        yield output.plain(f"  {n}. {one.name}: {state}")
    if len(found.axes) > 1:
        yield output.plain("  " + call.word(f"axis.route.away.{found.away}"))
        yield output.plain("  " + call.word(f"axis.route.unsure.{found.unsure}"))
    if found.form != "standard":
        yield output.plain("  " + call.word(f"axis.form.{found.form}"))
    yield output.plain(call.word(f"axis.route.turn.{found.turn}", axis=found.by))


@asynccontextmanager
async def _foreign(call: Invocation) -> AsyncIterator[RestAxis]:
    """Misconfigured where the axis is one of our own kinds."""
    from gateway.transport.rest.axis import RestAxis

    async with at_axis(call.settings()) as axis:
        foreign = [each for each in each_axis(axis).values() if isinstance(each, RestAxis)]
        if not foreign:
            kind = call.settings().axis_kind
            raise Misconfigured(
                f"axis.kind is {kind}: only a foreign axis is asked that", hint="gateway axis status"
            )
        yield foreign[0]


@verb()
async def check(call: Invocation) -> None:
    """Examine the axis with this node's own rights, step by step; each fault with its cure. Exit 6 when one is wrong."""
    from gateway.bootstrap.axis import FOREIGN_AXES, broker_access
    from gateway.ops.checks_of_lines import examine_axes

    settings = call.settings()
    if not settings.axes:
        if settings.axis.kind not in ("amqp", *FOREIGN_AXES):
            raise Misconfigured(
                f"axis.kind is {settings.axis.kind}: there is no broker to examine",
                hint="gateway axis status",
            )
        if settings.axis.kind == "amqp":
            broker_access(settings)  # Misconfigured before anything is opened
    async with at_ground(settings) as ground:
        hosted = await ground.store.hosted()
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    await _tell_findings(call, examine_axes(settings, codes))


@verb("H41.07", "H41.07 --from H41.01 -o json")
async def route(
    call: Invocation,
    ground: Ground,
    code: Annotated[str, typer.Argument(help="The recipient's code, or @NODE.")],
    sender: Sender = "",
) -> None:
    """Say which way mail to a code goes: the route, its axes in order, how each is now, which one takes it. Exit 6 while
    none does."""
    from gateway.bootstrap.axis_route import explained

    async with at_axis(call.settings()) as axis:
        by = sender or next((agency.code for agency in await ground.store.hosted()), "")
        found = await explained(ground.settings, axis, ground.host_of, by, code)
    output.answer(call, asdict(found), _route_lines(call, found))
    if found.turn in ("wait", "never"):
        raise typer.Exit(NETWORK)


def _may_stand(code: str) -> bool:
    try:
        AgencyCode.parse(code)
    except BadCode:
        return False
    return True


def say_finding(call: Invocation, found: Diagnosis) -> None:
    if not call.quiet or found.cure is not None:
        head = f"{found.level.mark} {found.check:<12} {found.ms:>6} ms "
        aloud_finding(call, found, head)


def finding_shown(call: Invocation, found: Diagnosis) -> dict[str, Any]:
    return {
        "id": found.check,
        "server": found.server,
        "step": found.check,
        "state": found.level.state,
        "ms": found.ms,
        "cause": found.cause,
        "says": found.says(call.lang.value),
        "cure": found.mends(call.lang.value),
    }


@verb("", "--show 3")
async def odd(
    call: Invocation,
    show: Annotated[
        int | None, typer.Option(help="Print the kept answer of that number, as it came.")
    ] = None,
) -> None:
    """List the answers of a foreign axis that its specification does not have, newest first; secrets are taken out."""
    async with _foreign(call) as axis:
        found = await axis.odd_answers()
    if show is not None:
        head = next((each[5] for each in found if each[0] == show), None)
        if head is None:
            raise typer.BadParameter(f"there is no kept answer {show}")
        print(output.plain(head.decode("utf-8", "replace")))
        return
    rows = [
        {
            "id": id,
            "at": datetime.fromtimestamp(at, UTC).isoformat(),
            "operation": operation,
            "status": status,
            "why": why,
        }
        for id, at, operation, status, why, _ in found
    ]
    lines = (
        output.plain(
            call.word("axis.odd.line", **{**row, "at": output.clock(datetime.fromisoformat(str(row["at"])))})
        )
        for row in rows
    )
    output.answer(call, {"data": rows}, lines)


@verb("--out axis.csv")
async def agencies(
    call: Invocation,
    out: Annotated[Path, typer.Option(help="Write this CSV, for: gateway registry import.", dir_okay=False)],
) -> None:
    """Write the agencies that a foreign axis knows as a list for the registry; nothing is changed by it."""
    count = left_out = 0
    async with _foreign(call) as axis:
        with new_file(out, alone=True) as file:
            writer = csv.writer(codecs.getwriter("utf-8")(file))
            writer.writerow(("code", "name", "alias"))

            def note(one: ListedAgency) -> None:
                nonlocal count, left_out
                if not _may_stand(one.code) or not one.name:
                    left_out += 1  # a centre's or a test system's own, of no form that an agency has
                else:
                    count += 1
                    writer.writerow((one.code, one.name, one.old if one.old != one.code else ""))

            await axis.agencies(note)
    call.say("axis.agencies.written", count=count, left_out=left_out, file=out)


def _planned(
    live: State, axis: BrokerLayout, secrets: Mapping[str, str], admin: str, remove_nodes: bool
) -> BrokerPlan:
    from gateway.transport.broker import plan as layout
    from gateway.transport.broker.definitions import password_hashes
    from gateway.transport.broker.plan import plan

    known = {name: user.password_hash for name, user in live.users.items()}
    wanted = layout.wanted(axis, password_hashes(secrets, known))
    return plan(live, wanted, admin=admin, remove_nodes=remove_nodes)


async def _carry_out(call: Invocation, broker: Management, plan: BrokerPlan, preview: bool) -> None:
    from gateway.transport.broker.management import done_steps

    counts = _counts(plan)
    if call.output is OutputFormat.TABLE:
        _plan_aloud(call, plan)
    finished = 0
    try:
        if preview:
            call.say("broker.preview")
        elif plan.steps and call.agrees("broker.ask", vhost=broker.vhost, **counts):
            async for _ in done_steps(broker, plan.steps):
                finished += 1
    finally:
        # What is done is told also where a later step failed.
        if finished:
            call.say("broker.done", count=finished)
        if call.output is not OutputFormat.TABLE:
            output.document(_plan_shown(call, plan) | counts | {"done": finished})


def _counts(plan: BrokerPlan) -> dict[str, int]:
    signs = [str(step.sign) for step in plan.steps]
    return {"added": signs.count("+"), "changed": signs.count("~"), "removed": signs.count("-")}


def _plan_aloud(call: Invocation, plan: BrokerPlan) -> None:
    lines = [f"{step.sign} {_step(call, step)}" for step in plan.steps[:LINES_SHOWN]]
    if len(plan.steps) > LINES_SHOWN:
        lines.append(call.word("broker.more", count=len(plan.steps) - LINES_SHOWN))
    lines += [f"! {call.word(f'broker.told.{each.key}', **each.params)}" for each in plan.remarks]
    output.aloud(call, (output.plain(line) for line in lines))
    if not plan.steps:
        call.say("broker.nothing")


def _plan_shown(call: Invocation, plan: BrokerPlan) -> dict[str, Any]:
    return {
        "steps": [{"sign": str(step.sign), "does": _step(call, step)} for step in plan.steps],
        "remarks": [
            {
                "remark": each.key,
                "serious": each.serious,
                "says": call.word(f"broker.told.{each.key}", **each.params),
                **each.params,
            }
            for each in plan.remarks
        ],
    }


def _step(call: Invocation, step: PlanStep) -> str:
    from gateway.transport.broker.plan import Binding, Rights

    thing = step.thing
    if isinstance(thing, Binding):
        parts = {"code": thing.key, "destination": thing.destination, "source": thing.source}
        return call.word("broker.part.binding", **parts)
    name = thing.user if isinstance(thing, Rights) else thing.name
    return call.word(f"broker.part.{type(thing).__name__.lower()}", name=name)


def _need_folder(passwords: Path | None, make: bool) -> None:
    if make and passwords is None:
        raise typer.BadParameter("--make-passwords needs --passwords FOLDER")


async def _layout(ground: Ground, vhost: str | None) -> BrokerLayout:
    """Misconfigured where the registry names no host at all: the axis would be emptied."""
    from gateway.transport.broker.plan import layout

    today = output.today(ground.clock.now())
    hostings = [each async for each in ground.directory.hosting(today)]
    if not hostings:
        raise Misconfigured(
            "the registry names no node for any agency, so there is no axis to make",
            hint="gateway registry set-host CODE NODE, or a column host in the file of: gateway registry import",
        )
    return layout(vhost or ground.settings.amqp.vhost, hostings)


async def _secrets(
    ground: Ground, axis: BrokerLayout, folder: Path | None, make: bool, *, keep: bool = True
) -> Mapping[str, str]:
    from gateway.transport.broker import definitions as passwords

    if folder is None:
        return {}
    return await ground.pool.run(lambda: passwords.read_passwords(folder, axis.nodes, make=make, keep=keep))
