"""`gateway axis` and `gateway ping`: the axes that this node shares with others, and the way to one partner. In: settings;
to change a broker also the registry and the administrator's credentials. Out: state of each axis, route of mail and whether
it would arrive, or the broker brought in line with the registry. `status` shows for each axis the connection and the
packets under way; `check` examines each with this node's own rights, a line per step with time, cause and cure; both exit 6
on trouble. `route` explains the route to a code. `definitions` writes the axis by the registry to a file; `apply` shows and
makes the changes to the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.atomic_files import new_file
from gateway.cli import output
from gateway.cli.command import ROOT, Invocation, OutputFormat, argument, existing, noun, option
from gateway.cli.node import at_axis, at_core
from gateway.cli.output import FAILED, NETWORK
from gateway.cli.status import axis_json, axis_lines, print_finding
from gateway.clock import SystemClock
from gateway.domain.diagnosis import Diagnosis
from gateway.errors import Misconfigured
from gateway.ops import axis_view
from gateway.ports.axis import ManagedAxis

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.ops.axis_route import RouteExplained
    from gateway.transport.broker.management import Management
    from gateway.transport.broker.plan import BrokerLayout, BrokerPlan, PlanStep, State

verb = noun("axis").verb
Sender = Annotated[str, option("Code of the sending agency; default: the first of this node.", "--from")]
MOST_LINES = 200
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")

Vhost = Annotated[str | None, option("The axis's vhost; default: amqp.vhost of the settings.")]
Passwords = Annotated[
    Path | None, option("Folder with one file per node, its first line the password.", file_okay=False)
]
Make = Annotated[bool, option("Make the missing files.", "--make-passwords")]


@ROOT.verb("H41.07", "H41.07 --from H41.01 -o json", local=True)
async def ping(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The partner's code, old or new.")],
    sender: Sender = "",
) -> None:
    """Examine the route to a partner without sending anything: its code, route, axis, certificate, last packet,
    mail. Exit 6 if something is wrong."""
    from gateway.ops.partner_check import examine_partner

    async with at_axis(call.settings()) as axis:
        steps = examine_partner(core, axis, sender, code)
        await _print_findings(call, (("", step) async for step in steps))


@verb()
async def status(call: Invocation, axis: ManagedAxis) -> None:
    """Show whether the axis is connected, and how many packets wait on it, are being handed over or were put aside."""
    from gateway.workers.heartbeat import HEARTBEAT

    view = await axis_view.look(axis, call.settings().node.data_dir / HEARTBEAT, SystemClock().now())
    output.answer(call, axis_json(view), (output.plain(text) for _, text in axis_lines(call, view)))
    if not view.answers:
        raise typer.Exit(NETWORK)


@verb("--passwords secrets --make-passwords --out axis.json", "--vhost trial", local=True)
async def definitions(
    call: Invocation,
    core: NodeCore,
    vhost: Vhost = None,
    out: Annotated[Path | None, option("Write this file; default: stdout.", dir_okay=False)] = None,
    passwords: Passwords = None,
    make_passwords: Make = False,
) -> None:
    """Write the whole axis, according to the registry, as one definitions file that RabbitMQ imports."""
    from gateway.transport.broker.definitions import password_hashes, pieces

    _need_folder(passwords, make_passwords)
    axis = await _layout(core, vhost)
    hashes = password_hashes(await _secrets(core, axis, passwords, make_passwords), {})
    if passwords is None:
        call.say("broker.no_passwords")
    if out is None:
        for piece in pieces(axis, hashes):
            print(piece, end="")
        return
    # The file contains password hashes.
    with new_file(out, 0o600, alone=True) as file:
        file.writelines(piece.encode() for piece in pieces(axis, hashes))
    call.say("broker.written", file=out, nodes=len(axis.nodes), codes=len(axis.hosts))


async def _print_findings(call: Invocation, steps: AsyncIterator[tuple[str, Diagnosis]]) -> None:
    """Print each finding as it comes, below the name of its axis where there are several. Exit 6 when one is wrong."""
    rows, heading = [], ""
    async for name, finding in steps:
        row = finding_json(call, finding) | ({"axis": name} if name else {})
        rows.append(row)
        if call.output is OutputFormat.TABLE:
            if name != heading and not call.quiet:
                heading = name
                output.lines([f"{name}:"])
            print_timed(call, finding)
        elif call.output is OutputFormat.NDJSON:
            output.stream(row)
    if call.output is OutputFormat.JSON:
        output.document({"data": rows})
    if any(row["state"] == "wrong" for row in rows):
        raise typer.Exit(NETWORK)


@verb(
    "--api https://broker.example:15671 --user boss --password-file boss.txt --preview",
    "--api https://broker.example:15671 --user boss --password-file boss.txt --passwords secrets"
    " --make-passwords --yes",
    writes=True,
    local=True,
)
async def apply(
    call: Invocation,
    core: NodeCore,
    api: Annotated[str, option("Address of the broker's management API.")],
    user: Annotated[str, option("A user of the broker with the tag administrator.")],
    password_file: Annotated[Path, existing("A file whose first line is that user's password.")],
    vhost: Vhost = None,
    passwords: Passwords = None,
    make_passwords: Make = False,
    ca: Annotated[Path | None, existing("Root certificates of the API (PEM).")] = None,
    remove_nodes: Annotated[
        bool, option("Also remove what former nodes left behind, if it is empty.", "--remove-nodes")
    ] = False,
    preview: Annotated[bool, option("Show the plan and do nothing.", "--preview")] = False,
) -> None:
    """Bring the broker in line with the registry: show what is to be added and removed, ask, do it. Exit 1 if
    something is left that must be corrected by hand."""
    from gateway.transport.broker.management import opened

    if urlsplit(api).scheme == "http" and urlsplit(api).hostname not in _THIS_MACHINE:
        call.say("broker.in_clear", api=api)
    _need_folder(passwords, make_passwords)
    password = password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    axis = await _layout(core, vhost)
    is_preview = preview or call.dry_run
    secrets = await _secrets(core, axis, passwords, make_passwords, keep=not is_preview)
    async with opened(api, user, password, axis.vhost, str(ca) if ca else None) as broker:
        plan = _make_plan(await broker.state(), axis, secrets, user, remove_nodes)
        await _apply_plan(call, broker, plan, preview)
    if any(remark.serious for remark in plan.remarks):
        raise typer.Exit(FAILED)


def _route_lines(call: Invocation, explained: RouteExplained) -> Iterator[str]:
    yield output.plain(call.word("axis.route.rule", code=explained.code, route=explained.route))
    if explained.node:
        yield output.plain(call.word("axis.route.node", code=explained.code, node=explained.node))
    for n, axis in enumerate(explained.axes, 1):
        state = call.word(f"axis.route.state.{axis.state}", reason=axis.reason)
        yield output.plain(f"  {n}. {axis.name}: {state}")
    if len(explained.axes) > 1:
        yield output.plain("  " + call.word(f"axis.route.away.{explained.away}"))
        yield output.plain("  " + call.word(f"axis.route.unsure.{explained.unsure}"))
    if explained.form != "standard":
        yield output.plain("  " + call.word(f"axis.form.{explained.form}"))
    yield output.plain(call.word(f"axis.route.turn.{explained.turn}", axis=explained.by))


@verb(local=True)
async def check(call: Invocation) -> None:
    """Examine the axis with this node's own rights, step by step; each fault comes with its cure. Exit 6 if a step
    fails."""
    from gateway.bootstrap.axis import broker_access
    from gateway.ops.checks_of_lines import examine_axes

    settings = call.settings()
    if not settings.axes:
        if settings.axis.kind == "embedded":
            raise Misconfigured(
                f"axis.kind is {settings.axis.kind}: there is no broker to examine",
                hint="gateway axis status",
            )
        if settings.axis.kind == "amqp":
            broker_access(settings)  # Misconfigured before anything is opened
    async with at_core(settings) as core:
        hosted = await core.store.hosted()
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    await _print_findings(call, examine_axes(settings, codes))


@verb("H41.07", "H41.07 --from H41.01 -o json", local=True)
async def route(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The recipient's code, or @NODE.")],
    sender: Sender = "",
) -> None:
    """Show how mail to a code is sent: the route, its axes in order, the state of each, and the axis that takes it.
    Exit 6 if none does."""
    from gateway.ops.axis_route import explain_route

    async with at_axis(call.settings()) as axis:
        sending_code = sender or next((agency.code for agency in await core.store.hosted()), "")
        answer = await explain_route(core.settings, axis, core.host_of, sending_code, code)
    output.answer(call, asdict(answer), _route_lines(call, answer))
    if answer.turn in ("wait", "never"):
        raise typer.Exit(NETWORK)


def print_timed(call: Invocation, finding: Diagnosis) -> None:
    if not call.quiet or finding.cure is not None:
        head = f"{finding.level.mark} {finding.check:<12} {finding.ms:>6} ms "
        print_finding(call, finding, head)


def finding_json(call: Invocation, finding: Diagnosis) -> dict[str, Any]:
    lang, names = call.lang.value, "id=check server step=check state=level.state ms cause"
    return output.fields(finding, names, says=finding.says(lang), cure=finding.mends(lang))


def _make_plan(
    live: State, axis: BrokerLayout, secrets: Mapping[str, str], admin: str, remove_nodes: bool
) -> BrokerPlan:
    from gateway.transport.broker import plan as layout
    from gateway.transport.broker.definitions import password_hashes
    from gateway.transport.broker.plan import plan

    hashes = {name: user.password_hash for name, user in live.users.items()}
    target = layout.wanted_state(axis, password_hashes(secrets, hashes))
    return plan(live, target, admin=admin, remove_nodes=remove_nodes)


async def _apply_plan(call: Invocation, broker: Management, plan: BrokerPlan, preview: bool) -> None:
    from gateway.transport.broker.management import done_steps

    counts = _counts(plan)
    if call.output is OutputFormat.TABLE:
        _print_plan(call, plan)
    finished = 0
    try:
        if preview:
            call.say("broker.preview")
        elif plan.steps and call.agrees("broker.ask", vhost=broker.vhost, **counts):
            async for _ in done_steps(broker, plan.steps):
                finished += 1
    finally:
        # Finished steps are reported also where a later step failed.
        if finished:
            call.say("broker.done", count=finished)
        if call.output is not OutputFormat.TABLE:
            output.document(_plan_json(call, plan) | counts | {"done": finished})


def _counts(plan: BrokerPlan) -> dict[str, int]:
    signs = [str(step.sign) for step in plan.steps]
    return {"added": signs.count("+"), "changed": signs.count("~"), "removed": signs.count("-")}


def _print_plan(call: Invocation, plan: BrokerPlan) -> None:
    lines = [f"{step.sign} {_step(call, step)}" for step in plan.steps[:MOST_LINES]]
    if len(plan.steps) > MOST_LINES:
        lines.append(call.word("broker.more", count=len(plan.steps) - MOST_LINES))
    lines += [f"! {call.word(f'broker.told.{r.key}', **r.params)}" for r in plan.remarks]
    output.print_lines(call, (output.plain(line) for line in lines))
    if not plan.steps:
        call.say("broker.nothing")


def _plan_json(call: Invocation, plan: BrokerPlan) -> dict[str, Any]:
    return {
        "steps": [{"sign": str(step.sign), "does": _step(call, step)} for step in plan.steps],
        "remarks": [
            {
                "remark": remark.key,
                "serious": remark.serious,
                "says": call.word(f"broker.told.{remark.key}", **remark.params),
                **remark.params,
            }
            for remark in plan.remarks
        ],
    }


def _step(call: Invocation, step: PlanStep) -> str:
    from gateway.transport.broker.plan import QueueBinding, QueuePolicy, Rights

    part = step.entity
    if isinstance(part, QueueBinding):
        parts = {"code": part.key, "destination": part.destination, "source": part.source}
        return call.word("broker.part.binding", **parts)
    name = part.user if isinstance(part, Rights) else part.name
    kind = "policy" if isinstance(part, QueuePolicy) else type(part).__name__.lower()
    return call.word(f"broker.part.{kind}", name=name)


def _need_folder(passwords: Path | None, make: bool) -> None:
    if make and passwords is None:
        raise typer.BadParameter("--make-passwords needs --passwords FOLDER")


async def _layout(core: NodeCore, vhost: str | None) -> BrokerLayout:
    """Lay out the axis. Raise Misconfigured where the registry names no host: the axis would be emptied."""
    from gateway.transport.broker.plan import layout

    today = output.today(core.clock.now())
    hostings = [h async for h in core.directory.hosting(today)]
    if not hostings:
        raise Misconfigured(
            "the registry names no node for any agency, so there is no axis to make",
            hint="gateway registry set-host CODE NODE, or a column host in the file of: gateway registry import",
        )
    return layout(vhost or core.settings.amqp.vhost, hostings)


async def _secrets(
    core: NodeCore, axis: BrokerLayout, folder: Path | None, make: bool, *, keep: bool = True
) -> Mapping[str, str]:
    from gateway.transport.broker import definitions as passwords

    if folder is None:
        return {}
    return await core.pool.run(lambda: passwords.read_passwords(folder, axis.nodes, make=make, keep=keep))
