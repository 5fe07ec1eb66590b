"""Packages for the historical archive, made of invented documents, and planted faults in them. In: a path, documents as
names and bytes of files. Out: the file of the package; a copy of it with changed members, signed anew where asked."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.domain.archive_package import (
    DIGESTS,
    PART,
    SIGNATURE,
    Fields,
    PackageDocument,
    PackageFacts,
    signed_bytes,
    stored_name,
)
from gateway.domain.evidence import PackSignature
from gateway.ops.archive_package import PackageSummary, PackageWriter
from gateway.ops.evidence.pack_file import EvidenceKey

SIGNER = EvidenceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ID = "hov_1"
CODE: Fields = (("FileCode", "Z91.2026.01"), ("FileCatalog", "2026"), ("FileNotation", "01"))
NamedFiles = Sequence[tuple[str, bytes]]


def make(
    target: Path,
    documents: Iterable[NamedFiles],
    title: str = "Hồ sơ <thử> & nghiệm",
    count: int | None = None,
) -> PackageSummary:
    """Write a package; `count` is the number of documents that it states, if another one."""
    rows = list(documents)
    total = len(rows) if count is None else count
    fields = (*CODE, ("Title", title), ("Language", "vi"), ("DocTotal", str(total)))
    facts = PackageFacts(
        id=ID,
        title=title,
        agency="Z91",
        agency_name="Cơ quan thử nghiệm",
        software="gateway 1",
        made_at=datetime(2026, 11, 20, 1, tzinfo=UTC),
        fields=fields,
    )
    with target.open("wb") as out:
        writer = PackageWriter(out, facts)
        packed = [_document(writer, n, files) for n, files in enumerate(rows, start=1)]
        return writer.finish(packed, "Bản thử.\n", SIGNER)


def _document(writer: PackageWriter, n: int, files: NamedFiles) -> PackageDocument:
    folder = f"{PART}/data/{n:05}"
    added = [
        writer.add(f"{folder}/{stored_name(i, name)}", "application/pdf", content, name)
        for i, (name, content) in enumerate(files, start=1)
    ]
    numbered = (("DocOrdinal", str(n)), ("DocumentId", f"inb_{n}"), ("Direction", "in"), ("Language", "vi"))
    return PackageDocument(fields=(*CODE, *numbered), files=tuple(added))


def members_of(package: Path) -> dict[str, bytes]:
    """Read a package with a library that knows nothing of it."""
    with tarfile.open(package, "r:") as archive:
        files = {info.name: archive.extractfile(info) for info in archive}
        return {name.partition("/")[2]: file.read() for name, file in files.items() if file is not None}


def changed(
    package: Path,
    target: Path,
    changes: Mapping[str, Callable[[bytes], bytes | None]],
    *,
    signs: bool = False,
) -> Path:
    """Write a copy with changed members; None leaves one out. `signs`: the list of digests is made and signed anew, as by
    a maker who errs."""
    members: dict[str, bytes] = {}
    for path, content in members_of(package).items():
        new = changes[path](content) if path in changes else content
        if new is not None:
            members[path] = new
    if signs:
        paths = sorted(members.keys() - {DIGESTS, SIGNATURE})
        digests = "".join(f"{hashlib.sha256(members[path]).hexdigest()}  {path}\n" for path in paths).encode()
        signature = PackSignature(public_key=SIGNER.public_key, signature=SIGNER.sign(signed_bytes(digests)))
        members |= {DIGESTS: digests, SIGNATURE: signature.to_bytes()}
    with tarfile.open(target, "w:") as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(f"{ID}/{path}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target
