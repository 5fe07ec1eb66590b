"""Calls and page of the verdict on a program. In: a call of the key that is judged, or its form on the page. Out: JSON, or
a page without scripts; the same rows in both."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call
from gateway.api.resources.pages import PAGE_POLICY, render_page
from gateway.api.routes import Routes
from gateway.api.shapes import Moment, RequestModel, ResponseModel
from gateway.api.words import Lang, say
from gateway.domain.account import KEY_PREFIX_LENGTH, ApiKey, ApiScope, HostedAgency
from gateway.domain.wall_clock import local
from gateway_labs.sandbox.verdict.points import POINTS, UNSEEN, Verdict
from gateway_labs.sandbox.verdict.story import Story
from gateway_labs.sandbox.verdict.trial import SeenCall, Trial
from gateway_labs.sandbox.verdict.watch import CallWatch, bearer, secret_hash

PAGE = "/docs/verdict"
ROUTES = Routes("sandbox", ApiScope.MESSAGES_READ)
_ACTS = (ApiScope.INBOX_ACT,)
_PATIENCE_S = 60
# The form names the key itself, so that no other site can send it.
_POLICY = PAGE_POLICY.replace("form-action 'none'", "form-action 'self'")
_page = partial(ROUTES, base="", open=True, media="text/html")


class TrialIn(RequestModel):
    patience_s: int = Field(_PATIENCE_S, ge=1, le=3600, description="Seconds to wait for the next step")


class EvidenceOut(ResponseModel):
    """One call of the program, or one webhook to it. `trick` is what the sandbox did to this call."""

    at: Moment
    method: str
    path: str
    status: int = Field(description="0: no answer")
    trick: str


class PointOut(ResponseModel):
    n: int
    key: str
    title: str
    verdict: Literal["right", "wrong", "unseen"]
    trial: str = Field(description="What the sandbox does to provoke it")
    criterion: str = Field(description="What it looks at")
    advice: str = Field(description="What to do where it is wrong")
    evidence: list[EvidenceOut]


class VerdictOut(ResponseModel):
    """Verdict on the program of one key. `idle`: no trial was begun, or it was reset."""

    state: Literal["idle", "running", "ended"]
    key: str = Field(description="The beginning of the key")
    began_at: Moment | None
    right: int
    wrong: int
    unseen: int
    points: list[PointOut]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCalls:
    """Calls of one sandbox. The story of a trial runs in `tasks`."""

    watch: CallWatch
    story: Story
    tasks: asyncio.TaskGroup

    @ROUTES(
        "POST /sandbox/verdict",
        "Try the program of this key: documents and webhooks come to it, some spoiled",
        text="A trial that runs already begins anew. Read the verdict with GET while the program works.",
        scopes=_ACTS,
        status=202,
        fails=(400,),
        sample=lambda _: {"patience_s": _PATIENCE_S},
    )
    async def try_program(self, call: Call, body: TrialIn) -> VerdictOut:
        call.caller.scope()
        secret, agency = bearer(call.request), call.caller.agency or call.caller.agencies[0]
        return _verdict(self._begin(secret, call.caller.key, agency, body.patience_s), secret, call.lang)

    @ROUTES("GET /sandbox/verdict", "The verdict on the program of this key, point by point")
    async def read_verdict(self, call: Call) -> VerdictOut:
        return _verdict(
            self.watch.trials.get(secret_hash(bearer(call.request))), bearer(call.request), call.lang
        )

    @ROUTES("DELETE /sandbox/verdict", "End the trial of this key and forget its verdict", scopes=_ACTS)
    async def forget_verdict(self, call: Call) -> VerdictOut:
        self._forget(secret_hash(bearer(call.request)))
        return _verdict(None, bearer(call.request), call.lang)

    @_page(f"GET {PAGE}", "The verdicts on programs, as a page", text="For people, without scripts.")
    async def show_verdicts(self, call: Call) -> web.Response:
        return self._render(call.lang)

    @_page(f"POST {PAGE}", "Begin or forget a trial, from the form of the page", text="For people.")
    async def change_verdict(self, call: Call) -> web.Response:
        form = await call.request.post()
        secret = str(form.get("key", "")).strip()
        key = await call.deps.accounts.find_key(secret_hash(secret))
        hosted = await call.deps.store.hosted()
        agency = next((a for a in hosted if key is not None and a.id in key.agency_ids), None)
        if key is None or agency is None or not key.scopes.issuperset(_ACTS):
            page = self._render(call.lang, "judge.page.no_key")
            page.set_status(403)
            return page
        if form.get("act") == "forget":
            self._forget(secret_hash(secret))
        else:
            self._begin(secret, key, agency, _PATIENCE_S)
        raise web.HTTPSeeOther(f"{PAGE}?lang={call.lang}")

    def stop(self) -> None:
        for hash in [*self.watch.trials]:
            self._forget(hash)

    def _begin(self, secret: str, key: ApiKey, agency: HostedAgency, patience_s: int) -> Trial:
        self._forget(secret_hash(secret))
        name, at = secret[:KEY_PREFIX_LENGTH], self.watch.clock.now()
        trial = Trial(name=name, agency=agency, program=key.principal.id, patience_s=patience_s, at=at)
        self.watch.trials[secret_hash(secret)] = trial
        trial.task = self.tasks.create_task(self.story.play(trial), name="verdict")
        return trial

    def _forget(self, hash: str) -> None:
        trial = self.watch.trials.pop(hash, None)
        if trial is not None and trial.task is not None:
            trial.task.cancel()

    def _render(self, lang: Lang, fault: str = "") -> web.Response:
        verdicts = [_verdict(trial, trial.name, lang) for trial in self.watch.trials.values()]
        texts = {"points": _points(None, lang), "fault": fault, "path": PAGE, "when": _clock_time}
        package = "gateway_labs.sandbox.verdict"
        page = render_page("verdict.html", lang, package=package, verdicts=verdicts, **texts)
        page.headers["Content-Security-Policy"] = _POLICY
        return page


def _verdict(trial: Trial | None, secret: str, lang: Lang) -> VerdictOut:
    points = _points(trial, lang)
    return VerdictOut(
        state="idle" if trial is None else "ended" if trial.has_ended else "running",
        key=secret[:KEY_PREFIX_LENGTH],
        began_at=trial.at if trial else None,
        **{verdict.value: sum(p.verdict == verdict for p in points) for verdict in Verdict},
        points=points,
    )


def _points(trial: Trial | None, lang: Lang) -> list[PointOut]:
    points = []
    for n, (key, judge) in enumerate(POINTS.items(), 1):
        verdict, calls = judge(trial) if trial else UNSEEN
        texts = {part: say(f"judge.{key}.{part}", lang) for part in ("title", "trial", "criterion", "advice")}
        evidence = [_evidence(call) for call in calls]
        points.append(PointOut(n=n, key=key, verdict=verdict.value, evidence=evidence, **texts))
    return points


def _evidence(call: SeenCall) -> EvidenceOut:
    query = "&".join(f"{name}={text}" for name, text in call.query.items())
    path = f"{call.path}?{query}" if query else call.path
    return EvidenceOut(at=call.at, method=call.method, path=path, status=call.status, trick=call.cue or "")


def _clock_time(moment: datetime) -> str:
    return f"{local(moment):%H:%M:%S.%f}"[:-3]
