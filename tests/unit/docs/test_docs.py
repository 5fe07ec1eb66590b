"""The pages say what the code does: what they name exists, and what exists has its entry. Where a page lacks a row the
failing test names the row. Pages are read as text; nothing here needs a node."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from gateway import (
    errors,
    program,  # noqa: F401 - hangs the office into the commands
)
from gateway.api.problems import OWN_SORTS, SORTS
from gateway.api.resources import ROUTES
from gateway.cli import output
from gateway.domain.document import InState, OutState
from gateway.domain.event import EventKind
from gateway.domain.states import CODES, STATES
from gateway.policy.verdict import ReasonCode
from gateway.settings.options import names
from gateway.words import labels
from tests.support.cases import Cases
from tests.support.command_tree import commands

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "schemas" / "README.md",
        ROOT / "clients" / "python" / "README.md",
        *DOCS.rglob("*.md"),
    ]
)
SOURCES = sorted(
    path for package in ("gateway", "office", "foreign") for path in (ROOT / package).rglob("*.py")
)
SISTERS = {"gateway_office", "gateway_foreign", "gateway_labs"}
PACKAGES = {path.name for path in (ROOT / "gateway").iterdir() if (path / "__init__.py").is_file()} | SISTERS
COMMON = {"-o", "--output", "-q", "--quiet", "--lang", "--config", "--agency", "-v", "--verbose", "--help"}
WRITING = {"--yes", "--dry-run"}

# Places outside of labels where letters of other alphabets belong, and why.
LETTERS_ALLOWED = {
    "gateway/edxml/envelope.py": "the words behind the wire's element names",
    "gateway/policy/texts.py": "what old fonts leave behind, as patterns",
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def short_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fences(page: Path) -> list[tuple[str, str]]:
    """Return the language and content of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@cache
def spans(page: Path) -> frozenset[str]:
    """Return the texts in single backticks."""
    return frozenset(re.findall(r"`([^`\n]+)`", prose(page)))


@cache
def rows(page: str) -> dict[str, str]:
    """Return the table rows of a page by the first code span of their first cell."""
    first_rows: dict[str, str] = {}
    for line in text_of(DOCS / page).splitlines():
        if (match := re.match(r"\| (?:· )*`([^`]+)`", line)) is not None:
            first_rows.setdefault(match[1], line)
    return first_rows


def cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- what pages name exists -----------------------------------------------------------------------------------


def test_modules_links_and_commands_that_a_page_names_exist(cases: Cases) -> None:
    """Its modules, its links, its command lines; no path of one machine. The README is one screen."""
    settings = set(names())

    def check(page: Path) -> None:
        modules = [
            span
            for span in sorted(spans(page))
            if span.removesuffix("()") not in settings and is_module_like(span) and not is_there(span)
        ]
        assert not modules, f"names what is not there: {', '.join(modules)}"
        assert not broken_links(page)
        assert not foreign_paths(page)
        assert [line for line in command_lines(page) if not is_typable(line)] == []

    cases.check_rows({short_name(page): page for page in PAGES}, check)
    assert len(text_of(ROOT / "README.md").splitlines()) <= 80


def test_what_the_program_tells_to_type_exists() -> None:
    """Hints, cures and texts name commands; a newcomer types them as they stand."""
    table, sources = (
        commands(),
        [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "gateway" / "words").rglob("*.po")],
    )
    nouns = {key.split()[1] for key in table}
    groups = {" ".join(key.split()[1:n]) for key in table for n in (2, 3)}
    part = "[a-z]+(?:-[a-z]+)*"
    missing = {
        f"{path.name}: {words}"
        for path in sources
        for words in re.findall(rf"\bgateway ({part}(?: {part}){{1,2}})", text_of(path))
        if words.split()[0] in nouns
        and words not in groups
        and not any(f"gateway {' '.join(words.split()[:n])}" in table for n in (1, 2, 3))
    }

    assert missing == set()


def broken_links(page: Path) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(target)
    return broken


def foreign_paths(page: Path) -> list[str]:
    """Return the absolute paths that are neither of the API nor of an installed node."""
    of_a_node = ("/etc/gateway", "/etc/systemd", "/opt/gateway", "/srv/gateway", "/var/lib/gateway")
    allowed = ("/api/", "/problems", "/docs", *of_a_node, "/run/secrets/")
    paths = re.findall(r"(?<![\w.\-/)}:<])/[a-z_.]+/[\w./-]*", text_of(page))
    return [path for path in paths if not path.startswith(allowed)]


def command_lines(page: Path) -> list[str]:
    lines = [span for span in spans(page) if span.startswith("gateway ")]
    for language, block in fences(page):
        if language == "sh":
            lines += re.findall(r"(?:^|/)(gateway .+)$", block, flags=re.MULTILINE)
    return lines


# What the doctor calls its looks at the node's own folders.
CHECKS_OF_FOLDERS = frozenset({"folder.data", "folder.axis", "folder.keys", "folder.content"})


