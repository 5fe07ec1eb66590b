"""Golden answers: of each call and each status that tests of the API meet one answer stands in the tree, with its test. A
test that gives a recorded answer again must give the same, but for ids, digests, secrets and addresses, which are made
neutral; one that meets a status without a recorded answer fails. `python -m tests.office.record_answers` records.

Only tests whose clock stands still are recorded, and of a test the first answer of each call and status."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientResponse, FormData

from gateway import __version__

if TYPE_CHECKING:
    from tests.support.contract import Description

ROOT = Path(__file__).parents[2]
# Calls of the exchange are recorded by its own tests, those of the office by the office's.
FOLDERS = {"gateway": ROOT / "gateway/examples", "gateway_office": ROOT / "office/gateway_office/examples"}
EXCHANGE_TESTS = ("tests/unit/api/",)
OFFICE_TESTS = ("tests/office/unit/api/", "tests/office/unit/calls/")
# Digest of each recorded answer, and the day of the changelog that names its change.
DIGESTS = ROOT / "tests/samples/answers.json"
CHANGELOG = ROOT / "docs/changelog-integrators.md"
RECORD = "--record-answers"
# Calls and statuses that tests meet, or every call has, and that have no recorded answer, with the reason.
UNRECORDED = {
    ("voidNumber", "200"): "the tests of numbers meet its refusals alone",
    (
        "rotateWebhookSecret",
        "200",
    ): "the tests of webhooks rotate by the service and meet the refusals of the call",
    ("takeIncomingRegister", "200"): "the tests of registers take the file of the outgoing book",
}
ADVICE = "Where it was meant: make answers, and name the call in the newest section of docs/changelog-integrators.md"
# Lists and texts are cut there: an example shows what they have, not how many.
_MOST, _LONGEST = 3, 400
# Numbers that are never the same: times of the machine, and sizes of what is signed, since a signature may be shorter.
_VARYING = {"took_ms": 12, "unsent_bytes": 6370, "Retry-After": "30"}
_SIZES, _SIGNED_SIZE = frozenset(("size", "used", "allowed")), 4000
_HEADERS = (
    *("Content-Type", "ETag", "Link", "Location", "Idempotency-Replayed", "X-Normalized", "Retry-After"),
    *("Content-Range", "Content-Disposition", "X-Content-SHA256", "Deprecation", "Sunset", "Allow", "Accept"),
    *("Accept-Encoding", "WWW-Authenticate"),
)
_ASKED_HEADERS = ("Idempotency-Key", "If-Match", "If-None-Match", "Range", "X-Agency", "Accept-Language")
_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
_MARKS = re.compile(
    rf"(?P<id>\b(?:[a-z]+_)?{_ULID})|(?P<hex>\b[0-9a-fA-F]{{32,128}}\b)|(?P<node>https?://(?:127\.0\.0\.1|localhost):\d+)"
    r"|(?P<secret>whsec_[\w+/=-]+)|(?P<pem>-----BEGIN [^-]+-----[^-]+-----END [^-]+-----)|(?P<version>\bVERSION\b)".replace(
        "VERSION", re.escape(__version__)
    )
)
# In a guide: `<!-- answer: call status -->`, `… in data` for the first row of a list, `: name, name` for some fields.
_BLOCK = re.compile(
    r"(?P<mark><!-- answer: (?P<call>\w+) (?P<status>\d+)(?P<row> in data)?(?:: (?P<names>[\w, ]+))? -->)\n"
    r"```json\n(?:.*\n)*?```",
)
GUIDES = tuple(ROOT / "docs" / name for name in ("integrators.md", "huong-dan-tich-hop.md"))
# Any, here and below: JSON.
Json = dict[str, Any]


@dataclass(kw_only=True)
class RunningTest:
    """A test that runs, and the first answer of each call and status that it met."""

    name: str
    answers: dict[tuple[str, str], Json] = field(default_factory=dict)


class _Session:
    """State of this process: the test that runs, and the folder in which answers are recorded."""

    test: RunningTest | None = None
    target: Path | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(RECORD, type=Path, default=None, help="write the answers of the API into this folder")


def pytest_configure(config: pytest.Config) -> None:
    _Session.target = config.getoption(RECORD)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Follow a test of the API, and let it fail where it gave a recorded answer no more. Random ones are not
    recorded."""
    name = pyfuncitem.nodeid.partition("@")[0]
    is_followed = name.startswith((*EXCHANGE_TESTS, *OFFICE_TESTS))
    is_random = getattr(pyfuncitem.obj, "is_hypothesis_test", False)
    test = RunningTest(name=name) if is_followed and not is_random else None
    _Session.test = test
    try:
        result = yield
    finally:
        _Session.test = None
    if test is not None and _Session.target is not None:
        rows = [{"call": call, "status": s, "test": name, **row} for (call, s), row in test.answers.items()]
        file = _Session.target / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
        file.write_text(json.dumps(rows), "utf-8")
    elif test is not None:
        absent = [key for key, row in recorded().items() if row["test"] == name and key not in test.answers]
        assert not absent, f"this test gives recorded answers, but no more of {absent}. {ADVICE}"
    return result


