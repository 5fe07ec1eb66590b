"""The agency-code directory for programs: found, resolved, changed from a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.domain.delegated import ListState
from gateway.policy.trust import fingerprint
from gateway.registry_authoring.receipts import LONGEST_RECEIPT, MEDIA_TYPE, DueReceipt, write_receipt
from tests.support import api, feeds
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, Answer, Door
from tests.support.town.axes import on_two

HEAD = "code;alias;name;parent\n"
NEW = HEAD + "Z91.55;;Sở Mới;Z91\n"


async def load(door: Door, text: str, dry_run: bool = False, kind: str = "text/csv") -> Answer:
    path = "/agencies:import" + ("?dry_run=true" if dry_run else "")
    return await door.ask("POST", path, data=text.encode(), headers={"Content-Type": kind})


async def test_agencies_are_listed_in_order_of_codes_searched_and_read(door: Door) -> None:
    codes: list[str] = []
    path = "/agencies?limit=50"
    while path:
        body = await door.ask("GET", path)
        codes += [row["code"] for row in body.json["data"]]
        path = body.headers.get("Link", "").removeprefix("<").partition(">")[0]
    assert codes == sorted(set(codes))
    assert {PROVINCE, DEPARTMENT, COMMUNE} <= set(codes)

    for text in ("Binh Mau", "BÌNH MẪU", COMMUNE, "000.00.12.Z91"):
        body = await door.ask("GET", f"/agencies?q={quote(text)}")
        assert COMMUNE in {row["code"] for row in body.json["data"]}, text

    commune = (await door.ask("GET", f"/agencies/{COMMUNE.lower()}")).json
    assert (commune["code"], commune["parent"]) == (COMMUNE, PROVINCE)
    assert (await door.ask("GET", "/agencies/Z99.99")).status == 404


async def test_a_code_is_resolved_and_never_guessed(door: Door) -> None:
    for text, standing, code in (
        (COMMUNE, "active", COMMUNE),
        ("000.00.12.Z91", "mapped", COMMUNE),
        ("Z99.99", "unknown", None),
    ):
        resolution = (await door.ask("GET", f"/agencies:resolve?q={text}")).json
        assert (resolution["standing"], (resolution["agency"] or {}).get("code")) == (standing, code)

    nothing = await door.ask("GET", "/agencies:resolve")
    assert (nothing.status, nothing.json["errors"][0]["pointer"]) == (422, "?q")


async def test_an_import_is_planned_by_a_dry_run_applied_once_and_told_in_the_feed_of_changes(
    door: Door,
) -> None:
    planned = (await load(door, NEW, dry_run=True)).json
    assert (planned["dry_run"], planned["applied"]) == (True, None)
    assert planned["added"] == [{"code": "Z91.55", "name": "Sở Mới"}]
    assert (await door.ask("GET", "/agencies/Z91.55")).status == 404

    first = (await load(door, NEW)).json
    second = (await load(door, NEW)).json
    changes = (await door.ask("GET", "/agencies/changes")).json["data"]

    assert first["counts"]["added"] == 1
    assert (second["counts"]["added"], second["counts"]["changed"]) == (0, 0)
    assert (await door.ask("GET", "/agencies/Z91.55")).json["name"] == "Sở Mới"
    assert first["applied"] in {change["id"] for change in changes}
    assert (await load(door, "{}", kind="application/json")).status == 415


@pytest.mark.parametrize("since", ["-268435457", "1700000000", "1.7e9", "2026-11-20T10:00:00"])
async def test_a_moment_that_is_a_bare_number_or_has_no_zone_is_refused(door: Door, since: str) -> None:
    assert (await door.ask("GET", f"/agencies/changes?since={since}")).status == 400


async def test_changes_since_a_moment_leave_out_what_was_before(door: Door) -> None:
    door.clock.advance(60)
    since = "2026-11-20T08:00:30+07:00"
    earlier = await door.ask("GET", f"/agencies/changes?since={since}")
    await load(door, NEW)

    since_then = await door.ask("GET", f"/agencies/changes?since={quote(since)}")

    assert earlier.json["data"] == []
    assert len(since_then.json["data"]) == 1


async def test_a_node_tells_the_issuer_that_it_has_its_list(door: Door, tmp_path: Path) -> None:
    """Without a key: the receipt proves itself, by the agency's exchange key."""
    header = await door.node.feed.export(tmp_path / "1.feed", feeds.ISSUER)
    now = door.clock.now()
    due = DueReceipt(
        issuer=header.issuer, sequence=1, digest=header.digest, state=ListState.DONE, taken_at=now
    )
    raw = write_receipt(due, door.node.keys.signer(DEPARTMENT, now), now, "1.2.3")

    async def post(body: bytes, kind: str = MEDIA_TYPE) -> Answer:
        headers = {"Content-Type": kind}
        return await door.ask("POST", "/agencies/receipts", key=None, data=body, headers=headers)

    assert (await post(raw, "application/json")).status == 415
    assert (await post(raw + b" " * LONGEST_RECEIPT)).status == 413
    forged = await post(raw.replace(b'"done"', b'"held"'))
    assert (forged.status, forged.json["code"]) == (409, "RECEIPT-SIGNER")
    assert (await door.ask("GET", "/agencies/receipts")).json["issued"]["sequence"] == 1
    assert [(await post(raw)).json["recorded"] for _ in range(2)] == [True, False]

    (node_row,) = [x for x in (await door.ask("GET", "/agencies/receipts")).json["data"] if x["receipt"]]
    assert (node_row["code"], node_row["receipt"]["version"], node_row["behind_since"]) == (
        DEPARTMENT,
        "1.2.3",
        None,
    )


