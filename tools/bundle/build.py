"""Makes the offline bundle: everything that a machine without a network needs to install this version, with sums and a
signature. In: the tree, the lock, a signing key. Out: one tar file. Run it on the same system and Python version as
the machines that it is for: compiled wheels fit no others."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import sbom
import sign

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(ROOT))
from gateway import build_number  # noqa: E402 - the builder has nothing of ours installed

SCRIPTS = ("check.sh", "install.sh", "prepare.sh", "upgrade.sh", "rollback.sh", "gateway-node")
PAGES = ("CHANGELOG.md", "LICENSE", "README.md")
# The last moment before which no file of ours can be, so that the same tree gives the same bundle.
EPOCH = 1_767_225_600


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the bundle")
    words.add_argument("--key", type=Path, required=True, help="Ed25519 key; made when it is not there")
    arguments = words.parse_args()
    sign.make_missing(arguments.key)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / f"gateway-{version()}"
        fill(folder)
        sums(folder)
        sign.sign(folder / "SHA256SUMS", arguments.key)
        bundle = arguments.out / f"{folder.name}-bundle.tar"
        pack(folder, bundle)
    public = arguments.out / f"{folder.name}-bundle.pub"
    public.write_text(sign.public_pem(arguments.key))
    print(bundle)
    print(f"public key, to be handed over another way ({public}):")
    print(sign.public_pem(arguments.key), end="")


VERSION = re.compile(r'__version__ = "(\d+\.\d+)\.\d+"')


@cache
def version(root: Path = ROOT) -> str:
    """Return the number of this build: that of the program, the count of commits, and the commit, as 0.3.2140+8d5addc9;
    with .changed for a tree that differs from the commit."""
    found = VERSION.search((root / "gateway" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit("gateway/__init__.py states no version")

    words = ["git", "-C", root, "status", "--porcelain", "--untracked-files=no"]
    status = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return build_number.of_checkout(f"{found[1]}.0", root) + (".changed" if status else "")


def staged(work: Path) -> Path:
    """Copy the tree, and write the number of the build into the copy: the program knows it without git."""
    tree = work / "tree"
    leave_out = shutil.ignore_patterns(".git", ".venv*", "dist", "tests", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, tree, ignore=leave_out)
    file = tree / "gateway" / "__init__.py"
    text = VERSION.sub(f'__version__ = "{version()}"', file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    return tree


def fill(folder: Path) -> None:
    """Collect our wheels and those of the locks, scripts, settings, pages, and clients for document systems."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    fetch(wheels)
    tree = staged(folder.parent)
    ours, *above = (wheel(folder, wheels) for folder in (tree, tree / "office", tree / "foreign"))
    labs = wheel(tree / "labs", wheels)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = "".join(map(locked, (ours, *above)))
    (folder / "requirements.txt").write_text(lock + lines, encoding="utf-8")
    lock = (ROOT / "labs" / "requirements.lock").read_text(encoding="utf-8")
    (folder / "labs.txt").write_text(lock + locked(labs), encoding="utf-8")
    (folder / "VERSION").write_text(version() + "\n", encoding="utf-8")
    for name in SCRIPTS:
        shutil.copy(FOLDER / name, folder / name)
        (folder / name).chmod(0o755)
    for name in PAGES:
        shutil.copy(ROOT / name, folder / name)
    for name in ("clients", "config", "docs", "schemas"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    bom = sbom.describe(sorted(wheels.glob("*.whl")), ours)
    (folder / "sbom.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def fetch(wheels: Path) -> None:
    """Fetch the wheels of the locks, by their digests, from the index that pip is set up for."""
    for lock in (ROOT / "requirements.lock", ROOT / "labs" / "requirements.lock"):
        pip("download", "--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", lock, "-d", wheels)


def wheel(source: Path, wheels: Path) -> Path:
    old = set(wheels.glob("*.whl"))
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
    (built,) = set(wheels.glob("*.whl")) - old
    return built


def locked(path: Path) -> str:
    """Return the line that installs this wheel of ours and no other."""
    return f"{sbom.read(path).name}=={version()} \\\n    --hash=sha256:{sha256(path)}\n"


def pip(*words: str | Path) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    subprocess.run(command, check=True, env=environment)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums(folder: Path) -> None:
    """One line for every file, as `sha256sum --check` reads them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def pack(folder: Path, bundle: Path) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = EPOCH
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    growing = bundle.with_name(f".{bundle.name}.new")
    with tarfile.open(growing, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder, folder.name, filter=plain)
    growing.replace(bundle)


if __name__ == "__main__":
    main()
