"""Webhooks of one agency: made, changed, tried, and the deliveries of events. In: a call. Out: endpoints without their
secrets, one secret once, deliveries with their tries. A key manages only webhooks that get no more than the key itself may
read: changing a webhook's address means reading its events."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, StringConstraints, WithJsonSchema

from gateway.api import routes
from gateway.api.call import Call, PageOut, PageQuery, once
from gateway.api.routes import Routes
from gateway.api.shapes import Code, EventWord, Line, Moment, RequestModel, ResponseModel, ScopeWord, growing
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import bad_value
from gateway.domain.webhook import (
    LONGEST_OVERLAP_H,
    MOST_FILTERS,
    DeliveryState,
    Endpoint,
    EndpointState,
    PauseWhy,
    Try,
    TryCode,
    WebhookDelivery,
)
from gateway.errors import NotFound
from gateway.webhooks import NewWebhook, WebhookService, parse_sequence

_MOST_AT_ONCE = 200
_Types = Annotated[list[Line], Field(max_length=MOST_FILTERS)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
StateWord = Annotated[str, WithJsonSchema(growing(EndpointState))]
WhyWord = Annotated[str | None, WithJsonSchema({"anyOf": [growing(PauseWhy), {"type": "null"}]})]
DeliveryWord = Annotated[str, WithJsonSchema(growing(DeliveryState))]
TryWord = Annotated[str, WithJsonSchema(growing(TryCode))]
_TYPES_TEXT = "Types of events, or a prefix such as `message.*`; empty: all that the key may read"


class WebhookIn(RequestModel):
    """A webhook to make."""

    url: Url = Field(
        description="https, with a host on the public Internet unless the node allows another network"
    )
    types: _Types = Field(default_factory=list, description=_TYPES_TEXT)
    note: Line = Field("", description="Note for people, such as the name of the program")
    after: Code | None = Field(
        None,
        description="Begin after this event (`evt_…` or its sequence; 0: all events); if absent, with the next "
        "one",
    )


class WebhookChangeIn(RequestModel):
    """Changes of a webhook; absent fields stay unchanged."""

    url: Url | None = None
    types: _Types | None = Field(None, description=_TYPES_TEXT)
    note: Line | None = None
    state: EndpointState | None = Field(
        None, description="`paused` sends nothing; `active` continues where it stopped"
    )


class RotateIn(RequestModel):
    """A change of the secret."""

    overlap_h: int = Field(
        24,
        ge=0,
        le=LONGEST_OVERLAP_H,
        description="Hours for which bodies are also signed with the previous secret",
    )


class RedeliverIn(RequestModel):
    """Events to send again."""

    events: list[Code] | None = Field(
        None,
        max_length=_MOST_AT_ONCE,
        min_length=1,
        description="Ids (`evt_…`) or sequences; if absent, all that were given up",
    )


class DeliveriesQuery(PageQuery):
    state: Literal["waiting", "delivered", "failed"] | None = None


class WebhookOut(ResponseModel):
    """`behind`: events not yet examined for it; `waiting`: events to be tried again."""

    id: str
    url: str
    types: list[EventWord]
    scopes: list[ScopeWord]
    note: str
    state: StateWord
    paused_why: WhyWord
    paused_at: Moment | None
    failing: bool = Field(description="Nothing is delivered now; it is retried automatically")
    created_at: Moment
    sequence: int = Field(description="Last event of the agency that was handled for it")
    behind: int
    waiting: int
    delivered: int = Field(description="Number of the newest 200 finished deliveries that succeeded")
    failed: int
    last_ok_at: Moment | None
    last_try_at: Moment | None
    next_try_at: Moment | None
    secrets_until: list[Moment | None] = Field(
        description="End of each secret that is valid now; the newest has none"
    )


class WebhooksOut(ResponseModel):
    data: list[WebhookOut]


class WebhookMade(WebhookOut):
    secret: str | None = Field(description="`whsec_…`, shown only once: save it. Absent in a repeated answer")


class WebhookRemoved(ResponseModel):
    id: str


class TryOut(ResponseModel):
    """One try. `answer` is the beginning of the program's answer, cleaned."""

    at: Moment
    code: TryWord
    status: int | None
    took_ms: int
    answer: str


