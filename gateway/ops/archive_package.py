"""Submission packages for the historical archive (R103, hand-over) as files: one TAR with one folder. In: facts, documents,
and the bytes of their files, piece by piece; or the path of a package of unknown origin. Out: the package, written in one
pass with METS, PREMIS, the description and a signed list of SHA-256 digests (in the form of sha256sum), equal bytes for
equal input; or each fault of a package. Memory holds the names of the files, never their content."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.domain import archive_package as form
from gateway.domain.archive_package import (
    PackageDocument,
    PackageFacts,
    PackageFault,
    PackageFile,
    signed_bytes,
)
from gateway.domain.evidence import PackSignature, SpoiledPack
from gateway.edxml import archive_metadata as metadata
from gateway.edxml import schema
from gateway.errors import MalformedXml, NotFound, StoreFailure
from gateway.ops.evidence.pack_file import EvidenceKey, check_signature

MOST_METADATA = 128 * 1024 * 1024
"""Longest file of metadata that a check reads as a whole."""
PIECE = 256 * 1024
XML, TEXT = "application/xml", "text/plain"
_BLOCK, _RECORD = 512, 10_240
_METADATA = (form.METS, f"{form.PART}/{form.METS}", form.DESCRIPTION, form.DIGESTS, form.SIGNATURE)
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_PATH = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*(?:/[0-9A-Za-z][0-9A-Za-z._-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSummary:
    """A finished package: its digest and size, and how many documents and files it has."""

    sha256: str
    size: int
    documents: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReport:
    """Verdict on a package. `signer` is the digest of the key that signed it, `is_signer_trusted` None where no keys to
    trust were given."""

    id: str
    faults: Sequence[PackageFault]
    documents: int = 0
    files: int = 0
    signer: str | None = None
    is_signer_trusted: bool | None = None

    @property
    def verdict(self) -> str:
        if self.faults or self.is_signer_trusted is False:
            return "invalid"
        return "valid" if self.is_signer_trusted else "unknown"


class PackageWriter:
    """Writer of one package: files one after another, then `finish`. Sync: use it in the pool."""

    def __init__(self, out: BinaryIO, facts: PackageFacts) -> None:
        self._out, self._facts = out, facts
        self._digest, self._size = hashlib.sha256(), 0
        self._files: dict[str, PackageFile] = {}
        self._hasher, self._remaining = hashlib.sha256(), 0

    def begin(self, path: str, size: int) -> None:
        """Begin a file, whose size must be known."""
        info = tarfile.TarInfo(f"{self._facts.id}/{path}")
        info.size, info.mode, info.mtime = size, 0o644, int(self._facts.made_at.timestamp())
        self._emit(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        self._hasher, self._remaining = hashlib.sha256(), size

    def write(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self._remaining -= len(piece)
        self._emit(piece)

    def end(self, path: str, media: str, size: int, name: str = "") -> PackageFile:
        """End a file. StoreFailure where it had another size."""
        if self._remaining:
            raise StoreFailure(f"{path} has not the size that was noted; make the package again")
        self._emit(bytes(-size % _BLOCK))
        file = PackageFile(path=path, media=media, size=size, sha256=self._hasher.hexdigest(), name=name)
        self._files[path] = file
        return file

    def add(self, path: str, media: str, content: bytes, name: str = "") -> PackageFile:
        """Add a file that is in memory."""
        self.begin(path, len(content))
        self.write(content)
        return self.end(path, media, len(content), name)

    def finish(
        self, documents: Sequence[PackageDocument], readme: str, signer: EvidenceKey
    ) -> PackageSummary:
        """Add what describes the package, and the signed list of digests."""
        facts, files, part = self._facts, self._files, form.PART
        count = len(files)
        self.add(form.README, TEXT, readme.encode())
        self.add(form.SCHEMA, XML, (schema.folder() / Path(form.SCHEMA).name).read_bytes())
        in_part = [file for document in documents for file in document.files]
        premis = f"{part}/{form.PRESERVATION}"
        self._describe(form.DESCRIPTION, lambda out: metadata.write_description(out, facts, documents))
        self._describe(premis, lambda out: metadata.write_preservation(out, facts, in_part))
        mets = f"{part}/{form.METS}"
        self._describe(mets, lambda out: metadata.write_part_mets(out, facts, files[premis], documents))
        self._describe(form.PRESERVATION, lambda out: metadata.write_preservation(out, facts, ()))
        self._describe(form.METS, lambda out: metadata.write_package_mets(out, facts, files))
        digests = "".join(f"{files[path].sha256}  {path}\n" for path in sorted(files)).encode()
        signature = PackSignature(public_key=signer.public_key, signature=signer.sign(signed_bytes(digests)))
        self.add(form.DIGESTS, TEXT, digests)
        self.add(form.SIGNATURE, "application/json", signature.to_bytes())
        self._emit(bytes(2 * _BLOCK))
        self._emit(bytes(-self._size % _RECORD))
        return PackageSummary(
            sha256=self._digest.hexdigest(), size=self._size, documents=len(documents), files=count
        )

    def _describe(self, path: str, write: Callable[[BinaryIO], None]) -> None:
        with tempfile.TemporaryFile() as spool:
            write(spool)
            size = spool.tell()
            spool.seek(0)
            self.begin(path, size)
            while piece := spool.read(PIECE):
                self.write(piece)
            self.end(path, XML, size)

    def _emit(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self._size += len(data)


def check(path: Path, trusted_keys: Iterable[bytes] | None = None) -> PackageReport:
    """Check a package: each byte against the signed list, the METS and the description, and their counts against each
    other. NotFound where there is no such file."""
    content = _Content()
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                content.take(archive, member)
    except (tarfile.TarError, EOFError, ValueError) as cause:
        content.faults.append(PackageFault(reason="form", member=str(cause)[:100]))
    except OSError as cause:
        raise NotFound(f"the package {path} cannot be read: {cause.strerror or cause}") from cause
    faults = [*content.faults, *_faults_of_digests(content)]
    signer, fault = _signer(content)
    faults += fault
    for name, judge in ((form.METS, _faults_of_mets), (form.DESCRIPTION, _faults_of_description)):
        try:
            faults += judge(content)
        except MalformedXml:
            faults.append(PackageFault(reason="metadata", member=name))
    return PackageReport(
        id=content.id,
        faults=faults,
        documents=content.documents,
        files=sum(p.startswith(f"{form.PART}/data/") for p in content.files),
        signer=hashlib.sha256(signer).hexdigest() if signer else None,
        is_signer_trusted=None if trusted_keys is None or signer is None else signer in set(trusted_keys),
    )


@dataclass
class _Content:
    """Files of a package as they lie in it, by path, and the bytes of its metadata."""

    id: str = ""
    documents: int = 0
    files: dict[str, PackageFile] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    faults: list[PackageFault] = field(default_factory=list)

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Read one member. A name that may mean another place, and all but plain files, are faults."""
        folder, _, path = member.name.partition("/")
        self.id = self.id or folder
        is_strange = not member.isreg() or member.issparse() or path in self.files
        if is_strange or folder != self.id or not _PATH.fullmatch(path):
            self.faults.append(PackageFault(reason="member", member=member.name[:200]))
            return
        file = archive.extractfile(member)
        assert file is not None  # noqa: S101 - it is a plain file
        hasher, pieces = hashlib.sha256(), []
        keeps = path in _METADATA and member.size <= MOST_METADATA
        while piece := file.read(PIECE):
            hasher.update(piece)
            if keeps:
                pieces.append(piece)
        if keeps:
            self.metadata[path] = b"".join(pieces)
        self.files[path] = PackageFile(path=path, media="", size=member.size, sha256=hasher.hexdigest())

    def text(self, path: str) -> bytes:
        """Return a file of metadata. MalformedXml where there is none of a usual size."""
        if path not in self.metadata:
            raise MalformedXml("ENV-NOT-XML", f"{path} is missing", step=3)
        return self.metadata[path]