class Exchange:
    """A request, read before its files are sent."""

    def __init__(self, method: str, headers: Mapping[str, str], more: Mapping[str, Any]) -> None:
        self.method = method
        self.headers = {name: headers[name] for name in _ASKED_HEADERS if name in headers}
        self.body = _sent(more)

    def faults(self, description: Description, response: ClientResponse, raw: bytes) -> Iterator[str]:
        """Yield what is wrong with an answer beside the recorded one; in a run that records keep the answer."""
        test, url = _Session.test, response.url
        call = description.call(self.method, url.path)
        if test is None or call is None or "fields" in url.query:
            return
        key = (call["operationId"], str(response.status))
        if key in test.answers or description.package_of(key[0]) != _package(test.name):
            return
        test.answers[key] = self._row(response, raw)
        if _Session.target is not None or key in UNRECORDED:
            return
        golden = recorded().get(key)
        if golden is None:
            yield f"{' '.join(key)} has no recorded answer. Record it: make answers"
        elif golden["test"] == test.name:
            row = {"test": test.name, **neutral(test.answers[key])}
            if listed := "; ".join(differences(golden, row)):
                yield f"{' '.join(key)}: not the recorded answer: {listed}. {ADVICE}"

    def _row(self, response: ClientResponse, raw: bytes) -> Json:
        is_json = response.content_type.endswith("json")
        body = json.loads(raw) if is_json and response.url.path[-12:] != "openapi.json" else None
        request: Json = {"method": self.method, "path": response.url.path_qs}
        request |= {"headers": self.headers} if self.headers else {}
        request |= {"body": self.body} if self.body is not None else {}
        answer: Json = {"headers": {n: response.headers[n] for n in _HEADERS if n in response.headers}}
        answer |= {"body": body} if body is not None else {}
        return {"request": request, "answer": answer}


def neutral(row: Json) -> Json:
    """Return the request and answer without what differs between two runs."""
    content: Json = _Neutral().replace(row)
    return content