class DeliveryOut(ResponseModel):
    """Delivery of one event, whose content is in the feed."""

    event: str
    sequence: int
    type: EventWord
    state: DeliveryWord
    attempts: int
    first_at: Moment
    at: Moment
    next_try_at: Moment | None
    tries: list[TryOut] = Field(description="The newest tries, oldest first")


class Deliveries(PageOut[DeliveryOut]):
    """One page, newest event first."""


class Redelivered(ResponseModel):
    count: int


ROUTES = Routes("webhooks", ApiScope.WEBHOOKS_MANAGE)


@ROUTES(
    "GET /webhooks",
    "The agency's webhooks",
    text="Only webhooks that receive no more than this key may read; this applies to every call on webhooks.",
)
async def list_webhooks(call: Call) -> WebhooksOut:
    visible = [w for w in await _services(call).list(call.scope().agency_id) if w.scopes <= _key_scopes(call)]
    return WebhooksOut(data=[await _webhook_view(call, w) for w in visible])


@ROUTES(
    "POST /webhooks",
    "Add a webhook: send events to an address",
    text="Bodies are those of readEvents, signed according to Standard Webhooks. The answer contains the "
    "secret; it is shown only once.",
    creates=True,
    answer=WebhookMade,
    status=201,
    sample=routes.sample_webhook,
)
async def make_webhook(call: Call, body: WebhookIn) -> web.Response:
    """Make a webhook. Its secret is in no row: a repeat of the call has the same answer without it."""
    secrets: list[str] = []
    endpoint_wish = NewWebhook(
        url=body.url,
        types=tuple(body.types),
        scopes=_key_scopes(call),
        note=body.note,
        start_after=_sequence(body.after, "/after") if body.after is not None else None,
    )

    async def act() -> str:
        secret, endpoint = await _services(call).add(call.scope(), endpoint_wish)
        secrets.append(secret)
        return (await _made_view(call, endpoint, None)).model_dump_json(by_alias=True)

    answer = await once(call, act, status=201)
    if not secrets:
        return answer
    view = WebhookMade.model_validate_json(answer.text or "")
    return call.tell(view.model_copy(update={"secret": secrets[0]}), status=201)


@ROUTES(
    "GET /webhooks/{id}",
    "One webhook with its state",
    text="Without its secret, which is shown only when it is made or rotated.",
    headers=("ETag",),
)
async def read_webhook(call: Call) -> WebhookOut:
    endpoint = await _load_visible(call)
    return call.versioned(await _webhook_view(call, endpoint), endpoint.version)


@ROUTES(
    "PATCH /webhooks/{id}",
    "Change the address or types of a webhook; pause or resume it",
    text="Fields that are absent stay. A paused webhook loses nothing: its events follow when it is "
    "resumed, unless they are older than the node keeps them.",
    changes=True,
    fails=(409,),
    headers=("ETag",),
)
async def change_webhook(call: Call, body: WebhookChangeIn) -> WebhookOut:
    services, scope = _services(call), call.scope()
    endpoint, may = await _load_visible(call), _key_scopes(call)
    version = call.check_version(endpoint.version) if call.expected_version() is not None else None
    if body.url is not None or body.types is not None or body.note is not None:
        endpoint = await services.change(
            scope,
            endpoint.id,
            url=body.url,
            types=body.types,
            note=body.note,
            may=may,
            version=version,
        )
        version = endpoint.version
    if body.state is not None and body.state is not endpoint.state:
        switch = services.pause if body.state is EndpointState.PAUSED else services.resume
        endpoint = await switch(scope, endpoint.id, may=may, version=version)
    return call.versioned(await _webhook_view(call, endpoint), endpoint.version)


@ROUTES(
    "DELETE /webhooks/{id}",
    "Remove a webhook with the log of its deliveries",
    text="Deliveries that are under way may still arrive.",
    changes=True,
)
async def remove_webhook(call: Call) -> WebhookRemoved:
    id = call.path("id")
    await _load_visible(call)
    await _services(call).remove(call.scope(), id, may=_key_scopes(call), version=call.expected_version())
    return WebhookRemoved(id=id)


