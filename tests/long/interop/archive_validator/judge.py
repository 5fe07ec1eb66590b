"""Runs in the environment of the foreign validator: what it says of an unpacked package, as JSON on one line. In: the
folder of a package. Out: its verdict on the structure, the METS schemas, its rules for submission packages, and the files
that both METS files name. Its report prints no result of a rule, and its check of digests none that differs, so both are
taken from the parts that find them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eark_validator import packages, rules
from eark_validator.infopacks.manifest import Checksummer, ManifestEntries, Manifests
from eark_validator.mets import MetsValidator
from eark_validator.model import Manifest
from eark_validator.model.manifest import SourceType

folder = Path(sys.argv[1])
report = packages.PackageValidator(folder).validation_report
metses = [folder / "METS.xml", folder / "representations" / "rep1" / "METS.xml"]
schema, files = [], []
for mets in (path for path in metses if path.is_file()):
    validator = MetsValidator(str(mets.parent))
    validator.validate_mets(mets.name)
    schema += [result.message for result in validator.validation_errors]
    if not validator.is_valid:
        continue
    # Its reader of a METS as a manifest fails where the file is long, so the entries are those that it validated.
    entries = [ManifestEntries.from_file_entry(entry) for entry in validator.file_references]
    manifest = Manifest(root=mets, source=SourceType.METS, summary=None, entries=entries)
    files += Manifests.validate_manifest(manifest)[1]
    for entry in manifest.entries:
        path = mets.parent / entry.path
        for checksum in entry.checksums if path.is_file() else ():
            if Checksummer(checksum.algorithm).hash_file(path) != checksum:
                files.append(f"File {entry.path} has another digest.")
findings = []
if metses[0].is_file() and not schema:
    profile = rules.ValidationProfile.from_specification("SIP")
    profile.validate(metses[0])
    findings = [
        {"rule": result.rule_id, "severity": result.severity.value, "test": result.location.test}
        for results in profile.get_results().values()
        for result in results
    ]
structure = [(result.rule_id, result.severity.value) for result in report.structure.messages]
print(
    json.dumps(
        {
            "structure": report.structure.status.value,
            "messages": structure,
            "schema": schema,
            "rules": findings,
            "files": files,
        }
    )
)
