"""Sets nodes up for a run: schema, one agency per code, keys, an authority, registry rows and bindings. In: a folder and
the codes of each node. Out: settings of nodes that share one embedded axis and trust each other; a file of the folder may
name another axis. The product's defaults hold, except for the sizes that a run has to raise. Run as a program it prepares:
python -m bench.stage FOLDER NODE=CODE,CODE …"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.bootstrap.core import open_core
from gateway.bootstrap.node import Wrap
from gateway.cli.serve import freeze_loaded
from gateway.clock import SystemClock
from gateway.domain.account import ApiScope, HostedAgency, PrincipalKind
from gateway.settings import Settings, load
from gateway.trust.keys import KeyDirectory
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_labs.demo.story import at_work
from gateway_office.bootstrap.office import Office, open_office

SENDER, RECEIVER = "Z91", "Z91.07"
# Large enough for the 200 MB document and its base64.
LARGE = {"FILE_MB": "250", "DOCUMENT_MB": "250", "ENVELOPE_MB": "400"}
_CLOCK = SystemClock()


def settings_of(folder: Path, node: str) -> Settings:
    """Return the settings of one node of this stage."""
    raised = {f"GATEWAY_LIMITS_{name}": value for name, value in LARGE.items()}
    return load(
        None,
        {
            "GATEWAY_NODE_NAME": node,
            "GATEWAY_NODE_DATA_DIR": str(folder / node),
            "GATEWAY_AXIS_FOLDER": str(folder / "axis"),
            # Files of a bench have no text; what reading scans costs is measured by `bench.scans`.
            "GATEWAY_PAGES_SCANS": "off",
            **raised,
            **_more(folder, node),
        },
    )


def more_settings(folder: Path, node: str) -> Path:
    """Return the file of further settings of that node, in the form of the environment."""
    return folder / f"{node}.json"


def _more(folder: Path, node: str) -> dict[str, str]:
    file = more_settings(folder, node)
    settings: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return settings


async def prepare(folder: Path, nodes: Mapping[str, Sequence[str]]) -> None:
    """Prepare every node of `nodes` (name → codes it hosts) so that it can be opened and reach the others."""
    authority = Authority.create("Bench exchange authority", _CLOCK.now())
    certificates: dict[str, x509.Certificate] = {}
    for node, codes in nodes.items():
        settings = settings_of(folder, node)
        settings.node.data_dir.mkdir(parents=True)
        await _host(settings, codes)
        certificates |= {code: _certificate(settings, authority, code) for code in codes}
    for node in nodes:
        settings = settings_of(folder, node)
        authority.write_trust(settings.trust.folder, certificates)
        await _register(settings, certificates)


async def prepare_one(settings: Settings, codes: Sequence[str], other_codes: Sequence[str] = ()) -> None:
    """Prepare a node of these settings, which hosts these codes, and knows and trusts them and the others."""
    authority = Authority.create("Bench exchange authority", _CLOCK.now())
    settings.node.data_dir.mkdir(parents=True)
    await _host(settings, codes)
    certificates = {code: _certificate(settings, authority, code) for code in (*codes, *other_codes)}
    authority.write_trust(settings.trust.folder, certificates)
    await _register(settings, certificates)


async def key_of(settings: Settings, code: str) -> str:
    """Make a new API key for the document system of that agency, which the node hosts."""
    secret = "gwk_" + secrets.token_urlsafe(32)
    async with open_core(settings) as office:
        accounts = office.store.accounts
        agency = await accounts.hosted_by_code(code)
        assert agency is not None
        await accounts.add_key(
            secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
            principal=await accounts.principal_for(PrincipalKind.PROGRAM, f"bench {code}", agency.id),
            agency_ids=[agency.id],
            scopes=list(ApiScope),
        )
    return secret


@asynccontextmanager
async def opened(folder: Path, node: str, wrap: Wrap | None = None) -> AsyncIterator[Office]:
    """Open that node with its workers, as `gateway serve` has it."""
    async with open_office(settings_of(folder, node), wrap=wrap) as office, at_work(office):
        freeze_loaded()
        yield office


async def _host(settings: Settings, codes: Sequence[str]) -> None:
    agencies = [HostedAgency(id=_CLOCK.new_id("agy_"), code=code, name=_name(code)) for code in codes]
    await trial_node.host(settings, agencies, _CLOCK)


def _certificate(settings: Settings, authority: Authority, code: str) -> x509.Certificate:
    keys = KeyDirectory(settings.keys.folder, None)
    return trial_node.certified(keys, authority, code, _name(code), _CLOCK.now())


async def _register(settings: Settings, certificates: Mapping[str, x509.Certificate]) -> None:
    async with open_office(settings) as node:
        plan = await node.directory_changes.plan_import(_registry(tuple(certificates)))
        await node.directory_changes.apply(plan, "bench")
        for code, certificate in certificates.items():
            await node.directory_changes.bind(
                code,
                certificate.public_bytes(serialization.Encoding.DER),
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
                proposed_by="bench",
                approved_by="bench authority",
            )


def _registry(codes: Sequence[str]) -> bytes:
    rows = [(code, _name(code), SENDER if code != SENDER else "") for code in codes]
    return trial_node.as_csv([("code", "name", "parent"), *rows])


def _name(code: str) -> str:
    return f"Cơ quan thử nghiệm {code}"


async def _main(first: str, *words: str) -> None:
    if first == "--key":
        settings = load(None, os.environ)
        await prepare_one(settings, words)
        print(await key_of(settings, words[0]))
    else:
        nodes = (word.partition("=") for word in words)
        await prepare(Path(first), {node: codes.split(",") for node, _, codes in nodes})


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
