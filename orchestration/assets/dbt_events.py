"""What dbt did, as Dagster's events: told while dbt goes on, for telling takes seconds of Python.

What did not go well is told last, when what failed is on record.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from orchestration.assets.raw import table_metadata
from orchestration.gates.dbt_tests import Judged, table_of, tables_of
from orchestration.preview import describe

if TYPE_CHECKING:
    from dagster_dbt import DagsterDbtTranslator

_WENT_WELL = frozenset({"success", "pass"})

Event = dict[str, Any]


class Telling:
    """The events of one build, each told once.

    Args:
        context: Dagster's, of the step.
        manifest: dbt's.
        translator: Names the assets.
        connection: Sees the warehouse being built.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        manifest: dict[str, Any],
        translator: "DagsterDbtTranslator",
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        self._context = context
        self._manifest = manifest
        self._translator = translator
        self._connection = connection
        self._kept: list[Event] = []

    def at_once(self, events: Iterable[Event]) -> Iterator[Any]:
        """Tell of nodes that went well; the others are logged, and kept for :meth:`at_last`."""
        well = []
        for event in events:
            if event["data"]["node_info"]["node_status"] in _WENT_WELL:
                well.append(event)
            else:
                self._context.log.info(event["info"]["msg"])
                self._kept.append(event)
        try:
            shown = describe(self._connection, self._tables(well))
        except duckdb.Error:
            # a view that cannot be read; why is told once dbt has ended
            self._kept += well
            return
        for event in well:
            yield from self._told(event, shown, {})

    def at_last(self, judged: Mapping[str, Judged], is_all_built: bool) -> Iterator[Any]:
        """Tell the rest.

        Args:
            judged: What tests found, by dbt's id.
            is_all_built: Whether no model failed; else a view may fail for the same reason, which
                is to be told instead.
        """
        tables = self._tables(self._kept) if is_all_built else []
        shown = describe(self._connection, tables)
        for event in self._kept:
            yield from self._told(event, shown, judged)

    def _tables(self, events: Iterable[Event]) -> list[str]:
        return tables_of(self._manifest, map(_unique_id, events))

    def _told(
        self,
        event: Event,
        shown: Mapping[str, Mapping[str, Any]],
        judged: Mapping[str, Judged],
    ) -> Iterator[Any]:
        """One event, with what we know of the table or of the failing rows."""
        node = self._manifest["nodes"][_unique_id(event)]
        message = DbtCoreCliEventMessage(event, event_history_metadata={})
        told = message.to_default_asset_events(self._manifest, self._translator, self._context)
        for result in told:
            if isinstance(result, dg.AssetCheckResult):
                evidence = _evidence(judged.get(_unique_id(event)))
                yield result._replace(metadata={**result.metadata, **evidence})
            elif isinstance(result, dg.Output):
                described = {name: one["description"] for name, one in node["columns"].items()}
                table = table_of(self._manifest, _unique_id(event))
                seen = table_metadata(shown.get(table), described)
                yield from self._built(node, result, {**result.metadata, **seen})

    def _built(
        self, node: Mapping[str, Any], result: dg.Output, metadata: Mapping[str, Any]
    ) -> Iterator[Any]:
        if result.output_name in self._context.op_execution_context.selected_output_names:
            yield dg.Output(None, output_name=result.output_name, metadata=metadata)
        else:
            key = self._translator.get_asset_key(node)
            self._context.log_event(dg.AssetMaterialization(key, metadata=metadata))


def _unique_id(event: Event) -> str:
    return str(event["data"]["node_info"]["unique_id"])


def _evidence(found: Judged | None) -> dict[str, Any]:
    if found is None or not found.sample:
        return {}
    return {"sample": dg.MetadataValue.md(found.sample)}
