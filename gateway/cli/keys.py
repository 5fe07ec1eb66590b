"""`gateway keys`: the exchange keys of the agency, with which the node signs its packets. In: an agency, a certificate
file; to end a key its id or the fingerprint of a certificate that is bound here, and a time. Out: a new key, its signing
request, or the list with expiry dates; an ended key or certificate, and after a theft the packets signed since, found and
marked. Private keys are never printed. Bindings of certificates to agencies are proposed here, by code or from a list, and
approved as in `proposals`."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, proposals
from gateway.cli.command import Invocation, argument, noun, option, piped
from gateway.cli.node import chosen, operator, operator_id
from gateway.cli.people import As, ForApprover, KeptReason
from gateway.cli.verify import moment
from gateway.deciding.proposals import binding_change, report_stolen, retire_key, withdraw_binding
from gateway.domain.account import Principal
from gateway.domain.certificates import KeyEnd, KeyUse
from gateway.domain.person import ProposalContent
from gateway.domain.proof import Binding
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.incoming import rejudge
from gateway.outgoing import services
from gateway.policy.trust import fingerprint

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.node import OpenNode
    from gateway.trust.keys import KeyDirectory, KeyEntry

_SUSPECT_COLUMNS = output.columns("id way:cli.suspect at reason")


class KeyPlace(StrEnum):
    """Place of a new key."""

    FILE = "file"
    TOKEN = "token"  # noqa: S105 - a place, no secret


class KeyChoice(StrEnum):
    """Algorithms that our axis accepts (W8, signature algorithms)."""

    P256 = "ecdsa-p256"
    P384 = "ecdsa-p384"
    RSA = "rsa-3072"


_COLUMNS = output.columns("id code=agency algorithm where serial valid state:cli.key", dim="serial")


verb = noun("keys").verb
Start = Annotated[
    str | None, option("From this time on (RFC 3339); default: the certificate's first day.", "--from")
]
Overlap = Annotated[
    int | None,
    option(
        "How many days earlier certificates stay valid; default: a setting.", "--overlap-days", min=0, max=365
    ),
]


@verb("", "--agency Z91.02 -o json")
async def list_(call: Invocation, core: NodeCore) -> None:
    """List the agency's keys: the place of each, the end of its validity, and whether it signs now."""
    agency = chosen(await core.store.hosted(), call.agency)
    entries = core.keys.entries(agency.code)
    now = core.clock.now()
    use = await services.signing_keys_from(core.directory, core.store, agency.code, now)
    signing_digest = _signing_digest(core, agency.code, now, use)
    records = [_key_record(k) | {"state": _state(k, signing_digest, use)} for k in entries]
    output.rows(call, records, _COLUMNS, [_cells(call, k) for k in entries])


def _signing_digest(core: NodeCore, code: str, now: datetime, use: KeyUse) -> str:
    """Return the SHA-256 of the certificate that signs now; empty without one."""
    try:
        return hashlib.sha256(core.keys.signer(code, now, use).certificate_der).hexdigest()
    except (NotFound, Misconfigured):
        return ""


def _state(entry: KeyEntry, signing_digest: str, use: KeyUse) -> str:
    if entry.fingerprint is None:
        return "waiting"
    if entry.fingerprint in use.ended:
        return "ended"
    if entry.fingerprint == signing_digest:
        return "signs"
    return "unbound" if use.fault(entry.fingerprint) else "ready"


@verb("", "--kind rsa-3072 --yes", writes=True, local=True)
async def new(
    call: Invocation,
    core: NodeCore,
    kind: Annotated[KeyChoice, option("Algorithm of the key.")] = KeyChoice.P256,
    where: Annotated[
        KeyPlace | None, option("In a file or on the token; default: the token if one is set up.")
    ] = None,
) -> None:
    """Make a key pair and its signing request; have that signed, then import the certificate."""
    agency = chosen(await core.store.hosted(), call.agency)
    place = where or (KeyPlace.TOKEN if core.keys.has_token else KeyPlace.FILE)
    call.ask("cli.ask.new_key", code=agency.code, kind=kind.value)
    entry = core.keys.generate(agency.code, kind.value, place.value)
    core.keys.request(agency.code, entry.key_id, agency.name)
    output.record(call, _key_record(entry))
    call.say("cli.todo", command=f"gateway keys csr {entry.key_id} --agency {agency.code} > request.pem")


