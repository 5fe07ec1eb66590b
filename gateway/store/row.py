"""What every table of the store has in common: how a row is made of a value and read as one, and column types that both
databases keep alike. In and out: domain values; nothing here knows a table.

Fields and columns meet by name: an enumeration is kept by its value, and what has parts as JSON text; only what differs is
said where a row is made or read. Nobody changes a row by assigning to it. Moments are kept in UTC."""

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


def partial_index(name: str, where: TextClause, *columns: str) -> DeclaredIndex:
    """Declare an index over the rows that meet the condition."""
    return DeclaredIndex(name, columns, where)


class TableClass(SQLModelMetaclass):
    """Metaclass that makes a class's table of SQLModel's columns, and maps nothing: rows are written and read without a
    session, and the mappers of eighty classes would be a twentieth of an idle node's memory and of its start."""

    # Any, here and below: as every metaclass gives it.
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

    def __clause_element__(cls) -> Table:
        """Return the table, where a statement names the class."""
        row_class: Any = cls
        table: Table = row_class.__table__
        return table


def _add_table(row_class: Any, name: str, arguments: Sequence[Any]) -> None:
    """Any: a class that is being made, and whatever a table may be declared with."""
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
        for name, columns, where, unique in table.info.pop(_INDEXES, ()):
            words = [column.split() for column in columns]
            ordered = [table.c[key].desc() if down else table.c[key] for key, *down in words]
            Index(name, *ordered, unique=unique, postgresql_where=where, sqlite_where=where)
    return metadata


class _Plainly(TableClass):
    """What SQLAlchemy and pydantic note down about each instance costs more than writing it, and nobody asks for it."""

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
        given = row.__dict__
        given |= defaults
        given |= values
        if given.keys() != names:
            raise _wrong(kind, given.keys() ^ names)
        return row


# Of an object that nothing is noted down about.
_new = object.__new__


class Row(SQLModel, metaclass=_Plainly):
    """A row to be written; a value that has no default must be given. Where a class does not say how its table is called,
    that is the class's own name in small letters, without `Row`: `BlobRefRow` is a row of `blob_ref`."""

    # Nothing is ever validated here, and a validator for each of a hundred tables would be made at every start.
    model_config = {"defer_build": True}
    __table__: ClassVar[Table]

    @classmethod
    def of(cls, value: object, **other: Any) -> Self:
        """Made of a value whose fields are called as the columns are, but for the `other` ones."""
        kind: Any = type(value)
        names, take, turns = _taken(cls, kind, tuple(other))
        row = _new(cls)
        given = row.__dict__
        given |= zip(names, take(value), strict=True)
        given |= other
        for name, turn in turns:
            if given[name] is not None:
                given[name] = turn(given[name])
        return row

    def values(self, *but: str) -> dict[str, Any]:
        """Every column's value, without those."""
        given = dict(self.__dict__)
        for name in but:
            del given[name]
        return given

    def change(self, **values: Any) -> None:
        """Other values, before it is written."""
        self.__dict__.update(values)


class OfAgency(Row):
    """A row of an agency that is hosted here: its key begins with the agency."""

    is_of_agency: ClassVar[bool] = True

    agency_id: str = Field(primary_key=True)


class ThingOfAgency(OfAgency):
    """One that has an id besides, and no more of a key."""

    id: str = Field(primary_key=True)


def _wrong(cls: type[Row], names: Iterable[str]) -> TypeError:
    return TypeError(
        f"{cls.__name__} is made of all its columns and of nothing else; look at {', '.join(sorted(names))}"
    )


T = TypeVar("T")
# Any: a value of whatever type the field and its column have.
_Turn = Callable[[Any], Any]


def value_of(kind: type[T], row: object, **other: Any) -> T:
    """The value of a row whose columns are called as its fields are, but for the `other` ones, which are given."""
    of: Any = kind
    names, take, turns = _read(of, tuple(other))
    given = dict(zip(names, take(row), strict=True))
    for name, turn in turns:
        if given[name] is not None:
            given[name] = turn(given[name])
    return kind(**given, **other)


