"""Sets a sandbox up in one folder: a node's database and keys under an authority marked TEST, the agency of the person who
tries it, the robots with keys of their own, a signed PDF to send, the API key. In: a folder. Out: settings that open the
node. Every step may be repeated; a folder that holds something else is not touched.

FOLDER/SANDBOX marks it; FOLDER/node has the node's data, FOLDER/robots the robots'. FOLDER/key is the API key and
FOLDER/vxp-secret the secret of a system with the national axis's library; a reset keeps both."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.atomic_files import write_private
from gateway.bootstrap.node import OpenNode
from gateway.bootstrap.trial import MARK
from gateway.deciding.proposals import seal_change
from gateway.domain.account import (
    KEY_PREFIX_LENGTH,
    TRIAL_KEY_PREFIX,
    ApiKey,
    ApiScope,
    HostedAgency,
    NumberingMode,
    PrincipalKind,
)
from gateway.domain.seals import CertificateKind, SealChange, SealingRightChange
from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured
from gateway.ports.services import Clock, EnvelopeSigner
from gateway.settings import Settings, load
from gateway.trust.keys import KeyDirectory
from gateway_foreign.compat.secret_box import system_secrets
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_labs.demo import deciders, papers
from gateway_labs.demo.papers import Paper
from gateway_labs.demo.pictures import write_seals
from gateway_labs.demo.signers import DemoSigners
from gateway_labs.sandbox.cast import Cast, cast
from gateway_labs.sandbox.packets import UNBOUND
from gateway_labs.trial_node import as_csv, binding_of, certified

NODE, ROBOTS, KEY, PDF, CLOCK = "node", "robots", "key", "van-ban.pdf", "clock.json"
# The document system that calls as the national axis's library does, its secret, and where a hot folder lies.
# Not the name of the key: a key and a system of one name would share documents and statuses.
SYSTEM, SECRET, HOT_FOLDER = "sandbox-sdk", "vxp-secret", "hot-folder"
_AUTHORITY = "TEST - thu nghiem - khong dung cho van ban that"
_CLEARING = ".clearing"
_ISSUER, _SEAL, _PERSON = "T00", "seal.pem", "person.pem"
_TEN_YEARS = timedelta(days=3650)
_DECIDERS = ("thu-nghiem-1", "thu-nghiem-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotKeys:
    """Signing keys of the robots: their own, or one that is not bound."""

    own: KeyDirectory
    other: KeyDirectory
    clock: Clock

    def signer(self, code: str, flaws: Sequence[str]) -> EnvelopeSigner:
        keys = self.other if UNBOUND in flaws else self.own
        return keys.signer(code, self.clock.now())


def settings_for(folder: Path, port: int, host: str = "127.0.0.1", *, has_folder: bool = False) -> Settings:
    """Return the settings of the node in this folder; the caller's environment has no effect."""
    return load(
        None,
        {
            "GATEWAY_NODE_NAME": "sandbox",
            "GATEWAY_NODE_DATA_DIR": str(folder / NODE),
            "GATEWAY_NODE_TRIAL": "on",
            "GATEWAY_API_HOST": host,
            "GATEWAY_API_PORT": str(port),
            "GATEWAY_PAGES_RIBBON": "on",
            "GATEWAY_WORKERS_POLL_S": "0.2",
            "GATEWAY_RULES_UNSIGNED_LEAD": "warn",
            # Programs that listen on the same machine may be called.
            "GATEWAY_WEBHOOKS_NETWORKS": "127.0.0.0/8, ::1/128",
            "GATEWAY_WEBHOOKS_PLAIN_HTTP": "yes",
            "GATEWAY_COMPAT_VXP": "true",
        }
        | (
            {"GATEWAY_FOLDER_ROOT": str(folder / HOT_FOLDER), "GATEWAY_FOLDER_LOOK_S": "0.5"}
            if has_folder
            else {}
        ),
    )


