"""A certificate is replaced without a stop: old and new overlap, two people change the binding, and no other
certificate gets in meanwhile. One town on the embedded axis, stepped by hand; every check is one that real packets
meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import people as deciding
from gateway.deciding import proposals, registry_changes
from gateway.domain.certificates import ANY_KEY, KeyEnd, KeyUse
from gateway.domain.document import OutState
from gateway.domain.event import EventKind
from gateway.domain.person import ProposalContent
from gateway.domain.proof import Binding
from gateway.domain.queues import InboxPacket
from gateway.errors import Clash
from gateway.incoming import process, rejudge
from gateway.outgoing import package
from gateway.policy.trust import fingerprint
from gateway.ports.services import EnvelopeSigner
from gateway.registry.tables import AGENCY
from gateway.trust.keys import FileSigner, KeyDirectory
from gateway_labs.authority import Authority
from tests.support import people
from tests.support.cases import Cases
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town, document
from tests.support.people import Someone

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
FILES = (("van-ban.pdf", PDF),)


async def two_deciders(town: Town) -> tuple[Someone, Someone]:
    """Add two deciders in place of those who set the stage, old enough to decide."""
    services = town.node.deciding
    async with services.decisions.read() as view:
        for person in await view.people.all():
            await deciding.block(services, "operator", person.login or person.name)
    both = await people.two(services)
    town.clock.advance(2 * DAY)
    return both


def issued(town: Town, code: str, key_id: str) -> bytes:
    """Issue the authority's certificate for an agency's key, store it beside the key, and return it in DER."""
    authority = Authority.load(town.node.settings.node.data_dir / "authority")
    request = town.node.keys.request(code, key_id, "Demo")
    certificate = authority.issue_for_request(request, town.clock.now())
    town.node.keys.import_certificate(code, certificate.public_bytes(Encoding.PEM))
    return certificate.public_bytes(Encoding.DER)


def as_binding(code: str, der: bytes) -> Binding:
    certificate = x509.load_der_x509_certificate(der)
    return Binding(
        code=code,
        certificate_der=der,
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
    )


async def bound_by_two(
    town: Town, both: tuple[Someone, Someone], code: str, der: bytes, at: datetime | None = None
) -> None:
    services, present = town.node.deciding, await town.node.directory.bindings(code)
    change = proposals.binding_change(present, as_binding(code, der), town.clock.now(), services.overlap, at)
    proposal = await people.proposed(both[0], content=ProposalContent(bindings=(change,)))
    await people.approved(both[1], proposal)


def signer_of(town: Town, code: str, der: bytes) -> EnvelopeSigner:
    """Return a signer with the key that belongs to this certificate."""
    (entry,) = [key_entry for key_entry in town.node.keys.entries(code) if key_entry.certificate_der == der]
    key = town.node.keys._load_key(code, entry.key_id)
    return FileSigner(code, key, x509.load_der_x509_certificate(der))


_numbers = iter(range(100, 1000))


async def sent_by(town: Town, code: str, signer: EnvelopeSigner, **more: Any) -> InboxPacket:
    """Bring in a document in the agency's name, signed by `signer`, and return its inbox row."""
    number = str(next(_numbers))
    packet = town.forge(document(number, FILES, sender=code), FILES, signer=signer, **more)
    return await town.brought(packet)


async def alerts(town: Town, row: InboxPacket) -> list[str]:
    events = await town.events(PROVINCE, row.id)
    return [str(event.data.get("code")) for event in events if event.kind is EventKind.INBOX_INVALID]


async def test_threat_048_old_and_new_certificate_are_both_taken_in_the_overlap_and_one_after_it(
    town: Town,
) -> None:
    """K5: no packet is refused on the way from one to the other, and the node's own signing follows by itself."""
    both = await two_deciders(town)
    old = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
    entry = town.node.keys.generate(DEPARTMENT)
    new = issued(town, DEPARTMENT, entry.key_id)
    old_key, new_key = signer_of(town, DEPARTMENT, old), signer_of(town, DEPARTMENT, new)

    early = await sent_by(town, DEPARTMENT, new_key)
    assert (early.state, early.code) == ("quarantined", "SIG-PIN")
    assert await alerts(town, early) == ["SIG-PIN"]
    await town.act_and_carry(town.send("15"))
    await bound_by_two(town, both, DEPARTMENT, new)
    town.clock.advance(MINUTE)
    in_overlap = [await sent_by(town, DEPARTMENT, x) for x in (old_key, new_key)]
    await town.act_and_carry(town.send("16"))
    town.clock.advance(town.node.deciding.overlap)
    late = await sent_by(town, DEPARTMENT, old_key)
    packet_row = await sent_by(town, DEPARTMENT, new_key)

    assert [x.state for x in in_overlap] == ["done", "done"]
    assert (late.state, late.code) == ("quarantined", "SIG-PIN")
    assert packet_row.state == "done"
    own = [x.signed_by for x in reversed(await town.outbox(DEPARTMENT)) if x.kind == "edoc"]
    assert own == [fingerprint(old), fingerprint(new)]


