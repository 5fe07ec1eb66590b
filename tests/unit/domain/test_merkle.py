"""The tree over the log, held against a second implementation that follows the recursive words of RFC 6962 one by one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import sealed_log
from gateway.domain.sealed_log import GrowingTree, LeafSpan, TreeNode
from tests.support.cases import Cases
from tests.support.proofs import consistency_of, inclusion_of

MOST = 70
LEAVES = [sealed_log.leaf_hash(b"event %d" % n) for n in range(MOST)]
hashes = st.binary(min_size=32, max_size=32)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def half(count: int) -> int:
    """The largest power of two below it."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, over leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = half(len(leaves))
    return sha(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = half(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), mth(leaves[k:])]
    return [*path(index - k, leaves[k:]), mth(leaves[:k])]


def subproof(old: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if is_whole else [mth(leaves)]
    k = half(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], is_whole), mth(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), mth(leaves[:k])]


def test_leaves_and_nodes_are_hashed_with_their_marks_to_the_known_root() -> None:
    assert sealed_log.leaf_hash(b"x") == sha(b"\x00x")
    assert sealed_log.node_hash(b"a" * 32, b"b" * 32) == sha(b"\x01" + b"a" * 32 + b"b" * 32)
    assert sha(b"") == sealed_log.EMPTY_ROOT

    # Seven leaves of the test vectors that certificate-transparency logs share, and their root.
    bodies = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves = [sealed_log.leaf_hash(bytes.fromhex(body)) for body in bodies]

    assert (
        sealed_log.tree_root(leaves).hex()
        == "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
    )

    root = sealed_log.tree_root(LEAVES)

    assert sealed_log.proves_prefix(0, sealed_log.EMPTY_ROOT, MOST, root, ())
    assert not sealed_log.proves_prefix(0, LEAVES[0], MOST, root, ())
    assert sealed_log.proves_prefix(MOST, root, MOST, root, ())
    assert not sealed_log.proves_prefix(MOST, root, MOST, LEAVES[0], ())


def test_every_root_and_proof_is_the_reference_one_and_serves_for_nothing_else(cases: Cases) -> None:
    cases.check_rows(range(MOST + 1), _is_the_reference_one)

    cases.check_rows(range(2, 34), _serves_for_itself_alone)


def _is_the_reference_one(size: int) -> None:
    leaves = LEAVES[:size]
    root = sealed_log.tree_root(leaves)

    assert root == mth(leaves)
    for index in range(size):
        proof = inclusion_of(index, leaves)
        assert list(proof) == path(index, leaves)
        assert sealed_log.proves_inclusion(leaves[index], index, size, proof, root)
        assert not sealed_log.proves_inclusion(LEAVES[(index + 1) % MOST], index, size, proof, root)
    for old in range(1, size + 1):
        proof = consistency_of(old, leaves)
        assert list(proof) == subproof(old, leaves, True)
        assert sealed_log.proves_prefix(old, mth(leaves[:old]), size, root, proof)


def _serves_for_itself_alone(size: int) -> None:
    root = sealed_log.tree_root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_of(index, LEAVES[:size])
        for other in range(size):
            assert sealed_log.proves_inclusion(LEAVES[index], other, size, proof, root) == (other == index)
    for old in range(1, size):
        proof = consistency_of(old, LEAVES[:size])
        for other in range(1, size):
            old_root = sealed_log.tree_root(LEAVES[:other])
            assert sealed_log.proves_prefix(other, old_root, size, root, proof) == (other == old)


@given(size=st.integers(1, 300), data=st.data())
def test_a_changed_leaf_gives_another_root_and_no_consistency(size: int, data: st.DataObject) -> None:
    leaves = [sealed_log.leaf_hash(b"%d" % n) for n in range(size)]
    place = data.draw(st.integers(0, size - 1))
    changed = [*leaves]
    changed[place] = data.draw(hashes.filter(lambda h: h != leaves[place]))
    old = data.draw(st.integers(1, size))

    assert sealed_log.tree_root(changed) != sealed_log.tree_root(leaves)
    honest = consistency_of(old, changed)
    holds = sealed_log.proves_prefix(
        old, sealed_log.tree_root(leaves[:old]), size, sealed_log.tree_root(changed), honest
    )
    assert holds == (place >= old)


@given(size=st.integers(2, 200), data=st.data())
def test_a_proof_with_one_hash_changed_added_or_left_out_shows_nothing(
    size: int, data: st.DataObject
) -> None:
    leaves = [sealed_log.leaf_hash(b"%d" % n) for n in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    root = sealed_log.tree_root(leaves)
    inclusion = list(inclusion_of(index, leaves))
    consistency = list(consistency_of(old, leaves))

    def included(proof: list[bytes]) -> bool:
        return sealed_log.proves_inclusion(leaves[index], index, size, proof, root)

    def consistent(proof: list[bytes]) -> bool:
        return sealed_log.proves_prefix(old, sealed_log.tree_root(leaves[:old]), size, root, proof)

    for proof, holds in ((inclusion, included), (consistency, consistent)):
        at = data.draw(st.integers(0, len(proof) - 1))
        other = bytes([proof[at][0] ^ data.draw(st.integers(1, 255))]) + proof[at][1:]
        assert holds(proof)
        assert not holds([*proof[:at], other, *proof[at + 1 :]])
        assert not holds([*proof[:at], *proof[at + 1 :]])
        assert not holds([*proof, other])
        assert not holds([*proof[:at], proof[at][:31], *proof[at + 1 :]])


def test_what_no_log_has_is_never_proved_and_asking_for_it_is_an_error() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0), (0, 1 << 64)):
        assert not sealed_log.proves_inclusion(LEAVES[0], index, size, (), LEAVES[0])
    for old, new in ((-1, 3), (4, 3), (1, 1 << 64)):
        assert not sealed_log.proves_prefix(old, LEAVES[0], new, LEAVES[0], ())
    for index in (5, -1):
        with pytest.raises(ValueError, match="no leaf"):
            sealed_log.inclusion_spans(index, 5)
    with pytest.raises(ValueError, match="cannot begin"):
        sealed_log.consistency_spans(6, 5)


@given(st.integers(0, 400))
def test_a_tree_that_grows_completes_each_subtree_once(size: int) -> None:
    tree, hashes = GrowingTree(), {}
    for n in range(size):
        for node, hashed in tree.add(sealed_log.leaf_hash(b"%d" % n)):
            assert node not in hashes
            hashes[node] = hashed

    assert len(tree.peaks) == size.bit_count()
    assert set(hashes) == {TreeNode(level, place) for level in range(10) for place in range(size >> level)}
    complete = [hashes[node] for node in sealed_log.complete_subtrees(LeafSpan(0, size))]
    assert complete == tree.peaks
