"""Signs a file with an Ed25519 key, by the same `openssl` that checks it. In: a file and a key file, which is made when
there is none. Out: FILE.sig beside it, and the public key in PEM, which receivers must have from another way."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path


def make_missing(path: Path) -> None:
    """Make a key, readable by its owner alone, where there is no file. Refuse a file that holds another kind of key."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    elif b"ED25519" not in _openssl("pkey", "-in", path, "-noout", "-text").upper():
        raise SystemExit(f"{path} holds no Ed25519 key")


def sign(path: Path, key: Path) -> None:
    signature = path.with_name(f"{path.name}.sig")
    _openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", path, "-out", signature)


def public_pem(key: Path) -> str:
    return _openssl("pkey", "-in", key, "-pubout").decode("ascii")


def _openssl(*words: str | Path) -> bytes:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("file", type=Path)
    words.add_argument("--key", type=Path, required=True)
    arguments = words.parse_args()
    make_missing(arguments.key)
    sign(arguments.file, arguments.key)
    print(public_pem(arguments.key), end="")