def claim(folder: Path) -> None:
    """Make the folder a sandbox's. Misconfigured where it holds something else."""
    if not (folder / MARK).is_file() and folder.is_dir() and any(folder.iterdir()):
        raise Misconfigured(
            f"{folder} holds something that no sandbox made",
            hint="name an empty folder, or one that is not there",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for f in (folder, folder / NODE, folder / ROBOTS):
        f.mkdir(mode=0o700, exist_ok=True)
        (f / MARK).touch()


def api_key(folder: Path) -> str:
    """Return the key, the same for the sandbox's whole life: a reset does not change it."""
    return _lasting(folder / KEY, TRIAL_KEY_PREFIX)


def system_secret(folder: Path) -> str:
    """Return the secret, as lasting as the API key."""
    return _lasting(folder / SECRET, "")


def _lasting(file: Path, prefix: str) -> str:
    if not file.is_file():
        write_private(file, (prefix + secrets.token_urlsafe(32)).encode())
    return file.read_text("ascii").strip()


def clear(folder: Path) -> None:
    """Remove everything but the API key. The next start finishes an interrupted one: see `is_half_cleared`."""
    (folder / _CLEARING).touch()
    trash = folder / f".gone-{secrets.token_hex(4)}"
    trash.mkdir()
    for name in (NODE, ROBOTS, CLOCK, HOT_FOLDER):
        if (folder / name).exists():
            (folder / name).rename(trash / name)
    for f in folder.glob(".gone-*"):
        shutil.rmtree(f, ignore_errors=True)
    (folder / _CLEARING).unlink()


def is_half_cleared(folder: Path) -> bool:
    return (folder / _CLEARING).exists()


async def prepare(settings: Settings, folder: Path, clock: Clock) -> RobotKeys:
    """Create everything that must exist before the node can open."""
    players = cast()
    agency = HostedAgency(
        id=clock.new_id("agy_"),
        code=players.code,
        name=players.name,
        numbering=NumberingMode.A,
        aliases=(players.alias,),
    )
    await trial_node.host(settings, [agency], clock)
    keys, _, _ = await asyncio.to_thread(strangers, settings, folder, clock)
    write_seals(settings.sign.seals, [players.code])
    return keys


def strangers(
    settings: Settings, folder: Path, clock: Clock
) -> tuple[RobotKeys, Mapping[str, x509.Certificate], bytes]:
    """Make keys and certificates of all agencies, the trust folder, and the PDF: the parts that need no node. Blocks."""
    players = cast()
    at = clock.now()
    authority = trial_node.authority_in(folder / ROBOTS / "authority", _AUTHORITY, at)
    ours = KeyDirectory(settings.keys.folder, None)
    keys = RobotKeys(
        own=KeyDirectory(folder / ROBOTS / "keys", None),
        other=KeyDirectory(folder / ROBOTS / "other-keys", None),
        clock=clock,
    )
    # The name in a certificate says TEST, too.
    names = {players.code: players.name} | {code: robot.agency.name for code, robot in players.robots.items()}
    bound = {
        code: certified(ours if code == players.code else keys.own, authority, code, f"TEST {name}", at)
        for code, name in names.items()
    }
    for code in players.robots:
        certified(keys.other, authority, code, f"TEST {names[code]}", at)
    trial_node.write_trust(settings.trust.folder, authority, bound, at)
    if not (folder / ROBOTS / PDF).is_file():
        _print(settings, folder, players, clock)
    return keys, bound, authority.certificate.public_bytes(serialization.Encoding.PEM)


async def enter(node: OpenNode, folder: Path) -> None:
    """Fill the registry with all agencies, bind their certificates by two persons, and add the API key. Once."""
    players = cast()
    if await node.directory.entry(players.old.code) is None:
        plan = await node.directory_changes.plan_import(_registry(players, node))
        await node.directory_changes.apply(plan, "sandbox")
    if not await node.directory.bindings(players.code):
        both = await deciders.two_deciders(node.deciding, _DECIDERS)
        bound, _ = certificates(node.settings)
        bindings = [binding_of(code, c) for code, c in bound.items()]
        await deciders.bind_all(node.deciding, both, bindings, await _signers_to_register(players, folder))
        await deciders.entitle_all(node.deciding, both, _rights(players, node.out.today()))
    await _give_key(node, players, api_key(folder))
    await _let_system_in(node, players, system_secret(folder))


async def _signers_to_register(players: Cast, folder: Path) -> Sequence[SealChange]:
    """Return the seal on the PDF that all agencies here send, which is the issuer's, and its person for each of them."""
    person, seal = [
        x509.load_pem_x509_certificate(await asyncio.to_thread((folder / ROBOTS / name).read_bytes))
        for name in (_PERSON, _SEAL)
    ]
    der = person.public_bytes(serialization.Encoding.DER)
    make = partial(seal_change, name=players.says("signer"), position=players.says("title"))
    return [
        seal_change(_ISSUER, CertificateKind.SEAL, seal.public_bytes(serialization.Encoding.DER)),
        *(make(code, CertificateKind.PERSON, der) for code in (players.code, *players.robots)),
    ]


def _rights(players: Cast, today: date) -> Sequence[SealingRightChange]:
    """Return the rights that let that seal count on documents of all others."""
    return [
        SealingRightChange(
            acting_code=_ISSUER,
            code=code,
            act_number=f"01/{players.says('symbol')}",
            act_date=today,
            valid_from=today,
        )
        for code in (players.code, *players.robots)
    ]


def certificates(settings: Settings) -> tuple[Mapping[str, x509.Certificate], bytes]:
    """Return the certificates of all agencies, and the trusted root, as PEM."""
    folder, players = settings.trust.folder, cast()
    by_code = {
        code: x509.load_pem_x509_certificate((folder / f"{code}.pem").read_bytes())
        for code in (players.code, *players.robots)
    }
    return by_code, (folder / "ca.pem").read_bytes()


def lead(folder: Path) -> bytes:
    """Return the signed PDF that robots send, and that a program may send."""
    return (folder / ROBOTS / PDF).read_bytes()


def sample_meta(players: Cast, now: Clock) -> bytes:
    """Return the metadata of it for the first call."""
    meta = {
        "number": "1",
        "symbol": players.says("symbol"),
        "date": local(now.now()).date().isoformat(),
        "type": "cong_van",
        "subject": players.says("curl"),
        "signer": {"name": players.says("signer"), "title": players.says("title")},
        "reply_required": False,
        "recipients": [{"code": "TEST.OK", "role": "to_act"}],
    }
    return json.dumps(meta, ensure_ascii=False, indent=2).encode()


async def _give_key(node: OpenNode, players: Cast, secret: str) -> None:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    if await node.store.accounts.find_key(digest) is not None:
        return
    agency = await node.store.accounts.hosted_by_code(players.code)
    await node.store.accounts.add_key(
        secret_hash=digest,
        principal=await node.store.accounts.principal_for(PrincipalKind.PROGRAM, "sandbox"),
        agency_ids=[agency.id] if agency else [],
        scopes=frozenset(ApiScope),
        prefix=secret[:KEY_PREFIX_LENGTH],
    )


async def _let_system_in(node: OpenNode, players: Cast, secret: str) -> None:
    """Let the system in by the calls of the national axis's library."""
    accounts = node.store.accounts
    agency = await accounts.hosted_by_code(players.code)
    if agency is None or await accounts.keys_of_system(SYSTEM):
        return
    key = ApiKey(
        id=node.clock.new_id("key_"),
        principal=await accounts.principal_for(PrincipalKind.PROGRAM, SYSTEM),
        agency_ids=(agency.id,),
        scopes=frozenset(ApiScope),
        created_at=node.clock.now(),
        expires_at=None,
        system=SYSTEM,
    )
    sealed = await node.pool.run(partial(system_secrets(node.settings).sealed, secret, key.id))
    await accounts.add_system_key(replace(key, sealed=sealed))


def _registry(players: Cast, node: OpenNode) -> bytes:
    rows = [
        ("code", "alias", "name", "valid_to", "successor"),
        (_ISSUER, "", players.says("issuer"), "", ""),
        (players.code, players.alias, players.name, "", ""),
        *((robot.code, robot.alias, robot.agency.name, "", "") for robot in players.robots.values()),
        (
            players.old.code,
            players.old.alias,
            players.old.name,
            (node.out.today() - timedelta(days=30)).isoformat(),
            players.old.successor,
        ),
    ]
    return as_csv(rows)


def _print(settings: Settings, folder: Path, players: Cast, clock: Clock) -> None:
    """Print the PDF, signed as an official document is, by a person and an agency that do not exist."""
    at = clock.now()
    # It goes with metadata of every kind: number, symbol and subject are left blank, so that they contradict none.
    paper = Paper(
        issuer=(players.says("issuer"),),
        number="",
        symbol="",
        place=players.says("place"),
        day=local(at).date(),
        subject="",
        addressed=(players.name,),
        body=tuple(players.words["body"]),
        recipients=(players.name,),
        positions=(players.says("title"),),
        signer=players.says("signer"),
    )
    printed = papers.printed(paper)
    authority = Authority.create(_AUTHORITY, at)
    signers = DemoSigners.create(authority, players.code, players.says("issuer"), players.says("signer"), at)
    signed = signers.signed_by_both(printed.pdf, printed.area, at, printed.page)
    trust = settings.trust.folder / "pdf"
    (trust / "crl").mkdir(parents=True, exist_ok=True)
    (trust / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    (trust / "crl" / "test.pem").write_bytes(authority.revocation_list([], at, _TEN_YEARS))
    for name, certificate in zip((_PERSON, _SEAL), signers.certificates, strict=True):
        (folder / ROBOTS / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_private(folder / ROBOTS / PDF, signed)
