"""`gateway keys` is tested at its edges: a key of one kind never becomes one of the other, and the end of a key is its
end."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.core import open_core
from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.settings import load
from gateway.trust.key_material import sha256
from gateway_labs.authority import Authority
from tests.unit.cli.conftest import Terminal

CODE = "Z91.02"


class Desk:
    """A node of one agency, its authority, and one key of it that waits for its certificate."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self._terminal, self.folder = terminal, folder
        self.authority = Authority.create("Trial", SystemClock().now() - timedelta(days=2))
        (folder / "root.pem").write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))
        new_key = self.type(
            *("init", "--data-dir", "state", "--code", CODE, "--name", "Office", "--ca", "root.pem"),
            *("--port", "0"),
        )
        assert new_key.code == 0, new_key.err
        self.key_id = str(new_key.json["key_id"])
        self.request = Path(new_key.json["request"]).read_bytes()

    def type(self, *words: str | Path) -> Any:
        return self._terminal.type(*words, "--yes", "-o", "json")

    def listed(self) -> Any:
        """Return the only key."""
        (entry,) = self._terminal.type("keys", "list", "-o", "json").json["data"]
        return entry

    def issued(self, name: str) -> x509.Certificate:
        """Issue another certificate for the same key, and write it into a file of that name."""
        certificate = self.authority.issue_for_request(self.request, SystemClock().now() - timedelta(days=1))
        (self.folder / name).write_bytes(certificate.public_bytes(Encoding.PEM))
        return certificate

    async def bind(self, certificate: x509.Certificate) -> None:
        async with open_core(load(self.folder / "gateway.toml", os.environ)) as office:
            der = certificate.public_bytes(Encoding.DER)
            await office.directory_changes.bind(
                CODE, der, certificate.not_valid_before_utc, None, "an", "binh"
            )

    async def sign_a_pdf(self) -> None:
        async with open_core(load(self.folder / "gateway.toml", os.environ)) as office:
            (agency,) = await office.store.hosted()
            scope = AgencyScope(agency_id=agency.id, principal_id="operator")
            async with office.store.changing(scope) as work:
                await work.events.append(EventKind.DOCUMENT_SIGNED, self.key_id, office.clock.now())


@pytest.fixture
def desk(terminal: Terminal, tmp_path: Path) -> Desk:
    return Desk(terminal, tmp_path)


def test_a_key_that_signed_a_pdf_becomes_no_exchange_key(desk: Desk) -> None:
    """R23a: two kinds, never mixed. The other way round is `policy.pdf_signing`'s."""
    desk.issued("own.pem")
    asyncio.run(desk.sign_a_pdf())
    for words in (("import", "own.pem"), ("propose", CODE, "own.pem", "--as", "An")):
        run = desk.type("keys", *words)
        assert (run.code, run.json["error"]["code"]) == (4, "KEY-SIGNS-PDF")
        assert desk.listed()["sha256"] is None


def test_threat_119_a_key_reported_by_its_certificate_is_as_stolen_as_by_its_id(desk: Desk) -> None:
    own = desk.issued("own.pem")
    assert desk.type("keys", "import", "own.pem").code == 0
    asyncio.run(desk.bind(own))
    since = (SystemClock().now() - timedelta(hours=3)).isoformat()

    stolen = desk.type("keys", "stolen", sha256(own.public_bytes(Encoding.DER)), "--since", since)
    desk.issued("again.pem")
    reimport = desk.type("keys", "import", "again.pem")

    assert stolen.code == 0, stolen.err
    assert (reimport.code, "stolen" in reimport.json["error"]["detail"]) == (4, True)


def test_threat_119_a_theft_is_told_of_a_certificate_that_was_withdrawn_before(desk: Desk) -> None:
    """Withdrawn in haste, by telephone; what it signed since the theft must be found all the same."""
    partner = desk.issued("partner.pem")
    mine = sha256(partner.public_bytes(Encoding.DER))
    asyncio.run(desk.bind(partner))
    since = (SystemClock().now() - timedelta(hours=3)).isoformat()
    assert desk.type("keys", "withdraw", CODE, mine, "--reason", "told by telephone").code == 0

    stolen = desk.type("keys", "stolen", mine, "--since", since)

    assert stolen.code == 0, stolen.err


def test_a_renewed_certificate_of_the_same_key_takes_over_once_it_is_bound(desk: Desk) -> None:
    """K5, without a stop: put beside the key before, it would displace the only one that may sign."""
    old, new = desk.issued("old.pem"), desk.issued("new.pem")
    assert desk.type("keys", "import", "old.pem").code == 0
    asyncio.run(desk.bind(old))
    assert desk.listed()["state"] == "signs"

    early = desk.type("keys", "import", "new.pem")
    still = desk.listed()
    asyncio.run(desk.bind(new))
    late = desk.type("keys", "import", "new.pem")

    assert (early.code, early.json["error"]["code"]) == (4, "KEY-NOT-BOUND")
    assert (still["state"], still["sha256"]) == ("signs", sha256(old.public_bytes(Encoding.DER)))
    assert late.code == 0, late.err
    entry = desk.listed()
    assert (entry["state"], entry["sha256"]) == ("signs", sha256(new.public_bytes(Encoding.DER)))


def test_key_files_get_a_new_password_while_both_open_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = sorted((desk.folder / "state" / "keys").glob("*/*.key.pem"))

    def signs(**passwords: str) -> bool:
        for name in ("PASSWORD", "FORMER_PASSWORD"):
            monkeypatch.delenv(f"GATEWAY_KEYS_{name}", raising=False)
        for name, value in passwords.items():
            monkeypatch.setenv(f"GATEWAY_KEYS_{name}", value)
        desk.folder.joinpath("state/keys", CODE, f"{desk.key_id}.csr.pem").unlink(missing_ok=True)
        return bool(desk._terminal.type("keys", "csr", desk.key_id).code == 0)

    assert signs()
    assert not signs(PASSWORD="first", FORMER_PASSWORD="none"), (
        "a file without a password is opened with none"
    )
    changed = desk.type("keys", "password").json
    assert (changed["changed"], changed["unchanged"]) == (len(keys), 0)
    assert all(b"ENCRYPTED" in key.read_bytes() for key in keys)

    assert signs(PASSWORD="second", FORMER_PASSWORD="first")
    assert desk.type("keys", "password").json["changed"] == len(keys)
    assert desk.type("keys", "password").json["unchanged"] == len(keys)
    assert signs(PASSWORD="second")
    assert not signs(PASSWORD="first")

    files = [key.read_bytes() for key in keys]
    refused = desk.type("keys", "password")
    assert refused.code != 0
    assert "nothing was changed" in refused.err + refused.out
    assert [key.read_bytes() for key in keys] == files
