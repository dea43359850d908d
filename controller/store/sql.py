"""What SQLAlchemy's core lacks: insert-or-replace, and the columns of an object's key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from controller.objects import ObjectKey

KEY_COLUMNS = ("group", "kind", "namespace", "name")


def upsert(table: Table, connection: AsyncConnection) -> sqlite.Insert | postgresql.Insert:
    """Insert rows, or replace those of the same primary key. Every row must give the same columns.

    The clause is spelled in each dialect's own module, with the same methods.
    """
    is_postgres = connection.dialect.name == "postgresql"
    statement = postgresql.insert(table) if is_postgres else sqlite.insert(table)
    keys = {column.name for column in table.primary_key}
    replaced = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=replaced)


def printable(text: str) -> str:
    """The text without NUL, which PostgreSQL's texts cannot hold; a server's words may quote one from a document."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def key_values(key: ObjectKey) -> dict[str, str]:
    """The key columns of a new row."""
    return dict(zip(KEY_COLUMNS, key, strict=True))


def is_key(table: Table) -> ColumnElement[bool]:
    """The row of the object whose `key_parameters` the statement is executed with."""
    return and_(*(table.c[name] == bindparam(f"key_{name}") for name in KEY_COLUMNS))


def key_parameters(key: ObjectKey) -> dict[str, str]:
    """Parameters of a statement with `is_key`."""
    return {f"key_{name}": value for name, value in zip(KEY_COLUMNS, key, strict=True)}


def key_of(row: Any) -> ObjectKey:
    """The object a whole row is about: in every table the fabric comes first and the key after it."""
    return ObjectKey(*row[1:5])
