"""SQL functions for the mapping expressions of a company file.

They are DuckDB macros, so that a whole column costs about as much as a built-in function, and they
work with external access off. Prices of unclear shape are handed to `ingest.prices`.
docs/company-file.md describes them.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import duckdb
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import VARCHAR

from ingest.countries import NAME_KEY_MACRO, country_codes, currency_codes, name_keys
from ingest.prices import DECIMAL_MARKS, currency_code, read_price

_NAMES_TABLE: Final = "tradewind_country_names"
_CODES_TABLE: Final = "tradewind_codes"
_GUESSED: Final = "guessed"
_IS_REGISTERED: Final = "tradewind_functions_are_registered"

_COUNTRY_CODE = f"""
create or replace temp macro country_code(name) as (
    select names.code
    from temp.main.{_NAMES_TABLE} as names
    where names.key = tradewind_country_key(cast(name as varchar))
)
"""

_PLAIN = r"regexp_full_match(text_, '-?[0-9]{1,14}([.][0-9]{1,2})?')"
# Shapes of which no reader could doubt the amount: they stay in the engine. All others, and the
# currency, are read by `ingest.prices`; a test holds that both read these alike.
_CLEAR = (
    r"regexp_full_match(text_, '(?:[€$£] ?|(?:EUR|USD|GBP|CHF) )?"
    r"(?:[0-9]{1,3}(?:,[0-9]{3})*[.][0-9]{2}|[0-9]{1,3}(?:[.][0-9]{3})*,[0-9]{2}"
    r"|[0-9]{1,14}(?:[.,][0-9]{1,2})?)(?: ?(?:€|EUR|USD|GBP|CHF|PLN|SEK|NOK|DKK|zł|Kč|kr|Ft))?')"
)
_CLEAR_AMOUNT = (
    r"replace(regexp_replace(regexp_replace(regexp_replace(text_, '[^0-9.,]', '', 'g'), "
    r"'[.,]([0-9]{1,2})$', 'd\1'), '[.,]', '', 'g'), 'd', '.')"
)

# A list of one and a lambda give the text a name, so that an expression is computed only once.
_PARSE_PRICE = f"""
create or replace temp macro parse_price
    (text) as
        case
            when typeof(text) <> 'VARCHAR' then try_cast(text as decimal(18, 4))
            else list_transform(
                [cast(text as varchar)],
                lambda text_:
                    case
                        when {_PLAIN} then try_cast(text_ as decimal(18, 4))
                        when {_CLEAR} then try_cast({_CLEAR_AMOUNT} as decimal(18, 4))
                        else try_cast(tradewind_price_amount(text_, '{_GUESSED}') as decimal(18, 4))
                    end
            )[1]
        end,
    (text, decimal_mark) as
        case
            when typeof(text) <> 'VARCHAR' then try_cast(text as decimal(18, 4))
            else try_cast(
                tradewind_price_amount(cast(text as varchar), decimal_mark) as decimal(18, 4)
            )
        end
"""
# As parse_price, of a text that may be how a number of the file is written.
_NUMBER_OR_PRICE = """
create or replace temp macro tradewind_price
    (is_number, text) as
        coalesce(case when is_number then try_cast(text as decimal(18, 4)) end, parse_price(text)),
    (is_number, text, decimal_mark) as
        coalesce(
            case when is_number then try_cast(text as decimal(18, 4)) end,
            parse_price(text, decimal_mark)
        )
"""
_CURRENCIES = (
    "create or replace temp macro price_currency(text) as "
    "tradewind_price_currency(cast(text as varchar))",
    "create or replace temp macro currency_code(text) as "
    "tradewind_currency_code(cast(text as varchar))",
)

# Few texts begin with a space or a control character, and only those need a closer look.
_IS_NOT_BLANK = (
    "create or replace temp macro is_not_blank(text) as "
    "case when text >= '!' then true else trim(text) <> '' end"
)

_TIME = r"[T ,]*(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?\s*([AaPp]\.?[Mm]\.?)?"


def _moment(year: int, month: int, day: int) -> str:
    """SQL of the timestamp of a text of three numbers, by the places of year, month and day."""
    parts = rf"'^(\d{{1,4}})[-/.](\d{{1,2}})[-/.](\d{{1,4}}){_TIME}$'"
    iso = rf"regexp_replace(text_, {parts}, '\{year}-\{month}-\{day} \4')"
    twelve_hours = (
        rf"try_strptime(replace(regexp_replace(text_, {parts}, "
        rf"'\{year}-\{month}-\{day} \4 \5'), '.', ''), "
        r"['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p'])"
    )
    return (
        r"case when regexp_matches(text_, '[AaPp]\.?[Mm]\.?$') "
        f"then {twelve_hours} else try_cast(rtrim({iso}) as timestamp) end"
    )


# With an offset from UTC. Of these texts a cast to TIMESTAMP would drop the offset.
_OFFSET_MOMENT = (
    r"[12]\d{3}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d+)?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)"
)

_DATE = rf"""
    case
        when regexp_full_match(text_, '[12]\d{{3}}[-/]\d{{1,2}}[-/]\d{{1,2}}{_TIME}')
            then {_moment(1, 2, 3)}
        when regexp_full_match(text_, '{_OFFSET_MOMENT}')
            then timezone('UTC', try_cast(regexp_replace(regexp_replace(
                replace(text_, 'UTC', 'Z'),
                '^(.{{10}}.\d{{2}}:\d{{2}}) ?([Z+-].*)$', '\1:00\2'),
                ' ([Z+-])', '\1'
            ) as timestamptz))
        when regexp_full_match(text_, '\d{{1,2}}[.]\d{{1,2}}[.][12]\d{{3}}{_TIME}')
            then {_moment(3, 2, 1)}
        when regexp_full_match(text_, '\d{{1,2}}[-/]\d{{1,2}}[-/][12]\d{{3}}{_TIME}')
            then case
                when ({_moment(3, 2, 1)}) is null then {_moment(3, 1, 2)}
                when ({_moment(3, 1, 2)}) is null or ({_moment(3, 1, 2)}) = ({_moment(3, 2, 1)})
                    then {_moment(3, 2, 1)}
            end
        when regexp_full_match(text_, '[12]\d{{7}}') then try_strptime(text_, '%Y%m%d')
        when regexp_matches(text_, '[A-Za-z]{{3}}') and regexp_matches(text_, '[12][0-9]{{3}}')
            then try_strptime(
            text_,
            ['%d %b %Y', '%d %B %Y', '%d-%b-%Y', '%b %d, %Y', '%B %d, %Y', '%b %d %Y', '%B %d %Y']
        )
    end
