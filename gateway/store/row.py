"""Common parts of every table of the store: how a row is made of a value and read as one, and column types that both
databases keep alike. In and out: domain values; nothing here knows a table.

Fields and columns meet by name: an enumeration is kept by its value, and values with parts as JSON text; a difference
is named where a row is made or read. No row is changed by assignment. Moments are kept in UTC."""

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
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
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
    bindparam,
    literal,
    or_,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel
from sqlmodel.main import SQLModelMetaclass, get_column_from_field

_CAPITAL = re.compile("(?<!^)(?=[A-Z])")
_INDEXES = "indexes"


class DeclaredIndex(NamedTuple):
    """An index that a table declares: columns by their names, with `DESC` behind those that descend. `with_indexes` makes
    it, for tests that compare the schema: a running node uses the indexes that its database has."""

    name: str
    columns: tuple[str, ...]
    where: TextClause | None = None
    unique: bool = False


def index(name: str, *columns: str, unique: bool = False) -> DeclaredIndex:
    """Declare an index over all rows of a table."""
    return DeclaredIndex(name, columns, unique=unique)


def partial_index(name: str, condition: TextClause, *columns: str) -> DeclaredIndex:
    """Declare an index over the rows that meet the condition."""
    return DeclaredIndex(name, columns, condition)


class TableClass(SQLModelMetaclass):
    """Metaclass that makes a class's table of SQLModel's columns, and maps nothing: rows are written and read without a
    session, and the mappers of eighty classes would be a twentieth of an idle node's memory and of its start."""

    # Any, here and below: as in every metaclass.
    def __new__(
        cls,
        name: str,
        bases: tuple[type[Any], ...],
        body: dict[str, Any],
        *,
        table: bool = False,
        **words: Any,
    ) -> Any:
        row_class = super().__new__(cls, name, bases, body, **words)
        if table:
            _add_table(row_class, body["__tablename__"], body.get("__table_args__", ()))
        return row_class

    def __clause_element__(cls) -> Table:  # noqa: N805 - a method of a metaclass
        """Return the table, where a statement names the class."""
        row_class: Any = cls
        table: Table = row_class.__table__
        return table


def _add_table(row_class: Any, name: str, arguments: Sequence[Any]) -> None:
    """Make the table of a class. Any: a class under construction, and any argument of a table."""
    columns = {key: get_column_from_field(field) for key, field in row_class.model_fields.items()}
    for key, column in columns.items():
        column.name = column.key = key
        setattr(row_class, key, column)
    indexes = [argument for argument in arguments if isinstance(argument, DeclaredIndex)]
    options = [argument for argument in arguments if isinstance(argument, dict)]
    constraints = [argument for argument in arguments if not isinstance(argument, DeclaredIndex | dict)]
    row_class.__table__ = Table(
        *(name, row_class.metadata),
        *columns.values(),
        *constraints,
        info={_INDEXES: indexes},
        **ChainMap(*options),
    )


def with_indexes(metadata: MetaData) -> MetaData:
    """Add to its tables the indexes that they declare."""
    for table in metadata.tables.values():
        for name, columns, condition, unique in table.info.pop(_INDEXES, ()):
            words = [column.split() for column in columns]
            ordered = [table.c[key].desc() if down else table.c[key] for key, *down in words]
            Index(name, *ordered, unique=unique, postgresql_where=condition, sqlite_where=condition)
    return metadata


class _RowClass(TableClass):
    """Metaclass of rows without SQLAlchemy's and pydantic's notes on each, which cost more than writing it."""

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


# Makes an instance without those notes.
_new = object.__new__


class Row(SQLModel, metaclass=_RowClass):
    """A row to be written; a value without a default must be given. A table is named like its class in small letters,
    without `Row`, unless the class names it: `BlobRefRow` is a row of `blob_ref`."""

    # Nothing is ever validated here, and a validator for each of a hundred tables would be made at every start.
    model_config = {"defer_build": True}
    __table__: ClassVar[Table]

    @classmethod
    def from_value(cls, value: object, **other: Any) -> Self:
        """Make a row of a value whose fields are named like the columns, except for the `other` ones."""
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

    def values(self, *but: str) -> dict[str, Any]:
        """Return the value of every column but those."""
        columns = dict(self.__dict__)
        for name in but:
            del columns[name]
        return columns

    def change(self, **values: Any) -> None:
        """Set values, before the row is written."""
        self.__dict__.update(values)


class OfAgency(Row):
    """A row of an agency that is hosted here: its key begins with the agency."""

    is_of_agency: ClassVar[bool] = True

    agency_id: str = Field(primary_key=True)


class ThingOfAgency(OfAgency):
    """A row of an agency whose key is the agency and an id."""

    id: str = Field(primary_key=True)


def _wrong(cls: type[Row], names: Iterable[str]) -> TypeError:
    return TypeError(
        f"{cls.__name__} is made of all its columns and of nothing else; look at {', '.join(sorted(names))}"
    )


T = TypeVar("T")
# Converts one value. Any: the types of the field and of its column.
_Convert = Callable[[Any], Any]


def value_of(kind: type[T], row: object, **other: Any) -> T:
    """Make the value of a row whose columns are named like its fields, except for the `other` ones, which are given."""
    cls: Any = kind
    names, take, converters = _field_reader(cls, tuple(other))
    field_values = dict(zip(names, take(row), strict=True))
    for name, convert in converters:
        if field_values[name] is not None:
            field_values[name] = convert(field_values[name])
    return kind(**field_values, **other)


