"""Two people register the seals and signatures of agencies; one may withdraw them; a changed row does not count (R23)."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date, timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import DecisionServices, approvals, proposals
from gateway.domain.event import EventKind
from gateway.domain.person import ProposalContent
from gateway.domain.seals import CertificateKind, RegisteredCertificate, SealRegister
from gateway.errors import Clash, Denied, GatewayError, NotFound, Refused
from gateway.registry.directory import SqlDirectory
from tests.support import pdf_pki, people
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.pdf_pki import Holder
from tests.support.pki import NOT_AFTER, NOT_BEFORE
from tests.support.seals import person_of, register, right_of, seal_of
from tests.unit.deciding.conftest import Edit, Pair, event_data, refused

CODE, PARENT = "Z91.07", "Z91"
SEAL, PERSON = CertificateKind.SEAL, CertificateKind.PERSON


def seal(name: str = "Sở Mẫu") -> Holder:
    return pdf_pki.root().issue(name, agency=True)


async def registered(directory: SqlDirectory, code: str = CODE) -> SealRegister:
    return await directory.seal_register(code, ())


async def certificates(directory: SqlDirectory, code: str = CODE) -> list[RegisteredCertificate]:
    return list((await registered(directory, code)).certificates)


async def test_a_seal_counts_once_a_second_person_approved(pair: Pair) -> None:
    holder = seal()
    content = ProposalContent(
        seals=(seal_of(CODE, holder), person_of(CODE, pdf_pki.person())),
        sealing_rights=(right_of(PARENT, CODE),),
    )

    proposal = await pair.propose(content=content)
    assert await certificates(pair.directory) == []
    await refused(people.approved(pair.an, proposal), "GW-TWO-PEOPLE")
    await pair.approve(proposal)

    own, person = await certificates(pair.directory)
    (right,) = (await registered(pair.directory)).rights
    assert (own.kind, own.valid_from, own.valid_to) == (SEAL, NOT_BEFORE, NOT_AFTER)
    assert (person.kind, person.position, person.capacity) == (PERSON, "Phó Giám đốc", "KT.")
    assert (right.acting_code, right.act_number) == (PARENT, "12/QĐ-UBND")
    assert await pair.kinds(f"seal:{CODE}") == [
        EventKind.SEAL_APPROVED,
        EventKind.SEAL_APPROVED,
        EventKind.SEALING_RIGHT_APPROVED,
    ]
    (event, _) = await event_data(pair.services, f"seal:{CODE}", EventKind.SEAL_APPROVED)
    assert (event["what"], event["fingerprint"], event["proposal"]) == ("seal", own.fingerprint, proposal.id)
    assert event["proposed_by"] != event["approved_by"]


async def test_the_approver_types_the_fingerprints_and_the_number_of_the_act(pair: Pair) -> None:
    content = ProposalContent(seals=(seal_of(CODE, seal()),), sealing_rights=(right_of(PARENT, CODE),))

    proposal = await pair.propose(content=content)

    assert proposal.content.expected == (content.seals[0].fingerprint[-16:], "12/qđ-ubnd")
    typed_words = (content.expected[0], "13/QĐ-UBND")
    with pytest.raises(Denied):
        await approvals.approve(
            pair.services, await pair.binh.signed_in(), proposal.id, typed_words, proposal.digest
        )
    assert await certificates(pair.directory) == []


async def test_a_withdrawn_seal_counts_until_that_moment_and_one_person_is_enough(
    services: DecisionServices, directory: SqlDirectory, clock: ManualClock
) -> None:
    await register(services, seal_of(CODE, seal()), right_of(PARENT, CODE))
    (own,), (right,) = await certificates(directory), (await registered(directory)).rights

    assert await proposals.withdraw_seal(services, "An", own.id, clock.now(), "lost") == CODE
    await proposals.withdraw_seal(services, "An", right.id, clock.now(), "over")

    (ended,) = await certificates(directory)
    assert ended.state == "withdrawn"
    assert ended.is_in_force(clock.now() - timedelta(seconds=1))
    assert not ended.is_in_force(clock.now())
    (ended_right,) = (await registered(directory)).rights
    assert not ended_right.is_in_force(clock.now().date())
    (withdrawal,) = await event_data(services, f"seal:{CODE}", EventKind.SEAL_WITHDRAWN)
    assert (withdrawal["reason"], withdrawal["what"]) == ("lost", "seal")
    with pytest.raises(NotFound):
        await proposals.withdraw_seal(services, "An", "sea_none", clock.now(), "")


async def test_a_withdrawn_seal_may_be_registered_again_for_a_later_time(
    services: DecisionServices, directory: SqlDirectory, clock: ManualClock
) -> None:
    holder = seal()
    await register(services, seal_of(CODE, holder))
    (own,) = await certificates(directory)
    await proposals.withdraw_seal(services, "An", own.id, clock.now(), "by mistake")
    der = holder.certificate.public_bytes(Encoding.DER)

    await register(services, proposals.seal_change(CODE, SEAL, der, since=clock.now()))

    assert [c.state for c in await certificates(directory)] == ["withdrawn", "active"]


async def test_threat_153_a_row_changed_past_the_application_does_not_count(
    services: DecisionServices, directory: SqlDirectory, edit: Edit, cases: Cases
) -> None:
    other = seal("Sở Khác").certificate.public_bytes(Encoding.PEM).decode()
    await register(services, seal_of(CODE, seal()), right_of(PARENT, CODE))
    await edit("CREATE TABLE kept_seal AS SELECT * FROM agency_seal")
    await edit("CREATE TABLE kept_right AS SELECT * FROM agency_sealing_right")
    for change in (
        "code = 'Z91.08'",
        "kind = 'person'",
        "valid_to = '2999-01-01 00:00:00'",
        f"certificate_pem = '{other}'",
        "state = 'withdrawn'",
    ):
        with cases.case(change.split("\n")[0]):
            await edit(f"UPDATE agency_seal SET {change}")  # noqa: S608 - of this test
            assert await certificates(directory) == []
            assert await certificates(directory, "Z91.08") == []
            assert len(await directory.unconfirmed_seals()) == 1
        await edit("DELETE FROM agency_seal")
        await edit("INSERT INTO agency_seal SELECT * FROM kept_seal")
    with cases.case("right"):
        await edit("UPDATE agency_sealing_right SET acting_code = 'Z92'")
        assert (await registered(directory)).rights == ()
        assert [code for code, _ in await directory.unconfirmed_seals()] == [CODE]
    with cases.case("gone"):
        await edit("DELETE FROM agency_sealing_right")
        assert [code for code, _ in await directory.unconfirmed_seals()] == [CODE]
        await edit("INSERT INTO agency_sealing_right SELECT * FROM kept_right")
        assert await directory.unconfirmed_seals() == []
    with cases.case("restored"):
        assert len(await certificates(directory)) == 1


async def test_what_does_not_fit_is_refused(
    services: DecisionServices, directory: SqlDirectory, clock: ManualClock, cases: Cases
) -> None:
    holder = seal()
    der = holder.certificate.public_bytes(Encoding.DER)
    await register(services, seal_of(CODE, holder), right_of(PARENT, CODE))
    attempts: dict[str, tuple[Awaitable[None], type[GatewayError]]] = {
        "twice": (register(services, seal_of(CODE, holder)), Clash),
        "for another code": (register(services, seal_of("Z91.08", holder)), Clash),
        "as a person elsewhere": (register(services, person_of("Z91.08", holder)), Clash),
        "the right twice": (register(services, right_of(PARENT, CODE, date(2027, 1, 1))), Clash),
        "for itself": (register(services, right_of(CODE, CODE)), Refused),
    }
    for name, (attempt, error) in attempts.items():
        with cases.case(name), pytest.raises(error):
            await attempt
    change = partial(proposals.seal_change, CODE, certificate_der=der)
    for code, make in (
        ("SEAL-NO-TIME", partial(change, kind=SEAL, until=NOT_BEFORE)),
        ("SEAL-PERSON", partial(change, kind=SEAL, name="Nguyễn Văn Mẫu")),
        ("SEAL-PERSON", partial(change, kind=PERSON, name="Nguyễn Văn Mẫu")),
        ("SEAL-CAPACITY", partial(change, kind=PERSON, name="A", position="B", capacity="XX.")),
    ):
        with cases.case(make.keywords):
            with pytest.raises(Clash) as clash:
                make()
            assert clash.value.code == code
    assert len(await certificates(directory)) == 1


async def test_a_person_may_sign_for_two_agencies(
    services: DecisionServices, directory: SqlDirectory
) -> None:
    await register(services, person_of(CODE, pdf_pki.person()), person_of("Z91.08", pdf_pki.person()))

    assert len(await certificates(directory)) == len(await certificates(directory, "Z91.08")) == 1
