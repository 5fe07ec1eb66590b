"""Finds answers of authorities in the folder of PDF trust by their digests. In: the folder, the digests that a verdict
rests on. Out: the answers byte for byte, so that the node can store them before the operator replaces a file. Nothing in
them is parsed, because the reading process judged them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from asn1crypto import pem

from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.errors import Misconfigured
from gateway.trust.evidence import read_trust_file


def find_answers(folder: Path, digests: Collection[str], now: datetime) -> list[Answer]:
    """Return the answers in `crl/*.pem` and `ocsp/*.der` that have these digests; a broken file has none."""
    missing, answers = set(digests), list[Answer]()
    for source, path in _files(folder):
        for body in _bodies(source, path):
            digest = hashlib.sha256(body).hexdigest()
            if digest in missing:
                missing.discard(digest)
                place = f"{path.parent.name}/{path.name}"
                question = Question(source=source, issuer="", about=place)
                answers.append(
                    Answer(
                        question=question, body=body, origin=place, fetched_at=now, made_at=now, ends_at=None
                    )
                )
        if not missing:
            break
    return answers


def _files(folder: Path) -> Iterator[tuple[RevocationSource, Path]]:
    for path in sorted((folder / "ocsp").glob("*.der")):
        yield RevocationSource.OCSP, path
    for path in sorted((folder / "crl").glob("*.pem")):
        yield RevocationSource.LIST, path


def _bodies(source: RevocationSource, path: Path) -> list[bytes]:
    try:
        content = read_trust_file(path)
        if source is RevocationSource.OCSP:
            return [content]
        return [body for _, _, body in pem.unarmor(content, multiple=True)]
    except (Misconfigured, ValueError):
        return []
