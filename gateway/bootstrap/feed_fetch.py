"""Fetches the signed list of agencies that this node follows from its address, in its hours, and tells its issuer which
list is in force here. In: the addresses, the node's core, the row that claimed the hour. Out: the list accepted, as the
operator's command would do it; a failure or a refusal is told in that row. The list proves itself by its signature, so
nothing is believed of the server that gives it. The receipt is signed, and tried again until the issuer has it."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__, log
from gateway.deciding import delegation
from gateway.errors import Clash, GatewayError, NotFound
from gateway.http_calls import Bounds, HttpRequest, ask, read_pieces
from gateway.outgoing.services import signing_keys_from
from gateway.registry_authoring.feed_file import MOST_BYTES
from gateway.registry_authoring.receipts import MEDIA_TYPE, DueReceipt, write_receipt

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.ports.services import EnvelopeSigner

BY = "feed"
_SECONDS = 1800.0
_RECEIPT_BOUNDS = Bounds(answer_bytes=64 * 1024, seconds=30.0)
_log = logging.getLogger(__name__)


async def fetch_feed(core: NodeCore, id: str) -> None:
    """Fetch the list and take it. Raises Unreachable without a whole answer, Clash where the list was refused."""
    rules, pool, lists = core.settings.registry, core.pool, core.axis_lists
    descriptor, name = tempfile.mkstemp(prefix="fetched-", suffix=".feed", dir=core.settings.node.data_dir)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            bounds = Bounds(answer_bytes=MOST_BYTES, seconds=_SECONDS)
            async for piece in read_pieces(rules.feed_url, bounds, rules.feed_ca):
                await pool.run(partial(file.write, piece))
            await pool.run(file.flush)
        outcome = await core.feed.accept(path, BY)
    finally:
        path.unlink(missing_ok=True)
    if outcome.verdict == "refused":
        raise Clash(f"the list was refused: {outcome.code}, {outcome.reason}")
    await delegation.judge_undecided(core.deciding)
    await lists.finish_fetched(id, outcome.added + outcome.changed + outcome.closed)


async def send_receipt(core: NodeCore) -> None:
    """Tell the issuer which list is in force here, where it does not know yet; a failure is kept and tried again."""
    receipts = core.feed.receipts
    if (due := await receipts.claim_due()) is None:
        return
    try:
        code = await _post_receipt(core, due)
    except (GatewayError, OSError) as error:
        log.action(_log, "receipt.failed", str(error), sequence=due.sequence)
        await receipts.note_fault(due, str(error))
        return
    await receipts.note_sent(due, code)
    log.action(_log, "receipt.sent", "", issuer=due.issuer, sequence=due.sequence, state=due.state, code=code)


async def _post_receipt(core: NodeCore, due: DueReceipt) -> str:
    """Post the receipt, and return the code that signed it. Unreachable where the issuer did not record it."""
    rules, pool = core.settings.registry, core.pool
    signer = await choose_signer(core)
    body = await pool.run(partial(write_receipt, due, signer, core.clock.now(), __version__))
    request = HttpRequest(
        url=rules.receipt_url, expects="application/json", body=body, headers={"Content-Type": MEDIA_TYPE}
    )
    await pool.run(partial(ask, request, _RECEIPT_BOUNDS, ca=rules.feed_ca))
    return signer.agency_code


async def choose_signer(core: NodeCore) -> EnvelopeSigner:
    """Return the signer of the first agency that has a usable key; one that the registry places on this node comes first,
    because others find the node by it."""
    now = core.clock.now()
    codes = sorted(agency.code for agency in await core.store.hosted() if agency.left_at is None)
    placed = [code for code in codes if await core.host_of(code) == core.settings.node.name]
    for code in dict.fromkeys((*placed, *codes)):
        usable = await signing_keys_from(core.directory, core.store, code, now)
        try:
            return core.keys.signer(code, now, usable)
        except NotFound:
            continue
    raise NotFound("no agency of this node has an exchange key to sign with")
