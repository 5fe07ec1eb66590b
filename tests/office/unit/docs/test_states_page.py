"""docs/states.md shows the tables of the code, word for word; docs/glossary.md names what the code names."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.document import InState
from gateway.domain.states import CODES, STATES
from gateway.words.labels import has, say
from gateway_office.domain.task import AskState

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "states.md").read_text(encoding="utf-8")
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")


def words(key: str) -> tuple[str, str]:
    return (say(key, "vi", code="NN"), say(key, "en", code="NN")) if has(key) else ("–", "–")


def state_rows() -> list[str]:
    rows = []
    for row in STATES.values():
        cells = (
            *(f"`{row.key}`", row.track, row.wire or "–"),
            *words(f"state.{row.key}"),
            *words(f"state.in.{row.key}"),
            *(f"{row.colour}, {row.shape}", row.set_by),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def code_rows() -> list[str]:
    return [f"| {row.code} | {row.track} | `{row.key}` | {row.set_by} |" for row in CODES.values()]


def incoming_rows() -> list[str]:
    return ["| `{}` | {} | {} |".format(state, *words(f"state.in.{state}")) for state in InState]


def ask_rows() -> list[str]:
    """Return the beginnings of the rows: their other cells say more than the code does."""
    return ["| `{}` | {} |".format(state, say(f"recall_ask.{state}")) for state in AskState]


def test_the_page_and_the_glossary_have_the_rows_and_words_of_the_code() -> None:
    states, _, asks = PAGE.partition("## A recall that the head approves")
    page_rows = {line for line in states.splitlines() if line.startswith(("| `", "| 0", "| 1"))}
    ask_lines = [line for line in asks.splitlines() if line.startswith("| `")]

    assert page_rows == {*state_rows(), *code_rows(), *incoming_rows()}
    assert ["|".join(line.split("|")[:3]) + "|" for line in ask_lines] == ask_rows()

    words = (
        "packet, document, message, registry, register, delivery, fact, standing, request, recall, take_back, "
        "withdrawn, admit, clerk, axis, node, agency, symbol, subject, signer, urgency, secrecy, sealed, held, "
        "quarantined, waiting, receipt, envelope, exchange certificate, lead, source, appendix, reference, evidence, "
        "remind"
    )
    assert [word for word in words.split(", ") if f"`{word}`" not in GLOSSARY] == []
