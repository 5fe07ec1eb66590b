"""The list of agencies travels over the axis and as a file, from the issuer to other nodes; codes that it closes are
held back, and certificates in it wait for two people."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from gateway.bootstrap.axis import open_axis
from gateway.clock import SystemClock
from gateway.deciding import delegation
from gateway.domain.event import EventKind
from gateway.errors import StoreFailure
from gateway.incoming.receive import NodeMail
from gateway.ops import checks_of_trust
from gateway.ops.subject import Subject
from gateway.policy.delegation import judge_held
from gateway.ports.axis import Arrival, Fate, Parcel
from gateway.registry_authoring.feed_file import AgencyLine
from gateway.settings import Settings, load
from gateway_labs.authority import Authority
from tests.long.acceptance.test_cli import Office
from tests.support import feeds, parcels, pki
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.faulty import Faulty
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town, opened
from tests.support.responder import Reply, responding
from tests.support.town.rigs import Rig, amqp_rig, embedded_rig
from tests.support.waiting import wait_until

MB = 1024 * 1024


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Open a node that follows the issuer."""
    async with opened(tmp_path / "node") as town:
        permit(town)
        yield town


def permit(town: Town) -> None:
    folder = town.node.settings.trust.folder / "feed"
    folder.mkdir(exist_ok=True)
    feeds.write_certificate(folder / "issuer.pem", feeds.ISSUER)


async def lines(town: Town, **closed: date) -> list[AgencyLine]:
    """List the town's own agencies; `closed` holds end dates by the end of the code after its last dot."""
    entries = [await town.node.directory.entry(code) for code in sorted((PROVINCE, DEPARTMENT, COMMUNE))]
    return [
        feeds.agency(
            entry.code,
            entry.name,
            alias=entry.alias,
            parent=entry.parent,
            valid_to=closed.get(f"x{entry.code.rpartition('.')[2]}"),
        )
        for entry in entries
        if entry is not None
    ]


def parcel(raw: bytes, packet_id: str = "registry-1") -> Parcel:
    return replace(parcels.parcel(packet_id, raw), kind="registry", sender="@issuer")


async def sequence(town: Town) -> int:
    feed = await town.node.feed.in_force()
    return feed.sequence if feed else 0


