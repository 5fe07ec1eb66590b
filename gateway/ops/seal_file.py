"""The file `seals.json`: what a node has registered about seals, for checks without a node. In: registered certificates and
rights, or the file's path and the sending agency. Out: the file's content as plain data, or what it says about that
agency. It holds no certificates, only their fingerprints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from gateway.domain.seals import CertificateKind, RegisteredCertificate, SealingRight, SealRegister
from gateway.errors import Misconfigured
from gateway.ops.plain_data import plain_fields

NAME = "seals.json"
MOST_BYTES = 16 * 1024 * 1024
_UNSTATED = {"proposed_by": "", "approved_by": ""}


def certificate_json(certificate: RegisteredCertificate) -> dict[str, Any]:
    """Return a registered certificate as plain data."""
    names = "id code kind sha256=fingerprint valid_from valid_to state name position capacity"
    return plain_fields(certificate, names)


def right_json(right: SealingRight) -> dict[str, Any]:
    """Return a right to seal for another agency as plain data."""
    return plain_fields(right, "id acting_code code act_number act_date valid_from valid_to state")


def to_json(
    certificates: Iterable[RegisteredCertificate], rights: Iterable[SealingRight]
) -> dict[str, list[dict[str, Any]]]:
    """Return the content of the file."""
    return {
        "certificates": [certificate_json(c) for c in certificates],
        "rights": [right_json(r) for r in rights],
    }


def read(path: Path, sender: str) -> SealRegister | None:
    """Return what the file says about documents of the sender; None without a file. Misconfigured where it cannot be
    read."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8")[:MOST_BYTES])
        certificates = tuple(_certificate(entry) for entry in content["certificates"])
        rights = tuple(_right(entry) for entry in content["rights"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise Misconfigured(
            f"{path} cannot be read: {cause}", hint="write it anew: gateway registry seals export"
        ) from cause
    code = sender.strip().upper()
    return SealRegister(
        code=code, certificates=certificates, rights=tuple(r for r in rights if r.code == code)
    )


def _certificate(content: Mapping[str, Any]) -> RegisteredCertificate:
    since = datetime.fromisoformat(content["valid_from"])
    return RegisteredCertificate(
        **{name: str(content[name]) for name in ("id", "code", "state", "name", "position", "capacity")},
        **_UNSTATED,
        kind=CertificateKind(content["kind"]),
        fingerprint=str(content["sha256"]),
        certificate_pem="",
        valid_from=since,
        valid_to=datetime.fromisoformat(content["valid_to"]),
        created_at=since,
    )


def _right(content: Mapping[str, Any]) -> SealingRight:
    since, until = date.fromisoformat(content["valid_from"]), content["valid_to"]
    return SealingRight(
        **{name: str(content[name]) for name in ("id", "acting_code", "code", "act_number", "state")},
        **_UNSTATED,
        act_date=date.fromisoformat(content["act_date"]),
        valid_from=since,
        valid_to=date.fromisoformat(until) if until else None,
        created_at=datetime.min,
    )
