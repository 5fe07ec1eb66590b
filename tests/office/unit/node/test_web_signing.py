"""The signing helper behind the pages, with a token in software: one PIN for one signature, and nothing left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from gateway.domain.pdf import Purpose, Wish
from gateway.errors import Denied
from gateway_labs.authority import Authority
from gateway_labs.demo.pictures import seal_png
from gateway_labs.demo.signers import DemoSigners
from gateway_office.node.exchange import TokenSigning
from tests.office.support.node import DEPARTMENT, OfficeTown
from tests.support import hsm
from tests.support.areas import area_in_mm
from tests.support.pki import key
from tests.support.printed import sample
from tests.support.tokens import KeyOnToken, fill

SEAL = Wish(purpose=Purpose.SEAL, agency_name="")
LABEL = "pages"


@pytest.fixture
def authority(town: OfficeTown) -> Authority:
    return Authority.create("Trial", town.clock.now() - timedelta(days=2))


async def test_a_typed_pin_signs_once_and_nothing_is_left(
    town: OfficeTown, tmp_path: Path, authority: Authority
) -> None:
    module = hsm.of_this_process()
    agency = await town.agency(DEPARTMENT)
    private = key("p256", f"token {LABEL}")
    issued = authority.issue(LABEL, agency.name, private.public_key(), town.clock.now() - timedelta(days=1))
    pin = fill(module, [(LABEL, [KeyOnToken(label=LABEL, key=private, certificate=issued)])])[LABEL].pin
    seals = tmp_path / "seals"
    seals.mkdir()
    (seals / f"{agency.code}.png").write_bytes(seal_png(agency.name))
    sign = replace(town.node.settings.sign, module=module.module, token=LABEL, seals=seals)
    signing = TokenSigning(replace(town.node, settings=replace(town.node.settings, sign=sign)))
    signers = DemoSigners.create(authority, agency.code, agency.name, "Một Người", town.clock.now())
    hand = partial(signers.signed_by_person, sample("cong-van.pdf"), area_in_mm(115, 182, 60, 20))
    file = await asyncio.to_thread(hand, town.clock.now())
    scope = await town.scope(agency.code)
    source = partial(BytesIO, file)

    assert signing.is_ready
    placement, picture = await signing.plan(agency, source, SEAL)
    assert placement.page == 1
    assert picture.startswith(b"\x89PNG")
    for wrong in ("", "000000"):
        with pytest.raises(Denied, match="PIN"):
            async with signing.sign(scope, agency, source, SEAL, wrong):
                pass
    async with signing.sign(scope, agency, source, SEAL, pin) as pieces:
        signed = b"".join([piece async for piece in pieces])

    assert signed.startswith(file)
    assert len(signed) > len(file)
    assert [path for path in town.node.settings.node.data_dir.rglob("scratch/*") if path.is_file()] == []