class _Taken(NamedTuple):
    """What is taken out of an object by name, and which of it is turned into something else."""

    names: tuple[str, ...]
    take: Callable[[object], tuple[Any, ...]]
    turns: tuple[tuple[str, _Turn], ...]

    @classmethod
    def by(cls, names: Iterable[str], turns: Mapping[str, _Turn]) -> Self:
        taken = tuple(names)
        turned = tuple((name, turns[name]) for name in taken if name in turns)
        if len(taken) > 1:
            return cls(taken, attrgetter(*taken), turned)
        return cls(taken, lambda source: tuple(getattr(source, name) for name in taken), turned)


@cache
def _taken(cls: type[Row], kind: type, other: tuple[str, ...]) -> _Taken:
    """The columns without those, out of a value of that kind."""
    columns, _ = _columns(cls)
    if unknown := {*other} - columns:
        raise _wrong(cls, unknown)
    return _Taken.by((name for name in columns if name not in other), _turns(kind)[1])


@cache
def _read(kind: Any, other: tuple[str, ...]) -> _Taken:
    """The fields without those, out of a row. Any: a dataclass, for which there is no type."""
    return _Taken.by((field.name for field in fields(kind) if field.name not in other), _turns(kind)[0])


class _Members(dict[Any, Any]):
    """The members of an enumeration by their values: to look one up costs less than to call the enumeration."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__((each.value, each) for each in kind)
        self._kind = kind

    def __missing__(self, value: object) -> Enum:
        """One that is made of others, or its own refusal."""
        return self._kind(value)


_AS_IT_IS = (str, int, float, bool, bytes, date, datetime)


@cache
def _turns(kind: Any) -> tuple[dict[str, _Turn], dict[str, _Turn]]:
    """How the fields of a dataclass are read, and how they are written, of which a column keeps something else."""
    reads, writes = dict[str, _Turn](), dict[str, _Turn]()
    for name, hint in get_type_hints(kind).items() if is_dataclass(kind) else ():
        is_union = get_origin(hint) in (Union, UnionType)
        of = [each for each in get_args(hint) if each is not NoneType] if is_union else [hint]
        plain: Any = of[0] if len(of) == 1 else hint
        is_class = get_origin(plain) is None
        if is_class and issubclass(plain, Enum):
            reads[name] = partial(getitem, _Members(plain))
            # What `value` says, without the call that it is.
            writes[name] = str.__str__ if issubclass(plain, str) else attrgetter("value")
        elif is_class and issubclass(plain, str) and plain is not str:
            reads[name] = plain
        elif plain not in _AS_IT_IS:
            reads[name], writes[name] = partial(from_json, plain), partial(to_json, plain)
    return reads, writes


@cache
def _columns(cls: type[Row]) -> tuple[KeysView[str], dict[str, Any]]:
    """The names of all of them, and the values of those that need not be given."""
    fields = dict(cls.model_fields)
    defaults = {name: field.get_default() for name, field in fields.items() if not field.is_required()}
    return fields.keys(), defaults


_WITHOUT_ZONE = len("2026-01-31 00:00:00.000000")


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise TypeError(f"a stored time must be aware, and {value.isoformat()} has no zone")
    return value.astimezone(UTC)


def _from_stored(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# A third of the statements write or read a moment, and one moment stands in several rows of a unit of work.
@lru_cache(maxsize=1024)
def _to_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    at = value if value.tzinfo is UTC else _in_utc(value)
    return at.isoformat(" ", "microseconds")[:_WITHOUT_ZONE]


@lru_cache(maxsize=1024)
def _from_text(text: str | None) -> datetime | None:
    return None if text is None else _from_stored(datetime.fromisoformat(text))


class Moment(TypeDecorator[datetime]):
    """An aware time: kept in UTC, aware on return. SQLite keeps no zone, so what it returns is UTC by this rule."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """For SQLite as text, in one step. Any: what the driver takes."""
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """The same on its way back."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _from_stored(value)


