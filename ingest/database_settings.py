"""What a source of `kind: database` says under `database:`. Settings only: nothing is read here."""

import os
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LOOK_BACK = re.compile(r"\s*\d+\s*((second|minute|hour|day|week|month)s?\s*)?")


def _wrong(found: str, expected: str, next_step: str) -> PydanticCustomError:
    context = {"found": found, "expected": expected, "next_step": next_step}
    return PydanticCustomError("company_file", "{found}", context)


def _connection(value: Any) -> Any:
    variable = _VARIABLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if variable and variable[1] not in os.environ:
        raise _wrong(
            f"{variable[0]}, but the environment variable {variable[1]} is not set",
            "a variable that is set",
            f"export {variable[1]}=...",
        )
    return value.strip() if isinstance(value, str) else value


def _look_back(value: Any) -> Any:
    if isinstance(value, str) and not _LOOK_BACK.fullmatch(value):
        raise _wrong(
            f"{value!r}",
            "a number for a cursor of numbers, or a number and seconds, minutes, hours, days, "
            "weeks or months for one of times",
            'write for instance "1 hour"',
        )
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class DatabaseSettings(BaseModel):
    """Where in which database the rows of a source stand, and how they are followed.

    Attributes:
        engine: The kind of server or file.
        connection: `${VAR}`, the variable with the connection string; for SQLite also a path.
        table, query: What is read; one of the two.
        cursor: Column that grows with every new or changed row.
        look_back: By how much a reading goes back behind the last cursor.
        key: Columns that name a row, or rows that belong together.
        deletes: Whether rows that have gone from the database stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    engine: Literal["postgres", "mysql", "mariadb", "sqlite"]
    connection: Annotated[str, BeforeValidator(_connection), Field(min_length=1)]
    table: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    cursor: str | None = None
    look_back: Annotated[str, BeforeValidator(_look_back)] = "0"
    key: Annotated[list[str], BeforeValidator(_as_list)] = []
    deletes: Literal["keep", "remove"] | None = None

    @model_validator(mode="after")
    def _agree(self) -> "DatabaseSettings":
        """What no single key can tell."""
        if not _VARIABLE.fullmatch(self.connection) and self.engine != "sqlite":
            # what it is instead is not shown: it may be a secret
            raise _wrong(
                "a connection that is written out",
                "the name of an environment variable, as ${NAME}",
                "put the connection string in a variable and write `connection: ${NAME}`",
            )
        if bool(self.table) == bool(self.query):
            both = "both table and query" if self.table else "neither table nor query"
            raise _wrong(both, "one of table and query", "add `table: orders`, or leave one out")
        if self.deletes == "remove" and self.cursor and not self.key:
            raise _wrong(
                "deletes: remove without key",
                "the columns that name a row, for comparing all of them",
                "add `key: id`",
            )
        return self

    @property
    def target(self) -> str:
        """The connection string, or the path of an SQLite file. Secret: not to be shown."""
        variable = _VARIABLE.fullmatch(self.connection)
        return os.environ[variable[1]] if variable else self.connection

    @property
    def removes(self) -> bool:
        """Whether rows that have gone are removed; a reading of everything says what is there."""
        return self.deletes == "remove" or (self.deletes is None and self.cursor is None)
