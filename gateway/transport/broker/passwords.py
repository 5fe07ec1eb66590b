"""Passwords of the nodes' users: one secret file per node in a folder that only its owner reads. In: the folder and the
nodes. Out: the passwords, and the salted hashes that a broker keeps. Sync: call it in the pool."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.errors import Misconfigured

ALGORITHM = "rabbit_password_hashing_sha256"
_SALT_BYTES = 4  # fixed by the algorithm
_OTHERS = 0o077


def read(folder: Path, nodes: Iterable[str], *, make: bool, keep: bool = True) -> dict[str, str]:
    """The password of each node; `make` invents those that are not there, and writes them unless it is only to be seen
    what would happen (`keep`). A file that others may read is refused."""
    if make and keep:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {node: _one(folder / node, make=make, keep=keep) for node in nodes}


def _one(file: Path, *, make: bool, keep: bool) -> str:
    if make and not file.exists():
        made = secrets.token_urlsafe(32)
        if not keep:
            return made
        _write(file, made)
    try:
        open_to_others = file.stat().st_mode & _OTHERS
        password = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as why:
        raise Misconfigured(
            f"the password of the node {file.name} cannot be read from {file}",
            hint="make the missing ones with --make-passwords",
        ) from why
    if open_to_others:
        raise Misconfigured(f"others on this machine can read {file}", hint=f"chmod 600 {file}")
    if not password:
        raise Misconfigured(f"{file} is empty; its first line must be the password")
    return password


def _write(file: Path, password: str) -> None:
    """Whole or not at all: a node must never get half a password."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(password + "\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def hashes(passwords: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The hash of each password: the known one where it is of this password, else with a new salt."""
    return {
        node: known[node]
        if node in known and matches(password, known[node])
        else hashed(password, os.urandom(_SALT_BYTES))
        for node, password in passwords.items()
    }


def hashed(password: str, salt: bytes) -> str:
    """As the broker keeps it: salt, then SHA-256 of salt and password, in base64."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def matches(password: str, kept: str) -> bool:
    """Whether the kept hash is of this password."""
    try:
        salt = base64.b64decode(kept, validate=True)[:_SALT_BYTES]
    except ValueError:
        return False
    return hmac.compare_digest(hashed(password, salt), kept)