def one_of(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """The same as IN with values that never change; a list would be written into the statement anew at each call. Any: a
    column, of the table's class or of the table."""
    return or_(*(column == value for value in values))


class _List(TypeDecorator[Sequence[Any]]):
    """Any number of texts, or of whole numbers, or of pairs of texts, as one value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Among(FunctionElement[bool]):
    """A column, and the texts of which it may be one."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> _Among:
        """As it is: where there are no truth values the library would write `= 1` behind it, and no index would be used."""
        return self


# Any, below: a compiler of the library, which has no narrower public type.
@compiles(_Among)
def _among_here(element: Any, compiler: Any, **words: Any) -> str:
    column, texts = (compiler.process(each, **words) for each in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"  # noqa: S608 - our words


@compiles(_Among, "postgresql")
def _among_on_server(element: Any, compiler: Any, **words: Any) -> str:
    """An array is looked up in the index; for rows of a function, of which it expects a hundred, the server would read a
    small table as a whole."""
    column, texts = (compiler.process(each, **words) for each in element.clauses)
    return f"({column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({texts} AS JSON)))))"


class _Pairs(FunctionElement[Any]):
    """Pairs of texts, as rows of two columns."""

    inherit_cache = True


@compiles(_Pairs)
def _pairs_here(element: Any, compiler: Any, **words: Any) -> str:
    given = compiler.process(element.clauses, **words)
    cells = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(_PAIR))
    return f"(SELECT {', '.join(cells)} FROM json_each({given}))"  # noqa: S608 - our words


@compiles(_Pairs, "postgresql")
def _pairs_on_server(element: Any, compiler: Any, **words: Any) -> str:
    given = compiler.process(element.clauses, **words)
    cells = (f"pair ->> {n} AS {name}" for n, name in enumerate(_PAIR))
    return f"(SELECT {', '.join(cells)} FROM json_array_elements(CAST({given} AS JSON)) AS pair)"  # noqa: S608 - our words


_PAIR = ("agency_id", "id")


def things(name: str) -> Any:  # Any: a table of a function, for which there is no public type
    """As a table of `agency_id` and `id`: the pairs that are given under that name, each different. A question for rows of
    many agencies begins with it, and finds them in the index of their agency."""
    return _Pairs(bindparam(name, type_=_List())).table_valued(*_PAIR, name=name, joins_implicitly=True)


class _AmongNumbers(_Among):
    """The same of whole numbers."""

    inherit_cache = True


@compiles(_AmongNumbers, "postgresql")
def _among_numbers_on_server(element: Any, compiler: Any, **words: Any) -> str:
    column, numbers = (compiler.process(each, **words) for each in element.clauses)
    of_text = f"SELECT CAST(json_array_elements_text(CAST({numbers} AS JSON)) AS BIGINT)"
    return f"({column} = ANY (ARRAY({of_text})))"


def among_numbers(column: Any, name: str) -> ColumnElement[bool]:
    """As `among`, of whole numbers. Any: as above."""
    return _AmongNumbers(column, bindparam(name, type_=_List()))


def bodies(how: str, query: Select[Any]) -> Select[Any]:
    """Of the few rows that the query finds, in their order: `how` they were found, for several such in one statement."""
    return select(literal(how).label("how"), query.subquery().c.body)


def among(column: Any, name: str) -> ColumnElement[bool]:
    """Whether it is one of the texts that are given under that name; the statement is the same for any number of them.
    Any: as above."""
    return _Among(column, bindparam(name, type_=_List()))


def one_among(column: Any, texts: Sequence[str]) -> ColumnElement[bool]:
    """The same for texts that are known already. Any: as above."""
    return _Among(column, literal(texts, _List()))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> str:
    """`value` as JSON text. `kind` is its type, also where that is a union or `tuple[X, ...]`, hence the `Any`."""
    return _adapter(kind).serializer.to_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The value that `to_json` wrote; fields added since then have their defaults."""
    of: Any = kind
    value: T = _adapter(of).validator.validate_json(text)
    return value
