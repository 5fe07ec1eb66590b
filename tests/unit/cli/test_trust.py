"""`gateway trust` shows who vouches for certificates and how old their answers are, on a real node and a real responder;
`gateway verify`, `doctor` and `status` explain it to people."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp as protocol

from gateway.bootstrap.node import open_node
from gateway.clock import SystemClock
from gateway_labs.demo import stage
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PDF, Town, document
from tests.support.responder import Reply, Responder, responding
from tests.support.town.builder import stage_in
from tests.unit.cli.conftest import Terminal
from tools.pki.parts import Party, ocsp_answer

HOUR = timedelta(hours=1)


@pytest.fixture
def responder() -> Iterator[Responder]:
    with responding(lambda _: Reply(status=503)) as http:
        yield http


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage the demonstration's node as of now: commands run on the true time."""
    return asyncio.run(stage_in(tmp_path_factory.mktemp("stage") / "node", SystemClock()))


@pytest.fixture
def node(staged: Path, terminal: Terminal, tmp_path: Path, responder: Responder) -> Path:
    """Copy the node, and have it ask the responder about its own authority."""
    folder = tmp_path / "node"
    shutil.copytree(staged, folder)
    settings = stage.settings_for(folder)
    (tmp_path / "gateway.toml").write_text(
        f'[node]\nname = "{settings.node.name}"\ndata_dir = "{folder}"\n', encoding="utf-8"
    )
    (folder / "trust" / "revocation.toml").write_text(
        f'[[issuer]]\ncertificate = "ca.pem"\nocsp = ["{responder.url}"]\n', encoding="utf-8"
    )
    return folder


