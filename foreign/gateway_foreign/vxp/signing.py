"""Signs a call of the national axis: all parameters travel in headers, and an HMAC over these headers authenticates
them. In: the parameters of a call, the system and its secret. Out: the headers. A file's digest is written as the axis's
library does: without the leading zero of bytes below 16. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO

from gateway.domain.wall_clock import VIETNAM

PREFIX = "XroadVnpt-"
_UNSIGNED = {"version": "3.0.201608"}
AGENT = "JAVASDKAgent/1.0.0 XRoad/VPCP"
_PIECE = 256 * 1024


def headers(
    system: str, secret: str, at: datetime, content_type: str, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Return all headers of one call. White space in a value becomes a space: a line break would start another header."""
    signed = {
        f"{PREFIX}systemid": system,
        f"{PREFIX}timestamp": timestamp(at),
        f"{PREFIX}Content-Type": content_type,
        **{f"{PREFIX}{name}": " ".join(value.split()) for name, value in parameters.items()},
    }
    text = json.dumps(signed, ensure_ascii=False, separators=(",", ":"))
    code = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        **signed,
        f"{PREFIX}sign-header-key": ";".join(name.removeprefix(PREFIX) for name in signed),
        f"{PREFIX}sign-header": text,
        f"{PREFIX}hash-header": code,
        **{f"{PREFIX}{name}": value for name, value in _UNSIGNED.items()},
        "Content-Type": content_type,
        "User-Agent": AGENT,
    }


def timestamp(at: datetime) -> str:
    """Return the time as `ddMMyyyy'T'HHmmss+SSSS`, where the last four digits are the millisecond, not a zone."""
    local = at.astimezone(VIETNAM)
    return f"{local:%d%m%YT%H%M%S}+{local.microsecond // 1000:04}"


def file_digest(file: BinaryIO) -> str:
    """Return the SHA-256 with each byte as hexadecimal without a leading zero: 64 digits or fewer."""
    hasher = hashlib.sha256()
    while piece := file.read(_PIECE):
        hasher.update(piece)
    return "".join(f"{byte:x}" for byte in hasher.digest())
