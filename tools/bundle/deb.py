"""Makes a package for Debian of a bundle: the program installed and compiled under /opt/gateway/VERSION, units, user and
folders. In: the bundle's tar, and the Python of the target machines (Debian's own, in the same release). Out: one .deb
beside it, and its signature. Nothing is fetched: the wheels are those of the bundle, by their digests."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import build
import sign

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
NAME = "lienthong-gateway"
CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: The gateway's operators <root@localhost>
Section: net
Priority: optional
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}), util-linux, systemd
Recommends: tesseract-ocr-vie
Suggests: nginx, postgresql, rabbitmq-server, rclone
Description: Node for exchanging official documents between agencies
 It sends and receives signed edXML documents over the interconnection axis.
 Set it up with: gateway-node init
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--out", type=Path, default=ROOT / "dist", help="folder with the bundle of this tree")
    words.add_argument("--python", default="/usr/bin/python3", help="the Python of the target machines")
    words.add_argument("--key", type=Path, required=True, help="Ed25519 key; made when it is not there")
    arguments = words.parse_args()
    bundle_tar = arguments.out / f"gateway-{build.version()}-bundle.tar"
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["tar", "-xf", bundle_tar, "-C", work, "--no-same-owner"], check=True)
        (bundle,) = Path(work).iterdir()
        root = Path(work) / "root"
        version = (bundle / "VERSION").read_text(encoding="utf-8").strip()
        fill(bundle, root, version, arguments.python)
        describe(root, version, arguments.python)
        package = bundle_tar.with_name(f"{NAME}_{version}_{architecture()}.deb")
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(build.EPOCH)}
        packing = ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", root, package]
        subprocess.run(packing, check=True, env=environment, stdout=subprocess.DEVNULL)
    sign.make_missing(arguments.key)
    sign.sign(package, arguments.key)
    print(package)


def fill(bundle: Path, root: Path, version: str, python: str) -> None:
    """Install the program below `root` as it will lie on the machine, with what belongs to it there."""
    program = root / "opt" / "gateway" / version
    program.parent.mkdir(parents=True)
    subprocess.run([python, "-m", "venv", "--without-pip", program], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "--python",
        program / "bin" / "python",
    ]
    locked = ["--no-index", "--find-links", bundle / "wheels", "--only-binary", ":all:", "--require-hashes"]
    subprocess.run([*pip, "install", *locked, "--no-compile", "-r", bundle / "requirements.txt"], check=True)
    # Paths of this machine: in the first lines of scripts and in the environment's own file.
    for file in (*(program / "bin").iterdir(), program / "pyvenv.cfg"):
        if file.is_file() and not file.is_symlink() and str(root).encode() in (raw := file.read_bytes()):
            file.write_bytes(raw.replace(str(root).encode(), b""))
    compiler = [
        python,
        "-m",
        "compileall",
        "-q",
        "-s",
        root,
        "-p",
        "/",
        "--invalidation-mode",
        "unchecked-hash",
    ]
    subprocess.run([*compiler, program / "lib"], check=True)
    for name in ("config", "docs", "schemas"):
        shutil.copytree(bundle / name, program / name)
    for name in ("CHANGELOG.md", "LICENSE", "sbom.cdx.json"):
        shutil.copy(bundle / name, program / name)
    shutil.copy(bundle / "gateway-node", program / "bin" / "gateway-node")
    (program / ".installed").touch()
    for source, target in (
        ("systemd", "usr/lib/systemd/system"),
        ("debian/sysusers.conf", "usr/lib/sysusers.d/gateway.conf"),
        ("debian/tmpfiles.conf", "usr/lib/tmpfiles.d/gateway.conf"),
    ):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (bundle / "config" / source).is_dir() else shutil.copy
        copy(bundle / "config" / source, root / target)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/gateway-node").symlink_to("/opt/gateway/current/bin/gateway-node")
    copyright_file = root / "usr/share/doc" / NAME / "copyright"
    copyright_file.parent.mkdir(parents=True)
    shutil.copy(bundle / "LICENSE", copyright_file)


def describe(root: Path, version: str, python: str) -> None:
    """Write what dpkg reads: the package's data, its scripts, and the sums of its files."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2], '%d.%d' % (sys.version_info[0], sys.version_info[1] + 1))"
    known = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.split()
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    sums = subprocess.run(
        ["md5sum", "--", *(path.relative_to(root) for path in files)],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    control = root / "DEBIAN"
    control.mkdir()
    (control / "md5sums").write_bytes(sums)
    size = sum(path.stat().st_size for path in files) // 1024
    text = CONTROL.format(
        name=NAME,
        version=version,
        architecture=architecture(),
        size=size,
        python=known[0],
        next_python=known[1],
    )
    (control / "control").write_text(text, encoding="utf-8")
    for script in ("postinst", "prerm", "postrm"):
        script_text = (ROOT / "config" / "debian" / script).read_text(encoding="utf-8")
        (control / script).write_text(script_text.replace("@VERSION@", version), encoding="utf-8")
        (control / script).chmod(0o755)


def architecture() -> str:
    told = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


if __name__ == "__main__":
    main()
