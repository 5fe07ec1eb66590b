"""The part of the wiring that seals the log of events. In: settings, the log, the tools. Out: the sealer of this process,
and the gate that holds intake back where a timestamp is demanded."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.policy.sealing import Rhythm
from gateway.ports import Clock, Pool
from gateway.ports.log import EventLog
from gateway.settings import Settings
from gateway.trust import publishing, seal_key, timestamp
from gateway.trust.bounded_http import Bounds, parsed
from gateway.workers.gate import StampGate
from gateway.workers.sealer import Sealer


def gate(settings: Settings, events: EventLog, clock: Clock) -> StampGate:
    return StampGate(log=events, clock=clock, most=timedelta(hours=settings.log.require_timestamp_h))


def sealer(settings: Settings, events: EventLog, clock: Clock, pool: Pool) -> Sealer:
    """What seals the log. Misconfigured when a timestamp authority is set and nothing says whom to trust for time."""
    told, folder, password = settings.log, settings.log.publish_folder, settings.keys.password
    return Sealer(
        log=events,
        open_key=partial(
            seal_key.open_key,
            settings.keys.folder,
            password.reveal().encode() if password is not None else None,
        ),
        clock=clock,
        pool=pool,
        rhythm=Rhythm(
            seal=timedelta(seconds=told.seal_every_s),
            stamp=timedelta(seconds=told.tsa_every_s),
            publish=timedelta(hours=told.publish_every_h),
        ),
        authority=_authority(settings) if told.tsa_url else None,
        publish=partial(publishing.put, folder) if folder is not None else None,
    )


def _authority(settings: Settings) -> timestamp.TimestampAuthority:
    parsed(settings.log.tsa_url)
    return timestamp.TimestampAuthority(
        url=settings.log.tsa_url,
        roots=timestamp.read_roots(settings.trust.folder / "tsa" / "ca.pem"),
        bounds=Bounds(answer_bytes=timestamp.BOUNDS.answer_bytes, seconds=settings.log.tsa_timeout_s),
    )
