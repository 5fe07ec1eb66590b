"""Makes the packages of clients for document systems: code that generators write from the node's description, with a thin
layer by hand around it. In: `clients/`, and the description of this tree or of a running node. Out: a wheel, a jar with its
pom, a tgz for npm in `dist/`. What makes them is fetched by digest into `var/clients`, once for each lock file. A language
whose compiler is missing is named and left out."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENTS, MADE = ROOT / "clients", ROOT / "var" / "clients"
LOCK = CLIENTS / "openapi-generator.lock"
# Beside the generator's own jar, which has Jackson.
JARS = tuple(
    Path("/usr/share/java") / f"{name}.jar"
    for name in ("geronimo-annotation-1.3-spec", "httpmime", "httpclient", "httpcore")
)
_NO_EXTRAS = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false,skipFormModel=false"


class Missing(Exception):
    """A machine lacks what makes a package."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("languages", nargs="*", default=[*MAKERS], help=" ".join(MAKERS))
    options.add_argument("--out", type=Path, default=ROOT / "dist")
    options.add_argument("--description", type=Path, help="of a running node; otherwise that of this tree")
    options.add_argument("--class-path", action="store_true", help="print what the jar needs beside it")
    arguments = options.parse_args()
    if arguments.class_path:
        print(class_path())
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    missing = 0
    with tempfile.TemporaryDirectory() as work:
        described = arguments.description or describe(Path(work) / "description.json")
        for language in arguments.languages:
            folder = Path(work) / language
            folder.mkdir()
            try:
                for package in MAKERS[language](described.resolve(), folder, arguments.out.resolve()):
                    print(f"{language}: {package} ({package.stat().st_size:,} bytes)")
            except Missing as why:
                missing += 1
                print(f"{language}: left out, {why}", file=sys.stderr)
    return 3 if missing else 0


def describe(target: Path) -> Path:
    from gateway.api.openapi import document
    from gateway.api.resources import ROUTES
    from gateway_office import calls

    # The description does not ask the office.
    table = (*ROUTES, *calls.routes(None))  # type: ignore[arg-type]
    described = document(table, version(), datetime.now(UTC).date())
    target.write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return target


def version() -> str:
    """Return the version that all packages share: that of the client in Python."""
    text = (CLIENTS / "python" / "gateway_client" / "caller.py").read_text(encoding="utf-8")
    return re.findall(r'VERSION = "([^"]+)"', text)[0]


def python(_: Path, work: Path, out: Path) -> list[Path]:
    """Pack the client in Python, which is written by hand."""
    source = shutil.copytree(CLIENTS / "python", work / "python")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", work, source)
    return [_moved(wheel, out) for wheel in work.glob("*.whl")]


def java(described: Path, work: Path, out: Path) -> list[Path]:
    need("javac")
    if absent := [jar.name for jar in JARS if not jar.exists()]:
        raise Missing(
            f"no {', '.join(absent)} in {JARS[0].parent}: packages libgeronimo-annotation-1.3-spec-java, libhttpmime-java"
        )
    generated = generate("java", described, work) / "src" / "main" / "java"
    shutil.copytree(CLIENTS / "java" / "src", generated, dirs_exist_ok=True)
    classes = work / "classes"
    sources = work / "sources"
    sources.write_text("\n".join(map(str, sorted(generated.rglob("*.java")))), encoding="utf-8")
    run(
        "javac", "-proc:none", "-nowarn", "--release", "17", "-cp", class_path(), "-d", classes, f"@{sources}"
    )
    name = f"lienthong-gateway-client-{version()}"
    jar, pom = work / f"{name}.jar", work / f"{name}.pom"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(ROOT / "LICENSE", "META-INF/LICENSE")
        for path_of_class in sorted(classes.rglob("*.class")):
            archive.write(path_of_class, path_of_class.relative_to(classes))
    text = (CLIENTS / "java" / "pom.xml").read_text(encoding="utf-8")
    pom.write_text(text.replace("${version}", version()), encoding="utf-8")
    return [_moved(jar, out), _moved(pom, out)]


def typescript(described: Path, work: Path, out: Path) -> list[Path]:
    need("npm")
    folder = shutil.copytree(CLIENTS / "typescript", work / "package")
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    run("npm", "ci", "--silent", cwd=folder)
    programs = folder / "node_modules" / ".bin"
    types = ("--default-non-nullable=false", "-o", folder / "src" / "api.ts")
    run(programs / "openapi-typescript", described, *types, cwd=folder)
    run(programs / "tsc", "-p", ".", cwd=folder)
    run("npm", "version", "--silent", "--allow-same-version", "--no-git-tag-version", version(), cwd=folder)
    run("npm", "pack", "--silent", "--pack-destination", work, cwd=folder)
    return [_moved(package, out) for package in work.glob("*.tgz")]


MAKERS: Mapping[str, Callable[[Path, Path, Path], list[Path]]] = {
    "python": python,
    "java": java,
    "typescript": typescript,
}


def generate(language: str, described: Path, work: Path) -> Path:
    """Let openapi-generator write the code, by the settings beside our own part of it."""
    need("java")
    settings = CLIENTS / language / "openapi-generator.json"
    target = work / "generated"
    words = ("-g", language, "-i", described, "-o", target, "-c", settings, "--global-property", _NO_EXTRAS)
    run("java", "-jar", generator(), "generate", *words)
    return target


def generator() -> Path:
    """Return the jar of openapi-generator, fetched by its digest."""
    folder = MADE / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    jar = folder / "openapi_generator_cli" / "openapi-generator.jar"
    if not jar.exists():
        MADE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=MADE) as fetched:
            locked = ("--no-deps", "--require-hashes", "-r", LOCK)
            run(sys.executable, "-m", "pip", "install", "-q", "--target", fetched, *locked)
            shutil.copytree(fetched, folder, dirs_exist_ok=True)
    return jar


def class_path() -> str:
    return os.pathsep.join(map(str, (generator(), *JARS)))


def need(program: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"this machine has no {program}")


def run(*words: str | Path, cwd: Path | None = None) -> None:
    """Run a program, which must end well; where it does not, its last words are the failure."""
    ended = subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{words[0]}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}")


def _moved(package: Path, out: Path) -> Path:
    return Path(shutil.copy(package, out / package.name))


if __name__ == "__main__":
    sys.exit(main())
