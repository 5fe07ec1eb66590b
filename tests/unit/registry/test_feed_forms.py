"""Two forms of a feed: the second names the digest of its certificates, which officers sign with the header; a later form
is refused by its number. What a feed brings is staged beside the rows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.registry_authoring import feed_file, feed_judge, snapshot
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.feed import SqlFeed
from gateway.registry_authoring.feed_file import AgencyLine, FeedKind, FeedRefused, TrustLine
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.registry_authoring.feed_stage import LONGEST_CHAIN, PROBLEMS, FeedStage
from tests.support import feeds, pki
from tests.support.cases import Cases
from tests.support.clock import ManualClock

CODE = "Z91.01"
CERTIFICATE = pki.signer(CODE, "p256").certificate_der
LIST = [feeds.agency("Z91", "UBND tỉnh Sao Mai"), feeds.agency(CODE, "Sở Một", parent="Z91")]
FIRST, SECOND = feeds.officer("one"), feeds.officer("two")


def read(path: Path, raw: bytes) -> list[object]:
    path.write_bytes(raw)
    return list(feed_file.lines(path, feed_file.ends(path)))


def test_a_feed_of_another_form_or_digest_is_refused_with_its_reason(tmp_path: Path, cases: Cases) -> None:
    row = feeds.trust(CODE, CERTIFICATE)
    good = feeds.trust_feed([*LIST, row], officers=(FIRST, SECOND))
    assert len(read(tmp_path / "good.feed", good)) == 3
    lines = good.splitlines(keepends=True)
    officers = [line for line in lines if line.startswith(b'{"officer"')]
    other = feeds.trust(CODE, pki.signer("Z91.02", "p256").certificate_der)
    bad = {
        "a later form": (good.replace(b"lienthong-registry/2", b"lienthong-registry/3", 1), "FEED-VERSION"),
        "another digest": (feeds.trust_feed([*LIST, row], trust="0" * 64), "FEED-SIGNATURE"),
        "another count": (feeds.trust_feed([*LIST, row], trust_rows=2), "FEED-SIGNATURE"),
        "a proposal in form 2": (feeds.trust_feed([*LIST, feeds.proposal(CODE, CERTIFICATE)]), "FEED-FORM"),
        "a row of trust in form 1": (feeds.feed([*LIST, row]), "FEED-FORM"),
        "a digest in form 1": (feeds.feed(LIST, trust="0" * 64, trust_rows=0), "FEED-FORM"),
        "officers out of order": (
            b"".join([*lines[:-3], *reversed(officers), lines[-1]]),
            "FEED-FORM",
        ),
        "an officer twice": (b"".join([*lines[:-1], officers[-1], lines[-1]]), "FEED-FORM"),
        "no certificate": (
            feeds.trust_feed(
                [*LIST, TrustLine.model_construct(trust=CODE, kind="exchange", sha256="0" * 64)]
            ),
            "FEED-FORM",
        ),
        "two kinds": (
            feeds.trust_feed([*LIST, row, row.model_copy(update={"kind": "seal"})]),
            "FEED-ROWS",
        ),
        "another kind of word": (
            feeds.trust_feed([*LIST, other.model_copy(update={"kind": "Exchange"})]),
            "FEED-FORM",
        ),
    }
    for name, (raw, code) in bad.items():
        with cases.case(name):
            with pytest.raises(FeedRefused) as error:
                read(tmp_path / "bad.feed", raw)
            assert error.value.code == code


def test_an_officers_signature_belongs_to_one_header_one_key_and_its_time(tmp_path: Path) -> None:
    officer_ids = [sha256(officer) for officer in (FIRST, SECOND)]
    now, header = feeds.MADE_AT, b'{"a list"}\n'
    signed = [feed_judge.officer_line(header, officer) for officer in (FIRST, SECOND)]

    assert feed_judge.valid_officers(signed, header, officer_ids, (now,)) == tuple(sorted(officer_ids))
    assert feed_judge.valid_officers(signed, b'{"another"}\n', officer_ids, (now,)) == ()
    assert feed_judge.valid_officers(signed, header, officer_ids[:1], (now,)) == (officer_ids[0],)
    late = now + timedelta(days=5000)
    assert feed_judge.valid_officers(signed, header, officer_ids, (now, late)) == ()
    moved = signed[0].model_copy(update={"certificate": base64.b64encode(SECOND.certificate_der).decode()})
    assert feed_judge.valid_officers([moved], header, officer_ids, (now,)) == ()
    renewed = feeds.officer("one")  # another certificate of the same key is no second officer
    both = [signed[0], feed_judge.officer_line(header, renewed)]
    assert len(feed_judge.valid_officers(both, header, [officer_ids[0], sha256(renewed)], (now,))) == 1


def sha256(officer: pki.KeySigner) -> str:
    return feed_judge.officer_line(b"", officer).officer


async def test_an_exported_list_names_what_is_bound_and_what_was_revoked(
    room: FeedRoom, changes: SqlDirectoryChanges, clock: ManualClock, tmp_path: Path
) -> None:
    feed = SqlFeed(room)
    await changes.apply(await changes.plan_import(b"code,name\nZ91,A\nZ91.01,B\n"), "operator")
    await changes.bind(CODE, CERTIFICATE, pki.NOT_BEFORE, pki.NOT_AFTER, "an", "binh")
    older, newer, delta = (tmp_path / f"{name}.feed" for name in ("older", "newer", "delta"))
    first = await feed.export(older, feeds.ISSUER, with_trust=True)
    assert (first.format, first.trust_rows) == (feed_file.FORM_2, 1)
    clock.advance(60)
    await changes.unbind(CODE, pki_sha256(), reason="stolen")
    await feed.export_changes(delta, feeds.ISSUER, older, with_trust=True)
    await feed.export(newer, feeds.ISSUER, since=older, with_trust=True)

    for path, kind in ((newer, FeedKind.SNAPSHOT), (delta, FeedKind.CHANGES)):
        ends = feed_file.ends(path)
        (row,) = [line for line in feed_file.lines(path, ends) if isinstance(line, TrustLine)]
        assert (ends.header.kind, row.certificate, row.revoked_at) == (kind, None, clock.now())
    signed = snapshot.sign_as_officer(newer, FIRST)
    assert snapshot.sign_as_officer(newer, SECOND) == signed
    assert [o.officer for o in feed_file.ends(newer).officers] == sorted(map(sha256, (FIRST, SECOND)))
    assert [d.is_proposal for d in snapshot.differences(older, newer)] == [True]
    old_form = tmp_path / "old.feed"
    await feed.export(old_form, feeds.ISSUER)
    with pytest.raises(FeedRefused):
        snapshot.sign_as_officer(old_form, FIRST)


def pki_sha256() -> str:
    return feeds.trust(CODE, CERTIFICATE).sha256


CODES = [f"Z91.{n:02}" for n in range(8)]
edges = st.dictionaries(st.sampled_from(CODES), st.sampled_from(CODES))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[FeedStage]:
    with closing(FeedStage(tmp_path, is_snapshot=True)) as feed_stage:
        yield feed_stage


def chain(links: int) -> list[tuple[AgencyLine, str]]:
    codes = [f"Z91.{n:03}" for n in range(links + 1)]
    above = [None, *codes]
    return [(feeds.agency(code, parent=up), "") for code, up in zip(codes, above, strict=False)]


def test_a_chain_may_have_its_fifty_links_and_no_more(tmp_path: Path) -> None:
    for links, problems in ((LONGEST_CHAIN, 0), (LONGEST_CHAIN + 1, 1)):
        with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
            stage.put_feed(chain(links))
            assert len(stage.problems(4)) == problems


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parents=edges)
def test_circles_are_found_as_a_walk_finds_them(parents: dict[str, str], tmp_path: Path) -> None:
    def ends(code: str) -> bool:
        for _ in CODES:
            if code not in parents:
                return True
            code = parents[code]
        return False

    with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
        stage.put_feed((feeds.agency(code, parent=parents.get(code)), "") for code in CODES)
        circles = {text.split(":")[0] for text in stage.problems(4)}

    assert circles == {code for code in CODES if not ends(code)}


def test_a_circle_that_only_our_own_rows_make_does_not_stop_a_feed(stage: FeedStage) -> None:
    ours = [feeds.agency("Z95", successor="Z96"), feeds.agency("Z96", successor="Z95")]
    stage.put_base((row, False) for row in ours)
    stage.put_feed([(feeds.agency("Z91"), "")])

    assert stage.problems(4) == []


def test_an_alias_of_a_row_that_goes_may_go_to_another_and_one_of_our_own_may_not(tmp_path: Path) -> None:
    for goes, problems in ((True, []), (False, ["Z91 and Z92 share the alias A1"])):
        with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
            stage.put_base([(feeds.agency("Z91", alias="A1"), goes)])
            stage.put_feed([(feeds.agency("Z92", alias="A1"), "")])
            assert stage.problems(4) == problems


def test_what_is_told_of_one_feed_is_bounded(stage: FeedStage) -> None:
    stage.put_feed((feeds.agency(f"Z91.{n:04}", parent="Z95"), "") for n in range(2000))

    assert len(stage.problems(4)) == PROBLEMS


def test_more_certificates_than_a_code_may_have_are_a_problem(stage: FeedStage) -> None:
    rows = [feeds.proposal("Z91", bytes([n])) for n in range(3)]
    stage.put_feed([(feeds.agency("Z91"), ""), *((row, f"key {n}") for n, row in enumerate(rows))])

    assert stage.problems(2) == ["Z91: 3 certificates are proposed for it, at most 2"]
