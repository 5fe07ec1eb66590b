"""Makes the packages of clients for document systems: code that generators write from the node's description, with a thin
layer by hand around it. In: `clients/`, and the description of this tree or of a running node. Out: a wheel, a jar with its
pom, a tgz for npm, a nupkg in `dist/`. What makes them is fetched by digest into `var/clients`, once for each lock file. A
language whose compiler is missing is named and left out."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLIENTS, MADE = ROOT / "clients", ROOT / "var" / "clients"
LOCK = CLIENTS / "openapi-generator.lock"
# Beside the generator's own jar, which has Jackson.
JARS = tuple(
    Path("/usr/share/java") / f"{name}.jar"
    for name in ("geronimo-annotation-1.3-spec", "httpmime", "httpclient", "httpcore")
)
ASSEMBLY = "Lienthong.GatewayClient"
JSON_OF_DOTNET = (
    "node_modules/jillejr.newtonsoft.json-for-unity/Plugins/Newtonsoft.Json Editor/Newtonsoft.Json.dll"
)
OFFICIAL_JSON = bytes.fromhex("30ad4fe6b2a6aeed")
# Of Mono's class library, beside what mcs takes by itself.
PARTS_OF_DOTNET = (
    "System.Net.Http",
    "System.Runtime.Serialization",
    "System.ComponentModel.DataAnnotations",
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
    options.add_argument("--json-of-dotnet", action="store_true", help="print what the nupkg needs beside it")
    arguments = options.parse_args()
    if arguments.class_path or arguments.json_of_dotnet:
        print(class_path() if arguments.class_path else json_of_dotnet())
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
    generated = generate("java", described, work, CLIENTS / "java") / "src" / "main" / "java"
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


def dotnet(described: Path, work: Path, out: Path) -> list[Path]:
    need("npm")
    library = Path("/usr/lib/mono/4.5")
    if shutil.which("mcs") is None or not all((library / f"{part}.dll").exists() for part in PARTS_OF_DOTNET):
        names = (f"libmono-{part.lower().replace('.', '-')}4.0-cil" for part in PARTS_OF_DOTNET)
        raise Missing(
            f"this machine has not all of Mono that it takes: packages mono-mcs, {', '.join(names)}"
        )
    description = work / "description.json"
    plain = simplify(json.loads(described.read_text(encoding="utf-8")))
    description.write_text(json.dumps(plain), encoding="utf-8")
    generated = generate("csharp", description, work, CLIENTS / "dotnet", f"packageVersion={version()}")
    shutil.copytree(CLIENTS / "dotnet" / "src", generated / "src" / ASSEMBLY, dirs_exist_ok=True)
    for model in (generated / "src" / ASSEMBLY / "Model").glob("*.cs"):
        model.write_text(mend_model(model.read_text(encoding="utf-8")), encoding="utf-8")
    assembly = work / f"{ASSEMBLY}.dll"
    references = [f"-r:{part}.dll" for part in PARTS_OF_DOTNET] + [f"-r:{json_of_dotnet()}"]
    run(
        "mcs",
        "-langversion:latest",
        "-target:library",
        "-d:TRACE",
        "-warn:0",
        f"-out:{assembly}",
        *references,
        *sorted((generated / "src" / ASSEMBLY).rglob("*.cs")),
    )
    assembly.write_bytes(name_official_json(assembly.read_bytes()))
    package = work / f"{ASSEMBLY}.{version()}.nupkg"
    text = (CLIENTS / "dotnet" / f"{ASSEMBLY}.nuspec").read_text(encoding="utf-8")
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{ASSEMBLY}.nuspec", text.replace("${version}", version()))
        archive.write(assembly, f"lib/netstandard2.0/{assembly.name}")
        archive.write(CLIENTS / "dotnet" / "README.md", "README.md")
        archive.write(ROOT / "LICENSE", "LICENSE")
    return [_moved(package, out)]


def mend_model(model: str) -> str:
    """Let the constructor say of required fields that they are set: the generator does so of the others alone, and a field
    that is not set is not sent. The class of any event comes last, as in the description and not by the alphabet."""
    unset = r"this\._(?!flag)(\w+) = \w+;\n(?!\s*if \(this\.\1 != null\))"
    model = re.sub(unset, r"\g<0>            this._flag\1 = true;\n", model)
    before, mark, after = model.partition("            // no match found, throw")
    if not (
        parts := [part for part in before.split("            try\n") if "DeserializeObject<EventOut>" in part]
    ):
        return model
    block = f"            try\n{parts[0]}"
    return before.replace(block, "") + block + mark + after


def simplify(described: Any) -> Any:
    """Return the description as the generator for C# copes with it. With `discriminator` its code needs one more library,
    without it takes the first class that fits; a word that is required and may be null becomes an enum that may not."""
    if isinstance(described, list):
        return [simplify(part) for part in described]
    if not isinstance(described, dict):
        return described
    plain = {name: simplify(part) for name, part in described.items() if name != "discriminator"}
    # A constructor drops the value of a field with a default. In a dictionary of fields, one may have that name.
    if not isinstance(plain.get("default"), dict):
        plain.pop("default", None)
    fields, required = plain.get("properties"), plain.get("required")
    if isinstance(fields, dict) and isinstance(required, list):
        nulls = {name for name, schema in fields.items() if {"type": "null"} in schema.get("anyOf", ())}
        plain["required"] = [name for name in required if name not in nulls]
    return plain


MAKERS: Mapping[str, Callable[[Path, Path, Path], list[Path]]] = {
    "python": python,
    "java": java,
    "typescript": typescript,
    "dotnet": dotnet,
}


def generate(generator_name: str, described: Path, work: Path, ours: Path, *properties: str) -> Path:
    """Let openapi-generator write the code, by the settings beside our own part of it."""
    need("java")
    settings = ours / "openapi-generator.json"
    target = work / "generated"
    words = (
        "-g",
        generator_name,
        "-i",
        described,
        "-o",
        target,
        "-c",
        settings,
        "--global-property",
        _NO_EXTRAS,
    )
    more = ("--additional-properties", ",".join(properties)) if properties else ()
    run("java", "-jar", generator(), "generate", *words, *more)
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


def json_of_dotnet() -> Path:
    """Return the JSON library that the code in C# is compiled with, fetched by its digest."""
    lock = CLIENTS / "dotnet" / "package-lock.json"
    folder = MADE / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not (folder / JSON_OF_DOTNET).exists():
        MADE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=MADE) as fetched:
            for source in (lock, lock.with_name("package.json")):
                shutil.copy(source, fetched)
            run("npm", "ci", "--silent", "--ignore-scripts", cwd=Path(fetched))
            shutil.copytree(fetched, folder, dirs_exist_ok=True)
    return folder / JSON_OF_DOTNET


