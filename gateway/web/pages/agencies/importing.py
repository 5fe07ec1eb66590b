"""Brings a file of codes into the registry: the file, its columns, a preview row by row, then exactly what was shown, in
one transaction. What the file leaves out stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from gateway.domain.registry_change import AgencyRecord, Plan, RegistryChange, RowChange
from gateway.errors import BadForm, Clash
from gateway.web import forms
from gateway.web.pages.agencies import columns, import_words
from gateway.web.pages.agencies.changing import CHANGES
from gateway.web.previews import Preview
from gateway.web.routes import Body, Who, get, post
from gateway.web.visit import Visit, where

PATH = "/co-quan/nhap"
MOST_BYTES = 16 * 1024 * 1024
_ROWS = 200
_LATEST = 20
_CHANGES = 1_000
_FIELDS = ("alias", "parent", "valid_from", "valid_to", "successor", "decision", "host")


class Word(StrEnum):
    """What a file does with one row."""

    ERROR = "error"
    CLOSE = "close"
    CHANGE = "change"
    ADD = "add"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the preview: cells as field, old and new text. A problem has the line of the file."""

    word: Word
    code: str
    name: str = ""
    cells: tuple[tuple[str, str, str], ...] = ()
    line: int = 0
    advice: str = ""


async def asked(visit: Visit) -> web.StreamResponse:
    return await _upload(visit, [])


async def uploaded(visit: Visit) -> web.StreamResponse:
    """Looked at whole; nothing is written."""
    content, name = bytearray(), ""
    async for part in forms.parts(visit.request, visit.token):
        name = (part.filename or "")[:200]
        while piece := await part.read_chunk(65_536):
            content += piece
            if len(content) > MOST_BYTES:
                raise BadForm(f"a registry file may have {MOST_BYTES} bytes", code="GW-FORM-SIZE")
    if not content:
        return await _upload(visit, [("file", visit.say("reforms.import.no_file"))])
    if bytes(content[:2]) == b"PK" or bytes(content[:1]) in (b"{", b"["):
        return await _upload(visit, [("file", visit.say("reforms.import.only_csv"))])
    names = columns.headings(bytes(content))
    return await _planned(visit, name, bytes(content), names, columns.guessed(names))


async def matched(visit: Visit) -> web.StreamResponse:
    """The same file with its columns as the person says."""
    kept = _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    said = tuple(visit.form.text(f"column_{n}") for n in range(len(kept.headings)))
    taken = [each for each in said if each]
    if not set(taken) <= set(columns.COLUMNS) or len(set(taken)) < len(taken):
        return await _preview(visit, kept, [("column_0", visit.say("reforms.import.twice"))])
    return await _planned(visit, kept.name, kept.content, kept.headings, said)


async def previewed(visit: Visit) -> web.StreamResponse:
    kept = _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    return await _preview(visit, kept, [])


async def applied(visit: Visit) -> web.StreamResponse:
    kept = _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    try:
        await visit.deps.registry.apply(kept.plan, visit.person.person.id)
    except Clash:
        key = "reforms.import.faulty" if kept.plan.problems else "reforms.import.moved"
        return await _preview(visit, kept, [("", visit.say(key))])
    visit.deps.previews.forget(visit.path("key"))
    return visit.said(PATH, "reforms.imported")


async def _planned(
    visit: Visit, name: str, content: bytes, names: Sequence[str], said: Sequence[str]
) -> web.StreamResponse:
    deps = visit.deps
    whole = await deps.pool.run(lambda: columns.rewritten(content, said))
    key = deps.previews.keep(
        Preview(
            name=name,
            content=content,
            headings=tuple(names),
            columns=tuple(said),
            plan=await deps.registry.plan_import(whole),
            at=deps.clock.now(),
            session_id=visit.person.session.id,
        )
    )
    return visit.go(f"{PATH}/xem/{key}")


def _kept(visit: Visit) -> Preview | None:
    return visit.deps.previews.find(visit.path("key"), visit.person.session.id, visit.deps.clock.now())


