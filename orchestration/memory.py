"""What is said where DuckDB has less memory than a query needs."""

from ingest.errors import TradewindError

_MARK = "Out of Memory Error: "


class OutOfMemory(TradewindError):
    """A query needed more memory than DuckDB may take; nothing was published."""

    exit_code = 2


def is_out_of_memory(error: BaseException | str | None) -> bool:
    """Say whether an error, what it came from, or what dbt tells of one, means so."""
    while isinstance(error, BaseException):
        if _MARK in str(error):
            return True
        error = error.__cause__ or error.__context__
    return error is not None and _MARK in error


def out_of_memory(told: str) -> OutOfMemory:
    """Return the error that says what to do.

    Args:
        told: What DuckDB said, and perhaps dbt before it.
    """
    before, _, after = told.partition(_MARK)
    return OutOfMemory(
        what=f"DuckDB ran out of memory: {after.partition(chr(10))[0]}",
        where=before.strip().rstrip(":") or "the candidate of this run",
        expected="memory for one step of a query; what is larger than that goes to the disk",
        next_step="run again with a larger `--memory-limit` (without one, DuckDB takes up to four "
        "fifths of the machine's memory) or with fewer `--threads`; readers keep the last version",
    )
