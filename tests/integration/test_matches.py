"""Proposals and decisions: from offers to `raw.product_matches`, and what a person said stays."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from ingest import landing, load, matches
from ingest.company import Company, load_company
from ingest.home import Home
from orchestration import matching
from orchestration.cli.app import main

COMPANY = """
company: Test
home_market: GB
reporting_currency: GBP
matching: {accept_above: 0.9, review_above: 0.2}
sources:
  - name: products
    entity: products
    kind: file
    path: products.csv
    columns: {product_id: id, name: name, brand: brand, gtin: gtin}
  - name: rivals
    entity: competitor_prices
    kind: file
    path: rivals/*.csv
    columns:
      observed_at: at
      competitor: shop
      market: "'GB'"
      price: price
      currency: "'GBP'"
      gtin: gtin
      mpn: sku
      title: title
"""
PRODUCTS = (
    "id,name,brand,gtin\np1,Bright Desk Lamp Oslo,Bright,4006381333931\n"
    "p2,Bolt Hammer Drill HD200,Bolt,\n"
)
GTIN = "4006381333931"


@dataclass
class Firm:
    """A company with products and rivals' offers, and a warehouse in memory."""

    folder: Path
    connection: duckdb.DuckDBPyConnection

    @property
    def company(self) -> Company:
        return load_company(self.folder / "company.yml")

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def offers(self, name: str, *lines: str) -> None:
        """Write a file of offers: shop, sku, title, gtin, price."""
        rows = "".join(f"2026-01-01,{line}\n" for line in lines)
        path = self.folder / "rivals" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("at,shop,sku,title,gtin,price\n" + rows)

    def run(self) -> int:
        """Land and load everything as a run does; how many offers the matcher looked at."""
        company, looked = self.company, 0
        load.prepare(self.connection, company)
        for source in company.sources:
            landing.land(source, company, self.home)
            if source.name == matches.PROPOSALS:
                looked = len(matching.propose(self.connection, company, self.home))
                landing.land(source, company, self.home)
            load.load_source(self.connection, source, company, self.home, "run-1")
        return looked

    def pairs(self) -> list[tuple[Any, ...]]:
        """All pairs that count, with lineage."""
        return self.connection.execute(
            "select product_id, competitor_key, kind, method, _source from raw.product_matches "
            "where _superseded_by is null order by all"
        ).fetchall()

    def says(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of `tradewind matches`."""
        place = ["--company", str(self.folder / "company.yml"), "--home", str(self.home.root)]
        done = CliRunner().invoke(main, ["matches", *arguments, *place])
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def firm(tmp_path: Path) -> Firm:
    """A company with two products."""
    (tmp_path / "company.yml").write_text(COMPANY)
    (tmp_path / "products.csv").write_text(PRODUCTS)
    return Firm(tmp_path, duckdb.connect())


def test_only_new_offers_are_matched(firm: Firm) -> None:
    firm.offers("a.csv", f"Halden,h1,whatever,{GTIN},10", "Halden,h2,rubber duck,,3")
    assert firm.run() == 2
    assert firm.pairs() == [("p1", GTIN, "exact", "gtin", "match_proposals")]
    assert firm.run() == 0
    firm.offers("b.csv", f"Ohmega,o1,whatever,{GTIN},11")
    assert firm.run() == 1
    assert len(firm.pairs()) == 2
    delivery = firm.connection.execute(
        "select count(*) from audit.deliveries where source = 'match_proposals'"
    )
    assert delivery.fetchall() == [(2,)]


def test_offers_that_nothing_was_like_are_looked_at_again_with_new_products(firm: Firm) -> None:
    firm.offers("a.csv", "Halden,h2,rubber duck yellow,,3")
    firm.run()
    (firm.folder / "products.csv").write_text(PRODUCTS + "p3,Rubber Duck Yellow,,\n")
    assert firm.run() == 1
    assert matching.examined(firm.home)["Halden", "h2"].product_id == "p3"


def test_a_rejected_pair_stays_rejected(firm: Firm) -> None:
    firm.says("reject", "p1", "Halden", GTIN, "--by", "jo", "--note", "another voltage")
    firm.offers("a.csv", f"Halden,h1,whatever,{GTIN},10")
    firm.run()
    assert firm.pairs() == [("p1", GTIN, "rejected", "hand", "match_decisions")]
    who = "select reviewed_by, confidence from raw.product_matches"
    assert firm.connection.execute(who).fetchall() == [("jo", 1.0)]
    firm.says("accept", "p1", "Halden", GTIN, "--kind", "substitute", "--pack", "2")
    firm.run()
    assert firm.pairs() == [("p1", GTIN, "substitute", "hand", "match_decisions")]


def test_a_proposal_that_breaks_a_rule_holds_nothing_up(firm: Firm) -> None:
    good = {"product_id": "p1", "competitor": "Halden", "kind": "exact", "method": "text"}
    rows = [
        {**good, "competitor_key": key, "pack_coefficient": 10**n}
        for n, key in ((0, "a"), (9, "b"))
    ]
    matches.write(firm.home, matches.PROPOSALS, rows)
    firm.run()
    assert [pair[1] for pair in firm.pairs()] == ["a"]
    rules = firm.connection.execute("select rule from quarantine.rows").fetchall()
    assert rules == [("pack_coefficient_in_range",)]


def test_a_decision_is_kept_with_who_and_when_and_once(firm: Firm) -> None:
    for _ in range(2):
        firm.says("accept", "p2", "Halden", "h9", "--by", "jo", "--until", "2030-01-01")
    (row,) = matches.decisions(firm.home)
    assert (row["reviewed_by"], row["valid_to"]) == ("jo", "2030-01-01")
    assert row["decided_at"] > "2020"


def test_suspicious_prices_are_set_aside_with_the_reason(firm: Firm) -> None:
    firm.offers("a.csv", *(f"Shop{n},s{n},x,{GTIN},{p}" for n, p in enumerate((10, 11, 12, 900))))
    firm.run()
    assert len(firm.pairs()) == 3
    (one,) = json.loads(firm.says("review", "--json"))
    assert one["competitor"] == "Shop3" and "off the median of 4 prices" in one["reason"]
    firm.says("accept", "p1", "shop3", GTIN)
    assert json.loads(firm.says("review", "--json")) == []


def test_decisions_go_out_and_come_back_as_csv(firm: Firm) -> None:
    firm.offers("a.csv", *(f"Shop{n},s{n},x,{GTIN},{p}" for n, p in enumerate((10, 11, 12, 900))))
    firm.run()
    file = firm.folder / "out.csv"
    firm.says("export", str(file))
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["decision"] for row in rows] == [""]
    rows[0]["decision"] = "reject"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    firm.says("import", str(file), "--by", "jo")
    firm.run()
    assert ("p1", GTIN, "rejected", "hand", "match_decisions") in firm.pairs()


def test_a_file_is_taken_as_a_spreadsheet_saves_it(firm: Firm) -> None:
    lines = (
        "product_id;competitor;competitor_key;decision;pack_coefficient;note",
        "p1;Café Nord;h1;accept;1,5;größer",
    )
    file = firm.folder / "in.csv"
    file.write_bytes("\r\n".join(lines).encode("cp1252"))
    firm.says("import", str(file), "--by", "jo")
    (row,) = matches.decisions(firm.home)
    assert (row["competitor"], row["pack_coefficient"], row["note"]) == (
        "Café Nord",
        "1.5",
        "größer",
    )
    file.write_text("product_id,competitor,competitor_key,decision\np1,Nord,4.00638E+12,accept\n")
    assert "a spreadsheet has shortened the number" in firm.says("import", str(file), code=2)


@pytest.mark.parametrize("bad", ["perhaps", "accept,p1"])
def test_a_file_with_a_bad_row_changes_nothing(firm: Firm, bad: str) -> None:
    file = firm.folder / "in.csv"
    file.write_text(
        f"product_id,competitor,competitor_key,decision\np1,Halden,h1,reject\n,,h2,{bad}\n"
    )
    firm.says("import", str(file), code=2)
    assert list(matches.decisions(firm.home)) == []


def test_without_matching_in_the_company_file_the_verbs_say_so(firm: Firm) -> None:
    text = COMPANY.replace("matching: {accept_above: 0.9, review_above: 0.2}\n", "")
    (firm.folder / "company.yml").write_text(text)
    assert firm.run() == 0 and firm.pairs() == []
    firm.says("review", code=2)
