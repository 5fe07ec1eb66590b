"""The definitions file holds exactly the axis that a plan would make, and passwords only as salted hashes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tracemalloc
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.registry import Hosting
from gateway.errors import Misconfigured
from gateway.transport.amqp import topology
from gateway.transport.broker import definitions
from gateway.transport.broker.plan import BrokerEntity, BrokerLayout, layout, wanted_state

TWO = [
    Hosting(node="north", code="Z91", alias="000.00.00.Z91"),
    Hosting(node="south.2", code="Z92.01"),
]


def file_of(axis: BrokerLayout, hashes: dict[str, str] | None = None) -> dict[str, list[dict[str, Any]]]:
    sections: dict[str, list[dict[str, Any]]] = json.loads("".join(definitions.pieces(axis, hashes or {})))
    return sections


def test_the_file_holds_what_a_plan_would_make() -> None:
    axis = layout("v", TWO)
    goal = wanted_state(axis, {"north": "hash"})
    parts: list[BrokerEntity] = [
        *goal.exchanges.values(),
        *goal.queues.values(),
        *goal.policies.values(),
        *goal.users.values(),
        *goal.rights.values(),
        *goal.bindings,
    ]

    whole_file = file_of(axis, {"north": "hash"})
    document_sections = definitions.document(parts, "v")

    assert whole_file.pop("vhosts") == [{"name": "v"}]
    for section, rows in whole_file.items():
        assert sorted(map(str, rows)) == sorted(map(str, document_sections[section])), section


def test_a_node_has_two_lanes_and_a_dead_queue_tied_to_its_codes_aliases_and_itself() -> None:
    sections = file_of(layout("v", TWO))

    assert [(x["name"], x["arguments"]["x-queue-type"]) for x in sections["queues"]] == [
        ("lienthong.sink", "quorum"),
        *((f"lienthong.north.{which}", "quorum") for which in ("urgent", "normal", "dead")),
        *((f"lienthong.south.2.{which}", "quorum") for which in ("urgent", "normal", "dead")),
    ]
    ties = {(x["source"], x["destination"], x["routing_key"]) for x in sections["bindings"]}
    keys = {"north": ("z91", "000.00.00.z91", "@north"), "south.2": ("z92.01", "@south.2")}
    assert ties == {
        *(
            (f"lienthong.{lane}", f"lienthong.{node}.{lane}", key)
            for node in keys
            for lane in ("urgent", "normal")
            for key in keys[node]
        ),
        *(("lienthong.hosted", "lienthong.sink", key) for node in keys for key in keys[node]),
        *(("lienthong.dead", f"lienthong.{node}.dead", node) for node in keys),
    }
    assert len(sections["bindings"]) == len(ties)
    assert all(x["durable"] for x in chain(sections["queues"], sections["exchanges"]))
    assert {x["name"]: x["type"] for x in sections["exchanges"]} == dict.fromkeys(
        topology.EXCHANGES, "direct"
    )


def test_each_policy_means_the_queues_of_one_node_and_no_other() -> None:
    sections = file_of(
        layout("v", [*TWO, Hosting(node="south-2", code="Z93"), Hosting(node="urgent", code="Z94")])
    )
    names = [x["name"] for x in sections["queues"]]

    limits_by_queue = {
        x["name"]: [name for name in names if re.search(x["pattern"], name)] for x in sections["policies"]
    }

    assert limits_by_queue == {
        "lienthong.sink": ["lienthong.sink"],
        "lienthong.dead": [f"lienthong.{node}.dead" for node in ("north", "south-2", "south.2", "urgent")],
        **{
            f"lienthong.{node}": [f"lienthong.{node}.urgent", f"lienthong.{node}.normal"]
            for node in ("north", "south.2", "south-2", "urgent")
        },
    }
    limits = next(x for x in sections["policies"] if x["name"] == "lienthong.south.2")["definition"]
    assert (limits["dead-letter-routing-key"], limits["delivery-limit"]) == ("south.2", 5)
    assert (limits["dead-letter-strategy"], limits["overflow"]) == ("at-least-once", "reject-publish")


names = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,5}(?:\.[a-z0-9])?)?", fullmatch=True).filter(
    lambda name: name.casefold() not in ("sink", "dead", "guest") and name[-1].isalnum()
)


@given(nodes=st.lists(names, min_size=2, max_size=4, unique_by=str.casefold))
def test_a_node_may_read_its_own_queues_and_nothing_else(nodes: list[str]) -> None:
    sections = file_of(layout("v", [Hosting(node=node, code=f"Z{n}") for n, node in enumerate(nodes)]))
    queues = [queue["name"] for queue in sections["queues"]]

    for right in sections["permissions"]:
        read = {name for name in queues if re.search(right["read"], name)}
        assert read == {f"lienthong.{right['user']}.{which}" for which in ("urgent", "normal", "dead")}
        exchanges_written = [
            name for name in [*queues, *topology.EXCHANGES, "amq.default"] if re.search(right["write"], name)
        ]
        assert exchanges_written == ["lienthong.urgent", "lienthong.normal", "lienthong.hosted"]
        assert not any(re.search(right["configure"], name) for name in queues)


def test_users_have_no_tags_and_no_password_that_can_be_read() -> None:
    """A password in force keeps its hash, and another gets a new one."""
    axis = layout("v", TWO)
    hashes = definitions.password_hashes({"north": "open sesame"}, {})
    users = file_of(axis, hashes)["users"]
    assert {user["name"]: user["tags"] for user in users} == {"north": "", "south.2": ""}
    assert [user["password_hash"] for user in users] == [hashes["north"], ""]
    assert "open sesame" not in "".join(definitions.pieces(axis, hashes))
    old = definitions.hashed_password("same", b"salt")
    fresh = definitions.password_hashes({"north": "same", "south": "new"}, {"north": old, "south": old})
    assert fresh["north"] == old != fresh["south"]
    assert definitions.matches_hash("new", fresh["south"])
    assert not definitions.matches_hash("x", "no base64!")


@given(password=st.text(min_size=1), salt=st.binary(min_size=4, max_size=4))
def test_a_hash_is_salt_and_digest_as_the_broker_reads_it(password: str, salt: bytes) -> None:
    raw = base64.b64decode(definitions.hashed_password(password, salt))

    assert raw == salt + hashlib.sha256(salt + password.encode()).digest()
    assert definitions.matches_hash(password, definitions.hashed_password(password, salt))
    assert not definitions.matches_hash(password + "x", definitions.hashed_password(password, salt))


def test_missing_passwords_are_made_for_their_owner_alone_and_never_made_twice(tmp_path: Path) -> None:
    """A file that guards nothing is refused."""
    folder = tmp_path / "passwords"
    with pytest.raises(Misconfigured, match="password of the node north cannot be read"):
        definitions.read_passwords(folder, ["north"], make=False)

    first = definitions.read_passwords(folder, ["north", "south"], make=True)

    assert definitions.read_passwords(folder, ["north", "south"], make=True) == first
    assert len(first["north"]) >= 40
    assert first["north"] != first["south"]
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    for content, mode, words in (("secret\n", 0o640, "others on this machine"), ("\n", 0o600, "is empty")):
        (folder / "north").write_text(content)
        (folder / "north").chmod(mode)
        with pytest.raises(Misconfigured, match=words):
            definitions.read_passwords(folder, ["north"], make=True)


def test_a_folder_that_takes_no_password_is_named_before_anything_is_written(tmp_path: Path) -> None:
    """Also where it is only to be seen what would happen."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "passwords"):
        for keep in (True, False):
            with pytest.raises(Misconfigured, match="new passwords cannot be kept in"):
                definitions.read_passwords(folder, ["north"], make=True, keep=keep)


def test_a_large_axis_is_written_piece_by_piece(tmp_path: Path) -> None:
    """The memory grows with the codes, not with the file."""
    axis = layout("v", [Hosting(node=f"n{n % 20}", code=f"Z{n:05}") for n in range(20_000)])
    file = tmp_path / "definitions.json"

    tracemalloc.start()
    traced_before = tracemalloc.get_traced_memory()[0]
    with file.open("w") as out:
        for piece in definitions.pieces(axis, {}):
            out.write(piece)
    peak = tracemalloc.get_traced_memory()[1] - traced_before
    tracemalloc.stop()

    assert peak < file.stat().st_size / 2
