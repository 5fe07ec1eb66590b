"""Files of records of a year, as documents of the outgoing book state them; the list of files and the list of documents in
one as files to print or to work on, as decree 30/2020 asks. In: a year, the code of a file. Out: the page, a PDF or a
workbook."""

from __future__ import annotations

from aiohttp import web

from gateway_office.book import file_lists
from gateway_office.web.addresses import url_for
from gateway_office.web.menu import BOOKS
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.books import get

PATH = "/so-van-ban/ho-so"


async def show_files(request: PageRequest) -> web.StreamResponse:
    year = request.query_year()

    def links(code: str) -> dict[str, str]:
        query = {"nam": str(year), **({"ma": code} if code else {})}
        return {form: url_for(f"{PATH}/tai/{form}", **query) for form in file_lists.FORMS}

    files = await file_lists.list_files(request.deps.book, request.scope(), year)
    return await request.page(
        "books/files.html",
        title=request.say("book.file_list.files"),
        year=year,
        rows=[(file, links(file.code)) for file in files],
        whole=links(""),
        here=PATH,
    )


async def give_list(request: PageRequest) -> web.StreamResponse:
    deps, year, code, form = request.deps, request.query_year(), request.ask("ma"), request.path("form")
    with deps.blobs.scratch() as scratch:
        await file_lists.write(deps.book, request.scope(), year, code, form, request.lang, scratch.file)
        return await request.send_scratch_file(scratch.file, file_lists.file_name(year, code, form), form)


ROUTES = (
    get(PATH, "record_files", show_files, needs=BOOKS),
    get(f"{PATH}/tai/{{form:xlsx|pdf}}", "record_files_file", give_list, needs=BOOKS),
)
