"""`gateway evidence` as an operator and a court type it, on a node that was left by the scene."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import evidence
from tests.support.node import DEPARTMENT, PROVINCE
from tests.unit.cli.conftest import Terminal


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One place where commands are typed."""

    scene: evidence.Scene
    folder: Path
    terminal: Terminal

    def type(self, *words: str | Path) -> tuple[int, str, str]:
        run = self.terminal.type(*words)
        return run.code, run.out, run.err

    def at_node(self, *words: str | Path, agency: str = DEPARTMENT) -> tuple[int, str, str]:
        """On a copy of the scene's node."""
        settings, node = self.folder / "gateway.toml", self.folder / "node"
        if not settings.exists():
            shutil.copytree(self.scene.folder / "node", node)
            settings.write_text(f'[node]\nname = "demo"\ndata_dir = "{node}"\n', encoding="utf-8")
        return self.type("--config", settings, *words, "--agency", agency)

    @property
    def sent(self) -> Path:
        """The pack of what was sent."""
        pack = self.folder / "sent.zip"
        pack.write_bytes(self.scene.sent)
        return pack

    def json(self, *words: str | Path, agency: str = DEPARTMENT) -> Any:
        code, out, err = self.at_node(*words, "-o", "json", agency=agency)
        assert code == 0, err
        return json.loads(out)

    def check(self, pack: Path, *words: str | Path) -> tuple[int, str, str]:
        options = ("--trust", self.scene.trust, "--at", evidence.YEARS_LATER.isoformat())
        return self.type("evidence", "verify", pack, *options, *words)


@pytest.fixture
def desk(tmp_path: Path, terminal: Terminal) -> Desk:
    return Desk(scene=evidence.played_scene(), folder=tmp_path, terminal=terminal)


@pytest.mark.parametrize("agency", [DEPARTMENT, PROVINCE])
def test_a_pack_is_made_by_number_on_either_side_listed_and_valid(desk: Desk, agency: str) -> None:
    pack_row = desk.json("evidence", "make", "15/STD-VP", agency=agency)

    pack = Path(pack_row["path"])
    assert pack.stat().st_size == pack_row["size"]
    assert pack.stat().st_mode & 0o077 == 0
    listed = desk.json("evidence", "list", agency=agency)["data"]
    assert pack_row["id"] in [row["id"] for row in listed]
    assert listed[-1]["manifest_sha256"] == pack_row["manifest_sha256"]
    code, out, _ = desk.check(pack, "--lang", "en")
    assert (code, out.splitlines()[-1]) == (0, "VALID: everything that the pack proves holds.")


def test_a_pack_goes_where_it_is_told_and_overwrites_nothing(desk: Desk) -> None:
    pack_row = desk.json("evidence", "make", "15/STD-VP", "--to", "case.zip")
    code, _, err = desk.at_node("evidence", "make", "15/STD-VP", "--to", "case.zip")
    assert Path(pack_row["path"]).name == "case.zip"
    assert (code, "never overwrites" in err) == (4, True)

    # The packs of one document are listed alone.
    newest = desk.json("evidence", "make", "16/STD-VP")["id"]
    (document,) = [row["document"] for row in desk.json("evidence", "list")["data"] if row["id"] == newest]
    assert [row["id"] for row in desk.json("evidence", "list", "--document", document)["data"]] == [newest]
    assert desk.at_node("evidence", "make", "99/KHÔNG")[0] == 3
    for verb in ("verify", "show"):
        assert desk.type("evidence", verb, "nowhere.zip")[0] == 3


def test_the_verdict_is_read_aloud_in_both_languages_and_line_by_line_to_programs(desk: Desk) -> None:
    for lang, words in {
        "vi": ("HỢP LỆ", "Gốc chứng thực", "✓ biên nhận", "có trước 20/11/2026 08:06"),
        "en": ("VALID", "Root certificate", "✓ receipt", "existed before 20/11/2026 08:06"),
    }.items():
        code, out, _ = desk.check(desk.sent, "--seal", desk.scene.seal, "--lang", lang)
        assert code == 0
        assert [word for word in words if word not in out] == []

    for form in ("json", "ndjson"):
        code, out, _ = desk.check(desk.sent, "-o", form)

        verdict = json.loads(out)
        assert (code, verdict["verdict"]) == (0, "valid")
        receipts = [step for step in verdict["steps"] if step["step"] == "receipt"]
        assert [step["trusted_time"] for step in receipts] == [True, True]
        assert verdict["pack"]["agency"] == DEPARTMENT


def test_a_spoiled_pack_is_exit_7_and_names_the_member(desk: Desk) -> None:
    raw = bytearray(desk.scene.sent)
    raw[raw.index(b"<edXML") + 50] ^= 1
    pack = desk.folder / "spoiled.zip"
    pack.write_bytes(raw)

    code, out, _ = desk.check(pack)
    show_code, _, err = desk.type("evidence", "show", pack)

    assert (code, show_code) == (7, 7)
    assert "packets/00001-out-edoc.edxml" in out.splitlines()[-1]
    assert "packets/00001-out-edoc.edxml" in err


def test_without_anchors_it_says_that_nothing_can_be_more_than_consistent(desk: Desk) -> None:
    code, out, _ = desk.type("evidence", "verify", desk.sent, "--lang", "en")

    assert code == 7
    assert "No anchors were given" in out
    assert "consistent, not anchored" in out
    assert out.splitlines()[-1].startswith("CANNOT TELL")


def test_what_is_inside_is_shown_in_words_with_a_warning_and_told_to_programs(desk: Desk) -> None:
    for lang, warning in {"vi": "chưa được kiểm tra", "en": "no signature was checked"}.items():
        code, out, err = desk.type("evidence", "show", desk.sent, "--lang", lang)
        assert code == 0
        assert "15/STD-VP" in out
        assert "packets/00002-in-status.edxml" in out
        assert warning in err

    code, out, _ = desk.type("evidence", "show", desk.sent, "-o", "json", "-q")
    story_json = json.loads(out)
    assert code == 0
    assert [packet["status"] for packet in story_json["story"]["packets"]] == [None, "01", "03"]
    assert {"index.html", "story.json"} <= {member["name"] for member in story_json["members"]}
