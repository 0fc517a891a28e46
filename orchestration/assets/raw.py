"""The raw tables, one an entity: what was landed, mapped and typed; bad rows set aside.

One step loads them all, source by source; it can be limited to some of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from ingest import quarantine
from ingest.company import Company, Source
from ingest.landing import land
from ingest.load import LoadResult, load_source
from ingest.matches import PROPOSALS
from ingest.specification import ENTITIES
from orchestration import early_imports
from orchestration.assets.sources import STEWARDS, owners_of, require_deliveries, source_key
from orchestration.preview import describe
from orchestration.workspace import Workspace


def raw_key(entity: str) -> dg.AssetKey:
    """The asset key of an entity's raw table."""
    return dg.AssetKey(["raw", entity])


def raw_tables(company: Company, other_sources: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    """The step that loads the raw layer.

    Args:
        company: Its sources decide what each raw table is loaded from.
        other_sources: Keys of the tables beside the entities' that the models read (settings,
            quarantine, pending months), so that nothing in the graph comes from nowhere.
    """
    specs = [_entity_spec(company, name) for name in ENTITIES]
    keys = {spec.key for spec in specs}
    specs += [_other_spec(key) for key in sorted(set(other_sources) - keys)]

    @dg.multi_asset(
        name="load_raw", specs=specs, can_subset=True, required_resource_keys={"workspace"}
    )
    def load_raw(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        workspace: Workspace = context.resources.workspace
        chosen = {key for key in context.selected_asset_keys}
        for result in load(workspace, {key.path[-1] for key in chosen if key.path[0] == "raw"}):
            context.log.info(_sentence(result))
            context.log_event(_observed(company, result))
        yield from _materialized(workspace, sorted(chosen))

    return load_raw


def load(workspace: Workspace, entities: Iterable[str]) -> Iterator[LoadResult]:
    """Load what is landed and pending of the sources of some entities into the candidate.

    Raises:
        SourceUnreachable: nothing was ever delivered, so there is nothing to publish.
        DeliveryRefused: a delivery cannot be taken; nothing of its source was changed.
    """
    wanted = set(entities)
    require_deliveries(workspace)
    early_imports.start()
    early = workspace.notes.pop("early_loading", None)
    loaded: dict[str, LoadResult] = {}
    if early is not None:
        loaded = early.wait()
        workspace.is_prepared = early.has_prepared
    with workspace.connect() as connection:
        for source in workspace.company.sources:
            if source.entity not in wanted or not workspace.reads(source):
                continue
            if source.name not in loaded:
                workspace.say(f"Loading {source.name}")
            if source.name == PROPOSALS:
                _propose(workspace, connection, source)
            if workspace.replay:
                quarantine.load_again(connection, source)
            result = load_source(
                connection, source, workspace.company, workspace.home, workspace.run_id
            )
            if source.name in loaded:
                result = loaded[source.name].followed_by(result)
            workspace.notes.setdefault("loaded", []).append(result)
            yield result


def _propose(workspace: Workspace, connection: Any, source: Source) -> None:
    """Match the offers that are new; what is sure lands as a delivery of its own."""
    from orchestration.matching import propose

    workspace.say("Matching new offers")
    if propose(connection, workspace.company, workspace.home):
        land(source, workspace.company, workspace.home)


def _entity_spec(company: Company, name: str) -> dg.AssetSpec:
    sources = [source for source in company.sources if source.entity == name]
    origin = "" if sources else " No source of the company file delivers it: the table is empty."
    return dg.AssetSpec(
        raw_key(name),
        deps=[source_key(source) for source in sources],
        group_name="raw",
        kinds={"duckdb"},
        owners=owners_of(STEWARDS),
        description=ENTITIES[name].description + origin,
    )


def _other_spec(key: dg.AssetKey) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        group_name="raw",
        kinds={"duckdb"},
        owners=owners_of(STEWARDS),
        description="Written while loading: settings, rows set aside, and what changed.",
    )


def _sentence(result: LoadResult) -> str:
    return (
        f"{result.source}: {result.rows_delivered} rows delivered, {result.rows_loaded} loaded, "
        f"{result.rows_quarantined} quarantined, {result.rows_dropped} dropped"
    )


def _observed(company: Company, result: LoadResult) -> dg.AssetObservation:
    metadata: Mapping[str, Any] = {
        "rows_delivered": result.rows_delivered,
        "rows_loaded": result.rows_loaded,
        "rows_quarantined": result.rows_quarantined,
        "rows_dropped": result.rows_dropped,
    }
    return dg.AssetObservation(source_key(company.source(result.source)), metadata=metadata)


def _materialized(
    workspace: Workspace, keys: list[dg.AssetKey]
) -> Iterator[dg.MaterializeResult[Any]]:
    tables = {key: ".".join(key.path) for key in keys}
    with workspace.connect() as connection:
        shown = describe(connection, tables.values())
    quarantined: dict[str, int] = defaultdict(int)
    for result in workspace.notes.get("loaded", []):
        quarantined[workspace.company.source(result.source).entity] += result.rows_quarantined
    for key, table in tables.items():
        # settings and what changed are no entities
        entity = ENTITIES.get(key.path[-1])
        columns = () if entity is None else entity.columns
        described = {column.name: column.description for column in columns}
        metadata: dict[str, Any] = dict(table_metadata(shown.get(table), described))
        metadata["rows_quarantined"] = quarantined[key.path[-1]]
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)


def table_metadata(
    shown: Mapping[str, Any] | None, described: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Dagster's metadata for what `preview.describe` found out about a table.

    Args:
        shown: What was found out, None where there is nothing to show.
        described: What the columns hold, by name.
    """
    if shown is None:
        return {}
    columns = [
        dg.TableColumn(name, kind, (described or {}).get(name))
        for name, kind in shown["types"].items()
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        "dagster/row_count": shown["row_count"],
        "preview": dg.MetadataValue.md(shown["preview"]),
    }
