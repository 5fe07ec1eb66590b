"""Files of records of a year (R44): opened by those who keep them, issued as the year's list by the head, and the documents
in one. The list of files and the list of documents in one as files to print or to work on, as decree 30/2020 asks. In: a
year, a file, the form of a new one. Out: the pages, a PDF or a workbook; acts on files."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aiohttp import web

from gateway import retention
from gateway.errors import Clash
from gateway_office.book import file_lists
from gateway_office.book.file_lists import FileLine
from gateway_office.domain.listing import Filter, Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.work_file import LONGEST_RETENTION, LONGEST_TITLE, FileKind
from gateway_office.letters import work_files
from gateway_office.web import display_names, routes
from gateway_office.web.addresses import url_for
from gateway_office.web.forms import Problems
from gateway_office.web.listing import list_rows
from gateway_office.web.menu import BOOKS
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.filing import FILES
from gateway_office.web.routes import Needs

PATH = "/so-van-ban/ho-so"
_FILE_PATH = f"{PATH}/{{id:fil_[0-9A-Za-z]+}}"
_LONGEST_NOTATION = 20
_OVER_ALL = (Needs(right=Right.RECORDS, manners=(Manner.YES, Manner.PREPARE)),)
_ISSUES = (Needs(right=Right.RECORDS, manners=(Manner.YES,)),)
get, post, both = routes.sharing(needs=FILES, key="books")


async def show_files(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    year = request.query_year()
    files = await file_lists.list_files(request.deps.book, request.scope(), year)
    is_issued = any(record.file.listed_on for record in files if record.file)
    async with request.deps.store.read(request.scope()) as work:
        earlier_files = await work.office.work_files.of_year(year - 1)
    return await request.form_page(
        "books/files.html",
        problems,
        title=request.say("book.file_list.files"),
        year=year,
        rows=[(record, _links(year, record.code)) for record in files],
        whole=_links(year),
        here=PATH,
        names=await display_names.names_of(
            request, {record.file.owner for record in files if record.file}, "incoming.by"
        ),
        is_issued=is_issued,
        has_unlisted=any(record.file and record.file.listed_on is None for record in files),
        may_open=request.can("record_file_opened") and (not is_issued or is_over_all(request)),
        may_issue=request.can("record_list_issue"),
        may_begin=bool(earlier_files) and not any(record.file for record in files),
        organ=request.own_agency.code,
        kinds=[(kind.value, request.say(f"timer.file.kind.{kind}")) for kind in FileKind],
        longest={"notation": _LONGEST_NOTATION, "title": LONGEST_TITLE, "retention": LONGEST_RETENTION},
    )


@faults_on(show_files, Clash, fields={"GW-FILE-CLOSED": "notation", "GW-FILE-ISSUED": "notation"})
async def open_file(request: PageRequest) -> web.StreamResponse:
    text, problems, year = request.form.text, Problems(), request.query_year()
    if not 0 < len(text("notation")) <= _LONGEST_NOTATION:
        problems.append(request.missing("notation", "timer.file.code"))
    if not 0 < len(text("title")) <= LONGEST_TITLE:
        problems.append(request.missing("title", "timer.file.name"))
    if problems:
        return await show_files(request, problems)
    draft = work_files.FileDraft(
        notation=text("notation"),
        title=text("title"),
        kind=FileKind(text("kind")) if text("kind") in tuple(FileKind) else FileKind.USUAL,
        retention=text("retention")[:LONGEST_RETENTION] or None,
    )
    await work_files.open_file(*request.filing, year, draft, everybodys=is_over_all(request))
    return request.confirm(PATH, "books.file.opened", nam=str(year))


async def begin_list(request: PageRequest) -> web.StreamResponse:
    year = request.query_year()
    begun = await work_files.begin_list(*request.filing, year)
    return request.confirm(PATH, "books.file.begun" if begun else "books.file.begun.none", nam=str(year))


async def issue_list(request: PageRequest) -> web.StreamResponse:
    year = request.query_year()
    if request.is_act:
        await work_files.issue_list(*request.filing, year)
        return request.confirm(PATH, "books.file.issued", nam=str(year))
    return await request.question(None, "books.file.issue", back=PATH, query={"nam": str(year)}, year=year)


async def show_file(request: PageRequest) -> web.StreamResponse:
    async with request.deps.store.read(request.scope()) as work:
        file = await work.office.work_files.get(request.path("id"))
        lines = await file_lists.list_contents(work, file.year, file.code)
        kept_until = await retention.expiry_of_file(work, file.facts)
        hand_overs = await work.office.work_files.hand_overs(file.id)
        members = {member.document_id: member for member in await work.office.work_files.members([file.id])}
    seen_ids = await _visible_ids(request, lines)
    people = {file.owner, *(member.by for member in members.values())}
    return await request.page(
        "books/file.html",
        title=file.code,
        file=file,
        lines=[line for line in lines if line.id in seen_ids],
        hidden=sum(line.id not in seen_ids for line in lines),
        members=members,
        kept_until=kept_until,
        hand_overs=hand_overs,
        names=await display_names.names_of(request, people, "incoming.by"),
        links=_links(file.year, file.code),
        reads=list_rows.seen_by(request).content,
        may_take_out=lambda id: (
            request.may(Right.RECORDS)
            and file.closed_on is None
            and (is_over_all(request) or request.person.person.id in (file.owner, members[id].by))
        ),
    )


async def take_out(request: PageRequest) -> web.StreamResponse:
    file_id, document_id = request.path("id"), request.path("document")
    back = f"{PATH}/{file_id}"
    if request.is_act:
        await work_files.take_out(*request.filing, document_id, file_id, everybodys=is_over_all(request))
        return request.confirm(back, "books.file.taken_out")
    async with request.deps.store.read(request.scope()) as work:
        file = await work.office.work_files.get(file_id)
    return await request.question(None, "books.file.take_out", back=back, code=file.code)


async def give_list(request: PageRequest) -> web.StreamResponse:
    deps, year, code, form = request.deps, request.query_year(), request.ask("ma"), request.path("form")
    with deps.blobs.scratch() as scratch:
        await file_lists.write(deps.book, request.scope(), year, code, form, request.lang, scratch.file)
        return await request.send_scratch_file(scratch.file, file_lists.file_name(year, code, form), form)


def is_over_all(request: PageRequest) -> bool:
    """Tell whether the person keeps the files of the whole agency."""
    return request.meets(_OVER_ALL)


def _links(year: int, code: str = "") -> dict[str, str]:
    query = {"nam": str(year), **({"ma": code} if code else {})}
    return {form: url_for(f"{PATH}/tai/{form}", **query) for form in file_lists.FORMS}


async def _visible_ids(request: PageRequest, lines: Sequence[FileLine]) -> Collection[str]:
    """Return the documents that the person may see: rules 13 (rights by role)."""
    sight, ids = list_rows.seen_by(request), [line.id for line in lines]
    if sight.share is None:
        return ids
    async with request.deps.store.read(request.scope()) as work:
        return {
            id
            for side in Side
            for id in await work.office.lists.among(Filter(side=side, viewer=sight.viewer(side)), ids)
        }


ROUTES = (
    get(PATH, "record_files", show_files, needs=(*BOOKS, *FILES)),
    post(PATH, "record_file_opened", open_file),
    post(f"{PATH}/tu-nam-truoc", "record_list_begun", begin_list, needs=_OVER_ALL),
    *both(f"{PATH}/ban-hanh", "record_list_issue", "record_list_issued", issue_list, needs=_ISSUES),
    get(_FILE_PATH, "record_file", show_file, needs=(*BOOKS, *FILES)),
    *both(f"{_FILE_PATH}/bo/{{document}}", "record_file_out", "record_file_taken_out", take_out),
    get(f"{PATH}/tai/{{form:xlsx|pdf}}", "record_files_file", give_list, needs=BOOKS),
)
