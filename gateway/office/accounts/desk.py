"""What every act about accounts is handed: the ports, and the numbers of the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from gateway.office.policy.idle import IdleRules
from gateway.office.policy.password_rules import PasswordRules
from gateway.office.policy.session_rules import SessionRules
from gateway.office.policy.slowing import SlowRules
from gateway.office.ports.accounts import Accounts
from gateway.ports import Clock, Pool
from gateway.ports.deciding import SignInSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """Every number of accounts. `link` is how long a one-time code is good."""

    passwords: PasswordRules = field(default_factory=PasswordRules)
    sessions: SessionRules = field(default_factory=SessionRules)
    slow: SlowRules = field(default_factory=SlowRules)
    idle: IdleRules = field(default_factory=IdleRules)
    link: timedelta = timedelta(hours=72)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """Made once by the wiring; holds no state of its own."""

    accounts: Accounts
    secrets: SignInSecrets
    clock: Clock
    pool: Pool
    rules: AccountRules
