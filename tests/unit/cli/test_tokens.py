"""The way to open a key is chosen when it is made and changed later; a private key is never taken for a certificate."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.bootstrap.core import open_core
from gateway.domain.account import AgencyScope
from gateway.domain.webhook import Endpoint
from gateway.settings.reading import load, locate
from tests.support import client_certificates as made
from tests.unit.cli.conftest import CommandRun, Terminal


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    assert terminal.type("init", "--code", "Z92.01", "--name", "Office", "--yes").code == 0
    # Commands go by the machine's clock.
    mine, other = (made.program(name, 20 * 365, since=-10 * 365) for name in ("qlvb", "other"))
    ended = made.program("over", days=-11 * 365 + 30, since=-11 * 365)
    for name, certificate in (("mine", mine), ("other", other), ("over", ended)):
        made.write_files(certificate, tmp_path, name)
    (tmp_path / "mine.sha256").write_text(made.bound(mine).sha256)
    (tmp_path / "other.der").write_bytes(made.der(other))
    (tmp_path / "together.pem").write_bytes(made.pem(mine) + made.key_pem(mine))
    return terminal


def new(node: Terminal, *more: str) -> CommandRun:
    return node.type("tokens", "new", "qlvb", *more, "--yes", "-o", "json", "--lang", "en")


def test_a_certificate_goes_with_the_secret_unless_it_is_to_be_enough(node: Terminal) -> None:
    both, alone, plain = (
        new(node, "--cert", "mine.pem"),
        new(node, "--cert", "other.der", "--way", "certificate"),
        new(node),
    )

    assert [run.json["way"] for run in (both, alone, plain)] == ["both", "certificate", "secret"]
    assert [run.json["certificate"] for run in (both, alone, plain)] == ["qlvb", "other", None]
    assert both.json["certificate_sha256"] == Path("mine.sha256").read_text()
    assert both.json["secret"].startswith("gwk_")
    assert "secret" not in alone.json
    assert "client_certificates" in alone.err
    assert "client_certificates" not in plain.err
    listed = node.type("tokens", "list", "-o", "json").json["data"]
    assert [row["way"] for row in listed[-3:]] == ["both", "certificate", "secret"]
    listing = node.type("tokens", "list", "--lang", "en").out
    assert "qlvb" in listing


def test_what_opens_a_key_is_changed_and_the_certificate_with_it(node: Terminal) -> None:
    id = new(node).json["id"]

    def bind(*more: str) -> CommandRun:
        return node.type("tokens", "bind", id, *more, "--yes", "-o", "json", "--lang", "en")

    first = bind("--cert", "mine.pem")
    renewed = bind("--cert", "other.pem")
    alone = bind("--way", "certificate")
    freed = bind("--way", "secret")
    bare = bind("--way", "both")

    ways = [(run.json["way"], run.json["certificate"]) for run in (first, renewed, alone, freed)]
    assert ways == [("both", "qlvb"), ("both", "other"), ("certificate", "other"), ("secret", None)]
    assert bare.code != 0
    assert "--cert" in bare.out


def test_what_is_no_certificate_is_refused_with_the_reason_and_nothing_of_it(node: Terminal) -> None:
    for file, word in (
        ("together.pem", "a private key is in this file"),
        ("mine.key", "a private key is in this file"),
        ("over.pem", "ended at"),
        ("gateway.toml", "no certificate"),
        ("none.pem", "none.pem"),
    ):
        run = new(node, "--cert", file)
        assert run.code != 0
        assert word in run.out
        assert "PRIVATE KEY" not in run.out + run.err
    listed = node.type("tokens", "list", "-o", "json").json["data"]
    assert not [row for row in listed if row["certificate"]]

    # A key without a secret is given none, and two are not opened by one certificate.
    id = new(node, "--cert", "mine.pem", "--way", "certificate").json["id"]
    repeat = new(node, "--cert", "mine.pem", "--way", "certificate")
    secret = node.type("tokens", "bind", id, "--way", "secret", "--yes", "--lang", "en")
    assert (repeat.code, secret.code) == (4, 4)
    assert "opens the key" in repeat.out
    assert "without a secret" in secret.err
    assert node.type("tokens", "bind", "key_none", "--way", "secret", "--yes").code == 3


def test_a_revoked_key_names_the_webhooks_that_are_paused_with_it(node: Terminal) -> None:
    key = new(node, "--scope", "webhooks:manage", "--scope", "messages:read").json

    async def hook() -> str:
        async with open_core(load(locate(None, os.environ), os.environ)) as core:
            (token,) = [k for k in await core.store.accounts.list_keys() if k.id == key["id"]]
            scope = AgencyScope(agency_id=token.agency_ids[0], principal_id=token.principal.id)
            endpoint = Endpoint(
                id="whk_1",
                agency_id=scope.agency_id,
                url="https://qlvb.example/hook",
                types=(),
                scopes=token.scopes,
                note="",
                secrets=(),
                created_at=core.clock.now(),
                created_by=scope.principal_id,
            )
            await core.store.webhooks.add(scope, endpoint)
            return endpoint.id

    id = asyncio.run(hook())
    revoked = node.type("tokens", "revoke", key["id"], "--yes", "-o", "json", "--lang", "en")
    repeat = node.type("tokens", "revoke", key["id"], "--yes", "-o", "json", "--lang", "en")

    assert revoked.json["webhooks_paused"] == [{"id": id, "host": "qlvb.example"}]
    assert revoked.json["webhooks"] == repeat.json["webhooks"]
    assert "whk_1 (qlvb.example)" in revoked.err
    assert repeat.json["webhooks_paused"] == []
    assert repeat.json["webhooks"] == [{"id": id, "host": "qlvb.example", "state": "paused"}]


def test_a_key_that_begins_on_a_day_is_made_where_what_came_before_could_be_handed_over(
    node: Terminal,
) -> None:
    """A node without trust anchors has received nothing, so it refuses the day."""
    tokens = node.type("tokens", "list", "-o", "json").json["data"]

    assert new(node, "--since", "01/12/2026").code == 1
    assert new(node, "--since", "yesterday").code == 2
    assert node.type("tokens", "list", "-o", "json").json["data"] == tokens


def test_a_key_gets_another_secret_and_the_earlier_one_is_ended(node: Terminal) -> None:
    first = new(node).json

    def act(verb: str, *more: str) -> CommandRun:
        return node.type("tokens", verb, first["id"], *more, "--yes", "-o", "json", "--lang", "en")

    second, third = act("rotate", "--overlap", "14d"), act("rotate")

    assert second.json["secret"] != first["secret"]
    assert second.json["secret"].startswith("gwk_")
    assert third.code == 4
    assert [act("retire").json["retired_now"] for _ in range(2)] == [True, False]
    (row,) = [r for r in node.type("tokens", "list", "-o", "json").json["data"] if r["id"] == first["id"]]
    assert (row["state"], row["earlier_ends_at"] is not None) == ("active", True)
    assert act("rotate", "--overlap", "0h").code == 0
    assert node.type("tokens", "rotate", "key_none", "--yes").code == 3
