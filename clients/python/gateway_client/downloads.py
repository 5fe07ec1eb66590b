"""Downloads that go on where they broke off; a file with the wrong digest is not kept. In: a path of the API, and a target.
Out: the SHA-256 of the file. Until it is whole it lies beside its place as `.….part`; where the digest is known beforehand,
a later program goes on with that."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

from gateway_client.caller import Ask, Caller
from gateway_client.errors import BadCall, ChangedContent, GatewayClientError, NoAnswer
from gateway_client.line import Answer
from gateway_client.patience import Turns

if sys.platform != "win32":
    import fcntl

_FROM = re.compile(r"bytes ([0-9]{1,18})-")


@dataclass(slots=True)
class _Growing:
    """The bytes so far. `stated` is the digest that the node's last answer named."""

    file: BufferedRandom
    received: int
    etag: str | None
    stated: str | None = None

    def headers(self) -> dict[str, str]:
        if not self.received or self.etag is None:
            return {}
        return {"Range": f"bytes={self.received}-", "If-Range": self.etag}

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.received = 0


def download(caller: Caller, path: str, target: Path, sha256: str | None = None) -> str:
    """Download a file. `sha256` is its digest, where the item has it. ChangedContent when the file has another one."""
    part, file, stays = _part(target.parent, sha256)
    try:
        with file:
            try:
                digest = _fetched(caller, path, file, sha256)
            except GatewayClientError as why:
                # While it is ours alone, so that no program goes on with a removed file.
                if stays and (isinstance(why, ChangedContent) or file.seek(0, os.SEEK_END) == 0):
                    part.unlink()
                raise
            # Renamed while it is still ours alone.
            if sys.platform != "win32":
                os.replace(part, target)
                stays = True
        if sys.platform == "win32":
            os.replace(part, target)
        _keep_name(target.parent)
    finally:
        if not stays:
            part.unlink(missing_ok=True)
    return digest


def _part(folder: Path, sha256: str | None) -> tuple[Path, BufferedRandom, bool]:
    """Open the growing file; tell whether a later program may continue it. One at a time does; others begin their own."""
    if sha256 is not None and sys.platform != "win32":
        shared = folder / f".{sha256[:32]}.part"
        file = shared.open("ab+")
        if _is_ours(file, shared):
            return shared, file, True
        file.close()
    own = folder / f".{secrets.token_hex(16)}.part"
    return own, own.open("xb+"), False


if sys.platform != "win32":

    def _is_ours(file: BufferedRandom, path: Path) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(file.fileno()).st_ino == path.stat().st_ino
        except OSError:
            return False


def _fetched(caller: Caller, path: str, file: BufferedRandom, sha256: str | None) -> str:
    """Fetch everything to the disk. The digest is that of the whole file, whichever program wrote its beginning."""
    growing = _Growing(file=file, received=file.seek(0, os.SEEK_END), etag=f'"{sha256}"' if sha256 else None)
    _fetch(caller, path, growing)
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = {d for d in (sha256, growing.stated) if d}
    if expected - {digest}:
        raise ChangedContent(f"{path} came as SHA-256 {digest}, expected {' and '.join(sorted(expected))}")
    return digest


def _fetch(caller: Caller, path: str, growing: _Growing) -> None:
    turns = caller.patience.begin(f"GET {path}")
    while True:
        try:
            with _opened(caller, path, growing, turns) as answer:
                growing.etag = answer.header("ETag") or growing.etag
                growing.stated = answer.header("X-Content-SHA256")
                for piece in answer.pieces():
                    growing.file.write(piece)
                    growing.received += len(piece)
                    turns.got_ahead()
            return
        except NoAnswer as why:
            if not turns.wait(why):
                raise


def _opened(caller: Caller, path: str, growing: _Growing, turns: Turns) -> Answer:
    """Open the remaining bytes, or the whole where the node gives no rest; the earlier bytes are then dropped."""
    try:
        answer = caller.open(Ask(method="GET", path=path, headers=growing.headers()), turns)
    except BadCall as why:
        if why.status != 416 or not growing.received:
            raise
        # As many bytes as the file has, or more, lie here already: all of it is asked for anew.
        growing.restart()
        return _opened(caller, path, growing, turns)
    if answer.status != 206:
        growing.restart()
        return answer
    match = _FROM.match(answer.header("Content-Range") or "")
    if match is None or int(match[1]) != growing.received:
        answer.close()
        raise ChangedContent(f"{path}: asked for what follows byte {growing.received}, got another part")
    return answer


def _keep_name(folder: Path) -> None:
    """Sync the folder: an acknowledged file must still have its name after a power cut; not every system can do so."""
    with suppress(OSError):
        at = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(at)
        finally:
            os.close(at)
