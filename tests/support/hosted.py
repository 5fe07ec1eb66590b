"""Changes what is known of a hosted agency, past the application. In: the accounts of a
store, the agency. Out: nothing; it is written."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from gateway.domain.account import HostedAgency
from gateway.store.accounts import HostedAccounts, to_hosted_row
from gateway.store.tables_node import HostedAgencyRow


async def save_hosted(accounts: HostedAccounts, agency: HostedAgency) -> None:
    values = to_hosted_row(agency).values("id")
    async with accounts._writing() as tx:
        await tx.change(update(HostedAgencyRow).where(col(HostedAgencyRow.id) == agency.id).values(**values))
        await tx.commit()