"""

_PARSE_DATE = f"""
create or replace temp macro parse_date
    (text) as list_transform([trim(cast(text as varchar))], lambda text_: {_DATE})[1],
    (text, format) as cast(try_strptime(trim(cast(text as varchar)), format) as timestamp)
"""


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the functions known to a connection; a second time changes nothing.

    They are temporary: nothing of them is stored in the database file. The session's time zone
    becomes UTC, so that texts with an offset turn into UTC.

    Args:
        connection: A DuckDB connection, whose external access may be off.
    """
    connection.execute("set TimeZone = 'UTC'")
    # what is temporary lasts as long as the variable: until the connection is closed
    if connection.execute(f"select getvariable('{_IS_REGISTERED}')").fetchall() == [(True,)]:
        return
    connection.execute(NAME_KEY_MACRO)
    _create_country_names(connection)
    connection.execute(_COUNTRY_CODE)
    _create_codes(connection)
    _create_readers(connection)
    connection.execute(_IS_NOT_BLANK)
    connection.execute(_PARSE_PRICE)
    connection.execute(_NUMBER_OR_PRICE)
    for macro in _CURRENCIES:
        connection.execute(macro)
    connection.execute(_PARSE_DATE)
    connection.execute(f"set variable {_IS_REGISTERED} = true")


def _create_readers(connection: duckdb.DuckDBPyConnection) -> None:
    """The reader of prices as functions of the engine; all connections to a database share them."""
    readers: dict[str, tuple[Callable[..., str | None], int]] = {
        "tradewind_price_amount": (_price_amount, 2),
        "tradewind_price_currency": (_price_currency, 1),
        "tradewind_currency_code": (_currency_code, 1),
    }
    for name, (reader, arguments) in readers.items():
        # another connection, or an earlier call, may have made them
        with suppress(duckdb.CatalogException, duckdb.NotImplementedException):
            connection.create_function(
                name,
                reader,
                [VARCHAR] * arguments,
                VARCHAR,
                null_handling=FunctionNullHandling.SPECIAL,
            )


def _price_amount(text: str | None, decimal_mark: str | None) -> str | None:
    # not by error() in the macro: DuckDB takes that for volatile, which no mapping may be
    if decimal_mark not in (None, _GUESSED, *DECIMAL_MARKS):
        raise ValueError("parse_price: the decimal mark must be a comma or a point")
    if text is None or decimal_mark is None:
        return None
    known = None if decimal_mark == _GUESSED else decimal_mark
    amount = read_price(text, decimal_mark=known).amount
    return None if amount is None else f"{amount:f}"


def _price_currency(text: str | None) -> str | None:
    return None if text is None else read_price(text).currency


def _currency_code(text: str | None) -> str | None:
    return None if text is None else currency_code(text)


def _create_country_names(connection: duckdb.DuckDBPyConnection) -> None:
    """The temporary table of the keys of all names, one row a key."""
    # a literal and no parameter: the first parameter of a process makes duckdb import pandas
    connection.execute(
        f"""
        create or replace temp table {_NAMES_TABLE} as
        with countries as (
            select string_split(line, ' ') as parts
            from (select unnest(string_split('{name_keys().strip()}', chr(10))) as line) as lines
        )
        select parts[1] as code, unnest(parts[2:]) as key
        from countries
        """
    )


def _create_codes(connection: duckdb.DuckDBPyConnection) -> None:
    """The temporary table of country and currency codes, and the macros that look into it."""
    kinds = {"country": country_codes(), "currency": currency_codes()}
    rows = ", ".join(f"('{kind}', '{code}')" for kind in kinds for code in sorted(kinds[kind]))
    connection.execute(
        f"create or replace temp table {_CODES_TABLE} as "
        f"from (values {rows}) as codes (kind, known_code)"
    )
    for kind in kinds:
        # a subquery becomes a hash join, ten times faster than a list of all codes
        connection.execute(
            f"create or replace temp macro is_{kind}_code(code) as code in "
            f"(select known_code from temp.main.{_CODES_TABLE} where kind = '{kind}')"
        )
