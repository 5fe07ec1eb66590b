"""A page keeps things for the next one: for its session, for its time, few of each; and whichever process is asked, a
preview is the one that was shown or has ended."""

from __future__ import annotations

from gateway.domain.identity import Digest
from gateway.domain.registry_change import Plan, RowChange
from gateway.policy import code_file
from gateway.policy.code_file import CodeFile, CodeFileForm
from gateway.policy.texts import Letters
from gateway.pool import ThreadPool
from gateway.store.row import from_json, to_json
from gateway_office.store.store import KEEPING_AGE, MOST_KEEPINGS, SqlOfficeStore
from gateway_office.web.deps import Preview, Previews
from gateway_office.web.listing.list_rows import BulkAct
from gateway_office.web.pages.list_bulk import BulkOutcome, BulkResult
from tests.support.clock import ManualClock


async def test_it_is_found_by_its_own_session_until_its_time_is_over(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    at = clock.now()
    key = await store.keepings.keep("one", b"\x00\xffwhat", at)

    assert await store.keepings.find(key, "one", at) == b"\x00\xffwhat"
    assert await store.keepings.find(key, "other", at) is None
    assert await store.keepings.find(key, "one", at + KEEPING_AGE) is None
    assert await store.keepings.find("nothing", "one", at) is None

    await store.keepings.forget(key)
    await store.keepings.forget(key)
    assert await store.keepings.find(key, "one", at) is None


async def test_of_a_session_the_newest_few_are_kept_and_nothing_that_is_over(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    begun = clock.now()
    expired = await store.keepings.keep("another", b"what", begun)
    clock.advance(3601)
    keys = []
    for _ in range(MOST_KEEPINGS + 2):
        clock.advance(1)
        keys.append(await store.keepings.keep("one", b"what", clock.now()))

    now = clock.now()
    assert [await store.keepings.find(key, "one", now) is not None for key in keys[:3]] == [
        *(False, False),
        True,
    ]
    assert await store.keepings.find(keys[-1], "one", now) is not None
    assert await store.keepings.find(expired, "another", begun) is None


async def test_a_result_is_told_by_every_process(store: SqlOfficeStore, clock: ManualClock) -> None:
    rows = (
        BulkOutcome(number="12/BC", path="/van-ban-di/1", ok=False, text="Sai thể thức"),
        BulkOutcome(number="13/BC", path="/van-ban-di/2", ok=True, text=""),
    )
    result_kept = BulkResult(act=BulkAct.RESEND, back="/van-ban-di?tab=failed", outcomes=rows)

    key = await store.keepings.keep("one", to_json(BulkResult, result_kept).encode(), clock.now())

    body = await store.keepings.find(key, "one", clock.now())
    assert result_kept.n_done == 1
    assert body is not None
    assert from_json(BulkResult, body.decode()) == result_kept


def plan(name: str = "Sở Mẫu") -> Plan:
    change = RowChange(code="Z91.07", name=name, fields={"name": ("Sở Cũ", name)})
    return Plan(source_digest=Digest("1" * 64), base_digest=Digest("0" * 64), changed=(change,))


def process(store: SqlOfficeStore, pool: ThreadPool, registry_plan: Plan) -> Previews:
    """Return the previews of one of the node's processes, in which the registry would plan this."""

    async def planned(content: bytes) -> Plan:
        assert content.startswith(b"code,name")
        return registry_plan

    return Previews(keepings=store.keepings, planned=planned, pool=pool)


def preview() -> Preview:
    read = CodeFile(
        form=CodeFileForm.XLSX,
        csv="Mã,Tên,Khác\nZ91.07,Sở Mẫu,x\n".encode(),
        letters=Letters.TCVN3,
        samples=(("S¬", "Sơ"),),
        formulas=2,
    )
    return Preview(
        name="ma.xlsx",
        headings=("Mã", "Tên", "Khác"),
        columns=("code", "name", ""),
        plan=plan(),
        read=read,
        effect=plan().effect,
        table=code_file.rename_columns(read.csv, ("code", "name", "")),
    )


async def test_a_preview_is_the_same_in_another_process_until_it_was_applied_or_would_do_something_else(
    store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool
) -> None:
    new_preview, local, remote = preview(), process(store, pool, plan()), process(store, pool, plan())

    key = await local.keep(new_preview, "one", clock.now())

    assert await local.find(key, "one", clock.now()) is new_preview
    assert await remote.find(key, "one", clock.now()) == new_preview
    assert await remote.find(key, "other", clock.now()) is None
    assert await local.find(key, "one", clock.now() + KEEPING_AGE) is None

    local, remote = process(store, pool, plan()), process(store, pool, plan())
    key = await local.keep(preview(), "one", clock.now())
    assert await remote.find(key, "one", clock.now()) is not None

    await remote.forget(key)

    assert await local.find(key, "one", clock.now()) is None

    local, remote = process(store, pool, plan()), process(store, pool, plan("Sở Khác"))

    key = await local.keep(preview(), "one", clock.now())

    assert await remote.find(key, "one", clock.now()) is None
