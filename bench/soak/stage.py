"""Makes a soak's nodes: schema, agencies in mode B, keys, an authority, registry, bindings, and an API key for the document
system of each agency. In: the ground. Out: a `Site` for each node, for its callers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bench.soak.ground import Ground
from bench.soak.plan import Plan
from gateway.bootstrap.core import exchange_keys, open_core
from gateway.clock import SystemClock
from gateway.domain.account import ApiScope, HostedAgency, NumberingMode, PrincipalKind
from gateway.settings import Settings, load
from gateway.store import migrate
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_office.bootstrap.office import open_office

_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One node as its callers know it."""

    node: str
    settings: Settings
    env: dict[str, str]
    database_url: str
    url: str
    agencies: dict[str, str]
    keys: dict[str, str]

    @property
    def has_server(self) -> bool:
        """Tell whether its database is a server, which has a clock."""
        return not self.database_url.startswith("sqlite")

    @property
    def codes(self) -> dict[str, str]:
        """Return the codes by agency id."""
        return {id: code for code, id in self.agencies.items()}


async def prepare(ground: Ground) -> dict[str, Site]:
    """Prepare every node so that it can be opened, reach the others and trust them."""
    authority = Authority.create("Soak exchange authority", _CLOCK.now() - timedelta(days=1))
    authority.save(ground.folder / "authority")
    sites, certificates = {}, {}
    for node, codes in ground.plan.cast.items():
        env = ground.env(node)
        settings = load(None, env)
        settings.node.data_dir.mkdir(parents=True, exist_ok=True)
        await migrate.up(settings.database.url)
        for code in codes:
            certificates[code] = _certificate(settings, authority, code)
        agencies, keys = await _host(settings, codes)
        sites[node] = Site(
            node=node,
            settings=settings,
            env=env,
            database_url=ground.database_url(node),
            url=f"http://127.0.0.1:{settings.api.port}",
            agencies=agencies,
            keys=keys,
        )
    for site in sites.values():
        authority.write_trust(site.settings.trust.folder, certificates)
        await _register(site.settings, list(site.agencies), ground.plan, certificates)
    return sites


async def _host(settings: Settings, codes: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    agencies, keys = {}, {}
    async with open_core(settings) as office:
        accounts = office.store.accounts
        for code in codes:
            agency = HostedAgency(
                id=_CLOCK.new_id("agy_"), code=code, name=_name(code), numbering=NumberingMode.B
            )
            await accounts.add_hosted(agency)
            secret = "gwk_" + secrets.token_urlsafe(32)
            await accounts.add_key(
                secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
                principal=await accounts.principal_for(PrincipalKind.PROGRAM, f"soak {code}", agency.id),
                agency_ids=[agency.id],
                scopes=list(ApiScope),
            )
            agencies[code], keys[code] = agency.id, secret
    return agencies, keys


def _certificate(settings: Settings, authority: Authority, code: str) -> x509.Certificate:
    keys, at = exchange_keys(settings), _CLOCK.now() - timedelta(days=1)
    return trial_node.certified(keys, authority, code, _name(code), at)


async def _register(
    settings: Settings, hosted: Sequence[str], plan: Plan, certificates: Mapping[str, x509.Certificate]
) -> None:
    async with open_office(settings) as node:
        rows = await node.directory_changes.plan_import(_registry([*plan.codes, *plan.absent]))
        await node.directory_changes.apply(rows, "soak")
        for code, certificate in certificates.items():
            await node.directory_changes.bind(
                code,
                certificate.public_bytes(serialization.Encoding.DER),
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
                proposed_by="soak",
                approved_by="soak authority",
            )
        # A code that was never on the axis cannot be reached, rightly: here each was, once.
        await node.axis.host(hosted)


def _registry(codes: Sequence[str]) -> bytes:
    rows = [(code, _name(code), code.rpartition(".")[0]) for code in codes]
    return trial_node.as_csv([("code", "name", "parent"), *rows])


def _name(code: str) -> str:
    return f"Cơ quan thử nghiệm {code}"
