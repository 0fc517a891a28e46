"""What dbt's tests expect is told in words, for every kind of ours."""

from typing import Any

import pytest

from orchestration.meanings_of_tests import NO_MORE, describe_tests, meaning


def told(kind: str, **arguments: Any) -> str:
    return meaning({"test_metadata": {"name": kind, "kwargs": arguments}})


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("unique_combination", {"columns": ["market"]}, "market identifies a row"),
        ("unique_combination", {"columns": ["a", "b", "c"]}, "a, b and c identify a row"),
        ("unique", {"column_name": "sku"}, "sku identifies a row"),
        ("relationships", {"column_name": "market", "to": "ref('dim_market')", "field": "market"},
         "every market is in dim_market"),
        ("sums_match", {"compare_to": "source('raw', 'sales')", "sums": {"lines": 1, "net": "n"},
                        "group_by": {"month": "m"}},
         "the sums of lines and net are those of raw.sales, by month"),
        ("sums_match", {"compare_to": "ref('a')", "sums": ["net"]},
         "the sums of net are those of a"),
        ("between", {"ranges": {"a": [0, 100], "b": [None, 5], "c": [1e-12, None],
                                "d": [None, None]}},
         "a from 0 to 100; b at most 5; c at least 1e-12; d a finite number"),
        ("adds_up", {"total": "net", "plus": ["gross", "freight"], "minus": ["discount"]},
         "net = gross + freight - discount"),
        ("holds", {"condition": "low\n  <= high"}, "in every row: low <= high"),
        ("accepted_values", {"column_name": "kind", "values": ["a", 2]}, "kind is one of a, 2"),
        ("somebody_elses", {}, NO_MORE),
    ],
)  # fmt: skip
def test_words_follow_from_kind_and_arguments(
    kind: str, arguments: dict[str, Any], words: str
) -> None:
    assert told(kind, **arguments) == words


def test_a_test_of_its_own_sql_is_told_by_its_first_comment() -> None:
    sql = "-- Sales agree,\n-- to the cent.\n\nwith a as (\n-- not this\nselect 1)"
    assert meaning({"raw_code": sql}) == "Sales agree, to the cent."
    assert meaning({"raw_code": "select 1"}) == NO_MORE


def test_a_description_of_the_yaml_comes_first() -> None:
    own = {"resource_type": "test", "description": "as it is", "raw_code": "-- no"}
    none = {
        "resource_type": "test",
        "description": "",
        "raw_code": "-- so",
        "meta": {"owner": "me"},
    }
    model = {"resource_type": "model", "description": ""}
    describe_tests({"nodes": {"own": own, "none": none, "model": model}})
    assert (own["description"], own["meta"]) == ("as it is", {"description": "as it is"})
    assert (none["description"], none["meta"]) == ("so", {"owner": "me", "description": "so"})
    assert model == {"resource_type": "model", "description": ""}
