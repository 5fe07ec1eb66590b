"""Webhooks are made, announced, sent again and removed on the pages, without scripts; the answer of an endpoint is only
text."""

from __future__ import annotations

import re
from datetime import timedelta

from gateway.domain.webhook import DeliveryState, Try, TryCode, WebhookDelivery
from gateway.store.webhooks import LeasedEndpoint, Report
from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, at_work
from tests.office.pages.site import Site
from tests.support.waiting import wait_until

HOME = "/quan-tri/webhook"
URL = "https://nobody.invalid/events?token=theirs"


async def test_a_webhook_is_made_shown_and_its_secret_once(site: Site, guest: Guest) -> None:
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    none = await guest.post(f"{HOME}/moi", {"url": "https://10.0.0.1/"})
    page = await guest.post(f"{HOME}/moi", {"url": URL, "types": "message", "note": "qlvb"})
    (secret,) = set(re.findall(r"whsec_[\w+/=]{44}", page.text))
    (id,) = set(re.findall(rf"{HOME}/(whk_\w+)", (await guest.get(HOME)).text))

    assert (none.status, page.status) == (422, 200)
    assert "webhooks.networks" in none.text
    for view in (await guest.get(HOME), await guest.get(f"{HOME}/{id}")):
        assert secret not in view.text
        assert "nobody.invalid" in view.text
    rotated = await guest.post(f"{HOME}/{id}/lam/doi-khoa", {"overlap": "1"})
    assert secret not in rotated.text
    assert "whsec_" in rotated.text
    tried = await guest.post(f"{HOME}/{id}/gui-thu", {})
    assert tried.status == 200

    assert (await guest.get(f"{HOME}/{id}/lam/tam-dung")).status == 200
    assert (await guest.post(f"{HOME}/{id}/lam/tam-dung", {})).status == 303
    assert (await guest.post(f"{HOME}/{id}/lam/tam-dung", {})).status == 303, "pressed twice"
    assert "Tạm dừng" in (await guest.get(HOME)).text
    assert (await guest.post(f"{HOME}/{id}/lam/tiep-tuc", {})).status == 303
    assert (await guest.post(f"{HOME}/{id}/lam/khac", {})).status == 404
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "province"))
    for path in ("", "/lam/xoa", "/lam/doi-khoa"):
        assert (await guest.get(f"{HOME}/{id}{path}")).status == 404, path
    assert (await guest.post(f"{HOME}/{id}/lam/xoa", {})).status == 404

    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    assert (await guest.post(f"{HOME}/{id}/lam/xoa", {})).status == 303
    assert (await guest.get(f"{HOME}/{id}")).status == 404


async def _leased(site: Site, id: str) -> LeasedEndpoint | None:
    """Claim the endpoint; where the node's own worker claims it first and fails with it, wait until it is due again."""

    async def claimed() -> LeasedEndpoint | None:
        site.clock.skip(timedelta(seconds=10))
        for slow in (False, True):
            for leased in await site.node.store.webhooks.claim(50, 60.0, slow=slow):
                if leased.endpoint.id == id:
                    return leased
        return None

    return await wait_until(claimed, "the endpoint's lease")


async def test_an_endpoints_answer_is_text_and_an_event_is_repeated(site: Site, guest: Guest) -> None:
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    await guest.post(f"{HOME}/moi", {"url": URL})
    (id,) = set(re.findall(rf"{HOME}/(whk_\w+)", (await guest.get(HOME)).text))
    rows, now = site.node.store.webhooks, site.clock.now()
    while await site.node.store.number_events():
        pass
    leased = await _leased(site, id)
    assert leased is not None
    newest = await rows.newest(leased.endpoint.agency_id)
    failed = Try(at=now, code=TryCode.STATUS, status=500, took_ms=12, said="<script>alert(1)</script>")
    attempt = WebhookDelivery(
        webhook_id=id,
        sequence=newest,
        event_id=f"evt_1-{newest}",
        kind="webhook.added",
        state=DeliveryState.FAILED,
        attempts=12,
        first_at=now,
        at=now,
        tries=(failed,),
    )
    await rows.record(leased, Report(cursor=newest, suspects=0, deliveries=(attempt,)))

    page = (await guest.get(f"{HOME}/{id}?ket-qua=loi")).text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert (await guest.post(f"{HOME}/{id}/gui-lai", {"event": str(newest)})).status == 303
    reset = await rows.delivery(leased.endpoint.agency_id, id, newest)
    assert reset is not None
    assert reset.state is DeliveryState.WAITING
    assert (await guest.post(f"{HOME}/{id}/gui-lai", {"event": "nonsense"})).status == 404
    await guest.post(f"{HOME}/{id}/lam/xoa", {})
