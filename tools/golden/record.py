"""Records what a node gives to others: every page of every person of the demonstration, the answers of the API, the help
and the output of the commands, envelopes and evidence. In: a checkout with a `.venv`, a folder. Out: one text file for
each answer, made plain (`plain.py`).

Only public doors are used (the command line, HTTP), so that a checkout from before a change and one from after it are
recorded by the same tool."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.cookiejar
import io
import json
import os
import re
import shlex
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree, html
from plain import Plain

FOLDER = Path(__file__).parent
BEGINS = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
PASSWORD = "Con-ngua-xanh-an-co-93!x"  # noqa: S105 - of a demonstration
_PEOPLE = re.compile(r"(/lien-ket/\S+)\s+([^,]+), ([^(]+) \((\S+)\)")
_ENDLESS = {
    "serve",
    "demo",
    "sandbox",
    "watch",
    "simulate",
    "conformance",
    "completion",
    "backup",
    "restore",
    "drain",
}
MOST_PAGES = 400


@dataclass(slots=True, kw_only=True)
class Recording:
    """Folder and settings of one side's recording."""

    checkout: Path
    folder: Path
    plain: Plain = field(default_factory=Plain)
    ahead_s: float = field(default_factory=lambda: BEGINS.timestamp() - time.time())

    def write(self, kind: str, name: str, text: str) -> None:
        file = re.sub(r"[^\w.,=&?<> -]+", "~", self.plain.text(name).strip("/"))[:150] or "index"
        path = self.folder / kind / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.plain.text(text.replace(str(self.folder), "<folder>")), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [str(self.checkout / ".venv/bin/python"), str(FOLDER / "child.py"), *words]

    @property
    def environment(self) -> Mapping[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return mine | {
            "GOLDEN_AHEAD_S": str(self.ahead_s),
            "PYTHONPATH": str(self.checkout),
            "COLUMNS": "100",
        }

    def run(self, *words: str, cwd: Path) -> str:
        try:
            run = subprocess.run(
                self.command(*words),
                cwd=cwd,
                env=self.environment,
                capture_output=True,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "did not end"
        return f"exit {run.returncode}\n{run.stdout.decode(errors='replace')}\n--\n{run.stderr.decode(errors='replace')}"


@contextlib.contextmanager
def demonstration(recording: Recording, keep: Path) -> Iterator[str]:
    """Run the demonstration; yield its output."""
    command = recording.command("demo", "--port", "0", "--keep", str(keep))
    with subprocess.Popen(
        command,
        cwd=keep.parent,
        env=recording.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines = process.stdout or ()
        printed = ""
        try:
            for line in lines:
                printed += line
                if line.startswith("Đã sẵn sàng"):
                    break
            else:
                raise SystemExit(f"the demonstration did not come up:\n{printed}")
            time.sleep(5)  # what it began is ended
            yield printed
        finally:
            process.terminate()


class Browser:
    """One person's session."""

    def __init__(self, base: str, ahead_s: float) -> None:
        self.base, self.ahead_s = base, ahead_s
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def get(self, path: str, **headers: str) -> tuple[int, str, bytes, str]:
        """Status, path in the end, body, type of content."""
        return self._open(urllib.request.Request(self.base + path, headers=headers))  # noqa: S310 - this machine

    def post(self, path: str, fields: Mapping[str, str]) -> tuple[int, str, bytes, str]:
        body = urllib.parse.urlencode(fields).encode()
        headers = {"Origin": self.base}
        return self._open(urllib.request.Request(self.base + path, data=body, headers=headers))  # noqa: S310

    def _open(self, request: urllib.request.Request) -> tuple[int, str, bytes, str]:
        try:
            with self._opener.open(request, timeout=60) as answer:
                return (
                    answer.status,
                    answer.geturl()[len(self.base) :],
                    answer.read(),
                    answer.headers.get("Content-Type", ""),
                )
        except urllib.error.HTTPError as error:
            return (
                error.code,
                request.full_url[len(self.base) :],
                error.read(),
                error.headers.get("Content-Type", ""),
            )

    def submit(self, page: bytes, at: str, **answers: str) -> tuple[int, str, bytes, str] | None:
        """Fill in the form of the page that has all these fields, and send it."""
        for form in html.fromstring(page).forms:
            names = [field.name for field in form.inputs if field.name]
            if all(name in names for name in answers):
                kinds = ("checkbox", "radio")
                filled = {
                    x.name: x.value or ""
                    for x in form.inputs
                    if x.name and getattr(x, "type", "") not in kinds
                }
                return self.post(form.action or at, filled | answers)
        return None

    def sign_in(self, link: str, login: str) -> None:
        _, at, page, _ = self.get(link)
        fields = [
            name
            for name in ("new", "again", "password", "password2", "repeat")
            if f'name="{name}"'.encode() in page
        ]
        self.submit(page, link, **dict.fromkeys(fields, PASSWORD))
        _, at, page, _ = self.get("/dang-nhap")
        self.submit(page, at, login=login, password=PASSWORD)
        _, at, page, _ = self.get("/")
        secret = html.fromstring(page).xpath("string(//input[@name='totp']/@value)")
        if secret:
            self.submit(page, at, totp=secret, first=self._code(secret), password=PASSWORD)
            _, at, page, _ = self.get("/")
        if "chon-co-quan" in at:
            choice = html.fromstring(page).xpath("//button[@name='agency' or @name='agency_id']")
            if choice:
                self.submit(page, at, **{choice[0].get("name"): choice[0].get("value")})

    def _code(self, secret: str) -> str:
        key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
        digest = hmac.new(
            key, struct.pack(">Q", int(time.time() + self.ahead_s) // 30), hashlib.sha1
        ).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def record_pages(recording: Recording, base: str, printed: str) -> None:
    """Each person looks at every page that a link leads to, breadth first; one page of each kind and query twice."""
    for link, _, _, login in _PEOPLE.findall(printed):
        if login.endswith((".binhmau", "r.stn", "i.stn", "n.stn")):
            continue  # the same posts in another agency; one clerk of another is enough
        browser = Browser(base, recording.ahead_s)
        browser.sign_in(link, login)
        visited: set[str] = set()
        kinds: dict[str, int] = {}
        todo = ["/"]
        while todo and len(visited) < MOST_PAGES:
            path = todo.pop(0)
            kind = (
                re.sub(r"_[0-9A-Z]{26}|\d+", "_", path.split("?")[0])
                + "?"
                + "&".join(sorted(part.split("=")[0] for part in path.partition("?")[2].split("&")))
            )
            if path in visited or kinds.get(kind, 0) >= 2:
                continue
            visited.add(path)
            kinds[kind] = kinds.get(kind, 0) + 1
            status, at, body, content = browser.get(path)
            if "html" not in content:
                recording.write(f"pages/{login}", path, f"{status} {content} {at}")
                continue
            recording.write(f"pages/{login}", path, f"{status} {at}\n{_html(body)}")
            todo += [link for link in _links(base, path, body) if link not in visited and link not in todo]


def _html(body: bytes) -> str:
    tree = html.fromstring(body.decode())
    for node in tree.xpath("//*[@name='csrf' or @name='once' or @name='token' or @name='idempotency']"):
        node.set("value", "<token>")
    for node in tree.xpath("//*[@nonce]"):
        node.set("nonce", "<token>")
    text = etree.tostring(tree, encoding="unicode", method="html")
    return re.sub(r"(>)\s*(<)", r"\1\n\2", text)


def _links(base: str, path: str, body: bytes) -> list[str]:
    links = html.fromstring(body.decode()).xpath(
        "//@href|//@src|//@data-href|//@data-piece|//form[@method='get']/@action"
    )
    paths = [urllib.parse.urljoin(base + path, link.split("#")[0]) for link in links]
    mine = [x[len(base) :] for x in paths if x.startswith(base + "/")]
    return [
        x
        for x in mine
        if "dang-xuat" not in x and "/static" not in x and "/lien-ket" not in x and "/ngon-ngu" not in x
    ]


def record_api(recording: Recording, base: str, printed: str) -> None:
    """Record the description, and each reading operation's answer for the ids of its lists."""
    key = re.search(r"gwk_[\w-]+", printed)
    if key is None:
        raise SystemExit("the demonstration printed no key")
    browser, headers = Browser(base, recording.ahead_s), {"Authorization": f"Bearer {key[0]}"}
    described: dict[str, Any] = json.loads(browser.get("/api/v1/openapi.json")[2])
    recording.write("api", "openapi.json", _json(described))
    ids: dict[str, list[str]] = {}
    reading = [path for path, acts in described["paths"].items() if "get" in acts]
    for path in sorted(reading, key=lambda path: path.count("{")):
        parameters = re.findall(r"{(\w+)}", path)
        filled = [path]
        for name in parameters:
            samples = (
                ids.get(path.split("{")[0].rstrip("/").rsplit("/", 1)[-1], [])[:3]
                if name == parameters[0]
                else ["1", "lead"]
            )
            filled = [p.replace(f"{{{name}}}", urllib.parse.quote(s)) for p in filled for s in samples]
        for address in filled:
            full = address if address.startswith("/api") else "/api/v1" + address
            status, _, body, content = browser.get(full, **headers)
            text = (
                body.decode(errors="replace")
                if "json" in content or "xml" in content or "text" in content
                else content
            )
            if "json" in content:
                answer = json.loads(text)
                text = _json(answer)
                if not parameters and isinstance(answer, dict) and isinstance(answer.get("data"), list):
                    ids[path.rsplit("/", 1)[-1]] = [
                        str(row["id"]) for row in answer["data"] if isinstance(row, dict) and "id" in row
                    ]
            recording.write("api", full, f"{status} {content}\n{_zip(body) if 'zip' in content else text}")


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)


def _zip(body: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(body)) as pack:
        return "\n".join(
            f"== {name}\n"
            + (
                pack.read(name).decode(errors="replace")
                if name.endswith((".json", ".xml", ".txt", ".html"))
                else ""
            )
            for name in sorted(pack.namelist())
        )


def record_commands(recording: Recording, keep: Path) -> None:
    """Record the help of each command in both languages, and the examples of those that only read."""
    todo: list[tuple[str, ...]] = [()]
    settings = ("--config", str(keep / "gateway.toml"), "--agency", "Z91")
    while todo:
        words = todo.pop(0)
        help_text = recording.run(*words, "--help", cwd=keep.parent)
        recording.write("help", " ".join(words), help_text)
        listed = help_text.partition("\nCommands:\n")[2].partition("\n\n")[0]
        todo += [(*words, name) for name in re.findall(r"^  ([a-z][\w-]*)", listed, flags=re.MULTILINE)]
        if listed or not words or _ENDLESS & {words[0], words[-1]} or "--yes" in help_text:
            continue
        examples = re.findall(
            rf"^    gateway {' '.join(words)}(.*)$", help_text.partition("Examples:")[2], flags=re.MULTILINE
        )
        for n, example in enumerate(examples or [""]):
            for lang in ("vi", "en"):
                line = f"--lang {lang} {' '.join(settings)} {' '.join(words)}"
                output = recording.run(*line.split(), *_split(example), cwd=keep.parent)
                recording.write("commands", f"{' '.join(words)} {n} {lang}", f"{example}\n{output}")


def _split(example: str) -> list[str]:
    try:
        return shlex.split(example.partition("|")[0].partition(">")[0])
    except ValueError:
        return []


def record(checkout: Path, folder: Path) -> None:
    """All of it."""
    recording = Recording(checkout=checkout.resolve(), folder=folder.resolve())
    keep = recording.folder / "run" / "demo"
    keep.parent.mkdir(parents=True)
    with demonstration(recording, keep) as printed:
        recording.write("demo", "printed", printed)
        address = re.search(r"http://[\d.]+:\d+", printed)
        if address is None:
            raise SystemExit("the demonstration printed no address")
        record_pages(recording, address[0], printed)
        record_api(recording, address[0], printed)
    record_commands(recording, keep)
    once = recording.folder / "run" / "once" / "demo"
    once.parent.mkdir()
    recording.write(
        "demo", "once", recording.run("demo", "--once", "-o", "json", "--keep", str(once), cwd=once.parent)
    )
    for path in sorted((once / "envelopes").rglob("*.edxml"), key=lambda path: path.stat().st_mtime):
        recording.write("envelopes", path.name, path.read_text(errors="replace"))
