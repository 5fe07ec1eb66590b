"""Report of the agency's records in a year: due for the archive or for destruction, preserved, and gone. In: a year. Out:
the page, or a workbook for the inspector."""

from __future__ import annotations

from aiohttp import web

from gateway_office.book import records_report
from gateway_office.book.records_report import RecordsPart
from gateway_office.web import routes
from gateway_office.web.addresses import url_for
from gateway_office.web.menu import BOOKS
from gateway_office.web.page_requests import PageRequest

PATH = "/so-van-ban/luu-tru"
get, post, both = routes.sharing(needs=BOOKS, key="books")


async def show_report(request: PageRequest) -> web.StreamResponse:
    year = request.query_year()
    lines = await records_report.list_records(request.deps.book, request.scope(), year, request.lang)
    return await request.page(
        "books/records.html",
        title=request.say("books.records"),
        year=year,
        here=PATH,
        parts=[(part, [line for line in lines if line.part is part]) for part in RecordsPart],
        links={form: url_for(f"{PATH}/tai/{form}", nam=str(year)) for form in records_report.FORMS},
    )


async def give_report(request: PageRequest) -> web.StreamResponse:
    year, form, deps = request.query_year(), request.path("form"), request.deps
    with deps.blobs.scratch() as scratch:
        await records_report.write(deps.book, request.scope(), year, form, request.lang, scratch.file)
        return await request.send_scratch_file(scratch.file, f"luu-tru-{year}.{form}", form)


ROUTES = (
    get(PATH, "records_report", show_report),
    get(f"{PATH}/tai/{{form:xlsx|csv}}", "records_report_file", give_report),
)