def answering(folder: Path) -> object:
    """Build an authority that calls every certificate good."""
    key = load_pem_private_key((folder / "authority" / "ca.key.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((folder / "authority" / "ca.pem").read_bytes())
    party = Party(certificate=certificate, private_key=key)  # type: ignore[arg-type]  # it is a curve's
    certificates = {
        certificate.serial_number: certificate
        for path in (folder / "trust").glob("*.pem")
        for certificate in x509.load_pem_x509_certificates(path.read_bytes())
    }

    def answer(body: bytes) -> Reply:
        request = protocol.load_der_ocsp_request(body)
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        now = datetime.now(UTC)
        valid = (now - HOUR, now + HOUR)
        return Reply(body=ocsp_answer(certificates[request.serial_number], party, valid=valid, nonce=nonce))

    return answer


def test_refresh_asks_every_authority_at_once_and_shows_the_answers(
    node: Path, terminal: Terminal, responder: Responder
) -> None:
    """And it is shown later, by doctor and status too."""
    responder.answer = answering(node)  # type: ignore[assignment]  # a function of bytes
    run = terminal.type("trust", "refresh", "-o", "json")
    assert run.code == 0, run.err
    (authority,) = run.json["asked"]
    assert (authority["state"], authority["certificates"], authority["unanswered"]) == ("good", 3, 0)
    assert len(responder.requests) == 3
    assert run.json["certificates"][0]["role"] == "anchor"
    assert authority["oldest"] is not None

    trust_run = terminal.type("trust", "show", "--lang", "en")
    doctor = terminal.type("doctor", "-o", "json", "--lang", "en")
    status = terminal.type("status", "-o", "json")
    assert "answers; 3 certificates" in trust_run.out
    (finding,) = [check for check in doctor.json["checks"] if check["check"] == "revocation"]
    assert (finding["level"], "answers about revocation" in finding["says"]) == ("green", True)
    assert status.json["revocation"][0]["state"] == "good"
    assert "revocation" not in status.err


def test_refresh_fails_and_names_the_authority_that_does_not_answer(node: Path, terminal: Terminal) -> None:
    """Then doctor is red and names the cure; a source that cannot be read is named with its file."""
    run = terminal.type("trust", "refresh", "--lang", "en")
    assert run.code == 6
    assert "no valid answer for 3 of 3 certificates" in run.out
    assert "503" in run.out
    checks = terminal.type("doctor", "-o", "json").json["checks"]
    red = [check for check in checks if (check["check"], check["level"]) == ("revocation", "red")]
    assert [r["cure"] for r in red] == ["gateway trust refresh"]

    (node / "trust" / "revocation.toml").write_text("[[issuer]]\n", encoding="utf-8")
    unread = terminal.type("trust", "show", "--lang", "en")
    assert unread.code == 1
    assert "revocation.toml" in unread.err
    assert "Traceback" not in unread.err


def test_algorithms_in_use_are_counted_and_their_end_is_said_before(
    node: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_in(days: int) -> tuple[dict[str, Any], str, list[str | None]]:
        day = (datetime.now(UTC) + timedelta(days=days)).date()
        monkeypatch.setenv("GATEWAY_TRUST_ALGORITHMS_UNTIL", f"ecdsa-p256={day}")
        (row,) = [
            row
            for row in terminal.type("trust", "algorithms", "-o", "json").json["algorithms"]
            if row["algorithm"] == "ecdsa-p256"
        ]
        checks = terminal.type("doctor", "-o", "json", "--lang", "en").json["checks"]
        cures = [check["cure"] for check in checks if "ecdsa-p256" in check["says"]]
        return row, terminal.type("trust", "algorithms", "--lang", "en").out, cures

    row, text, cures = end_in(60)
    assert row["in_use"] == {"own": 3, "authority": 1}
    assert (row["count"], row["accepted"], row["ends_within_a_year"]) == (4, True, True)
    assert "! ecdsa-p256: in use 3 own certificates, 1 authority; accepted until" in text
    assert cures == ["gateway trust algorithms"]
    assert (end_in(100)[0]["ends_within_a_year"], end_in(100)[2]) == (True, [])
    assert (end_in(400)[0]["ends_within_a_year"], end_in(-2)[0]["accepted"]) == (False, False)


def test_verify_tells_a_clerk_then_and_now_in_both_languages(
    node: Path, terminal: Terminal, tmp_path: Path
) -> None:
    sent = asyncio.run(_sent(node))
    (tmp_path / "packet.edxml").write_bytes(sent)
    _revoke(node)

    runs = {
        lang: terminal.type("verify", "packet.edxml", "--trust", node / "trust", *_at(), "--lang", lang)
        for lang in ("vi", "en")
    }

    assert [run.code for run in runs.values()] == [0, 0]
    assert "HỢP LỆ" in runs["vi"].out
    assert "Hiện nay: không còn hợp lệ" in runs["vi"].out
    assert "Now: not valid any more" in runs["en"].out
    assert "Revocation: revoked at" in runs["en"].out
    assert "Commitment: proof of origin of packet" in runs["en"].out


def _at() -> tuple[str, str]:
    return "--at", (datetime.now(UTC) - 30 * timedelta(minutes=1)).isoformat()


async def _sent(folder: Path) -> bytes:
    async with open_node(stage.settings_for(folder)) as node:
        town = Town(node=node, clock=ManualClock(datetime.now(UTC)))
        half_an_hour_ago = town.clock.now() - timedelta(minutes=30)
        return town.forge(document(), (("van-ban.pdf", PDF),), at=half_an_hour_ago).raw


def _revoke(folder: Path) -> None:
    """Publish a list in which the sender's certificate was revoked a minute ago."""
    key = load_pem_private_key((folder / "authority" / "ca.key.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((folder / "authority" / "ca.pem").read_bytes())
    party = Party(certificate=certificate, private_key=key)  # type: ignore[arg-type]  # as above
    sender = x509.load_pem_x509_certificate((folder / "trust" / f"{DEPARTMENT}.pem").read_bytes())
    now = datetime.now(UTC)
    listed = party.revocation_list(
        (sender, now - timedelta(minutes=1), x509.ReasonFlags.key_compromise), valid=(now, now + HOUR)
    )
    (folder / "trust" / "crl").mkdir()
    (folder / "trust" / "crl" / "a.pem").write_bytes(listed.public_bytes(Encoding.PEM))
