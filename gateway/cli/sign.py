"""`gateway sign`: a person puts the agency's own signature on a PDF. In: a file, the kind of signature, a PIN typed at the
terminal. Out: a new signed file beside the old one. The PIN is no option and no variable: it is asked for, used once and
forgotten."""

from __future__ import annotations

import getpass
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, option, verb
from gateway.cli.node import chosen, operator_id
from gateway.domain.account import AgencyScope
from gateway.domain.pdf import POINTS_PER_MM, CopyForm, Placement, Purpose, Spot, Wish
from gateway.errors import Clash, Denied, NotFound
from gateway.outgoing import sign_pdf
from gateway.outgoing.sign_pdf import SigningPlan, SigningServices, spot_in_mm
from gateway.ports.services import AgencyKey

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.settings import Settings
    from gateway.trust.pdf_signing import Pin

MOST_IMAGE = 8 * 1024 * 1024


@verb(
    "document.pdf --out document-sealed.pdf",
    "scan.pdf --copy --form trs",
    "annex.pdf --appendix --number 118/UBND-VP --dry-run --preview page.png",
    writes=True,
)
async def sign(
    call: Invocation,
    core: NodeCore,
    file: Annotated[Path, argument("The PDF; it is not changed.", exists=True, dir_okay=False)],
    out: Annotated[Path | None, option("The signed file; default: FILE with -signed.")] = None,
    copy: Annotated[bool, option("Make it an electronic copy (R25).", "--copy")] = False,
    form: Annotated[CopyForm, option("Form of the copy.")] = CopyForm.SY,
    appendix: Annotated[bool, option("An appendix in a file of its own (R24).", "--appendix")] = False,
    number: Annotated[str, option("Number and notation of the appendix's document.")] = "",
    at: Annotated[
        str | None, option("Position: page,left,top; mm from the page's edges to the middle.")
    ] = None,
    image: Annotated[Path | None, option("The seal as PNG; default: from sign.seals.")] = None,
    preview: Annotated[Path | None, option("Draw the page into this PNG.")] = None,
    token: Annotated[str | None, option("Label of the token.")] = None,
    key: Annotated[str | None, option("Label or id of the key on the token.")] = None,
    p12: Annotated[Path | None, option("A PKCS#12 file instead of a token, for trials.")] = None,
    no_timestamp: Annotated[bool, option("Ask no timestamp authority.", "--no-timestamp")] = False,
) -> None:
    """Put the agency's signature on a PDF, in person: the seal, a copy's mark, or an appendix's mark."""
    from gateway.bootstrap import signing as wiring

    wish = Wish(purpose=_purpose(copy, appendix), agency_name="", copy_form=form, number=number, at=_spot(at))
    target = out or file.with_name(f"{file.stem}-signed.pdf")
    agency = chosen(await core.store.hosted(), call.agency)
    services = wiring.services(core.settings, core, stamped=not no_timestamp)
    seal = _image(image or wiring.seal_file(core.settings, agency.code), wish, required=image is not None)
    plan = await sign_pdf.plan(services, file, replace(wish, agency_name=agency.name), seal)
    await _show(call, services, plan, preview)
    # Typing the PIN is consent; a dry run ends here.
    if call.dry_run and not call.agrees("cli.ask.sign", file=file, out=target):
        return
    scope = AgencyScope(agency_id=agency.id, principal_id=await operator_id(core.store))
    with _open_key(call, core.settings, ((token, key, p12)), core.clock.now()) as opened:
        signed = await sign_pdf.sign(services, scope, agency, plan, opened, target)
        facts = opened.facts
    call.say("cli.sign.key", signer=facts.subject, serial=facts.serial)
    for code in signed.missing:
        call.say("cli.sign.missing", level=signed.level, what=call.word(f"sign.missing.{code}"))
    record = {
        "file": str(target),
        "sha256": str(signed.digest),
        "size": signed.size,
        "level": signed.level,
        "missing": list(signed.missing),
        "page": plan.placement.page,
        "serial": facts.serial,
    }
    output.record(call, record, id_key="file")


def _purpose(copy: bool, appendix: bool) -> Purpose:
    if copy and appendix:
        raise typer.BadParameter("a file is a copy or an appendix: give --copy or --appendix")
    return Purpose.COPY if copy else Purpose.APPENDIX if appendix else Purpose.SEAL


def _spot(text: str | None) -> Spot | None:
    if text is None:
        return None
    try:
        page, left_mm, top_mm = text.split(",")
        return spot_in_mm(int(page), float(left_mm), float(top_mm))
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no place; write it as page,left,top, like 2,120,200"
        ) from error


def _image(path: Path, wish: Wish, *, required: bool) -> bytes | None:
    """Read the image; None where there is no file, unless it was named: a later check decides if one is needed."""
    if wish.purpose is not Purpose.SEAL or (not required and not path.is_file()):
        return None
    try:
        with path.open("rb") as source:
            return source.read(MOST_IMAGE)
    except OSError as error:
        raise NotFound(f"the image {path} cannot be read: {error.strerror}") from error


async def _show(call: Invocation, services: SigningServices, plan: SigningPlan, preview: Path | None) -> None:
    millimetres = _millimetres(plan.placement)
    call.say("cli.sign.where", page=plan.placement.page, **millimetres)
    if plan.placement.crowded:
        call.say("rule.sign-crowded", page=plan.placement.page)
    if preview is not None:
        content = await sign_pdf.preview(services, plan)
        try:
            preview.write_bytes(content)
        except OSError as error:
            raise Clash(f"{preview} cannot be written: {error.strerror}", code="SIGN-OUT") from error
        call.say("cli.sign.preview", file=preview)


def _open_key(
    call: Invocation, settings: Settings, key_source: tuple[str | None, str | None, Path | None], at: datetime
) -> AbstractContextManager[AgencyKey]:
    from gateway.bootstrap import signing as wiring
    from gateway.trust.pdf_signing.agency_key import open_key_file

    label, key, p12 = key_source
    if p12 is None:
        return wiring.token(settings, label, key, lambda name: _ask_pin(call, name), at)
    call.say("cli.sign.trial")
    return open_key_file(p12, lambda name: _ask_pin(call, name), at)


def _ask_pin(call: Invocation, name: str) -> Pin:
    """Ask for the PIN once, at a terminal; input from a pipe, script or schedule is refused."""
    from gateway.trust.pdf_signing import Pin

    if not sys.stdin.isatty():
        raise Denied("there is no terminal to type the PIN at", code="SIGN-TERMINAL")
    text = getpass.getpass(call.word("cli.sign.pin", name=output.plain(name)), stream=sys.stderr)
    if not text:
        raise typer.Abort
    return Pin(text)


def _millimetres(placement: Placement) -> dict[str, str]:
    area = placement.area
    points = {"left": area.left, "top": area.top, "width": area.width, "height": area.height}
    return {name: f"{v / POINTS_PER_MM:.0f}" for name, v in points.items()}
