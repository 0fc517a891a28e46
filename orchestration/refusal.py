"""What a run that failed checks says of them: to the terminal, the log and the webhook."""

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from ingest.errors import GateRefused
from ingest.home import Home
from orchestration import candidate as candidates
from orchestration.candidate import connect_read_only
from orchestration.gates.results import of_run

if TYPE_CHECKING:
    from orchestration.gates.results import CheckResult

_SHOWN = 5


def explained(results: "Iterable[CheckResult]", where: str) -> dict[str, str]:
    """The parts of the error for checks of which some failed: the first five with a row."""
    results = list(results)
    failed = [one for one in results if one.blocks]
    details = "\n".join(_described(one) for one in failed[:_SHOWN])
    return {
        "what": f"{len(failed)} of {len(results)} checks failed; nothing was published\n{details}",
        "where": where,
        "expected": "every blocking check to pass",
        "next_step": "mend the cause (`tradewind quarantine list`, the mapping, the model) and "
        "run again; readers keep the last version",
    }


def of_ended_run(home: Home, run_id: str) -> GateRefused | None:
    """What a run that has ended was refused for, from its candidate; None where it was not."""
    kept = candidates.find(home, run_id)
    if kept is None:
        return None
    with closing(connect_read_only(kept.database)) as connection:
        results = of_run(connection, run_id)
    if not any(one.blocks for one in results):
        return None
    return GateRefused(**explained(results, str(kept.database)))


def _described(check: "CheckResult") -> str:
    name = check.name.removeprefix(check.table.partition(".")[2] + ".")
    row = check.sample[0] if check.sample else {}
    known = {column: value for column, value in row.items() if value is not None}
    shown = ", ".join(f"{column} {value}" for column, value in known.items())
    sample = f"\n    such as {shown}" if shown else ""
    return f"  {check.table}: {name}: {check.observed}; expected {check.expected}{sample}"
