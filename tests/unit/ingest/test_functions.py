"""The SQL functions that mapping expressions may use."""

# ruff: noqa: RUF001 - prices are written with signs that look like others

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import countries
from ingest.functions import register
from ingest.prices import read_price

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def call() -> Call:
    connection = duckdb.connect(config={"enable_external_access": "false"})
    register(connection)
    register(connection)

    def computed(function: str, *arguments: Any) -> Any:
        marks = ", ".join("?" for _ in arguments)
        row = connection.execute(f"select {function}({marks})", list(arguments)).fetchone()
        assert row is not None
        return row[0]

    return computed


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("GB", "GB, gbr, UK, U.K., United Kingdom, Great Britain, England, SCOTLAND, Wales"),
        ("GB", "united  kingdom, United Kingdom (UK), Vereinigtes Königreich, Royaume-Uni"),
        ("IE", "EIRE, Éire, Ireland, Republic of Ireland"),
        ("ZA", "RSA, South Africa"),
        ("US", "USA, U.S.A., U. S. A., United States of America, America"),
        ("JE", "Channel Islands, Jersey"),
        ("GG", "Guernsey"),
        ("ZZ", "European Community, Unspecified, Unknown, n/a, N.A."),
        ("KR", "Korea, South Korea, Republic of Korea"),
        ("KP", "North Korea"),
        ("CD", "DR Congo, Congo (Kinshasa)"),
        ("CG", "Congo"),
        # as ISO 3166-1 itself writes them
        ("CD", "Congo (the Democratic Republic of the)"),
        ("CG", "Congo (the)"),
        ("FK", "Falkland Islands (the) [Malvinas]"),
        ("KR", "Korea (the Republic of)"),
        ("MD", "Moldova (the Republic of)"),
        ("NL", "Netherlands (the), Netherlands (Kingdom of the)"),
        ("PH", "Philippines (the)"),
        ("US", "United States of America (the)"),
        ("VA", "Holy See (the)"),
        # as the World Bank and others shorten them
        ("DO", "Dominican Rep."),
        ("KY", "Cayman Is."),
        ("ZA", "S. Africa"),
        ("GB", "N. Ireland, Großbritannien, Grande-Bretagne"),
        ("ZZ", "World, EMEA"),
        ("NA", "NA, Namibia"),
        ("NE", "Niger"),
        ("RU", "Russia, Россия, Russian Federation"),
        ("VN", "Vietnam, Viet Nam"),
        ("CZ", "Czech Republic, Czechia, Česko"),
        ("NL", "Holland, The Netherlands, Nederland"),
        ("TR", "Turkey, Türkiye, TÜRKİYE"),
        ("CI", "Ivory Coast, Côte d’Ivoire, COTE D'IVOIRE"),
        ("TW", "Taiwan"),
        ("HK", "Hong Kong"),
        ("DE", "Deutschland, Germany, Allemagne"),
        ("ES", "España"),
        ("AT", "Österreich"),
        ("CH", "Schweiz, Suisse, Svizzera"),
        ("SE", "Sverige"),
        ("JP", "日本"),
        ("LC", "St. Lucia"),
        ("TT", "Trinidad & Tobago"),
        ("BO", "Bolivia"),
        ("VI", "Virgin Islands (US)"),
        ("SX", "Sint Maarten"),
        ("MF", "Saint Martin"),
        ("SH", "St. Helena"),
        ("LY", "Libyan Arab Jamahiriya"),
        ("MM", "Republic of the Union of Myanmar"),
        ("TR", "Turkey (Türkiye)"),
        ("GF", "Guyane"),
        ("RE", "Reunion Island"),
        ("ZZ", "Asia, Latin America"),
        (None, "Narnia, Virgin Islands, -, GBX"),
    ],
)
def test_country_code(call: Call, code: str | None, names: str) -> None:
    for name in names.split(", "):
        assert call("country_code", name) == code, name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("MK", "Macedonia, the former Yugoslav Republic of"), ("KP", "Korea, Dem. Rep."),
        ("KR", "Korea (Republic)"), ("DE", "Germany, Federal Republic of"),
    ],
)  # fmt: skip
def test_country_code_of_a_name_with_a_comma(call: Call, code: str, name: str) -> None:
    assert call("country_code", name) == code


def test_every_name_of_iso_3166_is_a_country() -> None:
    import pycountry

    kinds = ("alpha_2", "alpha_3", "name", "official_name", "common_name")
    expected = {
        getattr(country, kind).upper(): country.alpha_2
        for country in pycountry.countries
        for kind in kinds
        if getattr(country, kind, None)
    }
    connection = duckdb.connect()
    register(connection)
    found = connection.execute(
        "select name, country_code(name) from (select unnest(?) as name)", [list(expected)]
    ).fetchall()
    assert dict(found) == expected


