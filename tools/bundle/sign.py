"""Signs a file with an Ed25519 key, so that `openssl` alone can check it. In: a file and a key file, which is made when
there is none. Out: FILE.sig beside it, and the public key in PEM, which receivers must have from another way."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def load_or_make(path: Path) -> Ed25519PrivateKey:
    """Load the key of that file; make one, readable by its owner alone, where there is no file."""
    if path.is_file():
        key = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise SystemExit(f"{path} holds no Ed25519 key")
        return key
    new_key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(new_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return new_key


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    path.with_name(f"{path.name}.sig").write_bytes(key.sign(path.read_bytes()))


def public_pem(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("file", type=Path)
    words.add_argument("--key", type=Path, required=True)
    arguments = words.parse_args()
    loaded = load_or_make(arguments.key)
    sign(arguments.file, loaded)
    print(public_pem(loaded), end="")
