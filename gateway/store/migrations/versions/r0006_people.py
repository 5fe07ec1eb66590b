"""Persons who decide, their proposals, the ends of our keys, who signed an envelope; and events of bindings made before.

Expand: new tables, a new column, and one event for each binding that is there: from now on a binding counts only when an
event tells of it.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
_EVENT = sa.table(
    "event",
    *(sa.column(name, sa.String()) for name in ("agency_id", "id", "kind")),
    sa.column("at", _WHEN),
    *(sa.column(name, sa.String()) for name in ("subject_id", "principal_id")),
    sa.column("data", sa.Text()),
)
_BINDING = sa.table(
    "agency_binding",
    *(
        sa.column(name, sa.String())
        for name in ("id", "code", "fingerprint", "state", "proposed_by", "approved_by")
    ),
    *(sa.column(name, _WHEN) for name in ("valid_from", "valid_to", "created_at")),
)


def upgrade() -> None:
    _people()
    _proposals()
    _keys()
    _carry_over(op.get_bind())


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("added_at", _WHEN, nullable=False),
        sa.Column("roles_by", sa.String(), nullable=False),
        sa.Column("roles_at", _WHEN, nullable=False),
        sa.Column("enrolled_at", _WHEN),
        sa.Column("blocked_at", _WHEN),
        sa.Column("code_digest", sa.String()),
        sa.Column("code_until", _WHEN),
        sa.Column("passphrase_hash", sa.Text()),
        sa.Column("sealed_totp", sa.Text()),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", _WHEN),
        sa.ForeignKeyConstraint(["id"], ["principal.id"], name="fk_person_principal"),
        sa.UniqueConstraint("folded", name="uq_person_name"),
    )


def _proposals() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", _WHEN, nullable=False),
        sa.Column("expires_at", _WHEN, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String()),
        sa.Column("decided_at", _WHEN),
        sa.ForeignKeyConstraint(["proposed_by"], ["person.id"], name="fk_proposal_person"),
    )
    op.create_index("ix_proposal_state", "proposal", ["state", "proposed_at", "id"])


def _keys() -> None:
    op.create_table(
        "key_end",
        sa.Column("agency_code", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), primary_key=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("stolen_since", _WHEN),
        sa.Column("by_principal", sa.String(), nullable=False),
    )
    op.create_table(
        "key_notice",
        sa.Column("fingerprint", sa.String(), primary_key=True),
        sa.Column("days", sa.Integer(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
    )
    op.add_column("outbox", sa.Column("signed_by", sa.String()))
    op.create_index("ix_outbox_signed_by", "outbox", ["signed_by", "created_at"])


def _carry_over(connection: sa.Connection) -> None:
    """Bindings that two named people made before persons signed in here."""
    for row in connection.execute(sa.select(_BINDING).order_by(_BINDING.c.created_at, _BINDING.c.id)).all():
        said = {
            "code": row.code,
            "fingerprint": row.fingerprint,
            "valid_from": _text(row.valid_from),
            "valid_to": _text(row.valid_to),
        }
        by = {"proposed_by": row.proposed_by, "approved_by": row.approved_by, "carried_over": True}
        told = [("binding.approved", said | by)]
        if row.state == "withdrawn":
            told.append(("binding.withdrawn", said | {"carried_over": True}))
        for n, (kind, data) in enumerate(told):
            connection.execute(
                sa.insert(_EVENT).values(
                    agency_id="",
                    id=f"evt_{row.id}{n}",
                    kind=kind,
                    at=row.created_at,
                    subject_id=f"binding:{row.code}",
                    principal_id="node",
                    data=json.dumps(data, ensure_ascii=False),
                )
            )


def _text(at: datetime | None) -> str | None:
    """SQLite keeps no zone: what is stored is UTC."""
    if at is None:
        return None
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)).isoformat()