@verb("0123456789abcdef > request.pem", "0123456789abcdef --organisation 'UBND Z91'", local=True)
async def csr(
    call: Invocation,
    core: NodeCore,
    key_id: Annotated[str, argument("Id of the key, from: gateway keys list")],
    organisation: Annotated[str | None, option("Name in the certificate; default: the agency's.")] = None,
) -> None:
    """Print the certificate signing request of a key, in PEM."""
    agency = chosen(await core.store.hosted(), call.agency)
    pem = core.keys.request(agency.code, key_id, organisation or agency.name)
    output.lines([pem.decode("ascii").rstrip()])


@verb("", "--yes -o json", writes=True)
async def password(call: Invocation) -> None:
    """Encrypt the key files with keys.password that keys.former_password opens, or that are not encrypted yet."""
    settings = call.settings().keys
    if settings.passwords is None:
        raise Misconfigured(
            "keys.password is not set", hint="write the new password into GATEWAY_KEYS_PASSWORD_FILE"
        )
    if not call.agrees("cli.ask.seal_keys", folder=settings.folder):
        return
    from gateway.trust.keys import encrypt_files

    changed, unchanged = encrypt_files(settings.folder, settings.passwords)
    output.record(call, {"folder": str(settings.folder), "changed": changed, "unchanged": unchanged})


@verb("issued.pem", "issued.pem --agency Z91.02 -o json", writes=True)
async def import_(
    call: Invocation,
    core: NodeCore,
    file: Annotated[Path, piped("The certificate, in PEM; - is standard input.")],
) -> None:
    """Add an issued certificate to its key. If other certificates of the agency are bound here, it signs once it is
    bound too."""
    agency = chosen(await core.store.hosted(), call.agency)
    await check_own(core, agency.code, file)
    call.ask("cli.ask.import_certificate", file=file, code=agency.code)
    entry = core.keys.import_certificate(agency.code, file.read_bytes())
    output.record(call, _key_record(entry))
    call.say("cli.key.announce", code=agency.code, file=file)


