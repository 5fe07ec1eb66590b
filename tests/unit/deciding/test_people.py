"""Persons: added by others, enrolled by themselves, signed in with two factors, blocked at once."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.deciding import DecisionServices
from gateway.deciding import people as deciding
from gateway.deciding import people as sign_in
from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Role
from gateway.errors import Clash, Denied
from tests.support import people
from tests.support.clock import ManualClock
from tests.support.people import PASSPHRASE
from tests.unit.deciding.conftest import Pair, kinds


async def test_a_person_enrols_with_a_code_that_is_good_once(
    services: DecisionServices, clock: ManualClock
) -> None:
    """And within three days; two names that read the same are one too many."""
    added, code = await deciding.add(services, None, "operator", "  An  Nguyen ", [Role.TRUST])
    assert (added.name, added.is_active) == ("An Nguyen", False)
    _, old = await deciding.add(services, None, "operator", "Binh", [Role.TRUST])
    with pytest.raises(Clash, match="named"):
        await deciding.add(services, None, "operator", "BINH", [Role.TRUST])

    an = await people.taken_up(services, "an nguyen", code.lower())
    with pytest.raises(Denied, match="one-time code"):
        await people.taken_up(services, "An Nguyen", code)

    assert (await an.signed_in()).person.id == added.id
    assert await kinds(services, added.id) == [EventKind.PERSON_ADDED, EventKind.PERSON_ENROLLED]
    clock.advance(timedelta(hours=72))
    with pytest.raises(Denied):
        await people.taken_up(services, "Binh", old)


async def test_a_passphrase_that_is_easily_guessed_is_refused(services: DecisionServices) -> None:
    _, code = await deciding.add(services, None, "operator", "An", [Role.TRUST])
    for passphrase in ("short", "aaaaaaaaaaaaaaaaaaaa", "x" * 2000):
        with pytest.raises(Clash, match="passphrase"):
            await deciding.enrol(services, "An", code, passphrase, services.secrets.new_totp(), "000000")


async def test_a_passphrase_is_the_same_on_every_keyboard(
    services: DecisionServices, clock: ManualClock
) -> None:
    """Some machines write an accented letter as two characters."""
    passphrase, totp = "bốn từ không ai đoán ra", services.secrets.new_totp()
    _, code = await deciding.add(services, None, "operator", "An", [Role.TRUST])
    an = people.Someone(services=services, name="An", totp=totp)
    await deciding.enrol(services, "An", code, unicodedata.normalize("NFD", passphrase), totp, an.code())
    clock.advance(timedelta(minutes=1))

    assert (await sign_in.sign_in(services, "An", passphrase, an.code())).person.name == "An"
    clock.advance(timedelta(minutes=1))
    other = unicodedata.normalize("NFD", passphrase)
    assert (await sign_in.sign_in(services, "An", other, an.code())).person.name == "An"


async def test_whatever_is_typed_is_refused_and_breaks_nothing(services: DecisionServices) -> None:
    """A terminal gives bytes that are no text as such characters."""
    an = await people.enrolled(services, "An")

    for odd in (chr(0xDCFF), chr(0xD800), "٣" * 6, "x" * 5000):
        for passphrase, code in ((odd, an.code()), (PASSPHRASE, odd)):
            with pytest.raises(Denied):
                await sign_in.sign_in(services, "An", passphrase, code)
        with pytest.raises(Denied):
            await deciding.enrol(services, "An", odd, PASSPHRASE, an.totp, an.code())
        assert await an.signed_in()


async def test_each_factor_is_needed_and_a_code_is_good_once(
    services: DecisionServices, clock: ManualClock
) -> None:
    an = await people.enrolled(services, "An")
    clock.advance(31)
    code = an.code()

    for name, passphrase, totp in (
        ("An", "another passphrase", code),
        ("An", PASSPHRASE, "000000" if code != "000000" else "111111"),
        ("Nobody", PASSPHRASE, code),
    ):
        with pytest.raises(Denied, match="do not fit"):
            await sign_in.sign_in(services, name, passphrase, totp)
    await sign_in.sign_in(services, "An", PASSPHRASE, code)
    with pytest.raises(Denied, match="do not fit"):
        await sign_in.sign_in(services, "An", PASSPHRASE, code)


async def test_five_wrong_tries_lock_for_a_quarter_of_an_hour_and_are_recorded(
    services: DecisionServices, clock: ManualClock
) -> None:
    an = await people.enrolled(services, "An")
    for _ in range(sign_in.MOST_FAILURES):
        with pytest.raises(Denied):
            await sign_in.sign_in(services, "An", "another passphrase", an.code())

    with pytest.raises(Denied) as error:
        await an.signed_in()
    clock.advance(sign_in.LOCKED_FOR)

    assert error.value.code == "GW-LOCKED"
    session = await an.signed_in()
    assert (await kinds(services, session.person.id))[-1] is EventKind.PERSON_LOCKED


async def test_once_somebody_administers_persons_the_operator_does_not(pair: Pair) -> None:
    with pytest.raises(Denied):
        await deciding.add(pair.services, None, "operator", "Chi", [Role.TRUST])
    await people.enrolled(pair.services, "Chi", [Role.TRUST], by=await pair.an.signed_in())
    with pytest.raises(Denied):
        await deciding.give(pair.services, None, "operator", "Binh", [Role.HEAD])

    changed = await deciding.give(
        pair.services, await pair.binh.signed_in(), "operator", "Chi", [Role.HEAD, Role.TRUST]
    )
    assert changed.roles == {Role.HEAD, Role.TRUST}


async def test_a_blocked_person_is_out_and_the_operator_can_enrol_another(pair: Pair) -> None:
    """With no administrator left the operator can still begin again."""
    for person in (pair.an, pair.binh):
        await deciding.block(pair.services, "operator", person.name)

    with pytest.raises(Denied):
        await pair.an.signed_in()
    await people.enrolled(pair.services, "Dung")


async def test_whose_account_is_out_decides_nothing(services: DecisionServices) -> None:
    an = await people.enrolled(services, "An")

    async def stand(standing: AccountStanding) -> None:
        async with services.decisions.changing("operator") as work:
            await work.people.save(replace(await work.people.find_by_name("An"), standing=standing))

    for standing in sorted(set(AccountStanding) - {AccountStanding.ACTIVE}):
        await stand(standing)
        with pytest.raises(Denied):
            await an.signed_in()
        await stand(AccountStanding.ACTIVE)
        assert await an.signed_in(), standing


async def test_a_reset_person_signs_in_only_after_a_second_enrolment(pair: Pair) -> None:
    _, code = await deciding.reset(pair.services, await pair.an.signed_in(), "operator", "Binh")

    with pytest.raises(Denied):
        await pair.binh.signed_in()
    renewed = await people.taken_up(pair.services, "Binh", code)

    assert (await renewed.signed_in()).person.roles_by == (await pair.an.signed_in()).person.id


async def test_nothing_that_is_kept_shows_a_secret(services: DecisionServices) -> None:
    an = await people.enrolled(services, "An")
    session = await an.signed_in()

    async with services.decisions.read() as view:
        credentials = await view.people.credentials(session.person.id)

    stored = " ".join(str(getattr(credentials, name)) for name in credentials.__slots__)
    assert PASSPHRASE not in stored
    assert an.totp not in stored
    assert an.totp not in repr(credentials) + repr(session)
    assert str(credentials.sealed_totp) not in repr(credentials)


async def test_names_are_read_of_those_alone_who_are_asked_for(services: DecisionServices) -> None:
    """A node may have thousands of persons, and a page shows the names of a few."""
    await people.two(services)
    async with services.decisions.read() as view:
        an, binh = await view.people.find_by_name("An"), await view.people.find_by_name("Binh")

        assert await view.people.names([an.id, "prn_nobody"]) == {an.id: "An"}
        assert await view.people.names({an.id, binh.id}) == {an.id: "An", binh.id: "Binh"}
        assert await view.people.names([]) == {}
