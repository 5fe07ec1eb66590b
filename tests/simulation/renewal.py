"""Gives an agency a new key: made on its own node, certified by the authority of the world, and bound on every node. In: an
agency, a term. Out: the key, which every node knows once the last one has bound it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope
from gateway_labs import trial_node
from tests.simulation import sources
from tests.simulation.callers import Caller, Crowd
from tests.simulation.checkers import read
from tests.simulation.rows import Row
from tests.simulation.stage import CASTS, Cast


class Registrar(Caller):
    """The person who imports certificates on a node."""

    role = "registrar"

    async def make_key(self, code: str, term: timedelta) -> x509.Certificate:
        """Make a key and its certificate; after an answer that was lost, the same call may have made an unused one."""
        return await self.ask("key", lambda node: self._make(node, code, term))

    async def _make(self, node: OpenNode, code: str, term: timedelta) -> x509.Certificate:
        entry = node.keys.generate(code)
        request = node.keys.request(code, entry.key_id, f"Cơ quan mô phỏng {code}")
        began = datetime.fromtimestamp(sources.now_s(), UTC).replace(microsecond=0)
        certificate = self.host.site.authority.issue_for_request(request, began, term)
        node.keys.import_certificate(code, certificate.public_bytes(Encoding.PEM))
        return certificate

    async def bind(self, code: str, certificate: x509.Certificate) -> None:
        binding = trial_node.binding_of(code, certificate)
        await self.ask(
            "bind",
            lambda node: node.directory_changes.bind(
                code,
                binding.certificate_der,
                binding.valid_from,
                binding.valid_to,
                proposed_by="registrar",
                approved_by="registrar's superior",
            ),
        )


_KEPT_OUT = ("quarantined", "malformed")


async def reopen_packets(crowd: Crowd, node_name: str) -> None:
    """Let an operator of the node have packets judged again that were kept out, once the reason is mended."""
    first = next(cast for cast in CASTS if cast.node == node_name)
    operator = Registrar(crowd, first)
    (side,) = (side for side in read(crowd.world) if side.name == node_name)
    for row in side["inbox"]:
        if row["state"] in _KEPT_OUT:
            operator.tell("opened_again", f"{row['id']} {row['code']}")
            await operator.ask("open", lambda node, row=row: _reopen(node, row))  # type: ignore[misc]  # mypy cannot type a lambda with a default


async def _reopen(node: OpenNode, row: Row) -> None:
    scope = AgencyScope(agency_id=row["agency_id"], principal_id="operator")
    async with node.store.changing(scope) as work:
        if (await work.inbox.get(row["id"])).state in _KEPT_OUT:
            await work.inbox.reopen(row["id"])


async def renew(crowd: Crowd, cast: Cast, term: timedelta, lags_s: tuple[float, ...] = ()) -> None:
    """Give the agency a new key, and bind it on every node; `lags_s` delay the nodes one after another."""
    own = Registrar(crowd, cast)
    certificate = await own.make_key(cast.code, term)
    own.tell("renewed", f"{cast.code} until {certificate.not_valid_after_utc}")
    firsts = {other.node: other for other in reversed(CASTS)}
    for n, first in enumerate(firsts.values()):
        await asyncio.sleep(lags_s[n] if n < len(lags_s) else 0.0)
        await Registrar(crowd, first).bind(cast.code, certificate)
