"""What is said where DuckDB has too little memory."""

import duckdb
import pytest

from orchestration.memory import is_out_of_memory, out_of_memory


def test_a_query_without_enough_memory_is_told_as_such_with_what_to_do() -> None:
    with (
        duckdb.connect(config={"memory_limit": "20MB"}) as connection,
        pytest.raises(duckdb.OutOfMemoryException) as raised,
    ):
        connection.execute("select list(i) from range(10_000_000) as numbers (i)")
    assert is_out_of_memory(raised.value)
    told = str(out_of_memory(str(raised.value)))
    assert "DuckDB ran out of memory: " in told
    assert "--memory-limit" in told
    assert "preserve_insertion_order" not in told


def test_so_is_what_dbt_tells_of_one_with_the_model() -> None:
    told = "model.tradewind.fct_sales: Runtime Error\n  Out of Memory Error: of 1 KiB (2 used)\n\nx"
    assert is_out_of_memory(told)
    error = out_of_memory(told)
    assert "ran out of memory: of 1 KiB (2 used)" in str(error)
    assert "where: model.tradewind.fct_sales: Runtime Error" in str(error)


def test_other_errors_are_none_but_what_came_from_one_is() -> None:
    assert not is_out_of_memory(None)
    assert not is_out_of_memory(ValueError("Out of luck"))
    error = RuntimeError("the step failed")
    error.__cause__ = duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate")
    assert is_out_of_memory(error)
