"""The score as a page to print and to file: one HTML file that needs nothing else, without scripts and without anything
from elsewhere. In: a score, a language. Out: text, in which whatever came from the subject is escaped."""

from __future__ import annotations

from html import escape

from gateway.domain.wall_clock import local
from gateway.words import labels
from gateway_labs.conformance.score import Found, Score, StepScore

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 11pt/1.4 "Times New Roman", serif; margin: 2cm; color: #111; }
h1 { font-size: 16pt; } h2 { font-size: 12pt; margin: 1.2em 0 0.2em; }
table { border-collapse: collapse; width: 100%; font-size: 10pt; }
th, td { border: 1px solid #999; padding: 2px 6px; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
section { break-inside: avoid; } .no { color: #a00; font-weight: bold; } .ok { color: #060; }
p { margin: 0.2em 0; } .total { font-size: 14pt; font-weight: bold; }
@media print { body { margin: 0; } }
"""


def html(score: Score, lang: str) -> str:
    def word(key: str, **params: object) -> str:
        return escape(labels.say(f"conformance.{key}", lang, **params))

    facts = (
        ("target", score.target),
        ("agency", score.agency),
        ("at", local(score.at).strftime("%d/%m/%Y %H:%M:%S")),
        ("kit", score.version),
    )
    rows = "".join(f"<tr><th>{word(f'sheet.{key}')}</th><td>{escape(text)}</td></tr>" for key, text in facts)
    steps = "".join(_step(each, lang) for each in score.steps)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{word('sheet.title')}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{word('sheet.title')}</h1><table>{rows}</table>"
        f'<p class="total">{word("passed", passed=score.passed, of=score.judged)}</p>'
        f"<p>{word('sheet.test')}</p>{steps}</body></html>\n"
    )


def _step(step: StepScore, lang: str) -> str:
    def word(key: str) -> str:
        return escape(labels.say(f"conformance.sheet.{key}", lang))

    mark = "ok" if step.passed else "no"
    if step.skipped is not None:
        title = f"{word('step')} {step.n}. {escape(step.words('title', lang))}"
        return f"<section><h2>{title}</h2><p>{escape(step.skipped.words(lang))}</p></section>"
    mend = "" if step.passed else f"<p>{word('mend')}: {escape(step.words('mend', lang))}</p>"
    head = f"<tr><th></th><th>{word('expected')}</th><th>{word('came')}</th></tr>"
    return (
        f"<section><h2>{word('step')} {step.n}. {escape(step.words('title', lang))} "
        f'<span class="{mark}">{word(mark)}</span></h2>'
        f"<p>{word('done')}: {escape(step.words('done', lang))}</p>{mend}"
        f"<table>{head}{''.join(map(_row, step.found))}</table></section>"
    )


def _row(found: Found) -> str:
    mark = "ok" if found.ok else "no"
    return (
        f"<tr><td>{escape(found.about)}</td><td>{escape(found.expected)}</td>"
        f'<td class="{mark}">{escape(found.came)}</td></tr>'
    )
