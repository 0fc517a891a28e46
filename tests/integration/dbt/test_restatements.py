"""A market figure that its publisher restates, and a share as it was known at a date."""

import shutil
from collections import Counter
from datetime import date
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from orchestration.cli.reading import _show_difference
from orchestration.diff import diff
from orchestration.explain import Explainer
from orchestration.headline import headline
from orchestration.questions import create, query
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
RESTATED = "marts.mart_market_restatements__market_category_period"


def figure(
    value: float, edition: str | None, published_on: str | None, **more: Any
) -> dict[str, Any]:
    return {"value": value, "units": value / 10, "edition": edition,
            "published_on": published_on, **more}  # fmt: skip


SAME = {"period_start": "2024-01-01", "period": "month", "market": "DE", "category": "lamps",
        "currency": "GBP", "publisher": "Panel"}  # fmt: skip


@pytest.fixture
def restated(small: SmallCompany) -> SmallCompany:
    """We sell 100 in January. The panel says 1,000 in February, by firms 900 in March, and 1,250 in
    June; of February it has spoken once."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "Lamps"})
    small.has("sales", {"order_id": "1", "ordered_at": "2024-01-05", "currency": "GBP",
              "market": "DE", "product_id": "L1", "quantity": 1, "unit_price": 100})  # fmt: skip
    return small.has(
        "market_sales", figure(1_000, "1", "2024-02-10"),
        figure(600, "2", "2024-03-10", firm="A"), figure(300, "2", "2024-03-10", firm="B"),
        figure(1_250, "3", "2024-06-10"),
        {**figure(70, "2", "2024-03-10"), "period_start": "2024-02-01"}, **SAME,
    ).has("market_sales", *({**figure(50, None, None), "edition": f"e{n}", "value": 50 + n}
          for n in (1, 2)), **{**SAME, "category": "chairs", "publisher": None})  # fmt: skip


def test_what_each_publication_changed(restated: SmallCompany) -> None:
    connection = restated.build()
    rows = connection.execute(
        f"select category, publication, edition_before, edition, published_on, replaced_on, "
        f"is_current, market_value_before_home, market_value_home, value_share_before_pct, "
        f"value_share_pct from {RESTATED} where period = 'month' order by 1, 2"
    ).fetchall()
    february, march, june = (date(2024, month, 10) for month in (2, 3, 6))
    close = [tuple(pytest.approx(x) if isinstance(x, float) else x for x in row) for row in rows]
    assert close == [
        ("Lamps", 1, None, "1", february, march, False, None, 1_000, None, 10.0),
        ("Lamps", 2, "1", "2", march, june, False, 1_000, 900, 10.0, 100 / 9),
        ("Lamps", 3, "2", "3", june, None, True, 900, 1_250, 100 / 9, 8.0),
        ("chairs", 1, None, "e1", None, None, False, None, 51, None, 0.0),
        ("chairs", 2, "e1", "e2", None, None, True, 51, 52, 0.0, 0.0),
    ]
    # the last is what all other marts show, of quarters and years as well
    assert connection.execute(
        f"select count(*) from {RESTATED} as known "
        "inner join marts.mart_market_share__market_category_period as shares "
        "using (period, period_start, market, category) where known.is_current "
        "and known.market_value_home = shares.market_value_home "
        "and known.value_share_pct = shares.value_share_pct "
        "and 100.0 * known.covered_months = shares.coverage_pct "
        "* case known.period when 'month' then 1 when 'quarter' then 3 else 12 end"
    ).fetchall() == [(4,)]
    assert connection.execute(
        f"select count(*) from {RESTATED} where is_current and category = 'Lamps'"
    ).fetchall() == [(3,)]
    # March brought February to the quarter besides, and restated January
    assert connection.execute(
        f"select publication, published_on, is_restatement, covered_months_before, "
        f"covered_months, market_value_before_home, market_value_home, own_value_home "
        f"from {RESTATED} where period = 'quarter' and category = 'Lamps' order by 1"
    ).fetchall() == [
        (1, february, False, None, 1, None, 1_000, 100),
        (2, march, True, 1, 2, 1_000, 970, 100),
        (3, june, True, 2, 2, 970, 1_320, 100),
    ]


def test_a_share_as_known_at_a_date(restated: SmallCompany) -> None:
    """In February we have sold nothing that our data tells: it ends in January."""
    connection = restated.build()
    create(connection)
    known = {"2024-02-09": [], "2024-02-10": [10.0], "2024-03-10": [None, 100 / 9],
             "2024-06-09": [None, 100 / 9], "2024-06-10": [None, 8.0],
             "null": [None, 8.0]}  # fmt: skip
    for known_on, shares in known.items():
        asked = query("market_share_as_known", ["de", f"known_on={known_on}"])
        found = connection.execute(
            f"select value_share_pct from ({asked}) where category = 'Lamps' and period = 'month'"
        ).fetchall()
        assert [share for (share,) in found] == [
            None if share is None else pytest.approx(share) for share in shares
        ]
    # twice the month, its quarter and its year; once the chairs, of which no day is told
    asked = connection.execute(query("what_was_restated", ["DE"])).fetchall()
    assert Counter(row[3] for row in asked) == {"month": 3, "quarter": 2, "year": 2}


SPOKEN = [
    ("month", 1, "2024-02-10", "1", None), ("month", 1, "2024-05-02", "2", None),
    ("month", 2, "2024-03-10", "1", None), ("month", 3, "2024-04-10", "1", None),
    ("month", 4, "2024-05-02", "1", "A"), ("month", 4, "2024-05-02", "1", "Ours"),
    ("month", 5, None, "1", None), ("month", 7, "2024-08-10", "1", None),
    ("month", 8, "2024-09-10", "1", None), ("month", 8, "2024-12-01", "2", None),
    ("quarter", 1, "2024-06-15", "1", None), ("quarter", 1, "2024-11-15", "2", None),
    ("quarter", 5, "2024-08-01", "1", None), ("year", 1, "2025-02-01", "1", None),
    ("year", 1, "2025-03-01", "2", None),
]  # fmt: skip


def told_until(small: SmallCompany, day: str | None, own: str) -> SmallCompany:
    """What the panel has said of 2024 up to a day. We sell 100 pieces more in each month; of a firm
    of ours, the panel tells for April alone."""
    small.settings["own_firms"] = ["Ours"]
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "Lamps"})
    if own == "own sales":
        small.has("sales", *({"order_id": str(month), "ordered_at": f"2024-{month:02}-05",
                              "quantity": 10 * month, "unit_price": 10} for month in range(1, 13)),
                  market="DE", currency="GBP", product_id="L1")  # fmt: skip
    return small.has("market_sales", *(
        {"period": period, "period_start": f"2024-{start:02}-01", "published_on": on,
         "edition": edition, "firm": firm, "value": 1_000 * (place + 1), "units": 100 + place}
        for place, (period, start, on, edition, firm) in enumerate(SPOKEN)
        if day is None or on is None or on <= day
    ), market="DE", category="lamps", currency="GBP", publisher="Panel")  # fmt: skip


@pytest.mark.parametrize(
    ("own", "days"),
    [("own sales", ["2024-05-02", "2024-09-30"]), ("market data", ["2024-12-15"])],
)
def test_every_period_is_known_as_if_no_more_had_been_published(
    small: SmallCompany, own: str, days: list[str]
) -> None:
    """Months, quarters of the calendar and another, a year: what is asked as known at a day is what
    the marts of a company show that has received no more than that."""
    asked = (
        "period, period_start, market_value_home, volume_share_pct, value_share_pct, "
        "publisher, edition, published_on, coverage_pct"
    )
    with told_until(small, None, own).build() as everything:
        create(everything)
        for day in days:
            home = Home(small.home.root / day)
            home.dbt.parent.mkdir(parents=True)
            home.dbt.symlink_to(small.home.dbt.resolve())
            with told_until(SmallCompany(home), day, own).build() as then:
                expected = then.execute(
                    f"select {asked} from marts.mart_market_share__market_category_period "
                    "order by all"
                ).fetchall()
            macro = query("market_share_as_known", ["DE", f"known_on={day}"])
            known = everything.execute(f"select {asked} from ({macro}) order by all").fetchall()
            assert {row[0] for row in expected} == {"month", "quarter", "year"}
            assert known == expected, day


def test_a_year_as_known_is_explained(restated: SmallCompany) -> None:
    where = "period = 'year' and category = 'Lamps' and publication = 2"
    with Explainer(restated.publish()).opened() as explainer:
        found = explainer.cell(RESTATED, where, "value_share_pct")
    assert found.value == pytest.approx(100 * 100 / 970)
    assert (found.is_equal, found.recomputed) == (True, found.value)


def test_a_diff_and_the_headline_tell_what_was_restated(
    restated: SmallCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a version from before the figures were published at all, and against itself."""
    with duckdb.connect(str(restated.publish().warehouse), read_only=True) as connection:
        notes = [figure.note for figure in headline(connection) if figure.key == "value_share"]
    assert "2 market figures restated so far" in notes[0]
    (version,) = restated.home.versions.glob("*.duckdb")
    earlier = version.with_name("20230101T000000000000.duckdb")
    shutil.copy(version, earlier)
    with duckdb.connect(str(earlier)) as connection:
        connection.execute(f"delete from {RESTATED} where publication = 3")
    found = diff(restated.home, earlier.stem, version.stem)
    assert [(each.edition_before, each.edition, each.value_before_home, each.value_home)
            for each in found.restatements] == [("2", "3", 900, 1_250)]  # fmt: skip
    _show_difference(found)
    shown = capsys.readouterr().out
    assert "Market figures restated" in shown
    assert "2 -> 3" in shown
    assert not diff(restated.home, version.stem, version.stem).restatements
