"""`gateway registry trust` as people type it: a list made by one node binds at another after a policy of two people, and
every binding says what it rests on; what only takes trust away is done by one person."""

from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from gateway.bootstrap.core import open_core
from gateway.clock import SystemClock
from gateway.settings import load
from gateway_labs.authority import Authority
from tests.support import feeds, pki
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.unit.cli.conftest import Terminal

ISSUER = "Registry issuer"
OFFICERS = (feeds.officer("one"), feeds.officer("two"))
AGENCIES = "code,name,parent\nZ91,UBND tỉnh Sao Mai,\nZ91.01,Sở Một,Z91\nZ91.02,Sở Hai,Z91\n"


_ASKS = {("init", "--data-dir"), ("registry", "import"), ("registry", "sync")}


class Node:
    """The node of a province, which makes lists and takes them too."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self._terminal, self.folder = terminal, folder
        authority = Authority.create("Trial", SystemClock().now() - timedelta(days=2))
        (folder / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        words = ("init", "--data-dir", "state", "--code", "Z91.09", "--name", "Office", "--ca", "root.pem")
        self.well(*words, "--port", "0")
        (folder / "agencies.csv").write_text(AGENCIES, encoding="utf-8")
        self.well("registry", "import", "agencies.csv", "--apply")
        self.deciders = Deciders.add_to(folder / "gateway.toml")
        for name, signer in (("feed", feeds.ISSUER), ("one", OFFICERS[0]), ("two", OFFICERS[1])):
            feeds.write_certificate(folder / f"{name}.pem", signer)
            key = signer.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}.key.pem").write_bytes(key)

    def type(self, *words: str, by: str = "", answers: tuple[str, ...] = ()) -> Any:
        more = ("--as", by, "--yes") if by else ("--yes",) if words[:2] in _ASKS else ()
        with typing(self.deciders.lines(by, *answers) if by else ""):
            return self._terminal.type(*words, *more, "-o", "json")

    def well(self, *words: str, by: str = "", answers: tuple[str, ...] = ()) -> Any:
        run = self.type(*words, by=by, answers=answers)
        assert run.code == 0, run.err
        return run.json

    def permit(self) -> None:
        """Let the node follow the issuer."""
        settings = load(self.folder / "gateway.toml", os.environ)
        folder = settings.trust.folder / "feed"
        folder.mkdir(exist_ok=True)
        feeds.write_certificate(folder / "issuer.pem", feeds.ISSUER)

    async def bind(self, code: str) -> str:
        """Bind a certificate here, so that the next list has it; return its SHA-256."""
        der = pki.signer(code, "p256").certificate_der
        async with open_core(load(self.folder / "gateway.toml", os.environ)) as core:
            await core.directory_changes.bind(code, der, pki.NOT_BEFORE, pki.NOT_AFTER, "an", "binh")
        return pki_sha256(der)

    async def forget(self, code: str, sha256: str) -> None:
        """Remove a binding past the program, with its event, as if this were another node."""
        removed = {
            "DELETE FROM agency_binding WHERE fingerprint = :name": sha256,
            "DELETE FROM event WHERE subject_id = :name": f"binding:{code}",
        }
        settings = load(self.folder / "gateway.toml", os.environ)
        async with open_core(settings) as core, core.store.writer.begin() as connection:
            for statement, name in removed.items():
                await connection.execute(text(statement), {"name": name})


def pki_sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Node:
    return Node(terminal, tmp_path)


def test_a_list_is_made_signed_by_officers_and_binds_by_a_policy(node: Node) -> None:
    sha256 = asyncio.run(node.bind("Z91.01"))
    export = node.well(
        *("registry", "export", "list-1.feed", "--trust", "--sign", "feed.key.pem"),
        *("--certificate", "feed.pem"),
    )
    for name in ("one", "two", "two"):
        signed = node.well(
            *("registry", "countersign", "list-1.feed", "--sign", f"{name}.key.pem"),
            *("--certificate", f"{name}.pem"),
        )
        assert signed["trust"] == export["trust"]
    asyncio.run(node.forget("Z91.01", sha256))
    node.permit()

    officers = ("--officer", "one.pem", "--officer", "two.pem", "--under", "Z91")
    limits = ("--per-day", "5", "--share", "100", "--wait", "0")
    proposed = node.well("registry", "trust", "propose", ISSUER, *officers, *limits, by=FIRST)
    assert proposed["policies"][0]["most_per_day"] == 5
    digits = tuple(fingerprint[-16:] for fingerprint in proposed["sha256"])
    wrong = node.type("proposals", "approve", proposed["id"], by=SECOND, answers=(digits[0], "0" * 16))
    assert wrong.code != 0
    node.well("proposals", "approve", proposed["id"], by=SECOND, answers=digits)

    assert node.well("registry", "sync", "list-1.feed")["verdict"] == "applied"
    (listed,) = node.well("registry", "trust", "lists")["data"]
    assert (listed["state"], listed["bound"], listed["trust"]) == ("done", 1, export["trust"])
    (binding,) = node.well("registry", "bindings", "--code", "Z91.01")["data"]
    assert (binding["kind"], binding["issuer"], binding["policy"]) == ("policy", ISSUER, 1)
    assert binding["sha256"] == sha256
    (issuer,) = node.well("registry", "trust", "show")["data"]
    assert (issuer["bindings"], issuer["stopped"]) == (1, None)
    other = node.type("registry", "trust", "compare", ISSUER, "1", "0" * 64)
    assert (other.code, other.json["same"]) == (7, False)
    assert node.well("registry", "trust", "compare", ISSUER, "1", listed["digest"])["same"]

    reason = ("--reason", "Their key was stolen")
    struck = node.well("registry", "trust", "strike", ISSUER, proposed["sha256"][0], *reason, by=SECOND)
    assert struck["issuer"] == ISSUER
    (batch,) = node.well("registry", "trust", "recall", ISSUER, *reason, by=FIRST)["in_force"]
    assert node.well("registry", "trust", "end", batch, *reason, by=FIRST)["ended"] == 1
    assert node.well("registry", "bindings", "--by-source")["data"] == []


def test_two_people_approve_a_list_by_its_digest(node: Node) -> None:
    sha256 = asyncio.run(node.bind("Z91.02"))
    node.well("registry", "export", "list-1.feed", "--sign", "feed.key.pem", "--certificate", "feed.pem")
    asyncio.run(node.forget("Z91.02", sha256))
    node.permit()
    node.well("registry", "sync", "list-1.feed")
    judged = node.well("registry", "trust", "rows", ISSUER, "1", "--all")
    assert [row["standing"] for row in judged["data"]] == ["ready"]
    proposed = node.well("registry", "trust", "propose-list", ISSUER, "1", by=FIRST)
    digest = judged["list"]["trust"]
    assert proposed["lists"][0]["digest"] == digest[:-16] + "·" * 16
    node.well("proposals", "approve", proposed["id"], by=SECOND, answers=(digest[-16:],))
    (source,) = node.well("registry", "bindings", "--by-source")["data"]
    assert (source["count"], source["kind"], source["proposed_by"]) == (1, "list", FIRST)