class _Neutral:
    """Replaces what differs between two runs, so that equal values stay equal."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def replace(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {self._text(name): self._member(name, child) for name, child in node.items()}
        if isinstance(node, list):
            return [self.replace(child) for child in node[:_MOST]]
        return self._text(node) if isinstance(node, str) else node

    def _member(self, name: str, child: Any) -> Any:
        is_signed = name in _SIZES and isinstance(child, int) and child > _SIGNED_SIZE
        varying = 6370 if is_signed else _VARYING.get(name)
        # A quick call takes no whole millisecond.
        is_number = child or (child == 0 and name == "took_ms")
        return varying if varying is not None and is_number else self.replace(child)

    def _text(self, text: str) -> str:
        text = _MARKS.sub(self._mark, text)
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

    def _mark(self, match: re.Match[str]) -> str:
        kind, text = str(match.lastgroup), match[0]
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        neutral = {
            "id": f"{text[:-26]}01KA{number:022d}",
            "hex": f"{number:0{len(text)}x}",
            "node": "https://node.example",
            "secret": f"whsec_{'0' * 43}=",
            "pem": "-----BEGIN CERTIFICATE-----\nMII…\n-----END CERTIFICATE-----",
            "version": "0.0.0",
        }
        return neutral[kind]


def _sent(more: Mapping[str, Any]) -> Any:
    """Return the body of a request as JSON; a file is its name."""
    if "json" in more:
        return more["json"]
    data = more.get("data")
    if isinstance(data, FormData):
        parts: dict[str, Any] = {}
        for options, _, value in data._fields:  # a form does not say its parts
            is_file = isinstance(value, BytesIO) or "filename" in options
            content = f"({options.get('filename', 'file')})" if is_file else _parsed(value)
            parts.setdefault(options["name"], content)
        return parts
    return _parsed(data) if data is not None else None


def _parsed(data: Any) -> Any:
    """Return a body as JSON, or that it is bytes."""
    try:
        return json.loads(data)
    except (ValueError, TypeError):
        return "(bytes)"


def differences(golden: Any, row: Any, place: str = "") -> Iterator[str]:
    """Yield each place at which an answer is not the recorded one."""
    if isinstance(golden, dict) and isinstance(row, dict):
        for name in sorted(golden.keys() | row.keys()):
            if name not in row or name not in golden:
                yield f"{place}/{name} is {'new' if name in row else 'missing'}"
            else:
                yield from differences(golden[name], row[name], f"{place}/{name}")
    elif isinstance(golden, list) and isinstance(row, list) and len(golden) == len(row):
        for n, (old, new) in enumerate(zip(golden, row, strict=True)):
            yield from differences(old, new, f"{place}/{n}")
    elif golden != row:
        yield f"{place} is {row!r}, not {golden!r}"


@cache
def recorded() -> dict[tuple[str, str], Json]:
    """Return every recorded answer by its call and status."""
    texts = {name: json.loads(file.read_text("utf-8")) for name, file in _files().items()}
    return {(name, status): row for name, rows in texts.items() for status, row in rows.items()}


def _files() -> dict[str, Path]:
    return {file.stem: file for folder in FOLDERS.values() for file in sorted(folder.glob("*.json"))}


def _package(test: str) -> str:
    return "gateway_office" if test.startswith(OFFICE_TESTS) else "gateway"


def faults(description: Description, package: str) -> Iterator[str]:
    """Yield what is wrong with the recorded answers of a package by the description: a call without a good answer, one that
    is not described or not so, and a test that is no more."""
    calls = [call for verbs in description.document["paths"].values() for call in verbs.values()]
    for call in calls:
        name, keys = call["operationId"], recorded().keys() | UNRECORDED.keys()
        is_own = description.package_of(name) == package
        if is_own and not any((name, status) in keys for status in call["responses"] if status < "3"):
            yield f"{name} has no recorded answer of success. Record it: make answers"
    for (name, status), row in recorded().items():
        if _files()[name].parent == FOLDERS[package]:
            yield from _row_faults(description, name, status, row)


def _row_faults(description: Description, name: str, status: str, row: Json) -> Iterator[str]:
    request, answer = row["request"], row["answer"]
    path = request["path"].partition("?")[0]
    call = description.call(request["method"], path)
    if call is None or call["operationId"] != name:
        yield f"{name} {status}: {request['method']} {path} is not its call"
    media = answer["headers"].get("Content-Type", "").partition(";")[0]
    raw = json.dumps(answer["body"]).encode() if "body" in answer else b""
    if raw or not media.endswith("json"):
        yield from description.complaints(
            request["method"], path, int(status), media, raw, [*answer["headers"], "X-Request-Id"]
        )
    file, _, function = row["test"].partition("::")
    if f"def {function.partition('[')[0]}(" not in (ROOT / file).read_text("utf-8"):
        yield f"{name} {status}: there is no test {row['test']} any more. Record it: make answers"


def digest_faults(
    digests: Mapping[str, str], rows: Mapping[tuple[str, str], Json], page: str
) -> Iterator[str]:
    """Yield recorded answers that changed without a line of the changelog."""
    days = dict(day.split("\n", 1) for day in re.split(r"^## ", page, flags=re.MULTILINE)[1:])
    yield from (
        f"{name}: the recorded answer is missing" for name in sorted(digests.keys() - map(" ".join, rows))
    )
    for name, text in dated(digests, rows).items():
        if digests.get(name) != text:
            yield f"{name}: the answer is not the one whose digest is recorded. {ADVICE}"
        day = text.partition(" ")[2]
        if day and f"`{name.split()[0]}`" not in days.get(day, ""):
            yield f"{name}: its answer changed. Name `{name.split()[0]}` in the section {day} of {CHANGELOG.name}"


def newest_day() -> str:
    """Return the day of the newest section of the changelog."""
    day: str = re.findall("^## (.+)$", CHANGELOG.read_text("utf-8"), re.M)[0]
    return day


def dated(old: Mapping[str, str], rows: Mapping[tuple[str, str], Json]) -> dict[str, str]:
    """Return the digest of each recorded answer; behind one that changed the day of the changelog that names it."""
    new = {}
    for key, row in sorted(rows.items()):
        name, digest = " ".join(key), hashlib.sha256(json.dumps(row["answer"], sort_keys=True).encode())
        text = digest.hexdigest()[:16]
        is_change = name in old and not old[name].startswith(text)
        new[name] = f"{text} {newest_day()}" if is_change else old.get(name, text)
    return new


def with_answers(text: str) -> str:
    """Return a guide whose blocks of JSON are the recorded answers that the marks above them name."""

    def block(match: re.Match[str]) -> str:
        body = recorded()[match["call"], match["status"]]["answer"]["body"]
        body = body["data"][0] if match["row"] else body
        names = re.findall(r"\w+", match["names"] or "") or list(body)
        content = json.dumps({name: body[name] for name in names}, ensure_ascii=False, indent=2)
        return f"{match['mark']}\n```json\n{content}\n```"

    return _BLOCK.sub(block, text)


def pretty(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