async def test_threat_048_a_packet_of_the_new_key_is_admitted_by_a_person_after_the_binding_changed(
    town: Town,
) -> None:
    """Never by itself: a packet in quarantine is judged again when a person says so."""
    both = await two_deciders(town)
    new = issued(town, DEPARTMENT, town.node.keys.generate(DEPARTMENT).key_id)
    early = await sent_by(town, DEPARTMENT, signer_of(town, DEPARTMENT, new))
    await town.act_and_carry(bound_by_two(town, both, DEPARTMENT, new))
    (row,) = [x for x in await town.inbox() if x.id == early.id]
    assert row.state == "quarantined"

    await process.release(town.node.inn, await town.scope(PROVINCE), early.id, "asked by telephone")
    await town.carry()

    (row,) = [x for x in await town.inbox() if x.id == early.id]
    assert row.state == "done"
    reasons_why = [x.data.get("why") for x in await town.events(PROVINCE, early.id)]
    assert "asked by telephone" in reasons_why


async def test_threat_047_a_valid_certificate_of_another_agency_is_refused_with_an_alert(town: Town) -> None:
    """Agency A signs as B: of a parent, of a child, of a stranger; each with a chain that holds."""
    for code in (PROVINCE, COMMUNE):
        thief = town.node.keys.signer(code, town.clock.now())
        row = await sent_by(town, DEPARTMENT, thief)

        assert (row.state, row.code) == ("quarantined", "SIG-PIN")
        assert await alerts(town, row) == ["SIG-PIN"]
    assert await town.incoming() == ()
    assert await town.statuses(PROVINCE) == 0, "nobody is answered who is not proved (A7)"


async def test_threat_047_a_code_that_looks_alike_is_another_code(town: Town, cases: Cases) -> None:
    """F10: read exactly. The key is the one bound to the real code."""
    alike = {
        "small letters": DEPARTMENT.lower(),
        "trailing point": f"{DEPARTMENT}.",
        "leading space": f" {DEPARTMENT}",
        "another digit": DEPARTMENT.replace("1", "\N{ARABIC-INDIC DIGIT ONE}", 1),
        "letter O": DEPARTMENT.replace("0", "O", 1),
        "a child": f"{DEPARTMENT}.01",
        "the parent": DEPARTMENT.rpartition(".")[0],
    }
    key = town.node.keys.signer(DEPARTMENT, town.clock.now())

    async def check(disguised: str) -> None:
        row = await town.brought(town.forge(document("15", FILES, sender=disguised), FILES, signer=key))

        assert row.state in ("quarantined", "malformed")
        assert row.code in ("SIG-NO-BINDING", "SIG-PIN", "SIG-SENDER", "ENV-DIALECT")

    await cases.check_rows_async(alike, check)
    assert await town.incoming() == ()


async def test_threat_101_a_back_dated_signing_time_does_not_help_a_key_that_is_bound_no_more(
    town: Town,
) -> None:
    """K2: the time of arrival decides, never the one that is claimed."""
    key = town.node.keys.signer(DEPARTMENT, town.clock.now())
    first_row = await sent_by(town, DEPARTMENT, key)
    town.clock.advance(DAY)
    await proposals.withdraw_binding(
        town.node.deciding, "operator", DEPARTMENT, fingerprint(key.certificate_der), "told by telephone"
    )
    town.clock.advance(MINUTE)

    packet_row = await sent_by(town, DEPARTMENT, key, at=town.clock.now() - 2 * DAY)

    assert first_row.state == "done"
    assert (packet_row.state, packet_row.code) == ("quarantined", "SIG-NO-BINDING")
    assert await alerts(town, packet_row) == ["SIG-NO-BINDING"]


async def test_threat_101_a_signing_time_before_the_binding_or_ahead_of_the_clock_is_held(town: Town) -> None:
    both = await two_deciders(town)
    new = issued(town, DEPARTMENT, town.node.keys.generate(DEPARTMENT).key_id)
    await bound_by_two(town, both, DEPARTMENT, new, at=town.clock.now())
    key = signer_of(town, DEPARTMENT, new)
    town.clock.advance(MINUTE)

    too_early = await sent_by(town, DEPARTMENT, key, at=town.clock.now() - DAY)
    ahead = await sent_by(town, DEPARTMENT, key, at=town.clock.now() + timedelta(hours=2))

    assert (too_early.state, too_early.code) == ("held", "SIG-TIME")
    assert (ahead.state, ahead.code) == ("held", "SIG-TIME")


async def test_threat_102_a_certificate_under_a_second_code_is_neither_bound_nor_accepted(town: Town) -> None:
    """K1: not of the same key, not of the same certificate, not of a successor for its predecessor."""
    both = await two_deciders(town)
    der = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
    bindings_before = await town.node.directory.bindings(COMMUNE)

    with pytest.raises(Clash, match="one key speaks for one code"):
        await bound_by_two(town, both, COMMUNE, der)
    row = await sent_by(town, COMMUNE, town.node.keys.signer(DEPARTMENT, town.clock.now()))

    assert list(await town.node.directory.bindings(COMMUNE)) == list(bindings_before)
    assert (row.state, row.code) == ("quarantined", "SIG-PIN")


