"""Puts the agency's own signature on a PDF, in person (R23a, separate keys; R24, look of signatures; R25, copies; R30,
signed as approved). In: a file, the wish of a person, and a key that the person has just opened. Out: first a
`SigningPlan` to be shown; then a new signed file and one event. The file is signed exactly as shown, or not at all; the
old file stays. No worker, schedule or API key can call this, since none of them has an opened key."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.atomic_files import sync_folder
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.pdf import (
    POINTS_PER_MM,
    CopyForm,
    PageView,
    PdfStanding,
    Placement,
    Purpose,
    SignedPdf,
    Spot,
    Wish,
)
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied
from gateway.policy import pdf_signing
from gateway.policy.pdf_signing import is_over, may_be_signed, may_sign
from gateway.ports.services import AgencyKey, Clock, PdfSigner, Pool
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.store.store import SqlStore

# R24 (look of signatures): Times New Roman 10 for marks. Text beside a seal is smaller, because it is among other words.
MARK_TYPE, SEAL_TYPE = 10.0, 8.0
MARK_WIDTH, SEAL_WIDTH = 80 * POINTS_PER_MM, 60 * POINTS_PER_MM


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningServices:
    """Ports of signing. `exchange_keys` returns the ids of the keys in these certificates and of the node's exchange
    keys."""

    store: SqlStore
    directory: SqlDirectory
    signer: PdfSigner
    clock: Clock
    pool: Pool
    exchange_keys: Callable[[Sequence[bytes]], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningPlan:
    """File to sign, and the mark or seal with its place on the page. `image` is that of a seal, None for a mark."""

    path: Path
    wish: Wish
    standing: PdfStanding
    view: PageView
    placement: Placement
    image: bytes | None = None


async def plan(services: SigningServices, path: Path, wish: Wish, image: bytes | None) -> SigningPlan:
    """Plan a signature without a key and without writing anything. Raises Refused with every reason against signing."""
    standing = await services.pool.run(lambda: services.signer.examine(path))
    verdict = may_be_signed(standing, wish, path.name)
    verdict.raise_if_refused()
    page = pdf_signing.page_for(standing, wish)
    view = await services.pool.run(lambda: services.signer.view(path, page))
    seal = image if wish.purpose is Purpose.SEAL else None
    at = services.clock.now()
    placement = await services.pool.run(lambda: _place(services.signer, wish, standing, view, seal, at))
    return SigningPlan(path=path, wish=wish, standing=standing, view=view, placement=placement, image=seal)


async def preview(services: SigningServices, plan: SigningPlan) -> bytes:
    """Draw the page with the planned signature as a PNG."""
    return await services.pool.run(lambda: services.signer.preview(plan.view, plan.placement, plan.image))


async def sign(
    services: SigningServices,
    scope: AgencyScope,
    agency: HostedAgency,
    plan: SigningPlan,
    key: AgencyKey,
    out: Path,
) -> SignedPdf:
    """Sign the file as the plan showed, into `out`. File and event are durable on return, and no signed file is handed
    out without its event."""
    at = services.clock.now()
    if is_over(key.opened_at, at):
        raise Denied("the key was opened too long ago", code="TOKEN-TIMED-OUT", hint="type the PIN again")
    standing = await services.pool.run(lambda: services.signer.examine(plan.path))
    if standing.digest != plan.standing.digest:
        raise Clash(
            f"{plan.path} changed after it was looked at", code="SIGN-CHANGED", hint="look at it again"
        )
    state = await services.pool.run(lambda: services.signer.check_key(key, at))
    verdict = may_sign(standing, key.facts, await _exchange_keys(services, agency), at, state)
    verdict.raise_if_refused()
    if await services.pool.run(out.exists):
        raise _name_in_use(out)
    staged = out.with_name(f".{out.name}.{services.clock.new_id()}")
    try:
        signed = await services.pool.run(lambda: _sign(services.signer, plan, key, staged, at))
        async with services.store.changing(scope) as work:
            facts = _signing_facts(plan, key, signed)
            await work.events.append(EventKind.DOCUMENT_SIGNED, key.facts.key_id, at, facts)
        await services.pool.run(lambda: _hand_out(staged, out))
    finally:
        staged.unlink(missing_ok=True)
    return signed


async def has_signed_pdfs(store: SqlStore, scope: AgencyScope, key_id: str) -> bool:
    """Tell whether this key ever signed a PDF for the agency, and so is no exchange key (R23a, separate keys)."""
    async with store.read(scope) as work:
        return bool(await work.events.of_subject(key_id))


def spot_in_mm(page: int, left_mm: float, top_mm: float) -> Spot:
    """Return the place on a page that a person measured in millimetres from its left and top edges."""
    return Spot(page=page, left=left_mm * POINTS_PER_MM, top=top_mm * POINTS_PER_MM)


async def _exchange_keys(services: SigningServices, agency: HostedAgency) -> Collection[str]:
    bound = [b for code in (agency.code, *agency.aliases) for b in await services.directory.bindings(code)]
    certificates = [b.certificate_der for b in bound]
    return await services.pool.run(lambda: services.exchange_keys(certificates))


def _sign(signer: PdfSigner, plan: SigningPlan, key: AgencyKey, staged: Path, at: datetime) -> SignedPdf:
    # The mark is placed again, because it shows the time of the signature and not of the preview.
    placement = _place(signer, plan.wish, plan.standing, plan.view, plan.image, at)
    return signer.sign(plan.path, staged, placement, plan.image, key, at, plan.standing.digest)


def _place(
    signer: PdfSigner, wish: Wish, standing: PdfStanding, view: PageView, image: bytes | None, at: datetime
) -> Placement:
    """Lay out the seal or mark with its text and the time, and choose its place on the page."""
    time = local(at).isoformat(timespec="seconds")
    if wish.purpose is Purpose.SEAL:
        if image is None:
            raise Clash(
                "there is no image of the seal",
                code="SEAL-IMAGE",
                hint="put it into sign.seals as CODE.png, or name it with --image",
            )
        text = signer.set_text([wish.agency_name, time], SEAL_TYPE, SEAL_WIDTH)
        return pdf_signing.place_seal(standing, wish, view, signer.image_size(image), text)
    parts = [*_mark_words(wish), time]
    across = max(MARK_WIDTH, view.size.width - 2 * pdf_signing.SIDE)
    layouts = [
        signer.set_text(parts, MARK_TYPE, MARK_WIDTH),
        signer.set_text(["; ".join(parts)], MARK_TYPE, across),
    ]
    # The first words name the form of the copy, or the document of an appendix.
    return replace(pdf_signing.place_mark(wish, view, layouts), reason=parts[0])


def _mark_words(wish: Wish) -> list[str]:
    if wish.purpose is Purpose.APPENDIX:
        return [labels.say("sign.mark.appendix", number=wish.number)]
    return [labels.say(f"sign.mark.{CopyForm(wish.copy_form)}"), wish.agency_name]


def _signing_facts(plan: SigningPlan, key: AgencyKey, signed: SignedPdf) -> dict[str, object]:
    return {
        "purpose": str(plan.wish.purpose),
        "file": str(plan.standing.digest),
        "signed": str(signed.digest),
        "size": signed.size,
        "page": plan.placement.page,
        "level": signed.level,
        "missing": list(signed.missing),
        "certificate": key.facts.fingerprint,
        "serial": key.facts.serial,
        "signer": key.facts.subject,
    }


def _hand_out(staged: Path, out: Path) -> None:
    """Give the staged file its final name, but never overwrite an existing file."""
    try:
        os.link(staged, out)
    except FileExistsError as error:
        raise _name_in_use(out) from error
    except OSError:  # file systems without links (USB sticks): take the name first
        try:
            out.touch(exist_ok=False)
        except FileExistsError as error:
            raise _name_in_use(out) from error
        os.replace(staged, out)
    sync_folder(out.parent)


def _name_in_use(out: Path) -> Clash:
    return Clash(f"{out} is there already", code="SIGN-OUT", hint="name another file with --out")