def test_the_names_file_is_up_to_date() -> None:
    assert countries.name_keys() == countries.render_name_keys(), "run: python -m ingest.countries"


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("1.234,56 €", "1234.56"), ("EUR 12,50", "12.5"), ("$1,299.00", "1299"),
        ("1'234.50", "1234.5"), ("CHF 1’299.–", "1299"), ("12,-", "12"), ("12.-", "12"),
        ("1 234,50", "1234.5"), ("1\u202f234,50\u00a0€", "1234.5"), ("12,34,567.00", "1234567"),
        ("-12.50", "-12.5"), ("−12,50 €", "-12.5"), ("(12.50)", "-12.5"),
        ("(EUR 12,50)", "-12.5"), ("12.50-", "-12.5"), ("$..75", "0.75"),
        ("€-5", "-5"), ("Rs.500", "500"), ("Fr. 12.50", "12.5"), ("$.99", "0.99"),
        ("1,234", "1234"), ("1.234", "1234"), ("0.999", "0.999"), ("1234,567", "1234.567"),
        ("12.34567", "12.3457"), ("12.50 (incl. VAT)", "12.5"), ("  7 ", "7"), ("00012", "12"),
        ("1.234.567,89", "1234567.89"), ("Price - 12.50", "12.5"), ("0", "0"),
        ("$ (12.50)", "-12.5"), ("€ (1.234,50)", "-1234.5"), ("$(12.50)", "-12.5"),
        ("(12.50) €", "-12.5"), ("kr (12,50)", "-12.5"), ("Widget (12.50)", "12.5"),
        ("99¢", "0.99"), ("50 cents", "0.5"), ("Only 99¢ each", "0.99"), ("125 ¢", "1.25"),
        ("£1·50", "1.5"), ("１２．５０", "12.5"), ("€１，２３４．５０", "1234.5"), ("3 x £4", "4"),
    ],
)  # fmt: skip
def test_parse_price(call: Call, text: str, price: str) -> None:
    assert call("parse_price", text) == Decimal(price)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "10-20", "10 20", "12abc34", "12%", "12k", "1.2 million", "1.2.3", "1.234,567.89",
     "12..5", "3 x 12.50", "3 × 4", "--5", "--$5", "£2½", "12.50 CR", "₹ 1.5 Cr",
     "(min. order: 1)", "1e5", "nan", "12/6", "9" * 15, None],
)  # fmt: skip
def test_parse_price_of_what_is_no_price(call: Call, text: str | None) -> None:
    assert call("parse_price", text) is None


@pytest.mark.parametrize(
    ("text", "mark", "price"),
    [
        ("1.234", ",", "1234"), ("1,234", ",", "1.234"), ("1.234", ".", "1.234"),
        ("1,234.5", ".", "1234.5"), ("1 234,5", ",", "1234.5"), ("-3,5", ",", "-3.5"),
        (",5", ",", "0.5"), ("1.234,50", ".", None), ("12.50", ",", None),
    ],
)  # fmt: skip
def test_parse_price_with_a_mark(call: Call, text: str, mark: str, price: str | None) -> None:
    assert call("parse_price", text, mark) == (price and Decimal(price))


def test_parse_price_refuses_another_mark(call: Call) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="decimal mark"):
        call("parse_price", "1", ";")


def test_parse_price_takes_numbers_as_they_are(call: Call) -> None:
    assert call("parse_price", 1.125) == Decimal("1.125")
    assert call("parse_price", Decimal("1.125"), ",") == Decimal("1.125")


@given(st.decimals(min_value=-99999999, max_value=99999999, places=2))
def test_a_formatted_price_is_read_back(call: Call, price: Decimal) -> None:
    english = f"{price:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert call("parse_price", f"{english} USD") == price
    assert call("parse_price", f"{german} €") == price
    assert call("parse_price", german, ",") == price


@given(
    st.sampled_from(["", "€", "€ ", "$", "£", "EUR ", "CHF "]),
    st.from_regex(r"[0-9]{1,3}(,[0-9]{3}){0,3}[.][0-9]{2}|[0-9]{1,3}(\.[0-9]{3}){0,3},[0-9]{2}"
                  r"|[0-9]{1,12}([.,][0-9]{1,2})?", fullmatch=True),
    st.sampled_from(["", " €", "€", " EUR", " zł", "kr", " kr", " Kč", " Ft", " SEK"]),
)  # fmt: skip
def test_what_the_engine_reads_itself_is_what_the_reader_reads(
    call: Call, sign: str, number: str, after: str
) -> None:
    text = f"{sign}{number}{after}"
    assert call("parse_price", text) == read_price(text).amount


