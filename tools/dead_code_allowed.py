"""What nobody here calls by its name and is needed all the same: `path:name` or `path:kind name`, any
with *, and why."""

from __future__ import annotations

from typing import Final

ALLOWED: Final = {
    # others call it
    "gateway/edxml/*.py:*Handler": "expat calls them",
    "gateway/edxml/*.py:ordered_attributes": "a switch of expat",
    "gateway/edxml/*.py:buffer_*": "switches of expat",
    "gateway/edxml/*.py:standalone": "expat gives it",
    "*:model_config": "pydantic reads it",
    "gateway/store/migrations/versions/*:down_revision": "alembic reads it",
    "gateway/store/*tables*.py:class *Row": "a table: SQLModel registers it",
    "gateway/registry/*tables.py:class *Row": "a table: SQLModel registers it",
    "gateway/api/parts.py:part_reader_cls": "aiohttp makes parts of this class",
    "gateway/store/row.py:variable *": "SQLAlchemy reads them",
    "gateway/store/row.py:_among_*": "SQLAlchemy's compiler calls them",
    "gateway/store/row.py:_pairs_*": "SQLAlchemy's compiler calls them",
    "gateway/store/row.py:self_group": "SQLAlchemy asks it",
    "gateway/store/drivers.py:variable *": "SQLAlchemy reads them",
    "gateway/store/drivers.py:method *": "hooks of SQLAlchemy's dialect",
    "gateway/store/engine.py:is_disconnect": "SQLAlchemy reads it",
    "gateway/store/engine.py:proxy": "SQLAlchemy gives it",
    "gateway/api/app.py:output_size": "aiohttp's writer counts by it",
    "gateway/api/server.py:connection_made": "asyncio calls it",
    "gateway/office/web/pages/books.py:charset": "aiohttp writes it into the head",
    "gateway/office/web/late.py:kwargs": "aiohttp gives it",
    "gateway/office/web/late.py:method *": "promises of aiohttp's AbstractResource",
    "gateway/cli/command.py:__*__": "typer reads the signature of a command",
    "gateway/cli/operations.py:__*__": "typer reads the signature of a command",
    "gateway/cli/command.py:*_commands": "click calls them",
    "gateway_labs/hung.py:variable LABS": "the entry point names it",
    "gateway/office/book/table_files.py:compress_type": "zipfile reads it",
    "gateway/transport/amqp/connection.py:METHODS": "pamqp's table, changed in place",
    "gateway/trust/apart.py:dont_write_bytecode": "a switch of the interpreter",
    "gateway/trust/page_drawing/child.py:MAX_IMAGE_PIXELS": "Pillow asks it",
    "gateway/trust/pdf_signing/appearance.py:create_stamp": "pyHanko calls it",
    "gateway/trust/pdf_signing/appearance.py:variable *": "pyHanko reads and gives them",
    "gateway/trust/pdf_signing/signer.py:async_*": "pyHanko calls it",
    "gateway/trust/pdf_signing/signer.py:async_sign_raw": "pyHanko calls it",
    "gateway/trust/pdf_signing/signer.py:digest_algorithm": "pyHanko gives it",
    "gateway/trust/pdf_signing/signer.py:system_time": "pyHanko reads it",
    "gateway/trust/pdf_signing/appearance.py:name_IDs": "an option of fontTools' subsetter",
    "gateway/trust/asn1.py:attribute _reverse_map": "asn1crypto reads it",
    # promised to programs, or made from a value
    "gateway/api/*_view.py:variable *": "fields of the API's answers",
    "gateway/api/resources/*.py:variable *": "fields of the API's answers",
    "gateway/api/resources/*.py:function [a-z]*": "calls of the API: the table of routes has them by their decorator",
    "gateway_labs/sandbox/doors.py:variable *": "fields of the API's answers",
    "gateway/cli/command.py:no_args_is_help": "typer reads it",
    "gateway/cli/command.py:EN": "a value of --lang",
    "gateway/cli/main.py:variable *": "values of an argument",
    "gateway/cli/keys.py:P384": "a value of --kind",
    "gateway/edxml/envelope.py:variable *": "elements of the wire, read and written by their rows",
    "gateway/domain/document.py:TO_*": "roles of recipients, read by their values",
    "gateway/office/policy/signing_in.py:SECOND": "a value of a setting",
    "gateway/policy/outgoing.py:COURIER": "a value that a person chooses",
    "gateway/policy/verdict.py:SIGN_CROWDED": "said of the rule by `gateway sign`, which only warns",
    # columns: written and read by their tables' rows
    "gateway/*:variable saved_*": "columns that are kept with a value: they meet by name (`store.row`)",
    "gateway/*:variable trace_id": "the same",
    "gateway/*:variable closed_by": "the same",
    "gateway/*:variable noted_by": "the same",
    "gateway/*:variable published_by": "the same",
    "gateway/store/tables_office.py:set_at": "a column, written for who looks into the database",
    "gateway/store/tables_office.py:party_key": "a column, sorted by through its name",
    "gateway/store/tables_office.py:marked_*": "columns, written for who looks into the database",
    # promises of our own, which tests hold the code to
    "gateway/ports/axis.py:*": "what a kind of axis declares is compared by the contract suite",
    "gateway/edxml/schema.py:RULES": "every rule that a finding may name; findings are held to it",
    "gateway/store/tables.py:NODE_TABLES": "tables without an agency; every other one must have it",
    "gateway/store/tables.py:KEYED_BY_POSITION": "tables with a number as key; every other one has an id",
    "gateway/store/row.py:__call__": "making a row calls it",
    "gateway/workers/loop.py:__getitem__": "called by brackets",
}

# Of the package for document systems: what they call, and what a node says to them.
ALLOWED_IN_CLIENT: Final = {
    "gateway_client/shapes.py:variable *": "members of what a program and a node say",
    "gateway_client/client.py:method *": "the door; programs call it",
    "gateway_client/inbox.py:method save*": "a program's function calls them",
    "gateway_client/inbox.py:* failed": "a program reads it",
    "gateway_client/errors.py:attribute *": "a program reads them",
    "gateway_client/errors.py:variable suggest": "a program reads it",
    "gateway_client/line.py:timeout": "http.client reads it",
}
