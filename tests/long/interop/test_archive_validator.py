"""Packages for the historical archive are valid for a validator that was not written here (E-ARK, CSIP and SIP 2): the
program `eark-validator`, in an environment of its own because it needs other versions of libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.archive_package import DESCRIPTION, METS, PART
from tests.support import archive_packages
from tests.support.archive_packages import changed
from tests.support.cases import Cases

# The next version reads a list from the network at its start.
VERSION = "1.1.2"
ROOT = Path(__file__).parents[3]
JUDGE = Path(__file__).parent / "archive_validator" / "judge.py"
DOCUMENTS = [[("Quyết định.pdf", b"first"), ("Phụ lục.pdf", b"second")], [("Giấy mời.pdf", b"third")]]
FIRST = f"{PART}/data/00001/01-quyet-dinh.pdf"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, Any]]:
    """Return a function that unpacks a package and asks the validator, which is installed once and stays in dist."""
    home = ROOT / "dist" / f"archive-validator-{VERSION}-{sys.version_info.minor}"
    python = home / "bin" / "python"
    if not (home / "whole").exists():
        venv.create(home, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", f"eark-validator=={VERSION}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"eark-validator {VERSION} cannot be installed: {ended.stderr.strip()[-200:]}")
        (home / "whole").touch()

    def ask(package: Path) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("unpacked")
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
        command = [str(python), str(JUDGE), str(next(folder.iterdir()))]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        verdict: dict[str, Any] = json.loads(ended.stdout)
        return verdict

    return ask


def is_clean(verdict: dict[str, Any], *, has_files: bool = True) -> bool:
    """Judge a verdict. SIP14 asks each note of a creator for an attribute without namespace, which the validator's own
    METS schema refuses: each package that names its software, as CSIP15 demands, has that finding."""
    severe = [finding for finding in verdict["rules"] if finding["severity"] in ("Error", "Warning")]
    remaining = [f for f in severe if (f["rule"], f["test"]) != ("SIP14", "@NOTETYPE = 'IDENTIFICATIONCODE'")]
    # A representation should have a folder of data; a file of letters on paper alone has none.
    severe_messages = [
        rule
        for rule, severity in verdict["messages"]
        if severity == "Error" or (severity == "Warning" and (has_files or rule != "CSIPSTR11"))
    ]
    is_formed = verdict["structure"] == "Well Formed"
    return is_formed and not (verdict["schema"] or verdict["files"] or remaining or severe_messages)


def test_the_validator_finds_a_package_valid(judge: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    """R103 (hand-over): structure, METS schemas, rules of SIP, and each file that both METS files name."""
    packages = {
        "usual": DOCUMENTS,
        "odd": [[("\x00<&>.PDF", b""), ("a" * 300, b"x"), ("a" * 300, b"y")]],
        "none": [],
    }
    for name, documents in packages.items():
        archive_packages.make(tmp_path / f"{name}.tar", documents)
        verdict = judge(tmp_path / f"{name}.tar")
        assert is_clean(verdict, has_files=bool(documents)), (name, verdict)
        assert {finding["rule"] for finding in verdict["rules"]} >= {"SIP1", "SIP3"}


def test_the_validator_finds_broken_packages_too(
    judge: Callable[[Path], dict[str, Any]], tmp_path: Path, cases: Cases
) -> None:
    """The validator knows no signature and no description, so a wrong count is seen by its digest alone."""
    part_mets = f"{PART}/{METS}"
    faults: dict[str, dict[str, Callable[[bytes], bytes | None]]] = {
        "flipped byte": {FIRST: lambda content: b"F" + content[1:]},
        "missing file": {FIRST: lambda content: None},
        "longer file": {FIRST: lambda content: content + b"x"},
        "wrong digest": {part_mets: lambda content: content.replace(b'CHECKSUM="a7', b'CHECKSUM="b7')},
        "wrong count": {DESCRIPTION: lambda content: content.replace(b"DocTotal>2<", b"DocTotal>3<")},
        "no METS": {METS: lambda content: None},
        "METS against its schema": {METS: lambda content: content.replace(b' TYPE="PHYSICAL"', b' ROLE="x"')},
        "another profile": {METS: lambda content: content.replace(b"E-ARK-SIP.xml", b"E-ARK-AIP.xml")},
    }
    archive_packages.make(tmp_path / "whole.tar", DOCUMENTS)

    def try_fault(name: str) -> None:
        broken = changed(tmp_path / "whole.tar", tmp_path / "broken.tar", faults[name])
        assert not is_clean(judge(broken))

    cases.check_rows({name: name for name in faults}, try_fault)