async def test_threat_102_a_closed_agency_and_a_successors_certificate_for_it_are_refused(town: Town) -> None:
    both = await two_deciders(town)
    key = town.node.keys.signer(DEPARTMENT, town.clock.now())
    today = town.node.out.today()
    closing = f"code,name,valid_to,successor\n{DEPARTMENT},Closed,{today.isoformat()},{COMMUNE}\n"
    plan = await town.node.directory_changes.plan_import(closing.encode())
    with pytest.raises(Clash, match="second person"):
        await town.node.directory_changes.apply(plan, "operator")
    change_id = await registry_changes.propose_import(
        town.node.deciding, await both[0].signed_in(), plan, closing.encode(), "closing.csv", "5/QD"
    )
    await people.approved(both[1], change_id)
    town.clock.advance(2 * DAY)

    own = await sent_by(town, DEPARTMENT, key)
    successor = await sent_by(town, DEPARTMENT, town.node.keys.signer(COMMUNE, town.clock.now()))

    assert (own.state, own.code) == ("quarantined", "SIG-SENDER")
    assert (successor.state, successor.code) == ("quarantined", "SIG-SENDER")
    assert await alerts(town, own) == ["SIG-SENDER"]
    assert await town.incoming() == ()
    new = issued(town, DEPARTMENT, town.node.keys.generate(DEPARTMENT).key_id)
    with pytest.raises(Clash, match="is closed"):
        await bound_by_two(town, both, DEPARTMENT, new)


async def test_threat_115_an_import_cannot_change_which_certificate_speaks_for_a_code(town: Town) -> None:
    """Its columns have no certificate; a file that brings one is refused, and the binding stays."""
    bindings_before = await town.node.directory.bindings(DEPARTMENT)
    fake = f"code,name,certificate\n{DEPARTMENT},Renamed,fake.pem\n".encode()

    plan = await town.node.directory_changes.plan_import(fake)
    assert plan.problems
    with pytest.raises(Clash):
        await town.node.directory_changes.apply(plan, "operator")

    assert AGENCY.name == "agency"
    assert list(await town.node.directory.bindings(DEPARTMENT)) == list(bindings_before)


async def test_threat_119_what_a_stolen_key_may_have_signed_is_found_judged_again_and_marked(
    town: Town,
) -> None:
    """K4: nothing is deleted. Documents of before the theft, or under another key, stay unmarked."""
    both = await two_deciders(town)
    der = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
    key = signer_of(town, DEPARTMENT, der)
    good = await sent_by(town, DEPARTMENT, key)
    town.clock.advance(DAY)
    since = town.clock.now()
    town.clock.advance(MINUTE)
    doubtful = await sent_by(town, DEPARTMENT, key)
    outgoing = await town.act_and_carry(town.send("15"))
    other = await sent_by(town, COMMUNE, town.node.keys.signer(COMMUNE, town.clock.now()))
    new = issued(town, DEPARTMENT, town.node.keys.generate(DEPARTMENT).key_id)
    await bound_by_two(town, both, DEPARTMENT, new)

    mine = fingerprint(der)
    ended = KeyEnd(agency_code=DEPARTMENT, key_id="k", fingerprint=mine, at=town.clock.now(), by="operator")
    await proposals.report_stolen(town.node.deciding, ended, since)
    suspects = await rejudge.mark_suspects(town.node.inn, DEPARTMENT, mine, since)

    assert doubtful.incoming_id is not None
    own_documents = [x for x in await town.incoming() if x.packet_id == outgoing.packet_id]
    marked = {x.id for x in await town.incoming() if rejudge.SUSPECT_MARK in x.marks}
    assert marked == {doubtful.incoming_id, *(x.id for x in own_documents)}
    assert {good.incoming_id, other.incoming_id}.isdisjoint(marked)
    assert {x.id for x in suspects if x.way == "in"} == marked
    assert outgoing.id in {x.id for x in suspects if x.way == "out"}
    kinds = [x.kind for x in await town.events(PROVINCE, doubtful.incoming_id)]
    assert kinds[-1] is EventKind.KEY_SUSPECT
    next_row = await sent_by(town, DEPARTMENT, key)
    assert (next_row.state, next_row.code) == ("quarantined", "SIG-PIN")


@pytest.mark.usefixtures("keys_away")
async def test_threat_120_a_node_does_not_send_an_envelope_of_another_agency(town: Town) -> None:
    """W10: what was written is proved with the signer's own code before it may leave."""

    class OfAnother:
        """Keys that give the commune's key for every agency."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def signer(self, agency_code: str, at: Any, use: KeyUse = ANY_KEY) -> EnvelopeSigner:
            signer: EnvelopeSigner = self._real.signer(COMMUNE, at)
            return signer

    sent = await town.send("15")
    services = replace(town.node.out, keys=cast(KeyDirectory, OfAnother(town.node.keys)))
    (job,) = await town.node.store.claim_jobs("pack", 1, 60)
    await package.run(services, job)

    assert (await town.document(sent)).state is OutState.QUEUED
    assert await town.outbox(DEPARTMENT) == ()
