"""What the axis said of further copies of a packet, and a person's release of it, in columns of their own; and which
DocumentIds a replacement that came in replaces, so that an original that comes after it is known.

Expand: two columns with defaults and a table. What earlier versions kept among the verdicts is brought over.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
phase = "expand"

_AGAIN, _RELEASED = "again:", "RELEASED"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("untried", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("inbox", sa.Column("released", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "replaced_document",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("sender_folded", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), primary_key=True),
        sa.Column("incoming_id", sa.String(), primary_key=True),
        sa.ForeignKeyConstraint(
            ["agency_id", "incoming_id"],
            ["incoming_document.agency_id", "incoming_document.id"],
            name="fk_replaced_document_incoming_id",
        ),
    )
    _opened_again()
    _replacements()


def _opened_again() -> None:
    """Rows that are on their way at this moment."""
    kept = ("transport_packet_id", "transport_kind", "transport_sender", "transport_node", "released")
    names = ("agency_id", "id", "state", "code", *kept)
    inbox = sa.table("inbox", *(sa.column(name) for name in names))
    marked = sa.or_(inbox.c.code == _RELEASED, inbox.c.code.startswith(_AGAIN, autoescape=True))
    found = op.get_bind().execute(
        sa.select(inbox.c.agency_id, inbox.c.id, inbox.c.code).where(inbox.c.state == "landed", marked)
    )
    for agency_id, id, code in found.all():
        if code == _RELEASED:
            values = {"released": sa.true()}
        else:
            told = json.loads(code.removeprefix(_AGAIN))
            values = {f"transport_{name}": told[name] for name in ("packet_id", "kind", "sender", "node")}
        this = sa.and_(inbox.c.agency_id == agency_id, inbox.c.id == id)
        op.get_bind().execute(sa.update(inbox).where(this).values(code=None, **values))


def _replacements() -> None:
    names = ("agency_id", "id", "sender_folded", "kind", "body")
    incoming = sa.table("incoming_document", *(sa.column(name) for name in names))
    replaced = sa.table(
        "replaced_document",
        *(sa.column(name) for name in ("agency_id", "sender_folded", "document_id", "incoming_id")),
    )
    asked = sa.select(incoming.c.agency_id, incoming.c.sender_folded, incoming.c.id, incoming.c.body)
    found = op.get_bind().execute(asked.where(incoming.c.kind == "replace"))
    rows = [
        {"agency_id": agency_id, "sender_folded": sender, "document_id": document_id, "incoming_id": id}
        for agency_id, sender, id, body in found.all()
        for document_id in {
            replaces[0] for replaces in (json.loads(body).get("change") or {}).get("replaces", ())
        }
    ]
    if rows:
        op.get_bind().execute(sa.insert(replaced), rows)