def name_official_json(assembly: bytes) -> bytes:
    """Return the assembly with the official library's version and token in its reference to Newtonsoft.Json: the copy that
    it was compiled with has no token, and .NET Framework may refuse the official one in its place. The token's bytes are
    those of a constant of `Gateway.cs`; the format is that of ECMA-335, II.22.5 and II.24.2."""
    root = assembly.index(b"BSJB")
    (length,) = struct.unpack_from("<I", assembly, root + 12)
    (streams,) = struct.unpack_from("<H", assembly, root + length + 18)
    starts, at = {}, root + length + 20
    for _ in range(streams):
        (offset,) = struct.unpack_from("<I", assembly, at)
        end = assembly.index(b"\0", at + 8)
        starts[assembly[at + 8 : end]] = root + offset
        at += 8 + (end - at - 8) // 4 * 4 + 4
    sizes = assembly[starts[b"#~"] + 6]
    name = assembly.index(b"\0Newtonsoft.Json\0", starts[b"#Strings"]) + 1 - starts[b"#Strings"]
    token = assembly.index(b"\x08" + OFFICIAL_JSON, starts[b"#Blob"]) - starts[b"#Blob"]
    row = "<4HI" + "I" * (sizes >> 2 & 1) + "H" * (~sizes >> 2 & 1) + "I" * (sizes & 1) + "H" * (~sizes & 1)
    copy, official = struct.pack(row, 12, 0, 1, 0, 0, 0, name), struct.pack(row, 13, 0, 0, 0, 0, token, name)
    if assembly.count(copy) != 1:
        raise SystemExit("no single reference to Newtonsoft.Json")
    return assembly.replace(copy, official)


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
