"""Common parts of every table of the store: conversion between domain values and rows, and column types that are the same
on both databases. In and out: domain values; nothing here depends on a single table.

A field is stored in the column of its name: an enumeration by its value, a value with parts as JSON text. Where names
differ, the caller passes these columns explicitly. Rows are never changed by assignment. Moments are stored in UTC."""

from __future__ import annotations

import json
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, lru_cache, partial
from operator import attrgetter, getitem
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Select,
    Table,
    Text,
    TextClause,
    Update,
    and_,
    bindparam,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel
from sqlmodel.main import FieldInfo, get_column_from_field

_CAPITAL = re.compile("(?<!^)(?=[A-Z])")
_INDEXES = "indexes"
# Types of columns by the annotation of a field, each also with `| None`.
_COLUMN_TYPES: dict[str, type] = {kind.__name__: kind for kind in (str, int, bool, bytes, date, datetime)}
_OR_NONE = " | None"
_new = object.__new__
T = TypeVar("T")
# Converts one value. Any: the types of the field and of its column.
_Convert = Callable[[Any], Any]
# How rows become values: the dataclass whose fields are the columns, or a function of a row.
Kind = type[T] | Callable[[Any], T]
_PLAIN_TYPES = (str, int, float, bool, bytes, date, datetime)
_WITHOUT_ZONE = len("2026-01-31 00:00:00.000000")
_PAIR = ("agency_id", "id")


class DeclaredIndex(NamedTuple):
    """Index that a table declares: names of columns, with `DESC` after a descending one. Only `with_indexes` creates it,
    for tests that compare the schema; a running node needs no objects for the indexes that its database has."""

    name: str
    columns: tuple[str, ...]
    condition: TextClause | None = None
    unique: bool = False


def index(name: str, *columns: str, unique: bool = False) -> DeclaredIndex:
    """Return the declaration of an index over all rows of a table."""
    return DeclaredIndex(name, columns, unique=unique)


def partial_index(name: str, condition: TextClause, *columns: str) -> DeclaredIndex:
    """Return the declaration of an index over the rows that meet the condition."""
    return DeclaredIndex(name, columns, condition)


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class TableClass(type):
    """Metaclass that creates a class's table from SQLModel's fields without an ORM mapper and without a model of pydantic:
    rows need no session and are never validated, and the mappers and models of a hundred and twenty classes would take a
    twentieth each of an idle node's memory and of its start."""

    # Any, here and below: as in every metaclass.
    def __new__(
        cls, name: str, bases: tuple[type[Any], ...], body: dict[str, Any], *, table: bool = False
    ) -> Any:
        row_class: Any = super().__new__(cls, name, bases, body)
        fields = dict(ChainMap(*(getattr(base, "fields", {}) for base in bases))) | _fields_of(body)
        if table:
            _add_table(row_class, fields, body["__tablename__"], body.get("__table_args__", ()))
            row_class.defaults = {key: field.default for key, field in fields.items()}
        else:
            row_class.fields = fields
        return row_class

    def __clause_element__(cls) -> Table:
        """Return the table, so that SQLAlchemy's statements may name the class instead."""
        row_class: Any = cls
        table: Table = row_class.__table__
        return table


