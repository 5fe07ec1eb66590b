"""Lists the parts of a bundle in the CycloneDX form, from the wheels' own metadata. In: wheels, and which of them is ours.
Out: a JSON value that is the same for the same wheels."""

from __future__ import annotations

import hashlib
import re
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

# Classifiers with this prefix name a licence; other texts are given unchanged.
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel as its own metadata describes it."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    digest: str

    @property
    def ref(self) -> str:
        return f"pkg:pypi/{plain(self.name)}@{self.version}"


def plain(name: str) -> str:
    """Normalise a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        (metadata,) = [x for x in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", x)]
        meta = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
        text = _licence_text(archive, meta.get_all("License-File", []))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # Needs of an extra do not count; needs of other environments have no wheel here.
    needs = [x for x in meta.get_all("Requires-Dist", []) if "extra ==" not in x]
    return Wheel(
        name=meta["Name"],
        version=meta["Version"],
        licence=_licence(meta["License-Expression"], meta["License"] or text, meta.get_all("Classifier", [])),
        needs=tuple(sorted({plain(re.match(r"[\w.-]+", x)[0]) for x in needs})),  # type: ignore[index]
        digest=digest,
    )


def _licence_text(archive: zipfile.ZipFile, files: Sequence[str]) -> str:
    """Read the licence file of a wheel that names its licence by the text alone."""
    ends = tuple(f"/{file}" for file in files)
    file_name = next((n for n in archive.namelist() if ends and n.endswith(ends)), None)
    return archive.read(file_name).decode("utf-8", "replace") if file_name else ""


def _licence(expression: str | None, field: str | None, classifiers: Sequence[str]) -> str:
    if expression:
        return expression
    licences = [c.removeprefix(_CLASSIFIER) for c in classifiers if c.startswith(_CLASSIFIER)]
    if licences:
        return " AND ".join(licences)
    first = (field or "").strip().partition("\n")[0]
    return first or "not stated"


def describe(paths: Sequence[Path], ours: Path) -> dict[str, Any]:
    wheels = [read(path) for path in paths]
    own = read(ours)
    by_name = {plain(w.name): w for w in wheels}
    parts = [w for w in wheels if w != own]
    seed = "".join(w.digest for w in wheels)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
        "version": 1,
        "metadata": {"component": _component(own, "application")},
        "components": [_component(w, "library") for w in parts],
        "dependencies": [
            {"ref": w.ref, "dependsOn": [by_name[name].ref for name in w.needs if name in by_name]}
            for w in wheels
        ],
    }


def _component(wheel: Wheel, kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "bom-ref": wheel.ref,
        "name": wheel.name,
        "version": wheel.version,
        "purl": wheel.ref,
        "hashes": [{"alg": "SHA-256", "content": wheel.digest}],
        "licenses": [{"license": {"name": wheel.licence}}],
    }
