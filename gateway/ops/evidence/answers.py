"""The authorities' answers on which a verdict rests, byte for byte. In: their digests. Out: each with its kind, from the
database or from the files of the trust folder; one that is in neither any more is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.revocation import Source
from gateway.ports import Pool
from gateway.store.store import SqlStore
from gateway.trust.answers import read_files

Bodies = Mapping[str, tuple[Source, bytes]]


async def of(store: SqlStore, folder: Path, digests: Collection[str], pool: Pool) -> Bodies:
    """Those that are still to be had."""
    kept = await store.revocation.read(sorted(set(digests)))
    found = {each.digest: (each.question.source, each.body) for each in kept}
    lacking = set(digests) - found.keys()
    return found | (await pool.run(partial(_in_files, folder, lacking)) if lacking else {})


def _in_files(folder: Path, digests: Collection[str]) -> dict[str, tuple[Source, bytes]]:
    known = read_files(folder / "crl", folder / "ocsp")
    found = {
        each.digest: (Source.LIST, each.listed.public_bytes(Encoding.DER))
        for each in known.lists
        if each.digest in digests
    }
    for body in (body for bodies in known.about.values() for body in bodies):
        digest = hashlib.sha256(body).hexdigest()
        if digest in digests:
            found[digest] = (Source.OCSP, body)
    return found