def _fields_of(body: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """Return the fields that the body of a class declares, by name. A plain value is a default."""
    fields: dict[str, FieldInfo] = {}
    for name, annotation in body.get("__annotations__", {}).items():
        if annotation.startswith("ClassVar"):
            continue
        declared = body.get(name, PydanticUndefined)
        field: Any = declared if isinstance(declared, FieldInfo) else Field(default=declared)
        kind = _COLUMN_TYPES[annotation.removesuffix(_OR_NONE)]
        field.annotation = kind | None if annotation.endswith(_OR_NONE) else kind
        fields[name] = field
    return fields


def _add_table(row_class: Any, fields: dict[str, FieldInfo], name: str, arguments: Sequence[Any]) -> None:
    """Create the table of a row class and set its columns as class attributes; every time is a `Moment`. Any: a
    class under construction, and any argument of a table."""
    columns = {key: get_column_from_field(field) for key, field in fields.items()}
    for key, column in columns.items():
        column.name = column.key = key
        if fields[key].annotation in (datetime, datetime | None):
            column.type = Moment()
        setattr(row_class, key, column)
    indexes = [argument for argument in arguments if isinstance(argument, DeclaredIndex)]
    options = [argument for argument in arguments if isinstance(argument, dict)]
    constraints = [argument for argument in arguments if not isinstance(argument, DeclaredIndex | dict)]
    row_class.__table__ = Table(
        name,
        row_class.metadata,
        *columns.values(),
        *constraints,
        info={_INDEXES: indexes},
        **ChainMap(*options),
    )


def with_indexes(metadata: MetaData) -> MetaData:
    """Create the indexes that the tables declare, and return the metadata."""
    for table in metadata.tables.values():
        for name, columns, condition, unique in table.info.pop(_INDEXES, ()):
            parts = [column.split() for column in columns]
            ordered = [table.c[key].desc() if down else table.c[key] for key, *down in parts]
            Index(name, *ordered, unique=unique, postgresql_where=condition, sqlite_where=condition)
    return metadata


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class _RowClass(TableClass):
    """Metaclass whose rows are made of the values of all columns, with the defaults of those that have one."""

    def __new__(cls, name: str, bases: tuple[type[Any], ...], body: dict[str, Any], **words: Any) -> Any:
        table = body.setdefault("__tablename__", _CAPITAL.sub("_", name.removesuffix("Row")).lower())
        if words.get("table") and any(getattr(base, "is_of_agency", False) for base in bases):
            agency = ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name=f"fk_{table}_agency")
            body["__table_args__"] = (agency, *body.get("__table_args__", ()))
        return super().__new__(cls, name, bases, body, **words)

    def __call__(cls, **values: Any) -> Any:
        kind: Any = cls
        names, defaults = _columns(kind)
        row = _new(kind)
        attributes = row.__dict__
        attributes |= defaults
        attributes |= values
        if attributes.keys() != names:
            raise _wrong(kind, attributes.keys() ^ names)
        return row


class Row(metaclass=_RowClass):
    """Row of a database table. Its constructor takes the values of all columns without a default. The table is named like
    the class in snake case without `Row` (`BlobRefRow`: `blob_ref`), unless the class sets `__tablename__`."""

    metadata: ClassVar[MetaData] = SQLModel.metadata
    defaults: ClassVar[dict[str, Any]]
    __tablename__: ClassVar[str]
    __table__: ClassVar[Table]

    @classmethod
    def from_value(cls, value: object, **other: Any) -> Self:
        """Return a row with the fields of a domain value as its columns of the same names, and the `other` columns."""
        kind: Any = type(value)
        names, take, converters = _column_reader(cls, kind, tuple(other))
        row = _new(cls)
        attributes = row.__dict__
        attributes |= zip(names, take(value), strict=True)
        attributes |= other
        for name, convert in converters:
            if attributes[name] is not None:
                attributes[name] = convert(attributes[name])
        return row

    def key_values(self) -> dict[str, Any]:
        """Return the values of the columns of the primary key."""
        return {column.name: getattr(self, column.name) for column in self.__table__.primary_key}

    def values(self, *but: str) -> dict[str, Any]:
        """Return the values of all columns by name, except the columns `but`."""
        columns = dict(self.__dict__)
        for name in but:
            del columns[name]
        return columns

    def change(self, **values: Any) -> None:
        """Set values of columns before the row is written."""
        self.__dict__.update(values)


class OfAgency(Row):
    """Row of a hosted agency: its key begins with the agency, which is a foreign key."""

    is_of_agency: ClassVar[bool] = True

    agency_id: str = Field(primary_key=True)


