"""SQL functions for the mapping expressions of a company file.

They are DuckDB macros over one temporary table, so that a whole column costs about as much as a
built-in function, and they work with external access off. docs/company-file.md describes them.
"""

from typing import Final

import duckdb

from ingest.countries import NAME_KEY_MACRO, country_codes, currency_codes, name_keys

_NAMES_TABLE: Final = "tradewind_country_names"
_CODES_TABLE: Final = "tradewind_codes"

_COUNTRY_CODE = f"""
create or replace temp macro country_code(name) as (
    select names.code
    from temp.main.{_NAMES_TABLE} as names
    where names.key = tradewind_country_key(cast(name as varchar))
)
"""

# Space, no-break space, thin space, narrow no-break space, apostrophes: all group thousands.
_SPACES = "' \u00a0\u2009\u202f\u2019`"
_MINUS = "\\-\u2212\u2013"

# One number, whatever stands around it; a second one or a percent sign makes it no price.
_QUOTED_SPACES = _SPACES.replace("'", "''")
_HAS_NUMBER = rf"regexp_full_match(text_, '[^0-9%]*[0-9]([0-9.,{_QUOTED_SPACES}]*[0-9])?[^0-9%]*')"
_NUMBER = (
    r"regexp_extract(text_, '(?:^|[^0-9.,\pL])([.,])[0-9]', 1) "
    "|| regexp_replace(text_, '^[^0-9]+|[^0-9]+$', '', 'g')"
)
_GROUPED = f"translate({_NUMBER}, '{_SPACES[1:]}', '{chr(39) * 12}')"
# 12k or 1.2 million are no prices of 12 and 1.2, and ..75 is anybody's guess.
_MAGNITUDE = (
    r"regexp_matches(text_, "
    r"'(?i)[0-9]\s*(?:k|m|tsd|mio|mln|mn|bn|mrd|thousand|million|billion)s?(?:[^\pL]|$)|[.,]{2}[0-9]')"
)
_NEGATIVE = (
    rf"regexp_matches(text_, '^\s*[{_MINUS}]|[{_MINUS}]\p{{Sc}}?[.,]?[0-9]"
    rf"|[0-9][{_MINUS}](?:\s|$)|\(\s*(?:\p{{Sc}}|[A-Z]{{3}})?\s*[0-9][^()\pL]*(?:[A-Z]{{3}})?\s*\)')"
)
# A number with its decimal mark turned into d, by the shapes that leave no doubt; then those with
# one mark: three digits after it are a group of thousands, unless 0 or a long number precedes it.
_ANY_MARK = (
    rf"regexp_replace(regexp_replace({_GROUPED}, "
    r"'^(?:(\d{1,3}(?:''\d{2,3})*''\d{3})(?:[.,](\d+))?"
    r"|(\d{1,3}(?:\.\d{3})+),(\d+)"
    r"|(\d{1,3}(?:,\d{2,3})*,\d{3})\.(\d+)"
    r"|([1-9]\d{0,2}(?:\.\d{3})+|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|\d+))$', "
    r"'\1\3\5\7d\2\4\6'), "
    r"'^(?:(\d*)[.,](\d{1,2}|\d{4,})|(0?|\d{4,})[.,](\d{3}))$', '\1\3d\2\4')"
)
_GIVEN_MARK = (
    r"regexp_replace("
    rf"case when decimal_mark = ',' then translate({_GROUPED}, ',.', '.,') else {_GROUPED} end, "
    r"'^(\d+|\d{1,3}(?:[,'']\d{2,3})*[,'']\d{3})?(?:\.(\d+))?$', '\1d\2')"
)


def _price(marked: str) -> str:
    """SQL of the price of `text_`, of which `marked` is the number with its decimal mark as d."""
    return rf"""
        case
            when not {_HAS_NUMBER} or {_MAGNITUDE} then null
            else try_cast(
                case when {_NEGATIVE} then '-' else '' end
                || translate(regexp_extract({marked}, '^[0-9.,'']*d[0-9]*$'), 'd.,''', '.')
                as decimal(18, 4)
            )
        end
    """


_PLAIN = r"regexp_full_match(text_, '-?[0-9]{1,14}([.][0-9]{1,2})?')"

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
                        else {_price(_ANY_MARK)}
                    end
            )[1]
        end,
    (text, decimal_mark) as
        case
            when decimal_mark not in (',', '.')
                then error('parse_price: the decimal mark must be a comma or a point')
            when typeof(text) <> 'VARCHAR' then try_cast(text as decimal(18, 4))
            else list_transform(
                [cast(text as varchar)], lambda text_: {_price(_GIVEN_MARK)}
            )[1]
        end
"""

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
    connection.execute(NAME_KEY_MACRO)
    _create_country_names(connection)
    connection.execute(_COUNTRY_CODE)
    _create_codes(connection)
    connection.execute(_PARSE_PRICE)
    connection.execute(_PARSE_DATE)


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