def is_module_like(span: str) -> bool:
    if re.fullmatch(r"(gateway|office|foreign|labs|tests|docs|schemas|config)/[\w./*-]*|[\w/]+\.py", span):
        return True
    if re.search(r"\.(md|toml|pem|db)$", span):
        return False
    if span in CHECKS_OF_FOLDERS:
        return False
    return re.fullmatch(r"[a-z_]+(\.\w+)+(\(\))?", span) is not None and span.partition(".")[0] in PACKAGES


def is_there(span: str) -> bool:
    if "/" in span or span.endswith(".py"):
        return any(
            any(base.glob(span.rstrip("/"))) for base in (ROOT, ROOT / "gateway", ROOT / "gateway" / "edxml")
        )
    part: Any = None
    words = span.removesuffix("()").split(".")
    *path, last = words if words[0] in SISTERS else ["gateway", *words]
    try:
        importlib.import_module(".".join([*path, last]))
    except ModuleNotFoundError:
        for n in range(len(path), 0, -1):
            try:
                part = importlib.import_module(".".join(path[:n]))
            except ModuleNotFoundError:
                continue
            for name in [*path[n:], last]:
                part = getattr(part, name, None)
            return part is not None
    return True


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as repository pages make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_address_that_integrators_read_is_a_route() -> None:
    offered = {(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES}
    called = set()
    for language, block in fences(DOCS / "integrators.md"):
        if language == "sh":
            for line in re.sub(r"\\\n", " ", block).splitlines():
                called |= set(calls_in(line))

    assert len(called) >= 8
    assert called <= offered


def test_what_vietnamese_integrators_run_stands_on_the_page_that_is_tried() -> None:
    tried = {block for _, block in fences(DOCS / "integrators.md")}
    blocks = [block for language, block in fences(DOCS / "huong-dan-tich-hop.md") if language]

    assert len(blocks) >= 10
    assert [block for block in blocks if block not in tried] == []


def calls_in(line: str) -> Iterator[tuple[str, str]]:
    address = re.search(r'\$NODE(/[^"?\s]*)', line)
    if address is None:
        return
    method = re.search(r"-X (\w+)", line)
    sends = re.search(r" -[Fd] ", line) is not None
    path = re.sub(r"/(\d+|\$[A-Z]+)", "/{}", address[1])
    yield (method[1] if method else "POST" if sends else "GET"), path


# --- what exists has its entry --------------------------------------------------------------------------------


def test_every_setting_has_its_entry() -> None:
    assert set(names()) - rows("settings.md").keys() == set()


def error_classes(
    base: type[errors.GatewayError] = errors.GatewayError,
) -> Iterator[type[errors.GatewayError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def test_every_error_class_has_its_row(cases: Cases) -> None:
    """Code, whether again, status, exit code and words are those of the code."""

    def check(kind: type[errors.GatewayError]) -> None:
        row = rows("errors.md").get(kind.__name__, "")
        own = issubclass(kind, errors.InvalidEnvelope)
        code = "code of the finding, see below" if own else f"`{kind.code}`"
        retry = "no" if kind.permanent else "yes"
        exit_code = next(output.EXIT_CODES[k] for k in kind.__mro__ if k in output.EXIT_CODES)
        words = cell(labels.say(kind.label_key, "en"))

        assert row.endswith(
            f"`{kind.__name__}` | {code} | {retry} | {SORTS[kind].status} | {exit_code} | {words} |"
        )

    cases.check_rows(error_classes(), check)


def test_every_code_that_is_raised_has_its_entry() -> None:
    """Codes of one case in errors.md, codes of verification in verification.md."""
    listed = rows("errors.md").keys() | rows("verification.md").keys()
    raised = {
        code
        for path in SOURCES
        for code in re.findall(r"code=\"((?:GW-|REQUEST-|WAITING-)[A-Z0-9-]+)\"", text_of(path))
    }

    assert len(raised) >= 8
    assert raised - listed == set()
    assert set(labels.tails("code")) - listed - spans(DOCS / "errors.md") == set()


def test_every_rule_fault_reason_and_problem_has_its_row() -> None:
    listed = rows("errors.md").keys()
    needed = {
        *(str(code) for code in ReasonCode),
        *labels.tails("fault"),
        *labels.tails("reason"),
        *OWN_SORTS,
    }

    assert needed - listed == set()


def test_every_exit_code_has_its_row() -> None:
    told_by = {name: value for name, value in vars(output).items() if name.isupper() and name[0] != "_"}
    used = {value for value in told_by.values() if isinstance(value, int)}
    listed = {
        int(code) for code in re.findall(r"^\| (\d+) \|", text_of(DOCS / "errors.md"), flags=re.MULTILINE)
    }

    assert used - listed == set()


def flags(command: Any) -> list[Any]:
    return [param for param in command.params if param.param_type_name == "option"]


def options(command: Any) -> set[str]:
    return {word for flag in flags(command) for word in (*flag.opts, *flag.secondary_opts)}


def test_every_command_has_its_row_with_its_options(cases: Cases) -> None:
    """And no row stands for a command that is not there."""
    listed = rows("commands.md")

    def check(words: str) -> None:
        row = next((line for key, line in listed.items() if (key + " ").startswith(words + " ")), "")
        first_names = {
            next(name for name in flag.opts if name.startswith("--")) for flag in flags(table[words])
        }
        listed_options = set(re.findall(r"--[\w-]+", row))

        assert row, f"docs/commands.md has no row for {words}"
        assert first_names - COMMON - WRITING - listed_options == set()

    table = commands()
    cases.check_rows(sorted(table), check)
    keys = {key for key in listed if key.startswith("gateway ")}
    assert [key for key in keys if not any((key + " ").startswith(words + " ") for words in table)] == []


def is_typable(line: str) -> bool:
    """Tell whether the noun and verb of a command line exist, and so does every option."""
    words = re.sub(r"^gateway --lang en ", "gateway ", line).split()
    table = commands()
    if words[1].startswith("-") or not words[1][0].islower():
        return True
    command = next((table[key] for n in (4, 3, 2) if (key := " ".join(words[:n])) in table), None)
    if command is None:
        return len(words) == 2 and any(key.split()[1] == words[1] for key in table)
    options_used = {word for word in words if re.fullmatch(r"--?[a-z][\w-]*", word)}
    return options_used <= options(command) | COMMON


def test_every_state_has_its_entry() -> None:
    page = spans(DOCS / "states.md")
    text = text_of(DOCS / "states.md")
    # Packed is never shown: outside of the node the document is still queued. Flow describes it.
    public_states = {*OutState} - {OutState.PACKED}

    assert {*STATES, *InState, *public_states} - page == set()
    assert OutState.PACKED in spans(DOCS / "flow.md")
    assert [code for code in CODES if f"| {code} |" not in text] == []


def test_every_kind_of_event_has_its_row(cases: Cases) -> None:
    """A kind that nothing writes is marked so, and no other."""
    sources = "".join(text_of(path) for path in SOURCES if path.name != "event.py")
    kinds_written = set(re.findall(r"EventKind\.(\w+)", sources))

    def check(kind: EventKind) -> None:
        row = rows("events.md").get(kind.value, "")
        assert row, f"docs/events.md has no row for {kind}"
        assert ("not written yet" in row) == (kind.name not in kinds_written)

    cases.check_rows(EventKind, check)


def test_every_finding_of_doctor_is_explained_and_has_a_name_on_the_pages() -> None:
    explained = spans(DOCS / "operations.md")
    source = "".join(text_of(path) for path in (ROOT / "gateway" / "ops").glob("checks_of_*.py"))
    checks = set(re.findall(r"\b(?:green|yellow|red|Diagnosis)\(\s*\"([\w.-]+)\"", source))

    assert len(checks) >= 8
    assert checks - explained == set()
    labelled = {key.removeprefix("operating.check.") for key in labels.read_catalogue("vi", "operations")}
    assert {check for check in checks if not labelled & {check, check.partition(".")[0]}} == set()


def test_a_decision_that_is_named_anywhere_holds_and_a_retired_number_leads_to_one() -> None:
    """In pages, comments and docstrings; the index has each page once, and no number twice."""
    index = text_of(DOCS / "decisions" / "README.md")
    pages = {path.name for path in (DOCS / "decisions").glob("[0-9]*.md")}
    numbers, retired = {name[:4] for name in pages}, re.findall(r"^\| (\d{4}) \|", index, flags=re.MULTILINE)
    merged = {n for name in pages for n in re.findall(r"\d{4}", rows_of_merged(DOCS / "decisions" / name))}
    sources = [
        path
        for folder in ("gateway", "office", "labs", "tests", "bench", "tools", "docs")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in {".py", ".md", ".toml", ".html"} and path.name != Path(__file__).name
    ]
    dead = {
        f"{short_name(path)}: {name}"
        for path in [*sources, *ROOT.glob("*.md")]
        for name in re.findall(r"\bdecisions?[ /](\d{4}\b[\w.-]*)", text_of(path), flags=re.IGNORECASE)
        if name[:4] not in numbers or (name.endswith(".md") and name not in pages)
    }

    assert dead == set()
    assert sorted(re.findall(r"^\| \[\d{4}\]\((\S+)\)", index, flags=re.MULTILINE)) == sorted(pages)
    assert merged <= set(retired)
    assert not numbers & set(retired)


def rows_of_merged(page: Path) -> str:
    return "".join(re.findall(r"^Merged here: .*$", text_of(page), flags=re.MULTILINE))


# --- languages ------------------------------------------------------------------------------------------------


def test_vietnamese_letters_stand_in_labels_alone() -> None:
    """Decision 0028. Signs such as ‖, — and … are no letters."""
    places = []
    for path in SOURCES:
        if path.is_relative_to(ROOT / "gateway" / "words") or short_name(path) in LETTERS_ALLOWED:
            continue
        for n, line in enumerate(unicodedata.normalize("NFC", text_of(path)).splitlines(), start=1):
            if any(ord(sign) > 127 and unicodedata.category(sign)[0] in "LM" for sign in line):
                places.append(f"{short_name(path)}:{n}")

    assert places == []