async def test_a_file_with_bad_lines_is_refused_whole_with_every_line(door: Door) -> None:
    body = await load(door, NEW + "bad code;;x;\nZ91.56;;;Z91\n")

    assert body.status == 422
    assert body.json["type"] == "/problems/bad-file"
    assert {error["pointer"].split("/")[2] for error in body.json["errors"]} == {"3", "4"}
    assert (await door.ask("GET", "/agencies/Z91.55")).status == 404


async def test_a_program_cannot_change_a_known_agency(door: Door) -> None:
    await load(door, NEW)

    refused = await load(door, HEAD + "Z91.55;;Sở Khác;Z91\n")

    assert refused.status == 409
    assert "REG-TWO-PEOPLE" in str(refused.json)
    assert (await door.ask("GET", "/agencies/Z91.55")).json["name"] == "Sở Mới"


async def test_what_may_be_sent_to_an_agency_is_told_with_its_ways(door: Door) -> None:
    await door.carry()  # both are received for from now on

    body = (await door.ask("GET", f"/agencies/{PROVINCE}/capabilities")).json
    limits = (await door.ask("GET", "/limits")).json

    assert (body["code"], body["standing"], body["certificate"]) == (PROVINCE, "active", True)
    assert body["axes"] == [
        {
            "axis": None,
            "connected": True,
            "signature_arrives": True,
            "receipts": True,
            "terms": True,
            "form": "standard",
            "urgent_first": True,
            "parts": True,
        }
    ]
    assert body["kinds"] == ["edoc", "update", "recall", "replace", "status"]
    assert body["max_file_bytes"] == limits["max_file_bytes"]

    agencies = (await door.ask("GET", "/agencies")).json["data"]
    other = next(agency["code"] for agency in agencies if not agency["code"].startswith(PROVINCE))
    far = (await door.ask("GET", f"/agencies/{other}/capabilities")).json
    (axis,) = far["axes"]
    assert (far["certificate"], axis["connected"], axis["receipts"]) == (False, False, False)
    assert (await door.ask("GET", "/agencies/Z99.99/capabilities")).status == 404


async def test_the_certificates_of_an_agency_are_told_with_what_they_rest_on(door: Door) -> None:
    (bound,) = (await door.ask("GET", f"/agencies/{PROVINCE}/certificates")).json["data"]

    assert (bound["source"], bound["issuer"], bound["policy"], bound["officers"]) == (
        "people",
        None,
        None,
        [],
    )
    (binding,) = await door.node.directory.bindings(PROVINCE)
    assert bound["sha256"] == fingerprint(binding.certificate_der)
    assert (await door.ask("GET", "/agencies/Z99.99/certificates")).status == 404


async def test_several_axes_are_told_in_the_order_in_which_they_are_tried(
    blank_node: Path, tmp_path: Path
) -> None:
    async with api.opened(blank_node, tmp_path / "node", change=on_two(tmp_path)) as door:
        await door.carry()
        ways = {
            code: [
                axis["axis"]
                for axis in (await door.ask("GET", f"/agencies/{code}/capabilities")).json["axes"]
            ]
            for code in (PROVINCE, DEPARTMENT)
        }

    assert ways == {PROVINCE: ["province", "national"], DEPARTMENT: ["national"]}
