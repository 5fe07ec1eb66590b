"""The promises of what waits for a worker in one agency: envelopes to send, packets that landed, jobs to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.identity import Digest
from gateway.domain.receipt import StatusPacket
from gateway.ports.rows import InboxItem, Job, Lease, OutboxItem, Page, Target, Told


class Outbox(Protocol):
    async def put(self, item: OutboxItem) -> None: ...

    async def get(self, id: str) -> OutboxItem: ...

    async def of_subject(self, subject_id: str) -> Sequence[OutboxItem]: ...

    async def sent(self, lease: Lease, at: datetime) -> None:
        """All targets settled. StaleLease when the lease is no longer ours."""

    async def retry(self, lease: Lease, not_before: datetime, targets: Sequence[Target], error: str) -> None:
        """Waits again with the recipients that remain. StaleLease as above."""

    async def failed(self, lease: Lease, at: datetime, error: str) -> None: ...

    async def signed_again(self, lease: Lease, item: OutboxItem) -> None:
        """The row has this envelope from now on, with what signed it. StaleLease as above."""

    async def cancel(self, id: str) -> bool:
        """True when it was still waiting and will now never be sent; False when a courier has it or had it."""

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[OutboxItem]: ...


class Inbox(Protocol):
    async def with_bytes(self, file_digest: Digest) -> InboxItem | None:
        """The packet that came with these bytes."""

    async def land(self, item: InboxItem, lease: Lease | None = None) -> InboxItem:
        """The row written before the axis is told; unique on (agency, file digest): the existing row when there. With a
        lease the row is held by whoever lands it, to settle it in the same unit of work."""

    async def get(self, id: str) -> InboxItem: ...

    async def settle(self, item: InboxItem, lease: Lease | None) -> None:
        """Writes state, code, reason, sender, document id, kind, needs, incoming id, steps. StaleLease when a lease is
        given and no longer ours; without one the row must be out of any live lease (a person's act), else Clash."""

    async def still_held(self, lease: Lease) -> None:
        """StaleLease when the row is another's by now, or at its end; in a writing unit of work it stays ours until that
        ends."""

    async def postpone(self, lease: Lease, not_before: datetime, error: str, *, counted: bool = True) -> None:
        """`counted`: this try counts among those after which a packet is no longer tried."""

    async def waiting_for(self, sender: str, document_id: str) -> Sequence[InboxItem]: ...

    async def reopen(self, id: str, *, told: Told | None = None, released: bool = False) -> None:
        """A waiting, held, quarantined, malformed or dropped row is landed again, to be verified from the start, its tries
        counted anew: by the words of another copy where given. `released`: a person lets it in. Clash in any other
        state."""

    async def also_told(self, id: str, told: Told) -> bool:
        """Another copy came with other words; they are kept for `try_next`. False when there is no more room for them."""

    async def try_next(self, lease: Lease) -> Told | None:
        """The words by which it was judged are false: landed again by those of the next copy, or None where no other
        came. StaleLease as above."""

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[InboxItem]: ...


class Jobs(Protocol):
    async def put(
        self,
        kind: str,
        subject_id: str,
        not_before: datetime | None = None,
        payload: StatusPacket | None = None,
    ) -> None:
        """Commits with the caller's transaction; the adapter turns `payload` to JSON and back."""

    async def done(self, lease: Lease) -> None:
        """StaleLease when another worker owns it now."""

    async def retry(self, lease: Lease, not_before: datetime, error: str) -> None: ...

    async def fail(self, job: Job, error: str) -> None:
        """It is kept with its error and never done. StaleLease when another worker owns it now."""

    async def cancel(self, kind: str, subject_id: str) -> bool:
        """True when a job not yet leased was removed."""

    async def error_of(self, subject_id: str) -> str | None: ...
