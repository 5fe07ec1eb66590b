"""10,000 certificates of one issuer's list come into force at three nodes, each by a policy that two persons approved, on
either database: the page and the commands tell what they rest on. Time and memory are printed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.cli import registry_trust
from gateway.cli.applications import build_application
from gateway.cli.command import Invocation, OutputFormat
from gateway.deciding import approvals, delegation
from gateway.deciding import people as deciding
from gateway.domain.delegated import ListState
from gateway.domain.person import DelegationChange, SignedIn
from gateway.ops.checks import Watch
from gateway.registry_authoring.feed_file import BodyLine
from gateway_office.accounts import sign_in
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.pages import deciders
from tests.office.pages.deciders import Decider
from tests.office.support.accounts import ORIGIN
from tests.office.support.node import OfficeTown
from tests.office.support.scenes import TownScene
from tests.office.support.town import open_town
from tests.support import feeds, pki
from tests.support.clock import ManualClock
from tests.support.databases import fresh_database
from tests.support.fixtures import BOTH_KINDS
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.measuring import measured
from tests.support.town.doors import Served

COUNT, NODES, UNDER = 10_000, 3, "Z93"
ISSUER = "Registry issuer"
OFFICERS = (feeds.officer("one"), feeds.officer("two"))
SOURCES = "/co-quan/nguon-xac-nhan"


def code(n: int) -> str:
    """Return the code of an agency: a hundred departments with a hundred units each."""
    return f"{UNDER}.{n // 100:02}.{n % 100:02}"


@pytest.fixture(scope="module")
def listed() -> bytes:
    """Return the list, with a key for each agency."""
    root = pki.root()
    departments = [feeds.agency(f"{UNDER}.{n:02}", parent=UNDER) for n in range(COUNT // 100)]
    units = [feeds.agency(code(n), parent=code(n)[:-3]) for n in range(COUNT)]
    rows = [
        feeds.trust(code(n), pki.der(root.issue(code(n), ec.generate_private_key(ec.SECP256R1()))))
        for n in range(COUNT)
    ]
    lines: list[BodyLine] = [feeds.agency(UNDER, "UBND tỉnh Sao Hôm"), *departments, *units, *rows]
    return feeds.trust_feed(lines, 1, officers=OFFICERS, made_at=ManualClock().now())


@pytest.fixture(params=BOTH_KINDS)
def template(request: pytest.FixtureRequest) -> str:
    """Return the name of a database to copy; empty for SQLite."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_template")


@pytest.fixture
async def towns(template: str, tmp_path: Path) -> AsyncIterator[list[OfficeTown]]:
    """Open three nodes that know nothing of each other."""
    async with AsyncExitStack() as stack:
        towns = []
        for n in range(NODES):
            database = await stack.enter_async_context(fresh_database(template)) if template else ""
            folder = tmp_path / f"node-{n}"
            opened = open_town(folder, ManualClock(), scene=TownScene.PEOPLE, database=database)
            towns.append(await stack.enter_async_context(opened))
        yield towns


@pytest.mark.timeout(900)
async def test_10000_bindings_of_an_issuer_come_into_force_on_three_nodes_after_two_approvals(
    towns: list[OfficeTown], listed: bytes, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    for n, town in enumerate(towns):
        both = await deciders.two(
            town.node, "", town.clock.advance, town.people[PostRole.OPERATOR, ""].on(town.node.accounts).by
        )
        await _delegate(town, both)
        folder = town.node.settings.trust.folder / "feed"
        folder.mkdir(exist_ok=True)
        feeds.write_certificate(folder / "issuer.pem", feeds.ISSUER)
        path = town.node.settings.node.data_dir / "given.feed"
        await asyncio.to_thread(path.write_bytes, listed)
        with measured() as took:
            outcome = await town.node.feed.accept(path, "operator")
        assert outcome.verdict == "applied", outcome.reason
        with measured() as bound:
            await delegation.judge_undecided(town.node.deciding)
        with capsys.disabled():
            print(f"\n{request.node.callspec.id}, node {n + 1}: taken {took}, bound {bound}", end="")
        async with town.node.deciding.decisions.read() as view:
            received = await view.lists.get(ISSUER, 1)
        assert (received.state, received.counts["bound"], received.counts["conflict"]) == (
            ListState.DONE,
            COUNT,
            0,
        )
        assert await town.node.directory.differences() == []
        await _check_source(town, both[0], capsys)


async def _delegate(town: OfficeTown, both: tuple[Decider, Decider]) -> None:
    """Set the policy: one person proposes, two in all stand behind it."""
    change = DelegationChange(
        issuer=ISSUER,
        officers=tuple(delegation.officer_of(o.certificate_der) for o in OFFICERS),
        codes=(UNDER,),
        most_per_day=COUNT,
        most_share=100,
        wait_hours=0,
    )
    services = town.node.deciding
    proposal = await delegation.propose_policy(services, await _signed_in(town, both[0]), change)
    approver = await _signed_in(town, both[1])
    await approvals.approve(services, approver, proposal.id, proposal.content.expected, proposal.digest)


async def _signed_in(town: OfficeTown, decider: Decider) -> SignedIn:
    town.clock.advance(timedelta(seconds=31))
    person = decider.person
    totp_code = pyotp.TOTP(person.totp or "").at(town.clock.now())
    return await deciding.sign_in(town.node.deciding, person.login, person.password, totp_code)


async def _check_source(town: OfficeTown, decider: Decider, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that the commands and the page name the list that all these bindings rest on."""
    call = Invocation(output=OutputFormat.JSON)
    capsys.readouterr()
    await registry_trust.bindings(call, town.node, by_source=True)
    (source,) = [s for s in json.loads(capsys.readouterr().out)["data"] if s["issuer"] == ISSUER]
    assert (source["count"], source["kind"], source["sequence"], source["policy"]) == (COUNT, "policy", 1, 1)
    await registry_trust.bindings(call, town.node, code=[code(4711)])
    (binding,) = json.loads(capsys.readouterr().out)["data"]
    assert (binding["code"], binding["issuer"], binding["batch"]) == (code(4711), ISSUER, source["batch"])
    await registry_trust.show(call, town.node)
    (issuer,) = json.loads(capsys.readouterr().out)["data"]
    assert (issuer["issuer"], issuer["bindings"]) == (ISSUER, COUNT)

    town.clock.advance(timedelta(seconds=31))
    session = await sign_in.sign_in(town.node.accounts, decider.person.sign_in_form(), ORIGIN)
    headers = {"Cookie": f"{COOKIE}={session.token}"}
    app = build_application(town.node, Watch(node=town.node))
    async with TestClient(Served(app)) as client, client.get(SOURCES, headers=headers) as response:
        page = await response.text()
        assert response.status == 200
    assert ISSUER in page
    assert "10.000" in page
