"""Lists what a bundle is made of, in the CycloneDX form, from what the wheels say of themselves. In: wheels, and which of
them is ours. Out: a JSON value that is the same for the same wheels."""

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

# Of these texts the first that a licence field holds names it; others are given as they are written.
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
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        (metadata,) = [
            each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)
        ]
        told = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
        text = _licence_text(archive, told.get_all("License-File", []))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # What is needed for an extra only is not needed; environments beside ours are sorted out by what is there.
    needs = [each for each in told.get_all("Requires-Dist", []) if "extra ==" not in each]
    return Wheel(
        name=told["Name"],
        version=told["Version"],
        licence=_licence(told["License-Expression"], told["License"] or text, told.get_all("Classifier", [])),
        needs=tuple(sorted({plain(re.match(r"[\w.-]+", each)[0]) for each in needs})),  # type: ignore[index]
        digest=digest,
    )


def _licence_text(archive: zipfile.ZipFile, files: Sequence[str]) -> str:
    """Of a wheel that names its licence by the text alone."""
    ends = tuple(f"/{file}" for file in files)
    found = next((each for each in archive.namelist() if ends and each.endswith(ends)), None)
    return archive.read(found).decode("utf-8", "replace") if found else ""


def _licence(expression: str | None, field: str | None, classifiers: Sequence[str]) -> str:
    if expression:
        return expression
    named = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)]
    if named:
        return " AND ".join(named)
    first = (field or "").strip().partition("\n")[0]
    return first or "not stated"


def of(paths: Sequence[Path], ours: Path) -> dict[str, Any]:
    wheels = [read(path) for path in paths]
    own = read(ours)
    there = {plain(each.name): each for each in wheels}
    others = [each for each in wheels if each != own]
    seed = "".join(each.digest for each in wheels)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
        "version": 1,
        "metadata": {"component": _component(own, "application")},
        "components": [_component(each, "library") for each in others],
        "dependencies": [
            {"ref": each.ref, "dependsOn": [there[name].ref for name in each.needs if name in there]}
            for each in wheels
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
