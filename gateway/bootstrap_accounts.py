"""Wires the accounts of persons: the numbers of the rules out of the settings, and the desk that every act is handed. In:
settings, the store. Out: the desk. Part of the wiring; nothing runs on import."""

from __future__ import annotations

from datetime import timedelta

from gateway.accounts.desk import AccountDesk, AccountRules
from gateway.domain.post import PostRole
from gateway.policy.idle import IdleRules
from gateway.policy.password_rules import PasswordRules
from gateway.policy.session_rules import SessionRules
from gateway.policy.slowing import SlowRules
from gateway.ports import Clock, Pool
from gateway.settings import Settings
from gateway.store.people_work import SqlAccounts
from gateway.store.store import SqlStore
from gateway.trust.person_secrets import PersonSecrets

_ADMINS = frozenset({PostRole.AGENCY_ADMIN, PostRole.OPERATOR, PostRole.CODES})
_SECOND_FACTOR = {
    "nobody": frozenset[PostRole](),
    "admins": _ADMINS,
    "clerks": _ADMINS | {PostRole.CLERK, PostRole.HEAD, PostRole.AUDITOR},
}


def desk(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> AccountDesk:
    """What pages, commands and the daily look at idle accounts work with."""
    return AccountDesk(
        accounts=SqlAccounts(store, clock),
        secrets=PersonSecrets(),
        clock=clock,
        pool=pool,
        rules=rules(settings),
    )


def rules(settings: Settings) -> AccountRules:
    """Every number as it was set."""
    set_ = settings.accounts
    return AccountRules(
        passwords=PasswordRules(
            least=set_.password_length, remembered=set_.password_history, age=_days(set_.password_days)
        ),
        sessions=SessionRules(
            idle=timedelta(minutes=set_.idle_min),
            whole=timedelta(hours=set_.session_h),
            second_factor=_SECOND_FACTOR[set_.second_factor],
        ),
        slow=SlowRules(
            by_name=set_.lock_after,
            lock=timedelta(minutes=set_.lock_min),
            by_address=set_.address_tries,
            forget=max(timedelta(hours=1), timedelta(minutes=set_.lock_min)),
        ),
        idle=IdleRules(
            warn=_days(set_.warn_days),
            suspend=_days(set_.suspend_days),
            withdraw_after=_days(set_.withdraw_days),
            lock_new=_days(set_.unused_days),
        ),
        link=timedelta(hours=set_.link_h),
    )


def _days(count: int) -> timedelta | None:
    return timedelta(days=count) if count else None