async def _upload(visit: Visit, problems: list[tuple[str, str]]) -> web.StreamResponse:
    found = await visit.deps.registry.changes(limit=_CHANGES)
    imports = [each for each in found if "added" in each.summary]
    return await visit.page(
        "agencies/import.html",
        422 if problems else 200,
        title=visit.say("reforms.import"),
        problems=problems,
        columns=columns.COLUMNS,
        changes=[_told(each) for each in reversed(imports[-_LATEST:])],
        names=await _names(visit),
        action=PATH,
    )


async def _preview(visit: Visit, kept: Preview, problems: list[tuple[str, str]]) -> web.StreamResponse:
    plan, key = kept.plan, visit.path("key")
    lines = [*_problems(visit, plan), *_lines(plan)]
    counts = {word: sum(each.word is word for each in lines) for word in Word}
    counts[Word.SAME] = plan.unchanged
    wanted = visit.ask("loc")
    shown = [each for each in lines if each.word == wanted] if wanted in tuple(Word) else lines
    path = f"{PATH}/xem/{key}"
    return await visit.page(
        "agencies/preview.html",
        422 if problems else 200,
        title=visit.say("reforms.import.preview"),
        kept=kept,
        lines=shown[:_ROWS],
        more=max(len(shown) - _ROWS, 0),
        counts=[(word, counts[word], where(path, loc=str(word))) for word in Word],
        wanted=wanted,
        path=path,
        columns=[("", visit.say("reforms.column.none"))]
        + [(each, visit.say(f"reforms.column.{each}")) for each in columns.COLUMNS],
        may_apply=not plan.problems and bool(plan.rows),
        is_same=not plan.problems and not plan.rows,
        problems=problems,
    )


def _problems(visit: Visit, plan: Plan) -> list[Line]:
    return [
        Line(
            word=Word.ERROR,
            code=each.found,
            name=visit.say(f"reforms.column.{each.column}"),
            line=each.line,
            advice=import_words.advice(each.advice, visit.lang),
        )
        for each in plan.problems
    ]


def _lines(plan: Plan) -> list[Line]:
    """What ends first, then what changes, then what is new: the order in which a person looks."""
    made = [_changed(Word.CLOSE, each) for each in plan.closed]
    made += [_changed(Word.CHANGE, each) for each in plan.changed]
    return made + [_added(each) for each in plan.added]


def _changed(word: Word, row: RowChange) -> Line:
    cells = tuple((name, old or "", new or "") for name, (old, new) in row.fields.items())
    return Line(word=word, code=row.code, name=row.name, cells=cells)


def _added(record: AgencyRecord) -> Line:
    cells = tuple((name, "", str(value)) for name in _FIELDS if (value := getattr(record, name)) is not None)
    return Line(word=Word.ADD, code=record.code, name=record.name, cells=cells)


def _told(change: RegistryChange) -> Mapping[str, object]:
    counts = {name: change.summary.get(name, 0) for name in ("added", "changed", "closed", "unchanged")}
    return {"id": change.id, "at": change.at, "by": change.by, **counts}


async def _names(visit: Visit) -> dict[str, str]:
    async with visit.deps.deciding.decisions.read() as view:
        return {each.id: each.name for each in await view.people.everybody()}


ROUTES = (
    get(PATH, "import", asked, who=Who.READY, needs=CHANGES, key="agencies"),
    post(
        PATH,
        "import_uploaded",
        uploaded,
        who=Who.READY,
        needs=CHANGES,
        key="agencies",
        body=Body.PARTS,
    ),
    get(f"{PATH}/xem/{{key}}", "import_preview", previewed, who=Who.READY, needs=CHANGES, key="agencies"),
    post(f"{PATH}/xem/{{key}}", "import_applied", applied, who=Who.READY, needs=CHANGES, key="agencies"),
    post(
        f"{PATH}/xem/{{key}}/cot",
        "import_matched",
        matched,
        who=Who.READY,
        needs=CHANGES,
        key="agencies",
    ),
)