def _faults_of_digests(content: _Content) -> Iterator[PackageFault]:
    """Compare the files with the list of digests, both ways."""
    lines = content.metadata.get(form.DIGESTS, b"").decode("utf-8", "replace").splitlines()
    listed = {match[2]: match[1] for line in lines if (match := _LINE.fullmatch(line))}
    if len(listed) != len(lines) or not lines:
        yield PackageFault(reason="list", member=form.DIGESTS)
    yield from _compare(content.files, listed, reason="digest")
    for path in sorted({*content.files} - {*listed, form.DIGESTS, form.SIGNATURE}):
        yield PackageFault(reason="unlisted", member=path)


def _compare(
    files: Mapping[str, PackageFile], digests: Mapping[str, str], reason: str
) -> Iterator[PackageFault]:
    for path, digest in digests.items():
        if path not in files:
            yield PackageFault(reason="missing", member=path)
        elif files[path].sha256 != digest:
            yield PackageFault(reason=reason, member=path)


def _signer(content: _Content) -> tuple[bytes | None, Sequence[PackageFault]]:
    """Return the key that signed the list of digests, or the fault."""
    try:
        signature = PackSignature.from_bytes(content.metadata.get(form.SIGNATURE, b""))
        check_signature(signature, signed_bytes(content.metadata.get(form.DIGESTS, b"")))
    except SpoiledPack:
        return None, [PackageFault(reason="signature", member=form.SIGNATURE)]
    return signature.public_key, ()


def _faults_of_mets(content: _Content) -> Iterator[PackageFault]:
    """Compare what both METS files say with the files, both ways: the list of digests and they name all."""
    paths = {form.DIGESTS, form.SIGNATURE, form.METS}
    for base in ("", f"{form.PART}/"):
        for stated in metadata.read_mets(content.text(f"{base}{form.METS}")):
            path = f"{base}{stated.path}"
            paths.add(path)
            yield from _compare(content.files, {path: stated.sha256}, reason="mets")
            if path in content.files and content.files[path].size != stated.size:
                yield PackageFault(reason="size", member=path)
    for path in sorted({*content.files} - paths):
        yield PackageFault(reason="unlisted", member=path)


def _faults_of_description(content: _Content) -> Iterator[PackageFault]:
    """Compare the described documents and their files with what lies in the package."""
    stated_total, content.documents, files = metadata.read_description(content.text(form.DESCRIPTION))
    if stated_total != content.documents:
        yield PackageFault(reason="count", member=form.DESCRIPTION)
    yield from _compare(content.files, {file.path: file.sha256 for file in files}, reason="described")
    data = {path for path in content.files if path.startswith(f"{form.PART}/data/")}
    for path in sorted(data - {file.path for file in files}):
        yield PackageFault(reason="undescribed", member=path)