async def check_own(core: NodeCore, code: str, file: Path) -> None:
    """Check that the file is a certificate for a key of the agency that may be used from now on. Clash otherwise."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.ops.certificates import check_made_for_signing, check_never_signed_pdfs
    from gateway.trust.key_material import key_id, public_key_of, sha256
    from gateway.trust.keys import read_certificate

    certificate = read_certificate(file.read_bytes(), str(file))
    check_made_for_signing(certificate, str(file))
    der = certificate.public_bytes(Encoding.DER)
    certificate_key = key_id(public_key_of(certificate, str(file)))
    _refuse_stolen(certificate_key, await core.store.key_ends(code))
    await check_never_signed_pdfs(core.store, [der])
    await _check_can_sign(core, code, certificate_key, sha256(der))


def _refuse_stolen(key_id: str, ends: Sequence[KeyEnd]) -> None:
    if any(e.key_id == key_id and e.stolen_since is not None for e in ends):
        raise Clash(
            f"the key {key_id} was reported stolen: no certificate makes it good again",
            hint="make a new one with: gateway keys new",
        )


async def _check_can_sign(core: NodeCore, code: str, key_id: str, fingerprint: str) -> None:
    """Refuse to replace a certificate that may sign by one that may not yet; a key has only one beside it."""
    use = await services.signing_keys_from(core.directory, core.store, code, core.clock.now())
    current_digest = {e.key_id: e.fingerprint for e in core.keys.entries(code)}.get(key_id)
    if (
        current_digest not in (None, fingerprint)
        and use.fault(str(current_digest)) is None
        and use.fault(fingerprint) is not None
    ):
        raise Clash(
            f"the key {key_id} signs under a certificate that is bound here, and under this one it could not sign yet",
            code="KEY-NOT-BOUND",
            hint="bind this one first: gateway keys propose, then gateway keys approve",
        )


def _key_record(entry: KeyEntry) -> dict[str, Any]:
    return output.fields(
        entry,
        "id=key_id agency=agency_code algorithm where=storage sha256=fingerprint subject serial not_before not_after",
    )


def _cells(call: Invocation, entry: KeyEntry) -> dict[str, str]:
    valid = f"{output.clock(entry.not_before)} – {output.clock(entry.not_after)}"
    return {
        "valid": call.word("cli.no_certificate") if entry.certificate_der is None else valid,
        "where": call.word(f"cli.key.in_{entry.storage}"),
    }


@verb(
    "Z91.07 partner.pem --as 'A. Clerk'",
    "Z91.07 partner.pem --as 'A. Clerk' --from 2026-12-01T00:00:00+07:00 --yes",
    writes=True,
)
async def propose(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The agency to bind the certificate to.")],
    file: Annotated[Path, piped("Its certificate, in PEM; - is standard input.")],
    as_: As,
    from_: Start = None,
    overlap_days: Overlap = None,
    reason: ForApprover = "",
) -> None:
    """Propose to bind a certificate to an agency. It is bound once another person approves."""
    await _propose(call, core, [_binding(code, file)], as_, from_, overlap_days, reason)


@verb(
    "bindings.csv --as 'A. Clerk'", "bindings.csv --as 'A. Clerk' --reason 'First set-up' --yes", writes=True
)
async def propose_all(
    call: Invocation,
    core: NodeCore,
    file: Annotated[
        Path,
        argument(
            "CSV with the columns code,certificate: PEM files in the same folder.",
            exists=True,
            dir_okay=False,
        ),
    ],
    as_: As,
    from_: Start = None,
    overlap_days: Overlap = None,
    reason: ForApprover = "",
) -> None:
    """Propose many certificates at once; they are approved together or not at all."""
    await _propose(call, core, list(read_bindings(file)), as_, from_, overlap_days, reason)


async def _propose(
    call: Invocation,
    core: NodeCore,
    bindings: list[Binding],
    as_: str,
    from_: str | None,
    overlap_days: int | None,
    reason: str,
) -> None:
    content = await bindings_content(core, bindings, from_, overlap_days)
    await proposals.make_proposal(call, core, content, as_, reason)


async def bindings_content(
    core: NodeCore, bindings: Sequence[Binding], from_: str | None = None, overlap_days: int | None = None
) -> ProposalContent:
    """Return what a proposal to bind these certificates contains."""
    from gateway.ops.certificates import check_never_signed_pdfs

    overlap = timedelta(days=core.settings.keys.overlap_days if overlap_days is None else overlap_days)
    await check_never_signed_pdfs(core.store, [b.certificate_der for b in bindings])
    at, now = moment(from_) if from_ else None, core.clock.now()
    changes = [binding_change(await core.directory.bindings(b.code), b, now, overlap, at) for b in bindings]
    return ProposalContent(bindings=tuple(changes))


verb("prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)(proposals.approve)


@verb("Z91.07 SHA256 --reason 'Told by telephone'", writes=True)
async def withdraw(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The agency of the certificate.")],
    sha256: Annotated[str, argument("The certificate, from: gateway registry show CODE")],
    reason: KeptReason,
) -> None:
    """End a certificate at once: packets signed with it are refused from now on. One person is enough."""
    sha256 = sha256.strip().lower()
    call.ask("cli.ask.withdraw", code=code, fingerprint=sha256)
    await withdraw_binding(core.deciding, await operator_id(core.store), code, sha256, reason)
    output.record(call, {"id": sha256, "code": code, "withdrawn": True})


def _binding(code: str, file: Path) -> Binding:
    from gateway.ops import certificates

    return certificates.binding_to_propose(code, file.read_bytes(), str(file))


def read_bindings(file: Path) -> Iterable[Binding]:
    for code, pem_file in certificate_files(file):
        yield _binding(code, pem_file)


def certificate_files(file: Path) -> Iterator[tuple[str, Path]]:
    """Yield the rows of a table of certificates, each a code and a file beside the table."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        table = csv.DictReader(opened)
        if not {"code", "certificate"} <= set(table.fieldnames or ()):
            raise typer.BadParameter(f"{file} needs the columns code,certificate in its first line")
        for line in table:
            pem_file = file.parent / (line["certificate"] or "")
            if not pem_file.is_file():
                raise typer.BadParameter(f"{file}: there is no certificate {pem_file}")
            yield line["code"] or "", pem_file