@pytest.mark.parametrize(
    ("text", "written", "code"),
    [
        ("1.234,56 €", "€", "EUR"), ("US$ 5", "US$", "USD"), ("5 zł", "zł", "PLN"),
        ("$5", "$", None), ("100 kr", "kr", None), ("CHF 5", "CHF", "CHF"), ("eur", "eur", "EUR"),
        ("R$ 5,00", "R$", "BRL"), ("5", None, None), ("", None, None), (None, None, None),
        ("NZD $5", "NZD", "NZD"), ("Kettle 2000", None, None), ("₽ 10", "₽", "RUB"),
    ],
)  # fmt: skip
def test_currency(call: Call, text: str | None, written: str | None, code: str | None) -> None:
    assert (call("price_currency", text), call("currency_code", text)) == (written, code)


@given(st.text(max_size=12))
def test_no_text_is_an_error(call: Call, text: str) -> None:
    functions = ("country_code", "parse_price", "price_currency", "currency_code", "parse_date")
    for function in functions:
        call(function, text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", "2026-12-31"), ("2026-12-31 10:05", "2026-12-31 10:05"),
        ("2026/12/31", "2026-12-31"), ("20261231", "2026-12-31"), ("31.12.2026", "2026-12-31"),
        ("1.2.2026 8:26", "2026-02-01 08:26"), ("31/12/2026", "2026-12-31"),
        ("12/31/2026", "2026-12-31"), ("31-12-2026", "2026-12-31"), ("1/1/2026", "2026-01-01"),
        ("12/31/2026 8:26 PM", "2026-12-31 20:26"), ("31 Dec 2026", "2026-12-31"),
        ("2026-12-31T10:00:00Z", "2026-12-31 10:00"), ("2026-12-31T10:00Z", "2026-12-31 10:00"),
        ("2026-12-31T10:00:00+02:00", "2026-12-31 08:00"),
        ("2026-12-31 10:00 -0530", "2026-12-31 15:30"),
    ],
)  # fmt: skip
def test_parse_date(call: Call, text: str, moment: str) -> None:
    assert call("parse_date", text) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "text",
    ["1/2/2026", "12/1/2010 8:26", "31.12.26", "31.2.2026", "2026-02-30", "46000", "epoch",
     "infinity", "garbage", "", "2026-12-31 25:00", None],
)  # fmt: skip
def test_parse_date_of_what_is_no_date_or_not_clear(call: Call, text: str | None) -> None:
    assert call("parse_date", text) is None


def test_parse_date_with_a_format() -> None:
    connection = duckdb.connect()
    register(connection)
    row = connection.execute(
        """
        select
            parse_date('1/2/2026', '%d/%m/%Y'), parse_date('1/2/2026', ['%Y', '%m/%d/%Y']),
            parse_date('1/2/2026 10:00 +0200', '%d/%m/%Y %H:%M %z'), parse_date('x', '%Y')
        """
    ).fetchone()
    assert row == (
        datetime(2026, 2, 1), datetime(2026, 1, 2), datetime(2026, 2, 1, 8), None
    )  # fmt: skip


@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2099, 12, 31)))
def test_a_formatted_date_is_read_back(call: Call, moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert call("parse_date", moment.isoformat()) == moment
    assert call("parse_date", f"{moment:%d.%m.%Y %H:%M:%S}") == moment
    american = call("parse_date", f"{moment:%m/%d/%Y %H:%M:%S}")
    assert american == (moment if moment.day > 12 or moment.day == moment.month else None)


def test_codes(call: Call) -> None:
    assert [call("is_country_code", code) for code in ("GB", "ZZ", "UK", None)] == [
        True, True, False, None
    ]  # fmt: skip
    assert [call("is_currency_code", code) for code in ("GBP", "DEM", "gbp", None)] == [
        True, True, False, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", " ", "   ", "\t", " \t", "!", " a", "a ", "\x01", "\u00a0", "0", "é", "漢", None]
)
def test_what_is_not_blank_is_what_trim_leaves_something_of(call: Call, text: str | None) -> None:
    assert call("is_not_blank", text) == (None if text is None else text.strip(" ") != "")


def test_nothing_stays_in_the_database() -> None:
    connection = duckdb.connect()
    register(connection)
    left = connection.execute(
        "select count(*) from duckdb_tables() where not temporary union all"
        " select count(*) from duckdb_functions() where not internal and database_name <> 'temp'"
    ).fetchall()
    assert left == [(0,), (0,)]


def test_what_is_registered_once_is_not_made_again() -> None:
    """Each source that is loaded registers; another connection to the database has its own."""
    connection = duckdb.connect()
    register(connection)
    connection.execute("create or replace temp macro parse_date(text) as 'as it was'")
    register(connection)
    assert connection.execute("select parse_date('x')").fetchall() == [("as it was",)]
    other = connection.cursor()
    register(other)
    assert other.execute("select cast(parse_date('2026-01-02') as date)::varchar").fetchall() == [
        ("2026-01-02",)
    ]
