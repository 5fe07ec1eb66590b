"""Checks what we depend on, for `make check`. In: the lock files, pyproject.toml and what is installed. Out: a list of
all parts (CycloneDX) in dist/sbom.json, and exit code 1 where an entry has no digest, is out of bounds, has a licence
that we cannot pass on, or a known weakness that accepted.toml does not name. Only the last needs a network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from datetime import date
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "labs/requirements.lock", "requirements-dev.lock", "requirements-build.lock")
# Of the environment in which a test makes a client of the API's description; it needs other versions than we do.
CLIENT_LOCK = "tests/labs/long/interop/client/requirements.lock"
ACCEPTED = Path(__file__).parent / "accepted.toml"
SBOM = ROOT / "dist" / "sbom.json"
# Licences that bind users of the node over a network, or our own code.
FORBIDDEN = re.compile(r"\b(AGPL|SSPL|BUSL|GPL|Affero|General Public License)\b", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser", re.IGNORECASE)
AUDIT_S = 120


def locked(path: Path) -> dict[str, tuple[str, int]]:
    """Read the version and number of digests of each entry, by its name."""
    lock: dict[str, tuple[str, int]] = {}
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", line.strip())
            name, version = requirement.groups() if requirement else (line.split()[0], "")
            lock[canonicalize_name(name)] = (version, len(re.findall(r"--hash=sha256:[0-9a-f]{64}", line)))
    return lock


def digests_wrong(entries: dict[str, tuple[str, int]]) -> list[str]:
    """List entries that are not one version with digests, so that any file could take their place."""
    return [
        f"{name}: expected one version with SHA-256 digests"
        for name, (version, digests) in entries.items()
        if not version or not digests
    ]


def bounds_wrong(entries: dict[str, tuple[str, int]], requirements: list[str]) -> list[str]:
    """List requirements of pyproject.toml that the lock lacks, or has in another version."""
    wrong = []
    for requirement in map(Requirement, requirements):
        version, _ = entries.get(canonicalize_name(requirement.name), ("", 0))
        if not version or not requirement.specifier.contains(Version(version), prereleases=True):
            wrong.append(f"{requirement}: the lock has {version or 'no version'}")
    return wrong


def needed_by(requirements: list[str]) -> set[str]:
    """Return the names of all parts that these lead to, by the metadata of what is installed."""
    needed: set[str] = set()
    todo, asked = [*map(Requirement, requirements)], set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) not in asked:
            asked.add((name, extras))
            needed.add(name)
            further = map(Requirement, metadata.requires(requirement.name) or ())
            todo += [f for f in further if _applies(f, extras)]
    return needed


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {*extras, ""})


def licences_wrong(names: set[str]) -> list[str]:
    """List installed parts of the node itself whose licence we cannot pass on."""
    wrong = []
    for part in metadata.distributions():
        if canonicalize_name(part.name) in names:
            licence = _licence(part)
            if FORBIDDEN.search(licence) and not LESSER.search(licence):
                wrong.append(f"{part.name}: {licence}")
    return wrong


def _licence(part: metadata.Distribution) -> str:
    facts = part.metadata
    classes = [c for c in facts.get_all("Classifier", []) if c.startswith("License")]
    return facts.get("License-Expression") or "; ".join(classes) or (facts.get("License") or "")[:80]


def write_parts(lock: Path, target: Path) -> set[str]:
    """Write the list of parts, reproducibly and without a network; return their names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    tool = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "--output-reproducible"]
    subprocess.run([*tool, "--of", "JSON", "-o", str(target)], check=True, capture_output=True, timeout=120)
    parts = json.loads(target.read_text(encoding="utf-8"))
    return {canonicalize_name(component["name"]) for component in parts["components"]}


def weaknesses(lock: Path, today: date) -> list[str] | None:
    """List known weaknesses that are not accepted, or None where no source of them could be reached."""
    tool = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(lock),
        "--disable-pip",
        "--require-hashes",
    ]
    try:
        audit = subprocess.run(
            [*tool, "--format", "json", "--progress-spinner", "off", "--timeout", "5"],
            capture_output=True,
            text=True,
            timeout=AUDIT_S,
        )
        report = json.loads(audit.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    # A mirror that keeps no advisories says of each part that it does not know it.
    if all("skip_reason" in part for part in report["dependencies"]):
        return None
    accepted_ids = accepted(ACCEPTED, today)
    return [
        f"{part['name']} {part['version']}: {weakness['id']}"
        for part in report["dependencies"]
        for weakness in part.get("vulns", ())
        if weakness["id"] not in accepted_ids
    ]


def accepted(path: Path, today: date) -> set[str]:
    """Read the accepted weaknesses: each has a reason, and a day on which it is looked at again."""
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    return {row["id"] for row in rows if row["reason"] and row["until"] >= today}


def wanted_by(part: str) -> list[str]:
    """List what a distribution wants of others than ours."""
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text(encoding="utf-8"))
    return [line for line in project["project"]["dependencies"] if not line.startswith("lienthong-gateway")]


def main() -> int:
    node, labs, tools, build = (locked(ROOT / name) for name in LOCKS)
    wanted = [line for part in (".", "office", "foreign", "labs") for line in wanted_by(part)]
    wrong = [
        *digests_wrong(node),
        *digests_wrong(labs),
        *digests_wrong(tools),
        *digests_wrong(build),
        *digests_wrong(locked(ROOT / CLIENT_LOCK)),
        *(fault for part in (".", "office", "foreign") for fault in bounds_wrong(node, wanted_by(part))),
        *bounds_wrong(labs, wanted_by("labs")),
        *(f"{name}: no part of the node needs it" for name in sorted(set(node) - needed_by(wanted))),
        *licences_wrong({*node, *labs}),
    ]
    wrong += [
        f"{name}: not in {SBOM.name}" for name in sorted(set(node) - write_parts(ROOT / LOCKS[0], SBOM))
    ]
    weak = weaknesses(ROOT / LOCKS[0], date.today())
    for problem in [*wrong, *(weak or ())]:
        print(problem, file=sys.stderr)
    audit = "not audited: no advisory source reachable" if weak is None else f"known weaknesses: {len(weak)}"
    print(f"{len(node)} parts, {len(wrong)} wrong; {audit}; {SBOM.relative_to(ROOT)}")
    return 1 if wrong or weak else 0


if __name__ == "__main__":
    raise SystemExit(main())
