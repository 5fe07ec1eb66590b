"""Wires keys and what persons decide: where keys lie, who may change what is trusted, and the loop that watches ends. In:
settings, the store. Out: keys that nothing has opened yet, the registry over its events, the desk of deciding. Part of the
wiring; nothing runs on import."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.deciding.desk import DecidingDesk
from gateway.ports import Clock, Keys, Pool, Trust
from gateway.registry.binding import SqlBindings
from gateway.registry.directory import SqlDirectory
from gateway.registry.imports import SqlImports
from gateway.registry.reforms import SqlReforms
from gateway.settings import Settings
from gateway.store.binding_log import SqlBindingLog
from gateway.store.decisions import SqlDecisions
from gateway.store.store import SqlStore
from gateway.trust.anchors import AnchorFile
from gateway.trust.keys import KeyDirectory
from gateway.trust.person_secrets import PersonSecrets
from gateway.workers.key_watch import KeyWatch

if TYPE_CHECKING:
    from gateway.trust.pkcs11_keys import TokenKeys


def exchange_keys(settings: Settings) -> KeyDirectory:
    """The keys of the agencies, in files and on the token where one is named."""
    password = settings.keys.password
    opened = password.reveal().encode() if password is not None else None
    return KeyDirectory(settings.keys.folder, opened, key_token(settings))


def key_token(settings: Settings) -> TokenKeys | None:
    """The token that new keys are made on; None where keys are files alone."""
    module, pin = settings.keys.pkcs11_module, settings.keys.pin
    if module is None:
        return None
    from gateway.trust.pkcs11_keys import TokenKeys
    from gateway.trust.pkcs11_token import Pkcs11Token

    return TokenKeys(Pkcs11Token(module, settings.keys.token, pin.reveal() if pin is not None else None))


def deciding(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> DecidingDesk:
    """What persons decide with."""
    log = SqlBindingLog(clock)
    return DecidingDesk(
        decisions=SqlDecisions(
            store,
            clock,
            lambda line, by: SqlBindings(line, clock, log, by),
            SqlReforms,
            lambda line: SqlImports(line, pool),
        ),
        secrets=PersonSecrets(),
        anchors=AnchorFile(settings.trust.folder / "ca.pem"),
        clock=clock,
        pool=pool,
        overlap=timedelta(days=settings.keys.overlap_days),
    )


def watch(store: SqlStore, bound: SqlDirectory, keys: Keys, trust: Trust, desk: DecidingDesk) -> KeyWatch:
    """The loop that tells of ends."""
    return KeyWatch(
        store=store, directory=bound, keys=keys, trust=trust, deciding=desk, clock=desk.clock, pool=desk.pool
    )