class ThingOfAgency(OfAgency):
    """Row of a hosted agency whose key is the agency and an id."""

    id: str = Field(primary_key=True)


def _wrong(cls: type[Row], names: Iterable[str]) -> TypeError:
    return TypeError(
        f"{cls.__name__} is made of all its columns and of nothing else; look at {', '.join(sorted(names))}"
    )


def value_of(kind: type[T], row: object, **other: Any) -> T:
    """Return a dataclass value with the columns of a row as its fields of the same names, and the `other` fields."""
    cls: Any = kind
    names, take, converters = _field_reader(cls, tuple(other))
    field_values = dict(zip(names, take(row), strict=True))
    for name, convert in converters:
        if field_values[name] is not None:
            field_values[name] = convert(field_values[name])
    return kind(**field_values, **other)


def reader_of(kind: Kind[T]) -> Callable[[Any], T]:
    """Return the function that makes a value of that kind of a row."""
    return partial(value_of, kind) if isinstance(kind, type) else kind


def equal(table: type[Row], /, *conditions: ColumnElement[bool], **values: object) -> ColumnElement[bool]:
    """Return the condition that columns of a table have these values, and that the row meets the conditions."""
    return and_(*(getattr(table, name) == value for name, value in values.items()), *conditions)


def same(column: Any, other_column: Any) -> ColumnElement[bool]:
    """Return the condition that two columns are equal in rows of the same agency. Any: columns of two tables."""
    return and_(column.table.c.agency_id == other_column.table.c.agency_id, column == other_column)


@cache
def update_by_key(table: type[Row]) -> Update:
    """Return the update of the row with the primary key in the parameters `at_` and the name of each of its columns."""
    return update(table).where(*(c == bindparam(f"at_{c.name}") for c in table.__table__.primary_key))


def within(table: str, column: str, target: str) -> ForeignKeyConstraint:
    """Return a foreign key from `column` to the id of a row in the table `target` of the same agency."""
    return ForeignKeyConstraint(
        ["agency_id", column], [f"{target}.agency_id", f"{target}.id"], name=f"fk_{table}_{column}"
    )


class _AttributeReader(NamedTuple):
    """Reader of an object's attributes by name, with converters for those that are stored in another form."""

    names: tuple[str, ...]
    take: Callable[[object], tuple[Any, ...]]
    converters: tuple[tuple[str, _Convert], ...]

    @classmethod
    def by(cls, names: Iterable[str], by_name: Mapping[str, _Convert]) -> Self:
        keys = tuple(names)
        converters = tuple((name, by_name[name]) for name in keys if name in by_name)
        if len(keys) > 1:
            return cls(keys, attrgetter(*keys), converters)
        return cls(keys, lambda source: tuple(getattr(source, name) for name in keys), converters)


@cache
def _column_reader(cls: type[Row], kind: type, other: tuple[str, ...]) -> _AttributeReader:
    """Return the reader that takes the columns of `cls`, except the `other` ones, from a value of type `kind`."""
    columns, _ = _columns(cls)
    if unknown := {*other} - columns:
        raise _wrong(cls, unknown)
    return _AttributeReader.by((name for name in columns if name not in other), _converters(kind)[1])


@cache
def _field_reader(kind: Any, other: tuple[str, ...]) -> _AttributeReader:
    """Return the reader that takes the fields of the dataclass `kind`, except the `other` ones, from a row. Any: there is
    no type for a dataclass."""
    return _AttributeReader.by(
        (field.name for field in fields(kind) if field.name not in other), _converters(kind)[0]
    )


