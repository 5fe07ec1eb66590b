"""`gateway hold key`: the head's pair, made away from the node; nothing is overwritten and no passphrase is shown."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from gateway.trust.hold_seal import KeyUnsealer, RecipientSealer
from tests.unit.cli.conftest import CommandRun, Terminal

PASSPHRASE = "words of the head"


def typing(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_pair_is_made_and_the_private_half_opens_what_the_public_one_seals(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, PASSPHRASE, PASSPHRASE)

    run = terminal.type("hold", "key", tmp_path / "head.key", tmp_path / "head.pub", "-o", "json")

    private = tmp_path / "head.key"
    assert run.code == 0
    assert PASSPHRASE not in run.out + run.err
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    sealer = RecipientSealer.from_file(tmp_path / "head.pub")
    opener = KeyUnsealer.from_file(private.read_bytes(), PASSPHRASE.encode())
    assert run.json["id"] == sealer.fingerprint == opener.fingerprint


@pytest.mark.long
def test_a_passphrase_that_is_short_or_mistyped_makes_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is overwritten either, and a folder that takes no file is named."""

    def make(key: str, *lines: str) -> CommandRun:
        typing(monkeypatch, *lines)
        return terminal.type("hold", "key", key, tmp_path / "head.pub")

    assert make("head.key", "short", "short").code == 2
    assert make("head.key", PASSPHRASE, "words of another").code == 2
    assert "nowhere" in make("nowhere/head.key", PASSPHRASE, PASSPHRASE).err
    assert list(tmp_path.glob("head.*")) == []
    (tmp_path / "head.pub").write_text("the one in use")
    assert make("head.key", PASSPHRASE, PASSPHRASE).code == 4
    assert (tmp_path / "head.pub").read_text() == "the one in use"
    assert not (tmp_path / "head.key").exists()
    # A notice goes to one of the known kinds of reader.
    assert terminal.type("hold", "notice", "hld_1", "--to", "everybody").code == 2
