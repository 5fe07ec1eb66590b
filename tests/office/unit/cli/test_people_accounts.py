"""`gateway people` for accounts: an administrator without pages makes one, lets it begin anew, unlocks it, signs it out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.bootstrap.core import open_core
from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.agency_profile import ON, RIGHTS_CONFIRMED
from gateway.errors import Denied
from gateway.store import migrate
from gateway_labs.demo import stage
from gateway_office.accounts import posts, requests
from gateway_office.bootstrap.office import account_services
from gateway_office.domain.account_request import RequestForm, RequestLine
from gateway_office.domain.roles import PostRole
from tests.office.support import accounts
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.unit.cli.conftest import Terminal


@pytest.fixture
def folder(tmp_path: Path, terminal: Terminal) -> Path:
    """Set up a node with one agency and no administrator."""
    folder = tmp_path / "node"
    folder.mkdir()
    settings = stage.settings_for(folder)
    (tmp_path / "gateway.toml").write_text(
        f'[node]\ndata_dir = "{folder}"\n[accounts]\naddress = "https://gateway.example.invalid/"\n',
        encoding="utf-8",
    )

    async def set_up() -> None:
        await migrate.up(settings.database.url)
        async with open_core(settings) as office:
            await office.store.accounts.add_hosted(
                HostedAgency(id=accounts.NORTH, code="Z91.01", name="North")
            )

    asyncio.run(set_up())
    return folder


def taken_up(folder: Path, code: str) -> None:
    """Choose a password as the account's person, and sign in once."""

    async def work() -> None:
        async with open_core(stage.settings_for(folder)) as office:
            person = await accounts.taken_up(account_services(office), code)
            await person.enters()

    asyncio.run(work())


def test_the_first_operator_is_made_at_the_machine_with_a_link_and_no_password(
    folder: Path, terminal: Terminal
) -> None:
    added = terminal.type(
        "people", "account", "quantri", "A. Admin", "--post", "operator", "--yes", "-o", "json"
    )

    assert added.code == 0, added.err
    assert added.json["link"] == f"https://gateway.example.invalid/lien-ket/{added.json['code']}"
    assert added.json["standing"] == "active"
    taken_up(folder, added.json["code"])
    second = terminal.type(
        "people", "account", "second", "B. Admin", "--post", "operator", "--yes", "--lang", "en"
    )
    assert second.code == 5
    assert "posts do not allow" in second.err


def test_a_link_closes_what_was_open_and_is_shown_with_the_sessions(folder: Path, terminal: Terminal) -> None:
    added = terminal.type("people", "account", "vananh", "Vân Anh", "--post", "clerk", "--yes", "-o", "json")
    taken_up(folder, added.json["code"])

    sessions = terminal.type("people", "sessions", "vananh", "-o", "json")
    link = terminal.type("people", "link", "vananh", "--yes", "-o", "json")
    sessions_left = terminal.type("people", "sessions", "vananh", "-o", "json")

    assert [(row["address"], row["factor"]) for row in sessions.json["data"]] == [
        (accounts.ORIGIN.address, "none")
    ]
    assert link.json["code"] != added.json["code"]
    assert sessions_left.json["data"] == []


def test_somebody_is_signed_out_everywhere_and_unlocked(folder: Path, terminal: Terminal) -> None:
    added = terminal.type("people", "account", "vananh", "Vân Anh", "--post", "clerk", "--yes", "-o", "json")
    taken_up(folder, added.json["code"])

    async def lock() -> list[str]:
        codes = []
        async with open_core(stage.settings_for(folder)) as office:
            async with account_services(office).accounts.read() as view:
                person = await view.people.find_by_name("vananh")
            guesser = accounts.Someone(services=account_services(office), person=person, password="wrong")
            for _ in range(6):
                with pytest.raises(Denied) as error:
                    await guesser.enters()
                codes.append(error.value.code)
        return codes

    assert terminal.type("people", "sign-out", "vananh", "--yes", "-o", "json").json["ended"] == 1
    assert asyncio.run(lock())[-1] == "GW-LOCKED"
    assert terminal.type("people", "unlock", "vananh", "--yes").code == 0
    assert asyncio.run(lock())[0] == "GW-SIGN-IN"


def test_an_answer_prints_the_links_of_new_accounts_once(folder: Path, terminal: Terminal) -> None:
    people = (
        RequestLine(name="Đặng Thị Mẫu", role="officer"),
        RequestLine(name="Vũ Văn Thừa", role="clerk"),
    )

    async def ask() -> str:
        async with open_core(stage.settings_for(folder)) as office:
            services = account_services(office)
            async with services.changing("prn_admin") as (work, now):
                draft = requests.RequestDraft(form=RequestForm.NEW, lines=people)
                request = await requests.record(services, work, "prn_admin", accounts.NORTH, draft, now)
        return request.id

    answer = ("people", "answer", asyncio.run(ask()), "--words", "Đã cấp tài khoản.", "--yes", "-o", "json")
    refused = ("--refuse", "2=Không có tên trong biên chế.")
    wrong = terminal.type(*answer, "--refuse", "3=Không có.")
    answered = terminal.type(*answer, "--login", "mau", *refused)
    repeat = terminal.type(*answer, "--login", "mau", *refused)

    assert wrong.code == 2
    assert (answered.code, answered.json["state"]) == (0, "partly")
    ((account),) = answered.json["accounts"]
    assert account["login"] == "mau"
    taken_up(folder, account["code"])
    assert "accounts" not in repeat.out
    assert repeat.code != 0