class _Members(dict[Any, Any]):
    """Members of an enumeration by their values: a lookup costs less than calling the enumeration."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__((member.value, member) for member in kind)
        self._kind = kind

    def __missing__(self, value: object) -> Enum:
        """Return the member of a value by calling the enumeration: it combines flags, or raises ValueError."""
        return self._kind(value)


@cache
def _converters(kind: Any) -> tuple[dict[str, _Convert], dict[str, _Convert]]:
    """Return converters for reading and for writing, by field, of a dataclass's fields that columns store otherwise."""
    reads, writes = dict[str, _Convert](), dict[str, _Convert]()
    for name, hint in get_type_hints(kind).items() if is_dataclass(kind) else ():
        is_union = get_origin(hint) in (Union, UnionType)
        parts = [part for part in get_args(hint) if part is not NoneType] if is_union else [hint]
        plain: Any = parts[0] if len(parts) == 1 else hint
        is_class = get_origin(plain) is None
        if is_class and issubclass(plain, Enum):
            reads[name] = partial(getitem, _Members(plain))
            # The same as `value`, without its call.
            writes[name] = str.__str__ if issubclass(plain, str) else attrgetter("value")
        elif is_class and issubclass(plain, str) and plain is not str:
            reads[name] = plain
        elif plain not in _PLAIN_TYPES:
            reads[name], writes[name] = partial(from_json, plain), partial(to_json, plain)
    return reads, writes


@cache
def _columns(cls: type[Row]) -> tuple[KeysView[str], dict[str, Any]]:
    """Return the names of all columns, and the default values of those that have one."""
    defaults = {name: default for name, default in cls.defaults.items() if default is not PydanticUndefined}
    return cls.defaults.keys(), defaults


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise TypeError(f"a stored time must be aware, and {moment.isoformat()} has no zone")
    return moment.astimezone(UTC)


