"""The calls of the national axis's library on this node (dialect R1): one table of operations, added to the application of
the API. In: signed calls of document systems that know nothing else. Out: answers in the dialect. Every refusal is FAIL
with its code and a sentence that says what to mend. HTTP always says 200, as the library's other clients break off at
anything else; log and metrics have the true status. Only a refused download has its status and an empty body."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from aiohttp import web

from gateway.api.admission import Entry
from gateway.api.app import FAILURE, LANG, REQUEST_ID, ROUTE
from gateway.api.caller import Caller
from gateway.api.deps import ApiDeps
from gateway.api.problems import Problem
from gateway.api.server import ACCEPTS_CONTROL, LONGEST_HEADER
from gateway.api.words import Lang, say
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import Address
from gateway.errors import Denied
from gateway_foreign.compat import box, lists, sending
from gateway_foreign.compat.caller import VxpCall, VxpDeps, named_system, who_calls
from gateway_foreign.compat.secret_box import system_secrets
from gateway_foreign.vxp import wire

Answer = Callable[[VxpCall], Awaitable[web.StreamResponse]]
OPERATIONS: Mapping[str, Answer] = {
    "getAgenciesList": lists.agencies,
    "getAgenciesListQD20": lists.agencies,
    "getSynchronizeUnit": lists.changed_agencies,
    "registerAgency": lists.refuse_registry_change,
    "deleteAgency": lists.refuse_registry_change,
    "sendEdoc": sending.send,
    "getReceivedEdocList": box.list_received,
    "getEdoc": box.get_document,
    "downloadEdoc": box.download,
    "updateStatus": box.update_status,
    "getSentEdocList": lists.sent,
    "countReceiveEdoc": box.documents_counted,
    "countReceiveStatus": box.statuses_counted,
}
# The library stores any body of these calls as the document and reports success, so a refusal has none.
# It signs nothing in the second one, which therefore is refused always.
_DOWNLOADS = {"/downloadEdoc", "/downloadEdoc2"}
_CAUSE = "X-Failure"
# A list of recipients stands in two headers, in one of them with every quote escaped.
_LONGEST_HEADER = 64 * 1024
_LONGEST_TEXT = 2000


def add_interface(app: web.Application, node: OpenNode, api: ApiDeps) -> None:
    """Add the operations for the document systems of this node, as its settings say."""
    compat = node.settings.compat
    deps = VxpDeps(
        api=api,
        keys=node.store.accounts,
        secrets=system_secrets(node.settings),
        fresh=timedelta(hours=compat.fresh_h),
        sent=timedelta(days=compat.sent_days),
    )
    add_operations(app, deps, Entry(api.options))


def add_operations(app: web.Application, deps: VxpDeps, entry: Entry) -> None:
    """Add the operations, before the application starts."""
    own_paths = {f"/{name}" for name in OPERATIONS}
    for name, answer in OPERATIONS.items():
        app.router.add_route("*", f"/{name}", _handler(name, answer, deps, entry))

    @web.middleware
    async def in_dialect(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        problem = request.get(FAILURE)
        if problem is None or request.path not in own_paths | _DOWNLOADS:
            return response
        failure = wire.no(str(problem.status), problem_line(problem, request[LANG], request[REQUEST_ID]))
        if request.path in _DOWNLOADS:
            headers = {**problem.headers, _CAUSE: json.dumps(failure)}
            return web.Response(status=problem.status, headers=headers)
        return ascii_answer(failure, dict(problem.headers))

    app.middlewares.insert(0, in_dialect)
    app[LONGEST_HEADER] = _LONGEST_HEADER
    # The library sends the low byte of a letter, which may be a control character.
    app[ACCEPTS_CONTROL] = True


def _handler(
    name: str, answer: Answer, deps: VxpDeps, entry: Entry
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = f"vxp.{name}"
        params: Mapping[str, str] = {}

        async def identify(address: Address | None) -> Caller:
            nonlocal params
            caller, params = await who_calls(request, deps, address)
            return caller

        let_in = await entry.let_in(request, deps.api, f"vxp {named_system(request)}", identify)
        call = VxpCall(request=request, deps=deps, caller=let_in, params=params, lang=request[LANG])
        return await answer(call)

    return handle


def problem_line(problem: Problem, lang: Lang, request_id: str) -> str:
    """Describe a problem in one line: the fault, each broken rule, its code here."""
    if problem.code == Denied.code:
        sentences = [say("fault.vxp-denied", lang)]
    else:
        faults = [_fault_text(e) for e in problem.errors]
        sentences = faults if len(faults) == 1 else [problem.detail, *faults]
        if (
            not faults
            and lang == "en"
            and (cause := str(problem.more.get("cause", ""))) not in ("", *sentences)
        ):
            sentences.append(cause)  # the programmers' sentence, which is English
        if problem.more.get("confirm"):
            sentences.append(say("fault.vxp-confirm", lang))
    text = " ".join(" ".join(sentences).split())
    return f"{text[:_LONGEST_TEXT]} [{problem.code}, {request_id}]"


def _fault_text(fault: Mapping[str, object]) -> str:
    """Describe one fault, without its pointer, which means nothing in this dialect."""
    suggest = fault.get("suggest")
    return f"{fault.get('detail', '')}" + (f" → {suggest}" if suggest else "")


def ascii_answer(content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer in ASCII: the library reads the answer of sendEdoc so, whatever charset is named."""
    return web.Response(text=json.dumps(content), content_type="application/json", headers=headers)