@ROUTES(
    "POST /webhooks/{id}/rotate",
    "Change the secret; the previous one stays valid for a while",
    text="Both secrets sign until then, so that your program can be changed without a gap.",
    headers=("ETag",),
)
async def rotate_webhook_secret(call: Call, body: RotateIn) -> WebhookMade:
    await _load_visible(call)
    overlap = timedelta(hours=body.overlap_h)
    secret, endpoint = await _services(call).rotate(
        call.scope(), call.path("id"), overlap, may=_key_scopes(call)
    )
    return call.versioned(await _made_view(call, endpoint, secret), endpoint.version)


@ROUTES(
    "POST /webhooks/{id}/test",
    "Send a body of type webhook.test now, and return the result",
    text="Its `sequence` is 0: it is not an event.",
)
async def test_webhook(call: Call) -> TryOut:
    await _load_visible(call)
    agency = call.caller.agency.code if call.caller.agency else ""
    attempt = await _services(call).test(call.scope(), call.path("id"), agency, may=_key_scopes(call))
    return _try(attempt)


@ROUTES(
    "GET /webhooks/{id}/deliveries",
    "Delivery of each event",
    text="With the status that your address answered, and the time of the next try.",
)
async def list_deliveries(call: Call, query: DeliveriesQuery) -> Deliveries:
    endpoint = await _load_visible(call)
    upper_bound = 0
    if query.cursor is not None:
        upper_bound = _sequence(query.cursor, "?cursor")
    rows, has_more = await _services(call).log(
        endpoint.agency_id,
        endpoint.id,
        query.limit,
        before_sequence=upper_bound,
        state=DeliveryState(query.state) if query.state else None,
    )
    is_active = endpoint.state is EndpointState.ACTIVE
    cursor = call.next_page(str(rows[-1].sequence) if has_more else None)
    return Deliveries.paged([_delivery(d, is_active=is_active) for d in rows], cursor)


@ROUTES(
    "POST /webhooks/{id}/redeliver",
    "Send events again, under the same ids",
    text="For events that your program lost; it knows them by `webhook-id`.",
    status=202,
    fails=(409,),
)
async def redeliver(call: Call, body: RedeliverIn) -> Redelivered:
    await _load_visible(call)
    sequences = None
    if body.events is not None:
        sequences = [_sequence(event, f"/events/{n}") for n, event in enumerate(body.events)]
    count = await _services(call).redeliver(call.scope(), call.path("id"), sequences, may=_key_scopes(call))
    return Redelivered(count=count)


def _services(call: Call) -> WebhookService:
    return call.deps.webhooks


def _key_scopes(call: Call) -> frozenset[ApiScope]:
    return call.caller.key.scopes


async def _load_visible(call: Call) -> Endpoint:
    """Load the webhook; NotFound also for one that gets more than the key may read."""
    endpoint = await _services(call).get(call.scope().agency_id, call.path("id"))
    if not endpoint.scopes <= _key_scopes(call):
        raise NotFound("the agency has no such webhook that this key may manage")
    return endpoint


def _sequence(text: str, pointer: str) -> int:
    try:
        return parse_sequence(text)
    except NotFound as error:
        raise bad_value(pointer, "evt_…, 0", pointer.strip("/?")) from error


async def _webhook_view(call: Call, endpoint: Endpoint) -> WebhookOut:
    figures = (await _services(call).rows.figures(endpoint.agency_id, [endpoint.id]))[endpoint.id]
    now = call.deps.clock.now()
    return WebhookOut.from_object(
        endpoint,
        figures,
        scopes=sorted(endpoint.scopes),
        failing=endpoint.is_failing,
        sequence=endpoint.cursor,
        secrets_until=[s.until for s in endpoint.secrets if s.until is None or now < s.until],
    )


async def _made_view(call: Call, endpoint: Endpoint, secret: str | None) -> WebhookMade:
    return WebhookMade.from_object(await _webhook_view(call, endpoint), secret=secret)


def _try(attempt: Try) -> TryOut:
    return TryOut.from_object(attempt, answer=attempt.said)


def _delivery(delivery: WebhookDelivery, *, is_active: bool) -> DeliveryOut:
    return DeliveryOut.from_object(
        delivery,
        event=delivery.event_id,
        type=delivery.kind,
        next_try_at=delivery.due_at if is_active else None,
        tries=[_try(t) for t in delivery.tries],
    )
