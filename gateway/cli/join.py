"""`gateway join`: the last step of setting a node up. In: a folder that the authority made for this node, with the list of
codes and the certificates of this agency and its partners; two persons at the keyboard, one after the other. Out: the list
imported, our certificate beside its key, both persons enrolled, and every certificate bound by them in one proposal. What
is done already is left out, so that the command can be given again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from gateway.cli import keys, output, proposals, registry
from gateway.cli.command import Invocation, argument, option, verb
from gateway.cli.node import operator_id
from gateway.cli.people import enrol_person, sign_in
from gateway.deciding import proposals as deciding
from gateway.domain.person import Person, Role, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.registry_change import Plan
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.policy.trust import fingerprint

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore

CODES, BINDINGS = "agencies.csv", "bindings.csv"


@verb(
    "from-the-authority",
    "from-the-authority --person 'A. Clerk' --person 'A. Leader'",
    writes=True,
    local=True,
)
async def join(
    call: Invocation,
    core: NodeCore,
    folder: Annotated[
        Path,
        argument(
            "Folder with agencies.csv, bindings.csv (code,certificate) and the PEM files.",
            exists=True,
            file_okay=False,
        ),
    ],
    person: Annotated[
        list[str] | None,
        option("Who proposes; given twice, also who approves. Default: the first two persons of the node."),
    ] = None,
) -> None:
    """Take what the authority gave a new node: list of codes and certificates, which two people bind."""
    plan = await _plan_codes(call, core, folder / CODES)
    bindings = keys.read_bindings(folder / BINDINGS) if (folder / BINDINGS).is_file() else ()
    new_bindings = [b for b in bindings if not await _is_bound(core, b)]
    own = await _own_certificates(core, folder, new_bindings)
    first, second = await _two_people(core, person or ())
    added = len(plan.added) if plan else 0
    call.ask("cli.ask.join", added=added, count=len(new_bindings), first=first.name, second=second.name)
    if new_bindings:  # first, as persons may fail at it: then nothing was taken
        await _bind(call, core, new_bindings, first, second)
    for code, file in own:
        core.keys.import_certificate(code, file.read_bytes())
    if plan is not None:
        await core.directory_changes.apply(plan, await operator_id(core.store))
    output.record(call, {"added": added, "bound": [b.code for b in new_bindings], "own": [c for c, _ in own]})
    call.say("cli.join.done")


async def _plan_codes(call: Invocation, core: NodeCore, file: Path) -> Plan | None:
    """Plan the import of the list; None where there is nothing to import."""
    if not file.is_file():
        return None
    plan = await core.directory_changes.plan_import(registry.read_file(call, file))
    registry.refuse_problems(file, plan)
    if core.directory_changes.needs_two(plan):
        raise Clash(
            f"{file.name} changes agencies that are known here, which two people decide",
            hint=f"gateway registry import {file} --propose --number NUMBER --as NAME, then join without the file",
        )
    return plan if plan.added or plan.changed or plan.closed else None


async def _is_bound(core: NodeCore, binding: Binding) -> bool:
    digest = fingerprint(binding.certificate_der)
    return any(fingerprint(b.certificate_der) == digest for b in await core.directory.bindings(binding.code))


async def _own_certificates(
    core: NodeCore, folder: Path, bindings: Sequence[Binding]
) -> list[tuple[str, Path]]:
    """Return the certificates of the agencies of this node, which must be for their keys, by code."""
    from cryptography import x509

    from gateway.trust.key_material import key_id, public_key_of

    own = []
    for agency in await core.store.hosted():
        key_ids = {entry.key_id for entry in core.keys.entries(agency.code)}
        for code, file in keys.certificate_files(folder / BINDINGS) if bindings else ():
            if code != agency.code:
                continue
            await keys.check_own(core, code, file)
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
            if key_id(public_key_of(certificate, str(file))) not in key_ids:
                raise NotFound(
                    f"{file} is for no key of {code} here",
                    hint="its issuer must have this request: gateway keys csr KEY-ID",
                )
            own.append((code, file))
    return own


async def _two_people(core: NodeCore, names: Sequence[str]) -> tuple[Person, Person]:
    """Return the two persons who decide, in their order."""
    async with core.deciding.decisions.read() as view:
        if names:
            people = [await view.people.find_by_name(name) for name in names]
        else:
            everybody = sorted(await view.people.all(), key=lambda p: (p.added_at, p.id))
            people = [p for p in everybody if Role.TRUST in p.roles and p.blocked_at is None]
    if len(people) < 2:
        raise Misconfigured(
            "two persons bind certificates, and this node knows fewer who may",
            hint="gateway people add NAME --role trust",
        )
    return people[0], people[1]


async def _bind(
    call: Invocation, core: NodeCore, bindings: Sequence[Binding], first: Person, second: Person
) -> None:
    """Let the first person propose and the second approve, who types the digits of each certificate."""
    content = await keys.bindings_content(core, bindings)
    proposer = await _sit_down(call, core, first)
    proposal = await deciding.propose(core.deciding, proposer, content, "")
    approver = await _sit_down(call, core, second)
    names = {p.id: p.name for p in (first, second)}
    proposals.print_proposal(call, proposal, names, core.clock.now())
    await proposals.approve_signed_in(call, core, proposal, approver)


async def _sit_down(call: Invocation, core: NodeCore, person: Person) -> SignedIn:
    """Let the person prove who he is: by enrolling, the first time."""
    call.say("cli.join.turn", name=person.name)
    if person.enrolled_at is None:
        return await enrol_person(call, core, person.name)
    return await sign_in(call, core, person.name)
