"""Types at throw-away machines what docs/install.md prints, as strangers to the program do: each has what others hand over,
and both persons of an agency. In: the folder of a release, the page, an authority. Out: a count of what was typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway_labs.authority import Authority
from tools.bundle.dialogue import dialogue
from tools.bundle.machine import Machine

ROOT = Path(__file__).parents[2]
PASSPHRASE = "four words that nobody guesses"  # noqa: S105 - of the trial's persons
CODES, PEOPLE, NAMES = ("Z91.01", "Z91.02"), ("A. Clerk", "A. Leader"), ("province-1", "province-2")
SECOND = (("Z91.01", "Z91.02"), ("Office One", "Office Two"), NAMES)
LETTER = ROOT / "tests" / "samples" / "bao-cao.pdf"


def make_release(folder: Path) -> subprocess.CompletedProcess[str]:
    """Make bundle and package as `make deb` does, with tools of its own."""
    words = [
        f"{name}={folder / file}" for name, file in (("KEY", "key"), ("DIST", ""), ("BUILDER", "builder"))
    ]
    strange = ("GATEWAY_", "PYTEST_", "MAKE", "MFLAGS")
    return subprocess.run(
        ["make", "deb", "PYTHON=/usr/bin/python3", *words],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith(strange)},
        capture_output=True,
        text=True,
    )


def printed(heading: str) -> list[str]:
    """Return the commands of the first block below that heading of the page."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    block = re.search(rf"^#+ {heading}$.*?^```sh\n(.*?)^```", text, re.M | re.S)
    if block is None:
        raise ValueError(f"the page has no commands below {heading}")
    return block[1].splitlines()


class Stranger:
    """Person at one machine, who types what the page prints. `typed` counts the commands."""

    def __init__(self, place: Machine, n: int, commands: list[str]) -> None:
        self.place, self.n, self._commands, self.typed = place, n, commands, 0
        self.home = place.files / "root"
        self._codes: dict[str, str] = {}

    def next(self, more: str = "") -> str:
        """Type the next command. `more` is for the test: an output that it can read, a port that no other test has."""
        return self.place.type(self.take() + more)

    def take(self) -> str:
        command, self._commands = self._commands[0], self._commands[1:]
        self.typed += 1
        return command

    def set_up(self, port: int) -> bytes:
        """Install and set up; return the signing request."""
        self.next()
        answer = self.next(f" --port {port} -o json")
        self._codes = dict(re.findall(r'"name": "(.*)",\s*"code": "(.*)"', answer))
        (request,) = (self.place.files / "var/lib/gateway/keys" / CODES[self.n]).glob("*.csr.pem")
        return request.read_bytes()

    def join(self, digits: Sequence[str]) -> None:
        with dialogue(program=self.place.program(self.take())) as answer:
            answer("[y/N]", "y")
            for name in PEOPLE:
                answer("One-time code", self._codes[name])
                answer("New passphrase", PASSPHRASE)
                answer("The same passphrase", PASSPHRASE)
                secret = re.search(r"secret=(\w+)", answer("digits that it shows", None))
                answer("digits that it shows", pyotp.TOTP(secret[1] if secret else "").now())
            for n, end in enumerate(digits, 1):
                answer(f"digits of certificate {n}", end)
            answer("This node can exchange now", None)

    def apply_axis(self, api: str) -> None:
        """Type what the broker's administrator types, who is this person here."""
        (command,), url = printed("Broker"), urlsplit(api)
        self.typed += 1
        for old, new in (
            ("https://mq1.example.invalid:15671", f"http://{url.hostname}:{url.port}"),
            ("--user boss", f"--user {url.username}"),
            (" --ca mq-ca.pem", " --yes"),
        ):
            command = command.replace(old, new)
        self.place.type(command)


def commands_of(n: int, package: str, database: str, axis: str) -> list[str]:
    """Return what the first or second stranger types, with this release and these servers in their places."""
    lines = printed("From the package to the first document")
    if package == "bundle":
        lines[0] = f"sh -c '{' && '.join(printed('Install from the bundle'))}'"
    text = "\n".join(lines[: 5 - n]).replace("lienthong-gateway_VERSION_amd64.deb", "*.deb")
    text = text.replace("gateway-VERSION", "gateway-0*").replace("amqps://mq1.example.invalid", axis)
    for old, new in SECOND if n else ():
        text = text.replace(old, new)
    if not database:
        text = re.sub(r"--(database|broker-password)-file \S+ ", "", text)
    return text.splitlines()


def hand_over(stranger: Stranger, release: Path, authority: Authority, database: str) -> None:
    """Put into root's home what others give: the release, the root certificate, addresses and passwords, the letter."""
    home = stranger.home
    for file in release.glob("*gateway*"):
        shutil.copy(file, home / ("release.pub" if file.suffix == ".pub" else file.name))
    (home / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    shutil.copy(LETTER, home / "letter.pdf")
    (home / "passwords").mkdir()
    admin = urlsplit(os.environ.get("LIENTHONG_TEST_RABBIT_API", ""))
    texts = {"database.txt": database, "broker.txt": NAMES[stranger.n], "boss.txt": admin.password or ""}
    for name, text in (texts | {f"passwords/{name}": name for name in NAMES}).items():
        (home / name).write_text(f"{text}\n", encoding="utf-8")
        (home / name).chmod(0o600)


def give_certificates(stranger: Stranger, certificates: Sequence[x509.Certificate]) -> None:
    folder = stranger.home / "from-the-authority"
    folder.mkdir()
    rows = "".join(f"{code},Office,{name}\n" for code, name in zip(CODES, NAMES, strict=True))
    (folder / "agencies.csv").write_text(f"code,name,host\n{rows}", encoding="utf-8")
    (folder / "bindings.csv").write_text("code,certificate\n" + "".join(f"{c},{c}.pem\n" for c in CODES))
    for code, certificate in zip(CODES, certificates, strict=True):
        (folder / f"{code}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
