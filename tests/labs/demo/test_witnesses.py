"""The demonstration's witnesses cosign a log that grows, and no other history of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway.domain.notes import Checkpoint, SignedCheckpoint, read_checkpoint
from gateway.domain.sealed_log import EMPTY_ROOT, leaf_hash
from gateway.domain.witness import WitnessRequest, read_witnesses
from gateway.http_calls import Bounds, post
from gateway.trust.note_keys import check_signature, open_log_signer
from gateway_labs.demo import stage
from gateway_labs.demo.witnesses import NAMES, witnessed

BOUNDS = Bounds(answer_bytes=10_000, seconds=10.0)


async def test_two_witnesses_cosign_growth_alone(tmp_path: Path) -> None:
    signer = open_log_signer(tmp_path, None, "ab")

    def request(root: bytes, size: int = 1, old: int = 0) -> tuple[SignedCheckpoint, bytes]:
        signed = signer.sign(Checkpoint(signer.keys[0].name, size, root), datetime.now(UTC))
        return signed, WitnessRequest(old_size=old, proof=(), signed=signed).to_text().encode()

    async with witnessed(stage.settings_for(tmp_path), tmp_path) as settings:
        addresses = read_witnesses(settings.log.witnesses)
        assert [address.name for address in addresses] == list(NAMES)
        for address in addresses:
            assert address.key is not None
            signed, text = request(leaf_hash(b"a"))
            status, body = await post(f"{address.url}/add-checkpoint", text, BOUNDS)
            (cosigned,) = read_checkpoint(f"{signed.checkpoint.to_text()}\n{body.decode()}").signatures
            check_signature(address.key, signed.checkpoint, cosigned)
            assert status == 200
            _, other = request(EMPTY_ROOT, old=1)
            assert (await post(f"{address.url}/add-checkpoint", other, BOUNDS))[0] == 409
            assert (await post(f"{address.url}/add-checkpoint", b"nothing", BOUNDS))[0] == 400
    async with witnessed(stage.settings_for(tmp_path), tmp_path) as settings:
        keys = [address.key for address in read_witnesses(settings.log.witnesses)]
        assert keys == [address.key for address in addresses], "the keys stay"