def test_a_request_is_made_and_listed_and_not_answered_by_who_made_it(
    folder: Path, terminal: Terminal
) -> None:
    person = ("name=Đặng Thị Mẫu", "role=officer", "name=Vũ Văn Thừa", "role=clerk")
    created = terminal.type(
        "people", "request", "01", *person, "--agency", "Z91.01", "--number", "7/SMT", "--yes", "-o", "json"
    )
    listed = terminal.type("people", "requests", "-o", "json")
    table = terminal.type("people", "requests")
    wrong = terminal.type("people", "request", "01", "colour=red", "--agency", "Z91.01", "--yes")
    # Who asked is the machine's operator too, until there is a person.
    own = terminal.type("people", "answer", created.json["id"], "--words", "Đã cấp tài khoản.", "--yes")
    added = terminal.type(
        "people", "account", "quantri", "A. Admin", "--post", "operator", "--yes", "-o", "json"
    )

    assert (created.code, created.json["state"], len(created.json["lines"])) == (0, "open", 2)
    assert [row["id"] for row in listed.json["data"]] == [created.json["id"]]
    assert all(word in table.out for word in ("Z91.01", "7/SMT", "Chờ trả lời"))
    assert wrong.code == 2
    assert own.code == 5
    assert added.code == 0


def test_posts_standing_and_the_yearly_list(folder: Path, terminal: Terminal) -> None:
    terminal.type("people", "account", "vananh", "Vân Anh", "--post", "clerk", "--title", "Văn thư", "--yes")
    added = terminal.type("people", "post", "vananh", "officer", "--unit", "Phòng 3", "--yes", "-o", "json")
    stood = terminal.type(
        "people", "stand", "vananh", "locked", "--reason", "the phone was stolen", "--yes", "-o", "json"
    )
    listed = terminal.type("people", "review", "--agency", "Z91.01", "-o", "json")
    review = terminal.type("people", "review", "--agency", "Z91.01")

    assert (added.code, stood.json["standing"]) == (0, "locked")
    (line,) = listed.json["data"]
    assert [(post["role"], post["unit"]) for post in line["posts"]] == [("clerk", ""), ("officer", "Phòng 3")]
    assert "Chuyên viên" in review.out
    assert "Khóa" in review.out
    assert terminal.type("people", "post", "vananh", "system", "--yes").code == 2
    assert terminal.type("people", "stand", "vananh", "gone", "--reason", "x" * 10, "--yes").code == 2


def test_a_change_of_rights_that_waits_is_listed_and_refused_but_confirmed_by_a_person_alone(
    folder: Path, terminal: Terminal
) -> None:
    async def propose() -> str:
        async with open_core(stage.settings_for(folder)) as core:
            services = account_services(core)
            admin = await accounts.someone(
                services, accounts.MACHINE, "admin", accounts.post(PostRole.AGENCY_ADMIN)
            )
            await accounts.someone(services, accounts.MACHINE, "vananh", accounts.post(PostRole.CLERK))
            scope = AgencyScope(agency_id=accounts.NORTH, principal_id=admin.person.id)
            await agency_profile.choose(core.store, core.clock, scope, "Admin", RIGHTS_CONFIRMED, ON)
            proposal = await posts.give(services, admin.by, "vananh", accounts.post(PostRole.HEAD))
            assert proposal is not None
            return proposal.id

    id = asyncio.run(propose())
    listed = terminal.type("people", "changes", "--agency", "Z91.01", "-o", "json")
    table = terminal.type("people", "changes")
    confirmed = terminal.type("people", "confirm", id, "--yes")
    refused = terminal.type("people", "refuse", id, "--reason", "Not asked for in writing", "--yes")
    repeat = terminal.type("people", "refuse", id, "--reason", "Not asked for in writing", "--yes")

    (row,) = listed.json["data"]
    assert (row["id"], row["act"], row["role"], row["agency"]) == (id, "give", "head", "Z91.01")
    assert "Person admin đề nghị giao cho Person vananh vai trò" in table.out
    assert [run.code for run in (confirmed, refused, repeat)] == [5, 0, 5]
    assert terminal.type("people", "changes", "-o", "json").json["data"] == []


def test_the_list_prints_the_names_that_the_other_commands_know(folder: Path, terminal: Terminal) -> None:
    added = ("vanhanh", "Đỗ Vận Hành", "--post", "operator", "--yes")
    assert terminal.type("people", "account", *added).code == 0
    listed = terminal.type("people", "list")
    name = next(line for line in listed.out.splitlines() if "Đỗ Vận Hành" in line).split()[0]

    changed = terminal.type("people", "roles", name, "--role", "trust", "--yes", "-o", "json")

    assert (name, changed.code, changed.json["roles"]) == ("vanhanh", 0, ["trust"])
