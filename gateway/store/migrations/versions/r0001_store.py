"""The first tables: accounts, documents, register, queues, content and events.

Expand: there is nothing before it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
phase = "expand"


def upgrade() -> None:
    _accounts()
    _outgoing()
    _incoming()
    _register()
    _queues()
    _content()
    _history()


def _accounts() -> None:
    """Who is hosted and who may act."""
    op.create_table(
        "hosted_agency",
        _text("id"),
        _text("code"),
        _long("body"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code", name="uq_hosted_agency_code"),
    )
    op.create_table(
        "principal",
        _text("id"),
        _text("kind"),
        _text("name"),
        _text("owner"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "name", "owner", name="uq_principal_name"),
    )
    op.create_table(
        "api_key",
        _text("id"),
        _text("principal_id"),
        _text("scopes"),
        _text("secret_hash"),
        _when("created_at"),
        _when("expires_at", null=True),
        _when("revoked_at", null=True),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_api_key_principal"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash", name="uq_api_key_secret"),
    )
    op.create_table(
        "api_key_agency",
        _text("agency_id"),
        _text("key_id"),
        _agency("api_key_agency"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_key_agency_key"),
        sa.PrimaryKeyConstraint("agency_id", "key_id"),
    )


def _outgoing() -> None:
    """The outgoing book and what is known of each recipient."""
    op.create_table(
        "outgoing_document",
        _text("agency_id"),
        _text("id"),
        _text("kind"),
        _text("packet_id"),
        _text("document_id"),
        _text("parent_id", null=True),
        _text("external_id", null=True),
        _text("state"),
        _text("number"),
        _text("symbol"),
        _day("issued_on", null=True),
        _when("created_at"),
        _int("version"),
        _long("folded"),
        _long("body"),
        _within("fk_outgoing_document_parent_id", "parent_id", "outgoing_document"),
        _agency("outgoing_document"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
        sa.UniqueConstraint("agency_id", "external_id", name="uq_outgoing_external_id"),
        sa.UniqueConstraint("agency_id", "packet_id", name="uq_outgoing_packet_id"),
    )
    op.create_index("ix_outgoing_created", "outgoing_document", ["agency_id", "created_at", "id"])
    op.create_index("ix_outgoing_document_id", "outgoing_document", ["agency_id", "document_id"])
    op.create_index("ix_outgoing_parent", "outgoing_document", ["agency_id", "parent_id"])
    op.create_index("ix_outgoing_state", "outgoing_document", ["agency_id", "state", "created_at"])
    op.create_table(
        "delivery",
        _text("agency_id"),
        _text("id"),
        _text("document_id"),
        _int("attempt"),
        _int("position"),
        _text("code"),
        _text("state"),
        _when("updated_at"),
        _long("recipient"),
        _long("marks"),
        _within("fk_delivery_document_id", "document_id", "outgoing_document"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
    )
    op.create_index("ix_delivery_document", "delivery", ["agency_id", "document_id", "state"])
    op.create_index("ix_delivery_state", "delivery", ["agency_id", "state"])
    op.create_table(
        "fact",
        _text("agency_id"),
        _text("subject_id"),
        _text("key"),
        _text("track"),
        _text("code"),
        _when("at"),
        _long("body"),
        _agency("fact"),
        sa.PrimaryKeyConstraint("agency_id", "subject_id", "key"),
    )


def _incoming() -> None:
    """Admitted documents, their hand-over, and what was admitted before."""
    op.create_table(
        "incoming_document",
        _text("agency_id"),
        _text("id"),
        _text("inbox_id"),
        _text("kind"),
        _text("sender_code"),
        _text("sender_folded"),
        _text("document_id"),
        _text("packet_id", null=True),
        _text("state"),
        _text("number"),
        _text("symbol"),
        _day("issued_on", null=True),
        _when("arrived_at"),
        _int("version"),
        _long("folded"),
        _long("body"),
        _agency("incoming_document"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
    )
    op.create_index("ix_incoming_arrived", "incoming_document", ["agency_id", "arrived_at", "id"])
    op.create_index("ix_incoming_document_id", "incoming_document", ["agency_id", "document_id"])
    op.create_index("ix_incoming_state", "incoming_document", ["agency_id", "state", "arrived_at"])
    op.create_table(
        "handover",
        _text("agency_id"),
        _text("incoming_id"),
        _text("state"),
        _when("offered_at"),
        _text("leased_by", null=True),
        _when("leased_until", null=True),
        _when("acked_at", null=True),
        _within("fk_handover_incoming_id", "incoming_id", "incoming_document"),
        sa.PrimaryKeyConstraint("agency_id", "incoming_id"),
    )
    op.create_index("ix_handover_state", "handover", ["agency_id", "state", "offered_at"])
    op.create_table(
        "identity",
        _text("agency_id"),
        _text("sender"),
        _text("body_digest"),
        _text("kind"),
        _text("packet_id", null=True),
        _text("document_id", null=True),
        _text("inbox_id"),
        _text("incoming_id", null=True),
        _when("at"),
        _agency("identity"),
        sa.PrimaryKeyConstraint("agency_id", "sender", "body_digest"),
        sa.UniqueConstraint("agency_id", "sender", "packet_id", name="uq_identity_packet"),
    )
    op.create_index("ix_identity_document", "identity", ["agency_id", "sender", "document_id"])


def _register() -> None:
    """The document register."""
    op.create_table(
        "register_counter",
        _text("agency_id"),
        _text("book"),
        _int("year"),
        _int("last"),
        _agency("register_counter"),
        sa.PrimaryKeyConstraint("agency_id", "book", "year"),
    )
    op.create_table(
        "register_entry",
        _text("agency_id"),
        _text("incoming_id"),
        _text("book"),
        _int("year"),
        _text("number"),
        _when("entered_at"),
        _within("fk_register_entry_incoming_id", "incoming_id", "incoming_document"),
        sa.PrimaryKeyConstraint("agency_id", "incoming_id"),
        sa.UniqueConstraint("agency_id", "book", "year", "number", name="uq_register_number"),
    )


def _queues() -> None:
    """What workers claim."""
    op.create_table(
        "outbox",
        *_lease(),
        _text("agency_id"),
        _text("id"),
        _text("packet_id"),
        _text("kind"),
        _text("sender_code"),
        _text("lane"),
        _text("envelope_digest"),
        _big("envelope_size"),
        _long("targets"),
        _text("subject_id"),
        _when("created_at"),
        _text("state"),
        _when("settled_at", null=True),
        _agency("outbox"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
    )
    op.create_index("ix_outbox_created", "outbox", ["agency_id", "created_at", "id"])
    op.create_index("ix_outbox_state", "outbox", ["state", "created_at"])
    op.create_index("ix_outbox_subject", "outbox", ["agency_id", "subject_id"])
    op.create_table(
        "inbox",
        *_lease(),
        _text("agency_id"),
        _text("id"),
        _text("file_digest"),
        _big("size"),
        _when("received_at"),
        _text("transport_packet_id"),
        _text("transport_kind"),
        _text("transport_sender"),
        _text("lane"),
        _text("state"),
        _text("code", null=True),
        _long("reason", null=True),
        _text("sender_code", null=True),
        _text("document_id", null=True),
        _text("kind", null=True),
        _text("needs_sender", null=True),
        _text("needs_document_id", null=True),
        _text("incoming_id", null=True),
        _long("steps"),
        _when("settled_at", null=True),
        _agency("inbox"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
        sa.UniqueConstraint("agency_id", "file_digest", name="uq_inbox_file_digest"),
    )
    op.create_index("ix_inbox_needs", "inbox", ["agency_id", "needs_document_id"])
    op.create_index("ix_inbox_received", "inbox", ["agency_id", "received_at", "id"])
    op.create_index("ix_inbox_state", "inbox", ["state", "received_at"])
    op.create_table(
        "job",
        *_lease(),
        _text("agency_id"),
        _text("id"),
        _text("kind"),
        _text("subject_id"),
        _when("created_at"),
        _long("payload", null=True),
        _agency("job"),
        sa.PrimaryKeyConstraint("agency_id", "id"),
    )
    op.create_index("ix_job_kind", "job", ["kind", "created_at"])
    op.create_index("ix_job_subject", "job", ["agency_id", "subject_id"])


def _content() -> None:
    """Which content is kept, and for whom."""
    op.create_table(
        "blob", _text("digest"), _big("size"), _when("stored_at"), sa.PrimaryKeyConstraint("digest")
    )
    op.create_table(
        "blob_ref",
        _text("agency_id"),
        _text("owner_kind"),
        _text("owner_id"),
        _text("digest"),
        _agency("blob_ref"),
        sa.ForeignKeyConstraint(["digest"], ["blob.digest"], name="fk_blob_ref_blob"),
        sa.PrimaryKeyConstraint("agency_id", "owner_kind", "owner_id", "digest"),
    )
    op.create_index("ix_blob_ref_digest", "blob_ref", ["digest"])


def _history() -> None:
    """The stream of events, and the answers to repeated requests."""
    op.create_table(
        "event",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        _text("agency_id"),
        _text("id"),
        _text("kind"),
        _when("at"),
        _text("subject_id"),
        _text("principal_id"),
        _long("data"),
        _big("node_seq", null=True),
        _big("agency_seq", null=True),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("agency_id", "agency_seq", name="uq_event_agency_seq"),
        sa.UniqueConstraint("agency_id", "id", name="uq_event_id"),
        sa.UniqueConstraint("node_seq", name="uq_event_node_seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_subject", "event", ["agency_id", "subject_id"])
    op.create_table("event_counter", _text("agency_id"), _big("last"), sa.PrimaryKeyConstraint("agency_id"))
    op.create_table(
        "idempotency",
        _text("agency_id"),
        _text("owner"),
        _text("key"),
        _text("digest"),
        _when("created_at"),
        _when("until"),
        _int("status", null=True),
        _long("body", null=True),
        _agency("idempotency"),
        sa.PrimaryKeyConstraint("agency_id", "owner", "key"),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"])


def _lease() -> list[sa.Column[Any]]:
    """What rows that workers claim have in common."""
    until = [_text("lease_token", null=True), _when("lease_until", null=True)]
    return [_int("attempts"), _when("not_before", null=True), _long("last_error", null=True), *until]


def _agency(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name=f"fk_{table}_agency")


def _within(name: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """The same agency on both sides."""
    there = [f"{target}.agency_id", f"{target}.id"]
    return sa.ForeignKeyConstraint(["agency_id", column], there, name=name)


def _text(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=null)


def _long(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=null)


def _big(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _when(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _day(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Date(), nullable=null)
