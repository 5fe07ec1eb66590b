"""Every word that a page says is in the catalogues, and every word in the catalogues of the pages is said by some page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import gateway
import gateway_office
from gateway.words import labels
from gateway.words.labels import read_catalogue
from tests.support.cases import Cases

WEB = Path(gateway_office.__file__).parent / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
VIEW = Path(gateway.__file__).parent / "document_view"
CODE = sorted((*WEB.rglob("*.py"), *VIEW.rglob("*.py")))
API = Path(gateway.__file__).parent / "api"
# Printed books and forms say words of the pages too.
PRINTED = sorted(
    (
        *(WEB.parent / "book").glob("*.py"),
        *(WEB.parent / "accounts").glob("*.py"),
        WEB.parent / "pdf_sheets.py",
    )
)
DOOR = [*sorted(API.rglob("*.py")), *sorted(API.rglob("*.html")), *PRINTED]
_LABEL = re.compile(r"""\bsay\(\s*(["'])([^"'{}]+)\1\s*(~|\+)?""")
_MESSAGE = re.compile(r"""\.confirm\((?:[^()]|\([^()]*\))*?,\s*"([a-z0-9_.-]+)\"""", re.S)
_PREFIX = re.compile(r"""f?["']([a-zA-Z0-9_.-]+\.)(?:\{|["']\s*(?:~|\+))""")
# The catalogues of the pages, those of the API among them.
_SUBJECTS = (
    *("account", "admin", "agencies", "book", "books", "calls", "clashes", "compose", "help", "incoming"),
    *("journal", "keys", "lists", "office", "operations", "outgoing", "pages", "recalls", "reforms", "tags"),
    *("tasks", "told"),
)
# A question that is named by one key has its words below it.
_PART = re.compile(r"\.(?:title|means|will|says|do)$")
# What is said by keys that others make: `told.` stands before what an address says.
_ELSEWHERE = ("clash.", "page.job.", "page.row.")


def constant_keys(path: Path) -> Iterator[str]:
    for _, key, goes_on in _LABEL.findall(path.read_text(encoding="utf-8")):
        if not goes_on and not key.endswith("."):
            yield key


def test_every_key_of_templates_and_code_has_its_words(cases: Cases) -> None:
    def check(path: Path) -> None:
        keys = [*constant_keys(path)]
        if path.suffix == ".py":
            keys += [f"told.{key}" for key in _MESSAGE.findall(path.read_text(encoding="utf-8"))]
        assert [key for key in keys if not labels.has(key)] == []

    cases.check_rows([*TEMPLATES, *CODE], check)


def test_every_word_of_the_pages_is_said_somewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*TEMPLATES, *CODE, *DOOR)]
    everything = "\n".join(texts)
    words = {*re.findall(r"[\w.-]+", everything)}
    prefixes = {p for text in texts for p in _PREFIX.findall(text)}

    unused = [
        key
        for subject in _SUBJECTS
        for key in read_catalogue("vi", subject)
        if key not in words
        and not key.startswith(_ELSEWHERE)
        and key.removeprefix("told.") not in everything
        and f'"{_PART.sub("", key)}"' not in everything
        and not any(key.startswith(p) or key.removeprefix("told.").startswith(p) for p in prefixes)
    ]

    assert unused == []
