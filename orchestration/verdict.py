"""The verdict: whether exactly this content passed its checks.

It is bound to the content by the BLAKE3 of the database file, so a candidate that was changed
after it was judged cannot be published.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import duckdb

from ingest.errors import GateRefused
from orchestration.candidate import Candidate, connect_memory, quoted
from orchestration.files import digest_once, full_disk_explained, remove, write_json
from orchestration.sole_writer import only_writer

_CREATE = """
create schema if not exists audit;
create table if not exists audit.verdicts (
    run_id varchar, judged_at timestamp, passed boolean, checks bigint, failed bigint,
    failed_checks varchar[]
);
"""


@dataclass(frozen=True)
class Verdict:
    """One judgement. ``checks`` is their number; ``failed`` the names of those that failed."""

    run_id: str
    judged_at: str
    passed: bool
    checks: int
    failed: list[str]
    blake3: str


def write(
    candidate: Candidate,
    run_id: str,
    passed: bool,
    checks: int,
    failed: Sequence[str] = (),
    opened: AbstractContextManager[duckdb.DuckDBPyConnection] | None = None,
) -> Verdict:
    """Judge the candidate's content as it is now; use no connection to it any more.

    The row in ``audit.verdicts`` is written, and on a pass what is noted as pending
    is emptied, before the file is hashed: both belong to the content that is judged.

    Args:
        candidate: what is judged.
        run_id: the run whose checks these are.
        passed: whether it may be published.
        checks: how many checks were made.
        failed: the names of the blocking checks that failed; empty if it passed.
        opened: the last connection to it, whose end leaves none open; one of its own if None.

    Raises:
        GateRefused: another process wrote to the database since it was checked, or has it open
            still, so that its content is not final.
    """
    if passed and failed:
        raise ValueError("a candidate with failed checks has not passed")
    remove(candidate.verdict)
    judged_at = datetime.now(UTC)
    with (
        full_disk_explained(candidate.folder),
        only_writer(candidate),
        opened or closing(duckdb.connect(str(candidate.database))) as connection,
    ):
        _record(connection, run_id, judged_at, passed, checks, failed)
    with _closed(candidate):
        pass
    verdict = Verdict(
        run_id=run_id,
        judged_at=judged_at.isoformat(timespec="microseconds"),
        passed=passed,
        checks=checks,
        failed=list(failed),
        blake3=digest_once(candidate.database),
    )
    write_json(candidate.verdict, asdict(verdict))
    return verdict


def read(candidate: Candidate) -> Verdict | None:
    """Return the candidate's verdict, or None if it was never judged."""
    try:
        content = json.loads(candidate.verdict.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Verdict(**content)


def require_passed(candidate: Candidate) -> Verdict:
    """Return the verdict that lets the candidate's present content be published.

    Raises:
        GateRefused: never judged, judged and failed, or changed since it was judged.
    """
    verdict = read(candidate)
    if verdict is None:
        raise _refused(candidate, "it was never judged")
    if not verdict.passed:
        names = ", ".join(verdict.failed[:5]) or "a gate"
        raise _refused(candidate, f"{len(verdict.failed)} of {verdict.checks} checks: {names}")
    if candidate.write_ahead_log.exists() or digest_once(candidate.database) != verdict.blake3:
        raise _refused(candidate, "its content changed after it was judged")
    with _closed(candidate) as connection:
        _require_recorded(candidate, connection)
    return verdict


def _record(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    judged_at: datetime,
    passed: bool,
    checks: int,
    failed: Sequence[str],
) -> None:
    connection.execute(_CREATE)
    connection.execute(
        "insert into audit.verdicts values (?, ?, ?, ?, ?, ?)",
        [run_id, judged_at.replace(tzinfo=None), passed, checks, len(failed), list(failed)],
    )
    if passed:
        _empty_pending(connection)
    connection.execute("checkpoint")


def _empty_pending(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "select table_name from duckdb_tables() "
        "where schema_name = 'audit' and starts_with(table_name, 'pending_')"
    ).fetchall()
    for (table,) in found:
        connection.execute(f"delete from audit.{table}")
    connection.execute("drop table if exists audit.built_months")


@contextmanager
def _closed(candidate: Candidate) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a database, as `judged`, that nothing can change any more.

    Refuses one that another process, or a connection of this one, still has open.
    """
    reason = "it is still open, so what it holds is not final"
    if candidate.write_ahead_log.exists():
        raise _refused(candidate, reason)
    with connect_memory() as connection:
        try:
            connection.execute(f"attach {quoted(candidate.database)} as judged (read_only)")
        except (duckdb.BinderException, duckdb.IOException) as error:
            raise _refused(candidate, reason) from error
        yield connection


def _require_recorded(candidate: Candidate, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a candidate that says of itself that its last checks did not all pass."""
    passed = connection.execute(
        "select arg_max(passed, judged_at) from judged.audit.verdicts where run_id = ?",
        [candidate.run_id],
    ).fetchall()
    if passed != [(True,)]:
        raise _refused(candidate, "its own record, audit.verdicts, says that it did not pass")


def _refused(candidate: Candidate, why: str) -> GateRefused:
    return GateRefused(
        what=f"run {candidate.run_id} is not published: {why}",
        where=str(candidate.folder),
        expected="a verdict that passed, for exactly this content",
        next_step="mend the cause and run again: `tradewind run`; the candidate is kept for "
        f"inspection: `duckdb -readonly {candidate.database}`; readers keep the last version",
    )
