"""Files to send. In: a path or bytes, and the role of the file in its document. Out: its size and SHA-256, and bodies that
can be sent more than once without being held in memory."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from gateway_client.errors import ChangedContent
from gateway_client.shapes import MessageIn

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a document: `path`, or `content` with a `name`. Roles: `lead` (exactly one), `source`, `appendix`,
    `reference`."""

    path: str | os.PathLike[str] | None = None
    content: bytes | None = None
    name: str = ""
    role: str = "lead"

    def __post_init__(self) -> None:
        if (self.path is None) == (self.content is None):
            raise ValueError("expected a path or content, and not both")
        if self.path is not None and not self.name:
            object.__setattr__(self, "name", Path(self.path).name)
        if not self.name or any(ord(sign) < 32 or sign in "/\\" for sign in self.name):
            raise ValueError(f"expected the name of a file, got {self.name!r}")

    @property
    def size(self) -> int:
        return len(self.content) if self.content is not None else os.stat(self.path or "").st_size

    def opened(self) -> BinaryIO:
        return io.BytesIO(self.content) if self.content is not None else Path(self.path or "").open("rb")

    def pieces(self) -> Iterator[bytes]:
        with closing(self.opened()) as file:
            while piece := file.read(_PIECE):
                yield piece

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Part:
    """A file as part of a request: as large as was announced, or not sent."""

    file: File
    size: int
    head: bytes


class Multipart:
    """A request body: the part `meta`, then the files (RFC 7578)."""

    def __init__(self, meta: MessageIn, files: Sequence[tuple[File, int]]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        meta_json = json.dumps(meta, ensure_ascii=False).encode()
        begin = f"--{boundary}\r\nContent-Disposition: form-data; name="
        self._meta = f'{begin}"meta"\r\nContent-Type: application/json\r\n\r\n'.encode() + meta_json + b"\r\n"
        self._parts = [
            Part(
                file,
                size,
                f'{begin}"file"; {_name_parameter(file.name)}\r\n'
                "Content-Type: application/octet-stream\r\n\r\n".encode(),
            )
            for file, size in files
        ]
        self._end = f"--{boundary}--\r\n".encode()

    @property
    def size(self) -> int:
        return len(self._meta) + sum(len(p.head) + p.size + 2 for p in self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        yield self._meta
        for part in self._parts:
            yield part.head
            remaining = part.size
            for piece in part.file.pieces():
                remaining -= len(piece)
                if remaining < 0:
                    break
                yield piece
            if remaining:
                raise ChangedContent(f"{part.file.name} changed while it was sent")
            yield b"\r\n"
        yield self._end


def _name_parameter(name: str) -> str:
    """Name a file as every form does; names with signs that some readers stumble over are encoded."""
    if any(sign in '";' for sign in name):
        return f"filename*=UTF-8''{quote(name, safe='')}"
    return f'filename="{name}"'