class _AttributeReader(NamedTuple):
    """Reader of attributes by name, with the converters of those that are stored in another form."""

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
    """Return the reader of the columns, without the `other` ones, from a value of that kind."""
    columns, _ = _columns(cls)
    if unknown := {*other} - columns:
        raise _wrong(cls, unknown)
    return _AttributeReader.by((name for name in columns if name not in other), _converters(kind)[1])


@cache
def _field_reader(kind: Any, other: tuple[str, ...]) -> _AttributeReader:
    """Return the reader of the fields, without the `other` ones, from a row. Any: there is no type for a dataclass."""
    return _AttributeReader.by(
        (field.name for field in fields(kind) if field.name not in other), _converters(kind)[0]
    )


class _Members(dict[Any, Any]):
    """Members of an enumeration by their values: a lookup costs less than calling the enumeration."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__((member.value, member) for member in kind)
        self._kind = kind

    def __missing__(self, value: object) -> Enum:
        """Return a member that combines others, or let the enumeration refuse the value."""
        return self._kind(value)


_PLAIN_TYPES = (str, int, float, bool, bytes, date, datetime)


@cache
def _converters(kind: Any) -> tuple[dict[str, _Convert], dict[str, _Convert]]:
    """Return the converters of a dataclass, for reading and for writing, of fields that a column keeps in another form."""
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
    """Return the names of all columns, and the values of those that need not be given."""
    fields = dict(cls.model_fields)
    defaults = {name: field.get_default() for name, field in fields.items() if not field.is_required()}
    return fields.keys(), defaults


_WITHOUT_ZONE = len("2026-01-31 00:00:00.000000")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise TypeError(f"a stored time must be aware, and {moment.isoformat()} has no zone")
    return moment.astimezone(UTC)


def _from_stored(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# A third of the statements write or read a moment, and one moment stands in several rows of a unit of work.
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
    """An aware time: kept in UTC, aware on return. SQLite keeps no zone, so what it returns is UTC by this rule."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Convert to text in one step for SQLite. Any: the type that the driver takes."""
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Convert back in one step."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _from_stored(value)


def one_of(column: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """Return the same condition as IN with values that never change, without a list, which is written anew at each call.
    Any: a column, of the table's class or of the table."""
    return or_(*(column == text for text in texts))


class _List(TypeDecorator[Sequence[Any]]):
    """Any number of texts, or of whole numbers, or of pairs of texts, as one value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Among(FunctionElement[bool]):
    """Condition that a column is one of several texts."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> _Among:
        """Return it unchanged: the library would write `= 1` behind it, and no index would be used."""
        return self


# Any, below: a compiler of the library, which has no narrower public type.
@compiles(_Among)
def _among_on_sqlite(function: Any, compiler: Any, **words: Any) -> str:
    column, texts = (compiler.process(clause, **words) for clause in function.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"  # noqa: S608 - our words


@compiles(_Among, "postgresql")
def _among_on_server(function: Any, compiler: Any, **words: Any) -> str:
    """Compile to an array, which is looked up in the index; of a function's rows the server expects a hundred, and
    would read a small table as a whole."""
    column, texts = (compiler.process(clause, **words) for clause in function.clauses)
    return f"({column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({texts} AS JSON)))))"


class _Pairs(FunctionElement[Any]):
    """Pairs of texts, as rows of two columns."""

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


_PAIR = ("agency_id", "id")


def pairs_table(name: str) -> Any:  # Any: a table of a function, for which there is no public type
    """Return the pairs given under that name, each different, as a table of `agency_id` and `id`. A query for rows of
    many agencies begins with it, and finds them in the index of their agency."""
    return _Pairs(bindparam(name, type_=_List())).table_valued(*_PAIR, name=name, joins_implicitly=True)


class _AmongNumbers(_Among):
    """Condition that a column is one of several whole numbers."""

    inherit_cache = True


@compiles(_AmongNumbers, "postgresql")
def _among_numbers_on_server(function: Any, compiler: Any, **words: Any) -> str:
    column, numbers = (compiler.process(clause, **words) for clause in function.clauses)
    of_text = f"SELECT CAST(json_array_elements_text(CAST({numbers} AS JSON)) AS BIGINT)"
    return f"({column} = ANY (ARRAY({of_text})))"


def among_numbers(column: Any, name: str) -> ColumnElement[bool]:
    """Return the condition of `among` for whole numbers. Any: as above."""
    return _AmongNumbers(column, bindparam(name, type_=_List()))


def bodies(how: str, query: Select[Any]) -> Select[Any]:
    """Select the bodies of the few rows that the query finds, and `how` they were found, for several in one statement."""
    return select(literal(how).label("how"), query.subquery().c.body)


def among(column: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that the column is one of the texts given under that name; the statement is the same for any
    number of them. Any: as above."""
    return _Among(column, bindparam(name, type_=_List()))


def one_among(column: Any, texts: Sequence[str]) -> ColumnElement[bool]:
    """Return that condition for texts that are known already. Any: as above."""
    return _Among(column, literal(texts, _List()))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> str:
    """Return the value as JSON text. `kind` is its type, also where that is a union or `tuple[X, ...]`, hence the `Any`."""
    return _adapter(kind).serializer.to_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """Read the value that `to_json` wrote; fields added since then have their defaults."""
    any_kind: Any = kind
    value: T = _adapter(any_kind).validator.validate_json(text)
    return value