@verb("0123456789abcdef", "0123456789abcdef --at now --yes", writes=True)
async def retire(
    call: Invocation,
    core: NodeCore,
    key: Annotated[str, argument("Id of a key of ours, from: gateway keys list")],
    at: Annotated[
        str | None,
        option("From this time on (RFC 3339, or now); default: after the overlap of the settings."),
    ] = None,
) -> None:
    """End one of our keys at a date. Packets that still wait in the outbox then are signed again with the newer
    key."""

    agency = chosen(await core.store.hosted(), call.agency)
    now = core.clock.now()
    overlap = timedelta(days=core.settings.keys.overlap_days)
    ends = now + overlap if at is None else now if at == "now" else moment(at)
    principal = await operator(core.store)
    key_end = _key_end(core.keys, agency.code, key, ends, principal)
    call.ask("cli.ask.retire", id=key, code=agency.code, at=output.clock(ends))
    await retire_key(core.deciding, key_end)
    output.record(call, {"id": key, "agency": agency.code, "ends_at": output.stamp(ends)})


@verb(
    "0123456789abcdef --since 2026-11-18T07:00:00+07:00",
    "SHA256 --since 2026-11-18T07:00:00+07:00 --yes -o json",
    writes=True,
)
async def stolen(
    call: Invocation,
    node: OpenNode,
    key: Annotated[str, argument("Id of a key of ours, or the SHA-256 of a certificate bound here.")],
    since: Annotated[str, option("Since when others may have had it (RFC 3339).")],
) -> None:
    """Report a key stolen: it signs no more, its certificate is no longer trusted, and packets exchanged since are
    marked."""

    stolen_at = moment(since)
    principal = await operator(node.store)
    key_end = await _stolen_key(call, node, key.strip().lower(), stolen_at, principal)
    if stolen_at > key_end.at:
        raise Clash("a theft lies in the past: the time after --since is ahead of this machine's clock")
    call.ask("cli.ask.stolen", code=key_end.agency_code, since=output.clock(stolen_at))
    await report_stolen(node.deciding, key_end, stolen_at)
    suspects = await rejudge.mark_suspects(node.inn, key_end.agency_code, key_end.fingerprint, stolen_at)
    records = [output.fields(s, "id way agency=agency_id at reason") for s in suspects]
    output.rows(call, records, _SUSPECT_COLUMNS)
    call.say("cli.suspect.next", count=len(suspects), code=key_end.agency_code)


async def _stolen_key(
    call: Invocation, node: OpenNode, key: str, since: datetime, principal: Principal
) -> KeyEnd:
    """Make the end of that key: ours by its id, any partner's by a certificate that is or was bound here."""
    from cryptography import x509

    from gateway.trust.key_material import key_id, public_key_of

    now = node.clock.now()
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        agency = chosen(await node.store.hosted(), call.agency)
        return _key_end(node.keys, agency.code, key, now, principal)
    for binding in (*await node.directory.in_force(now), *await node.directory.in_force(since)):
        if fingerprint(binding.certificate_der) == key:
            bound_key = key_id(public_key_of(x509.load_der_x509_certificate(binding.certificate_der), key))
            return KeyEnd(
                agency_code=binding.code, key_id=bound_key, fingerprint=key, at=now, by=principal.id
            )
    raise NotFound(f"no certificate {key} speaks for anybody here now, or did at the time of --since")


def _key_end(keys: KeyDirectory, code: str, key: str, at: datetime, principal: Principal) -> KeyEnd:
    for entry in keys.entries(code):
        if entry.key_id == key and entry.fingerprint is not None:
            return KeyEnd(agency_code=code, key_id=key, fingerprint=entry.fingerprint, at=at, by=principal.id)
    raise NotFound(
        f"agency {code} has no key {key} with a certificate", hint="list them with: gateway keys list"
    )
