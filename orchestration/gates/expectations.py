"""Great Expectations over small frames that DuckDB aggregated: suites in, results and pages out.

A frame has a row for each thing judged (a delivery, a mart), never one for each row of data, so
the cost does not grow with the data. Great Expectations itself (6 s of CPU) is imported when the
first frame is judged.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.gates.data_docs import Validated, make_self_contained
from orchestration.gates.results import SAMPLE_ROWS, CheckResult, Severity

SITE = "tradewind"


@dataclass(frozen=True)
class Range:
    """What a measure of a frame must lie in, both ends included; None is open. Null passes.

    Attributes:
        column: The measure.
        minimum, maximum: The ends.
        meaning: What is expected, for people.
        severity: A failed `error` keeps the run from being published.
        failing: A query for the rows behind a failure, where the measure is an aggregate.
        told: A failing row in words, its values in braces; the measure alone where it is empty.
    """

    column: str
    minimum: float | None
    maximum: float | None
    meaning: str
    severity: Severity = "error"
    failing: str | None = None
    told: str = ""


@dataclass(frozen=True)
class Frame:
    """Rows to judge and what is expected of them.

    Attributes:
        suite: The name of the suite and of its page.
        table: `schema.table` that the results are about.
        key: The column that tells the rows apart.
        rows: The measures; all rows have the same columns.
        ranges: What is expected. That there is a row comes first: on an empty frame every
            range passes.
    """

    suite: str
    table: str
    key: str
    rows: Sequence[Mapping[str, Any]]
    ranges: Sequence[Range] = field(default_factory=list)


class Session:
    """One run's validations: all in one context, so that the pages show them together."""

    def __init__(self) -> None:
        self._context: Any = None
        self._measures: Any = None
        self._validated: list[Validated] = []

    def judge(self, frames: Iterable[Frame]) -> list[CheckResult]:
        """Validate each frame with its suite.

        Returns:
            One result an expectation, the row count first.
        """
        return [result for frame in frames for result in self._judge(frame)]

    def write_pages(self, folder: Path) -> Path | None:
        """Write Great Expectations' Data Docs of everything judged so far.

        Returns:
            The index page; None where nothing was judged.
        """
        if self._context is None:
            return None
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": store,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        for name in list(self._context.variables.data_docs_sites):
            self._context.delete_data_docs_site(name)
        self._context.add_data_docs_site(SITE, site)
        self._context.build_data_docs()
        make_self_contained(folder, self._validated)
        return folder / "index.html"

    def _judge(self, frame: Frame) -> list[CheckResult]:
        self._open()
        import great_expectations as gx

        suite = gx.ExpectationSuite(name=frame.suite, expectations=_expectations(frame))
        definition = gx.ValidationDefinition(
            name=frame.suite, data=self._measures, suite=self._context.suites.add(suite)
        )
        outcome = self._context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": _data_frame(frame)},
            # more would be worked out for each measure of each frame, and nearly all of them pass
            result_format={
                "result_format": "BASIC",
                "partial_unexpected_count": SAMPLE_ROWS,
            },
        )
        failed = sum(not result.success for result in outcome.results)
        self._validated.append(Validated(frame.suite, not failed, len(outcome.results), failed))
        return [_as_check(frame, result) for result in outcome.results]

    def _open(self) -> None:
        if self._context is not None:
            return
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = self._context.data_sources.add_pandas("duckdb_aggregates")
        # one for all frames: each that is added is a configuration to be written anew
        asset = source.add_dataframe_asset("measures")
        self._measures = asset.add_batch_definition_whole_dataframe("measures")


def _data_frame(frame: Frame) -> Any:
    import pandas as pd

    measures = [each.column for each in frame.ranges]
    columns = list(frame.rows[0]) if frame.rows else [frame.key, *measures]
    data = pd.DataFrame(list(frame.rows), columns=columns)
    # decimals and columns of nulls would be objects, which do not compare with numbers
    return data.astype(dict.fromkeys(measures, float))


def _expectations(frame: Frame) -> list[Any]:
    import great_expectations.expectations as gxe

    counted = gxe.ExpectTableRowCountToBeBetween(min_value=1, meta={"check": "is_measured"})
    return [counted, *(_between(gxe, each) for each in frame.ranges)]


def _between(gxe: Any, each: Range) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(
        column=each.column,
        min_value=each.minimum,
        max_value=each.maximum,
        severity="critical" if each.severity == "error" else "warning",
        notes=each.meaning,
        meta={"check": each.column},
    )


def _as_check(frame: Frame, result: Any) -> CheckResult:
    check = result.expectation_config.meta["check"]
    wanted = next((each for each in frame.ranges if each.column == check), None)
    found = result.result
    failing = int(found.get("unexpected_count") or 0) if wanted else int(not result.success)
    sample = _failing(frame, check, found)
    return CheckResult(
        name=f"{frame.suite}.{check}",
        table=frame.table,
        kind="great_expectations",
        is_passed=bool(result.success),
        severity=wanted.severity if wanted else "error",
        observed="; ".join(wanted.told.format(**row) for row in sample)
        if wanted and wanted.told and sample
        else _observed(found),
        expected=wanted.meaning if wanted else "at least one row is measured",
        failing_rows=failing,
        sample=sample,
    )


def _observed(found: Mapping[str, Any]) -> str:
    unexpected = found.get("partial_unexpected_list")
    if unexpected:
        return ", ".join(map(str, unexpected))
    return str(found.get("observed_value", "as expected"))


def _failing(frame: Frame, measure: str, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the frame that failed, whole: the measures beside it often tell why."""
    unexpected = set(found.get("partial_unexpected_list") or ())
    known = [row for row in frame.rows if unexpected and row[measure] is not None]
    failing = [row for row in known if float(row[measure]) in unexpected]
    return [dict(row) for row in failing[:SAMPLE_ROWS]]