def _from_stored(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# Cached, because a third of the statements write or read a moment, and a unit of work has the same moment in several rows.
@lru_cache(maxsize=1024)
def _to_text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    at = moment if moment.tzinfo is UTC else _in_utc(moment)
    return at.isoformat(" ", "microseconds")[:_WITHOUT_ZONE]


@lru_cache(maxsize=1024)
def _from_text(text: str | None) -> datetime | None:
    return None if text is None else _from_stored(datetime.fromisoformat(text))


class Moment(TypeDecorator[datetime]):
    """Column type of an aware datetime. It is stored in UTC; SQLite stores no zone, so its values are read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Return the function that converts values for the driver; for SQLite one that writes the text directly. Any: the
        type that the driver takes."""
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Return the function that converts the driver's values; for SQLite one that reads the text directly."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _from_stored(value)


def one_of(column: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that the column is one of these fixed texts. SQLAlchemy would render the list of an IN again at
    each call, an OR only once. Any: a column, of the table's class or of the table."""
    return or_(*(column == text for text in texts))


def one_of_literals(column: Any, *texts: str) -> ColumnElement[bool]:
    """Return the condition that the column is one of these texts, which stand in the statement as literals: for a parameter
    no database sees that a partial index serves. Any: as above."""
    literals: list[ColumnElement[str]] = [
        literal_column("'" + text.replace("'", "''") + "'") for text in texts
    ]
    condition: ColumnElement[bool] = column == literals[0] if len(literals) == 1 else column.in_(literals)
    return condition


class _List(TypeDecorator[Sequence[Any]]):
    """Parameter type of a list of texts, of whole numbers or of pairs of texts, which is passed as one JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Among(FunctionElement[bool]):
    """SQL condition that a column is one of the texts of a `_List`."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> _Among:
        """Return the condition unchanged: SQLAlchemy would append `= 1`, so that no index would be used."""
        return self


# Any, below: a compiler of the library, which has no narrower public type.
@compiles(_Among)
def _among_on_sqlite(function: Any, compiler: Any, **words: Any) -> str:
    column, texts = (compiler.process(clause, **words) for clause in function.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"  # noqa: S608 - our words


@compiles(_Among, "postgresql")
def _among_on_server(function: Any, compiler: Any, **words: Any) -> str:
    """Compile to a comparison with an array, for which the server uses the column's index. From a function it would expect
    a hundred rows, and scan a small table instead."""
    column, texts = (compiler.process(clause, **words) for clause in function.clauses)
    return f"({column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({texts} AS JSON)))))"


class JsonField(FunctionElement[str]):
    """SQL text of one field of a column with JSON. Call it with the column and the field's name as `literal_column`."""

    type = Text()
    inherit_cache = True


@compiles(JsonField)
def _json_field_on_sqlite(function: Any, compiler: Any, **words: Any) -> str:
    column, name = (compiler.process(clause, **words) for clause in function.clauses)
    return f"json_extract({column}, '$.{name}')"


@compiles(JsonField, "postgresql")
def _json_field_on_server(function: Any, compiler: Any, **words: Any) -> str:
    column, name = (compiler.process(clause, **words) for clause in function.clauses)
    return f"(CAST({column} AS JSON) ->> '{name}')"


class _Pairs(FunctionElement[Any]):
    """SQL table of two columns whose rows are the pairs of a `_List`."""

    inherit_cache = True


@compiles(_Pairs)
def _pairs_on_sqlite(function: Any, compiler: Any, **words: Any) -> str:
    pairs = compiler.process(function.clauses, **words)
    cells = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(_PAIR))
    return f"(SELECT {', '.join(cells)} FROM json_each({pairs}))"  # noqa: S608 - our words


@compiles(_Pairs, "postgresql")
def _pairs_on_server(function: Any, compiler: Any, **words: Any) -> str:
    pairs = compiler.process(function.clauses, **words)
    cells = (f"pair ->> {n} AS {name}" for n, name in enumerate(_PAIR))
    return f"(SELECT {', '.join(cells)} FROM json_array_elements(CAST({pairs} AS JSON)) AS pair)"  # noqa: S608 - our words


def pairs_table(name: str) -> Any:  # Any: a table of a function, for which there is no public type
    """Return the table of `agency_id` and `id` whose rows are the pairs in the parameter `name`; they must differ. A query
    for rows of many agencies joins with it, and uses the indexes that begin with the agency."""
    return _Pairs(bindparam(name, type_=_List())).table_valued(*_PAIR, name=name, joins_implicitly=True)


class _AmongNumbers(_Among):
    """SQL condition that a column is one of the whole numbers of a `_List`."""

    inherit_cache = True


@compiles(_AmongNumbers, "postgresql")
def _among_numbers_on_server(function: Any, compiler: Any, **words: Any) -> str:
    column, numbers = (compiler.process(clause, **words) for clause in function.clauses)
    of_text = f"SELECT CAST(json_array_elements_text(CAST({numbers} AS JSON)) AS BIGINT)"
    return f"({column} = ANY (ARRAY({of_text})))"


def among_numbers(column: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that the column is one of the whole numbers in the parameter `name`. Any: as above."""
    return _AmongNumbers(column, bindparam(name, type_=_List()))


def bodies(how: str, query: Select[Any]) -> Select[Any]:
    """Return a query for the `body` of each row that `query` finds, with the constant `how`, so that the rows can be told
    apart in a UNION of several queries."""
    return select(literal(how).label("how"), query.subquery().c.body)


def among(column: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that the column is one of the texts in the parameter `name`, a list of any length. Unlike with
    IN the statement stays the same for all lengths. Any: as above."""
    return _Among(column, bindparam(name, type_=_List()))


def one_among(column: Any, texts: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that the column is one of these texts, which become part of the statement. Any: as above."""
    return _Among(column, literal(texts, _List()))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> str:
    """Return the value as JSON text. `kind` is its type; Any, because it may be a union or `tuple[X, ...]`."""
    return _adapter(kind).serializer.to_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """Parse a value of type `kind` from the text that `to_json` wrote; fields added since then get their defaults."""
    any_kind: Any = kind
    value: T = _adapter(any_kind).validator.validate_json(text)
    return value