@pytest.fixture(params=["embedded", "amqp"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    if request.param == "embedded":
        async with embedded_rig(tmp_path / "axis", 3, MB) as rig:
            yield rig
    else:
        async with amqp_rig(request.getfixturevalue("broker"), tmp_path, 3, MB) as rig:
            yield rig


async def test_a_list_comes_over_the_axis_and_a_wrong_one_never_returns(rig: Rig, town: Town) -> None:
    issuer, north = await rig.node("issuer", ["Z95"]), await rig.node("north", ["@north", PROVINCE])

    async def accept(path: Path, node: str | None) -> None:
        await town.node.feed.accept(path, f"node {node}")

    async def take_no_letter(path: Path, node: str | None) -> None:
        raise AssertionError(f"{node} sent a letter")

    door = NodeMail(north, accept, take_no_letter, town.node.blobs, town.node.pool)
    good = feeds.feed(await lines(town), 4)
    bad = feeds.feed([feeds.agency("Z95")], 5, signer=feeds.STRANGER)

    async def refused() -> bool:
        assert list(await door.take(10, LEASE_S)) == []
        return bool(await town.node.feed.refusals())

    async def in_force() -> bool:
        assert list(await door.take(10, LEASE_S)) == []
        return await sequence(town) == 4

    assert (await issuer.publish(parcel(bad), ["@north"]))["@north"].fate is Fate.DELIVERED
    await wait_until(refused, "the wrong list is refused")
    assert (await issuer.publish(parcel(good), ["@north"]))["@north"].fate is Fate.DELIVERED
    await wait_until(in_force, "the list is in force")
    await rig.lose_consumer()
    await issuer.publish(replace(parcel(b"mail"), packet_id="p1"), [PROVINCE])
    arrived: list[Arrival] = []

    async def mail() -> bool:
        arrived.extend(await door.take(10, LEASE_S))
        return bool(arrived)

    await wait_until(mail, "an agency's own parcel")
    assert [a.packet_id for a in arrived] == ["p1"]
    (refusal,) = await town.node.feed.refusals()
    assert (refusal.code, refusal.sequence) == ("FEED-ISSUER", 5)
    assert (await issuer.publish(parcel(good), ["@south"]))["@south"].fate is Fate.NEVER


async def test_a_list_is_fetched_from_its_address_in_its_hours_and_every_failure_is_recorded(
    tmp_path: Path,
) -> None:
    """The node's own loop fetches: each try leaves its outcome, and the list in force stays."""
    replies = {"now": Reply(status=404)}
    with responding(lambda _: replies["now"]) as server:

        def change(settings: Settings) -> Settings:
            return replace(settings, registry=replace(settings.registry, feed_url=server.url, feed_h=6))

        async with opened(tmp_path / "node", change=change) as town:
            permit(town)
            loop = town.node._axis_lists_loop()["axis_lists"]
            attempts: list[tuple[str, int, str]] = []
            good = feeds.feed(await lines(town), 4)
            bad = feeds.feed([feeds.agency("Z95")], 5, signer=feeds.STRANGER)
            fetched = (
                Reply(status=404),
                Reply(body=good),
                Reply(body=bad),
                Reply(body=good[:-9]),
                Reply(body=good),
            )
            for n, reply in enumerate(fetched, 1):
                replies["now"] = reply
                for _ in range(2):  # once in its hours
                    await loop.step()
                    town.clock.advance(timedelta(minutes=2))
                assert len(server.requests) == n
                (newest, *_) = await town.node.axis_lists.listed()
                attempts.append((str(newest.state), await sequence(town), newest.fault))
                (finding,) = [f async for f in checks_of_trust.axis_lists(Subject.within(town.node))]
                assert finding.cause == f"feed-fetch.{'failed' if newest.fault else 'fine'}"
                town.clock.advance(timedelta(hours=6))
            assert [(state, number) for state, number, _ in attempts] == [
                ("failed", 0),
                ("done", 4),
                ("failed", 4),
                ("failed", 4),
                ("done", 4),
            ]
            assert "404" in attempts[0][2]
            assert "FEED-ISSUER" in attempts[2][2]
            assert not list(town.node.settings.node.data_dir.glob("fetched-*"))
            town.clock.advance(timedelta(hours=19))
            (finding,) = [f async for f in checks_of_trust.axis_lists(Subject.within(town.node))]
            assert finding.cause == "feed-fetch.old"


async def test_a_node_tells_its_issuer_which_list_it_has_until_the_issuer_knows(tmp_path: Path) -> None:
    """Two nodes: the issuer answers over HTTP; the other one tells by the loop that fetches."""
    async with opened(tmp_path / "issuer", serves=True) as issuer:

        def change(settings: Settings) -> Settings:
            url = f"{issuer.url}/api/v1/agencies/receipts"
            return replace(settings, registry=replace(settings.registry, receipt_url=url))

        async with opened(tmp_path / "north", change=change) as north:
            permit(north)
            loop = north.node._axis_lists_loop()["axis_lists"]

            async def follow(raw: bytes) -> str:
                """Take a list, and return what the doctor then says of its receipt."""
                assert await import_feed(north, raw) == "applied"
                await delegation.judge_undecided(north.node.deciding)
                for clock in (north.clock, issuer.clock):
                    clock.advance(timedelta(minutes=20))
                await loop.step()
                subject = Subject.within(north.node)
                (finding,) = [f async for f in checks_of_trust.axis_lists(subject)]
                return finding.cause

            assert await follow(feeds.feed(await lines(north), 1)) == "feed-receipt.failed"
            in_force = await north.node.feed.in_force()
            assert in_force is not None
            assert "409" in (in_force.receipt_fault or ""), "the issuer never wrote that list"

            issued = tmp_path / "2.feed"
            await issuer.node.feed.export(issued, feeds.ISSUER, sequence=2)
            assert await follow(issued.read_bytes()) == "feed-receipt.fine"

        overview = await issuer.node.feed.receipts.overview()
        (receipted_node,) = [standing for standing in overview.nodes if standing.receipt is not None]
        assert (receipted_node.sequence, receipted_node.behind_since) == (2, None)
        assert receipted_node.code == min(PROVINCE, DEPARTMENT, COMMUNE)


async def test_a_running_node_hosts_itself_and_takes_lists(tmp_path: Path) -> None:
    """Through the wiring: what the node's own loops tell the axis, and its own door."""
    stop = asyncio.Event()
    async with opened(tmp_path / "node", SystemClock()) as town:
        node = town.node
        permit(town)
        working = asyncio.create_task(node.run_workers(stop))
        raw = feeds.feed(await lines(town), 9, made_at=SystemClock().now().replace(microsecond=0))

        async def published() -> bool:
            return (await node.axis.publish(parcel(raw), ["@demo"]))["@demo"].fate is Fate.DELIVERED

        async def in_force() -> bool:
            return await sequence(town) == 9

        await wait_until(published, "the node hosts itself")
        await wait_until(in_force, "the list is in force")
        stop.set()
        await working


async def test_a_list_that_storage_did_not_take_returns(tmp_path: Path) -> None:
    faulty = Faulty("feed", "accept")
    async with opened(tmp_path / "node", wrap=faulty) as town:
        permit(town)
        await town.node.axis.host(["@demo"])
        await town.node.axis.publish(parcel(feeds.feed(await lines(town), 4)), ["@demo"])
        faulty.error = StoreFailure("the disk is full")
        with pytest.raises(StoreFailure):
            await town.land()
        faulty.error = None
        assert await town.land() == 0
        assert await sequence(town) == 0

        town.clock.advance(timedelta(seconds=LEASE_S + 1))
        await town.land()

        assert await sequence(town) == 4


async def test_mail_is_not_held_up_by_a_list(town: Town) -> None:
    """Agencies' parcels of one taking are handed on before the list is looked at."""
    await town.node.axis.host(["@demo", PROVINCE])
    mail = replace(parcel(b"mail"), packet_id="p1")
    await town.node.axis.publish(parcel(feeds.feed(await lines(town), 4)), ["@demo"])
    await town.node.axis.publish(mail, [PROVINCE])

    arrivals = await town.node.inn.axis.take(10, LEASE_S)

    assert [a.packet_id for a in arrivals] == ["p1"]
    assert await sequence(town) == 0
    assert list(await town.node.inn.axis.take(10, LEASE_S)) == []
    assert await sequence(town) == 4


async def import_feed(town: Town, raw: bytes) -> str:
    path = town.node.settings.node.data_dir / "given.feed"
    path.write_bytes(raw)
    return (await town.node.feed.accept(path, "operator")).verdict


async def approve_changes(town: Town, sequence: int) -> None:
    """Put in force what a list changes in who speaks for codes, as two people do."""
    async with town.node.deciding.decisions.changing("an") as work:
        received = await work.lists.get("Registry issuer", sequence)
        changes = [judge_held(change) for change in await work.held_rows.load(received)]
        assert await work.held_rows.apply(changes, received, {}) == 1


async def test_threat_090_a_code_closed_while_a_document_waits_is_held_back_with_a_reason(town: Town) -> None:
    """Threat 90, R83: neither sent into the void nor failed in silence; open again, it goes."""
    document = await town.send("15", PROVINCE, COMMUNE)
    await town.pack()
    last = COMMUNE.rpartition(".")[2]
    shut = await lines(town, **{f"x{last}": date(2026, 11, 19)})
    assert await import_feed(town, feeds.feed(shut, 1)) == "applied"
    await approve_changes(town, 1)

    await town.carry()

    states = {code: d.state for code, d in (await town.deliveries(document)).items()}
    assert (states[PROVINCE], states[COMMUNE]) == ("delivered", "sending")
    assert await town.incoming(COMMUNE) == ()
    (event,) = [e for e in await town.events(DEPARTMENT, document.id) if e.kind is EventKind.DELIVERY_RETRY]
    assert (event.data["to"], event.data["code"]) == ([COMMUNE], "recipient-closed")
    assert "is closed in the registry after 2026-11-19" in event.data["detail"]

    assert await import_feed(town, feeds.feed(await lines(town), 2)) == "applied"
    await approve_changes(town, 2)
    town.clock.advance(timedelta(minutes=1))
    await town.carry()

    assert (await town.deliveries(document))[COMMUNE].state == "delivered"
    assert len(await town.incoming(COMMUNE)) == 1
    assert len(await town.incoming(PROVINCE)) == 1


async def test_what_stays_closed_fails_for_everyone_to_see(town: Town) -> None:
    document = await town.send("16", COMMUNE)
    await town.pack()
    last = COMMUNE.rpartition(".")[2]
    shut = [
        replaced.model_copy(update={"successor": PROVINCE}) if replaced.code == COMMUNE else replaced
        for replaced in await lines(town, **{f"x{last}": date(2026, 11, 19)})
    ]
    await import_feed(town, feeds.feed(shut, 1))
    await approve_changes(town, 1)
    for _ in range(90):
        await town.dispatch()
        town.clock.advance(timedelta(hours=1))

    assert (await town.delivery(document)).state == "failed"
    facts = [fact for fact in await town.facts(document) if fact.code == "failed"]
    assert [fact.reason for fact in facts] == ["recipient-closed"]
    assert f"its successor is {PROVINCE}" in (facts[0].note or "")


async def test_an_answer_to_a_closed_agency_is_delivered(town: Town) -> None:
    """It answers documents that arrived before the code was closed."""
    await town.node.inn.axis.host([PROVINCE, DEPARTMENT])
    document = await town.send("17", PROVINCE)
    await town.pack()
    await town.dispatch()
    await town.land()
    last = DEPARTMENT.rpartition(".")[2]
    shut = await lines(town, **{f"x{last}": date(2026, 11, 20)})
    await import_feed(town, feeds.feed(shut, 1))
    await approve_changes(town, 1)
    await town.process()
    town.clock.advance(timedelta(days=2))

    await town.carry()

    assert (await town.delivery(document)).state == "delivered"


# --- typed ----------------------------------------------------------------------------------------------------


@pytest.fixture
def desks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Office, Office]:
    """Set up the issuer and another node on one axis, with the issuer's key and certificate beside them."""
    for name in [n for n in os.environ if n.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    now = SystemClock().now()
    authority = Authority.create("Trial", now)
    authority.save(tmp_path)
    offices = tuple(
        Office(code=code, folder=tmp_path / name)
        for name, code in (("issuer", "Z91.01"), ("north", "Z91.02"))
    )
    for services in offices:
        services.folder.mkdir()
        answers = (
            "--data-dir",
            services.folder / "data",
            "--code",
            services.code,
            "--name",
            f"Office {services.code}",
        )
        services.well("init", *answers, "--ca", tmp_path / "ca.pem", "--port", "0", "--yes")
        with (services.folder / "gateway.toml").open("a", encoding="utf-8") as file:
            file.write('\n[axis]\nfolder = "../axis"\n\n[registry]\ntwo_people = "no"\n')
        text = (services.folder / "gateway.toml").read_text(encoding="utf-8")
        name = f'name = "{services.folder.name}"'
        assert "[node]" in text
        lines = [name if line.lstrip("# ").startswith("name =") else line for line in text.splitlines()]
        (services.folder / "gateway.toml").write_text("\n".join(lines), encoding="utf-8")
    key = pki.key("p256", "registry issuer")
    (tmp_path / "feed.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"invented"))
    )
    (tmp_path / "password").write_text("invented\n", encoding="utf-8")
    feeds.write_certificate(tmp_path / "feed.pem", feeds.ISSUER)
    folder = tmp_path / "north" / "data" / "trust" / "feed"
    folder.mkdir(parents=True)
    feeds.write_certificate(folder / "issuer.pem", feeds.ISSUER)
    issuer, north = offices
    return issuer, north


def signing(office: Office) -> tuple[str | Path, ...]:
    folder = office.folder.parent
    return (
        "--sign",
        folder / "feed.key",
        "--certificate",
        folder / "feed.pem",
        "--password-file",
        folder / "password",
    )


def approved(office: Office, two: Deciders, *proposing: str | Path) -> None:
    """Propose as one person and approve as another; the proposer cannot approve."""
    with typing(two.lines(FIRST)):
        proposal = office.well(*proposing, "--as", FIRST, "--yes")
    (sha256,) = proposal["sha256"]
    with typing(two.lines(FIRST, sha256[-16:])):
        assert office.type("keys", "approve", proposal["id"], "--as", FIRST, "--yes").code == 5
    with typing(two.lines(SECOND, sha256[-16:])):
        office.well("keys", "approve", proposal["id"], "--as", SECOND, "--yes")


def imported(office: Office, *rows: str) -> None:
    path = office.folder / "list.csv"
    path.write_text("\n".join(("code,name,parent,host", *rows)), encoding="utf-8")
    office.well("registry", "import", path, "--apply", "--yes")


def test_an_operator_gives_lists_and_another_takes_them(desks: tuple[Office, Office], tmp_path: Path) -> None:
    issuer, north = desks
    imported(issuer, "Z91,Province,,", "Z91.01,Office One,Z91,issuer", "Z91.02,Office Two,Z91,north")
    signer = pki.signer("Z91.01", "p256")
    certificate = x509.load_der_x509_certificate(signer.certificate_der)
    (tmp_path / "one.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    approved(
        issuer,
        Deciders.add_to(issuer.folder / "gateway.toml"),
        "keys",
        "propose",
        "Z91.01",
        tmp_path / "one.pem",
    )
    first, second, changes = (tmp_path / name for name in ("1.feed", "2.feed", "2c.feed"))

    export = issuer.well("registry", "export", first, *signing(issuer))
    assert (export["sequence"], export["rows"]) == (1, 4)
    assert north.well("registry", "verify", first)["verdict"] == "acceptable"
    assert north.well("registry", "sync", first, "--yes")["added"] == 3
    (waiting,) = north.well("registry", "feed", "proposals")["data"]
    assert waiting["code"] == "Z91.01"
    two = Deciders.add_to(north.folder / "gateway.toml")
    approved(north, two, "registry", "feed", "propose", "Z91.01", waiting["sha256"])
    assert north.well("registry", "feed", "proposals")["data"] == []

    imported(issuer, "Z91.02,Office Two renamed,Z91,north", "Z91.03,Office Three,Z91,north")
    issuer.well("registry", "export", second, *signing(issuer), "--since", first)
    update = issuer.well("registry", "export", changes, *signing(issuer), "--since", first, "--changes")
    assert (update["kind"], update["sequence"], update["base"], update["rows"]) == ("changes", 2, 1, 2)
    differ = issuer.well("registry", "diff", first, second)["data"]
    assert [(row["code"], row["kind"]) for row in differ] == [("Z91.02", "changed"), ("Z91.03", "added")]
    assert north.well("registry", "sync", changes, "--yes")["changed"] == 1
    assert north.well("registry", "sync", second, "--yes")["verdict"] == "repeat"

    old = north.type("registry", "sync", first, "--yes", "--lang", "en")
    assert (old.code, "older than the one in force" in old.err) == (4, True)
    assert north.type("registry", "verify", first).code == 7
    status = north.well("registry", "feed", "status")
    assert (status["issuer"], status["sequence"]) == ("Registry issuer", 2)
    assert [row["code"] for row in status["refused"]] == ["FEED-ROLLED-BACK"]
    standing = issuer.well("registry", "feed", "receipts")
    assert (standing["issued"]["sequence"], standing["changes"]) == (2, [])
    assert [(row["node"], row["sequence"], row["codes"]) for row in standing["data"]] == [("north", None, 2)]
    assert north.well("registry", "feed", "refusals")["data"][0]["sequence"] == 1
    assert north.well("registry", "show", "Z91.02")["name"] == "Office Two renamed"


def test_a_list_is_published_to_the_nodes_that_it_names(desks: tuple[Office, Office], tmp_path: Path) -> None:
    issuer, north = desks
    imported(issuer, "Z91,Province,,", "Z91.02,Office Two,Z91,north", "Z91.03,Office Three,Z91,south")
    issuer.well("registry", "export", tmp_path / "1.feed", *signing(issuer))

    async def host() -> None:
        async with open_axis(load(north.folder / "gateway.toml", {})) as axis:
            await axis.host(["@north"])

    async def take_recipients() -> list[str]:
        async with open_axis(load(north.folder / "gateway.toml", {})) as axis:
            return [arrival.recipient for arrival in await axis.take(10, LEASE_S)]

    asyncio.run(host())
    run = issuer.type("registry", "publish", tmp_path / "1.feed", "--all", "--yes", "-o", "json")

    fates = {fate["node"]: fate["fate"] for fate in json.loads(run.out)["data"]}
    assert (run.code, fates) == (6, {"north": "delivered", "south": "never"})
    assert asyncio.run(take_recipients()) == ["@north"]
    repeat = issuer.type("registry", "publish", tmp_path / "1.feed", "--to", "north", "--yes")
    assert repeat.code == 0


def test_a_key_that_does_not_open_says_so(desks: tuple[Office, Office], tmp_path: Path) -> None:
    issuer, _ = desks
    (tmp_path / "password").write_text("other\n", encoding="utf-8")

    run = issuer.type("registry", "export", tmp_path / "1.feed", *signing(issuer))

    assert run.code == 1
    assert "does not open with the given password" in run.err
    assert not (tmp_path / "1.feed").exists()
    usage = issuer.type("registry", "export", tmp_path / "1.feed", *signing(issuer), "--changes")
    assert usage.code == 2
