"""A package for the historical archive is checked where no node is: each fault in words, and the verdict as exit code."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.domain.archive_package import DIGESTS, PART
from gateway.trust.key_material import public_pem
from tests.support import archive_packages
from tests.support.archive_packages import SIGNER, changed
from tests.unit.cli.conftest import Terminal

FIRST = f"{PART}/data/00001/01-quyet-dinh.pdf"


def test_a_package_is_checked_with_the_keys_that_the_reader_trusts(
    terminal: Terminal, tmp_path: Path
) -> None:
    package, nodes = tmp_path / "package.tar", tmp_path / "court" / "nodes"
    archive_packages.make(package, [[("Quyết định.pdf", b"first")]])
    nodes.mkdir(parents=True)
    (nodes / "maker.pem").write_bytes(public_pem(load_der_public_key(SIGNER.public_key)))
    broken = changed(package, tmp_path / "broken.tar", {FIRST: lambda content: b"F" + content[1:]})

    trusted = terminal.type("archive", "check", str(package), "--trust", str(nodes.parent), "-o", "json")
    untrusted = terminal.type("archive", "check", str(package), "--lang", "en")
    refused = terminal.type("archive", "check", str(broken), "--trust", str(nodes.parent), "--lang", "en")
    strange = terminal.type("archive", "check", str(package), "--trust", str(tmp_path), "--lang", "en")

    assert (trusted.code, trusted.json["verdict"], trusted.json["faults"]) == (0, "valid", [])
    assert (trusted.json["documents"], trusted.json["files"]) == (1, 1)
    assert untrusted.code == 7
    assert "Its signer is not proved" in untrusted.out
    assert refused.code == 7
    assert f"Differs from the signed list of digests: {FIRST}" in refused.out
    assert strange.code == 7
    assert "Signed by a key that is not among the trusted ones" in strange.out
    assert DIGESTS not in refused.out
    assert terminal.type("archive", "check", str(tmp_path / "none.tar")).code == 3
