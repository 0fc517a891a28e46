"""dbt's models and tests as assets and checks, built in this process.

The names come from our translator. What a failed test found goes to `audit.checks`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from orchestration import dbt_runner
from orchestration.assets.dbt_events import Event, Telling
from orchestration.assets.estimates import FITS_KEY, SCORES_KEY
from orchestration.assets.sources import owners_of
from orchestration.background import meanwhile
from orchestration.early_estimates import EarlyEstimates
from orchestration.gates.dbt_tests import Judged, judge_tests, table_of, tables_of
from orchestration.gates.judgement import refuse
from orchestration.memory import is_out_of_memory, out_of_memory
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

# a dictionary, and the same one throughout: the translator remembers what it worked out by its id
Manifest = dict[str, Any]


class Translator(DagsterDbtTranslator):
    """Assets are named `schema/table` as readers find them, and grouped by layer."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`raw/sales`, `core/fct_sales`, `marts/mart_...`."""
        name = dbt_resource_props.get("alias") or dbt_resource_props.get("identifier")
        return dg.AssetKey([dbt_resource_props["schema"], name or dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The layer: the schema."""
        return str(dbt_resource_props["schema"])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own words; the first sentence is its grain."""
        return str(dbt_resource_props.get("description") or "")

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str] | None:
        """The owner in the model's meta, else the analytics engineers."""
        meta = dbt_resource_props.get("config", {}).get("meta") or dbt_resource_props.get("meta")
        return owners_of(str((meta or {}).get("owner", "analytics")))


# dbt's names for what rests on estimates
ON_ESTIMATES = "source:estimates+"
# they read much and wait for little: beside the many short models, which are Python's work
_BEGUN_EARLY = ("quarantine_without_rate", "int_customers__needs")


def model_assets(manifest: Manifest) -> list[dg.AssetsDefinition]:
    """All models of the project as two steps that can be limited to any of them.

    The second step holds what rests on estimates, which are made from models of the first.
    """
    translator = Translator()

    def part(name: str, select: str, exclude: str) -> dg.AssetsDefinition:
        @dbt_assets(
            manifest=manifest,
            dagster_dbt_translator=translator,
            name=name,
            select=select,
            exclude=exclude,
            required_resource_keys={"workspace"},
        )
        def models(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
            yield from _build(context, context.resources.workspace, manifest, translator)

        return models

    return [
        part("build_models", "fqn:*", ON_ESTIMATES),
        part("build_models_on_estimates", ON_ESTIMATES, ""),
    ]


def _build(  # type: ignore[no-untyped-def]
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    manifest: Manifest,
    translator: Translator,
):
    chosen = _chosen_models(context, manifest, translator)
    # the models take all memory that there is
    workspace.free_memory()
    with workspace.connect() as connection:
        present = _present(connection)
    selection = _selection(context, manifest, translator, chosen, present)
    early = _early_estimates(context, workspace)
    ended: SimpleQueue[Event | None] = SimpleQueue()

    def build() -> list[dbt_runner.NodeResult]:
        try:
            return _built(workspace, selection, early, ended.put)
        finally:
            ended.put(None)

    with early or nullcontext():
        with (
            workspace.connect() as connection,
            meanwhile(build, dbt_runner.Queries) as built,
        ):
            telling = Telling(context, manifest, translator, connection)
            for events in _batches(ended):
                yield from telling.at_once(events)
            judged = _judged(workspace, manifest, connection, built())
            rest = list(telling.at_last(judged, _all_built(built())))
        if any(one.result.blocks for one in judged.values()):
            if early is not None:
                early.stop()
            refuse(workspace)
        yield from rest
        _raise_for_errors(built())


def _batches(ended: "SimpleQueue[Event | None]") -> Iterator[list[Event]]:
    """The events as they come, those that came meanwhile at once; ends at the first None."""
    while True:
        events = [ended.get()]
        while not ended.empty():
            events.append(ended.get())
        yield [event for event in events if event is not None]
        if events[-1] is None:
            return


def _early_estimates(
    context: dg.AssetExecutionContext, workspace: Workspace
) -> EarlyEstimates | None:
    """What the step that estimates will wait for; None where that is not to come in the run."""
    done: set[str] = workspace.notes.get("built", set())
    if any(
        key not in _selected(context) or ".".join(key.path) in done
        for key in (FITS_KEY, SCORES_KEY)
    ):
        return None
    early = workspace.notes["early_estimates"] = EarlyEstimates(workspace)
    return early


def _selected(context: dg.AssetExecutionContext) -> AbstractSet[dg.AssetKey]:
    """The assets of the run, in whichever step."""
    return context.op_execution_context.job_def.asset_layer.selected_asset_keys


def _built(
    workspace: Workspace,
    selection: tuple[list[str], list[str]],
    early: EarlyEstimates | None,
    ended: Callable[[Event], None],
) -> list[dbt_runner.NodeResult]:
    """How the nodes of a selection ended."""

    def notice(event: Event) -> None:
        ended(event)
        if early is not None:
            early.seen(event)

    workspace.say("Building and testing the models")
    return dbt_runner.build(
        workspace.home,
        workspace.candidate.database,
        *selection,
        first=[*_BEGUN_EARLY, *(early.awaits if early is not None else ())],
        full_refresh=workspace.full_refresh,
        engine_config=workspace.engine_config,
        on_result=notice,
    )


def _judged(
    workspace: Workspace,
    manifest: Manifest,
    connection: "duckdb.DuckDBPyConnection",
    results: list[dbt_runner.NodeResult],
) -> dict[str, Judged]:
    """What the tests found, by dbt's id: on record now."""
    judged = judge_tests(connection, workspace.run_id, manifest, results)
    built = tables_of(manifest, (result.unique_id for result in results))
    workspace.notes.setdefault("built", set()).update(built)
    return judged


def _chosen_models(
    context: dg.AssetExecutionContext, manifest: Manifest, translator: Translator
) -> list[str]:
    keys = {translator.get_asset_key(node): name for name, node in _models(manifest).items()}
    wanted = set(context.selected_asset_keys)
    wanted |= {check.asset_key for check in context.selected_asset_check_keys}
    return [name for key, name in keys.items() if key in wanted]


def _selection(
    context: dg.AssetExecutionContext,
    manifest: Manifest,
    translator: DagsterDbtTranslator,
    chosen: list[str],
    present: set[tuple[str, str]],
) -> tuple[list[str], list[str]]:
    """What dbt is to select and to leave out, so that it builds and tests the chosen models."""
    on_estimates = resting_on_estimates(manifest)
    if set(chosen) == set(_models(manifest)) - on_estimates:
        return [], [ON_ESTIMATES]
    missing = missing_ancestors(manifest, chosen, present)
    if set(chosen) == on_estimates and not missing:
        return [ON_ESTIMATES], []
    later = _built_later(context, manifest, translator, chosen)
    names = [manifest["nodes"][node]["name"] for node in chosen + missing]
    names += tests_of_sources(manifest, chosen + missing)
    return names, tests_without_tables(manifest, chosen + missing, present - later)


def resting_on_estimates(manifest: Manifest) -> set[str]:
    """The models that are made, at any remove, from estimates."""
    queue = [name for name, node in manifest["sources"].items() if node["schema"] == "estimates"]
    found: set[str] = set()
    while queue:
        children = set(manifest["child_map"].get(queue.pop(), ())) - found
        found |= children
        queue += children
    return found & set(_models(manifest))


def _built_later(
    context: dg.AssetExecutionContext,
    manifest: Manifest,
    translator: DagsterDbtTranslator,
    chosen: Iterable[str],
) -> set[tuple[str, str]]:
    """The tables that the other step of models has yet to build in the same run.

    They still are what they were in the last version, so that no test may compare with them.
    """
    selected = _selected(context)
    done: set[str] = context.resources.workspace.notes.get("built", set())
    return {
        _relation(node)
        for name, node in _models(manifest).items()
        if name not in set(chosen)
        and translator.get_asset_key(node) in selected
        and table_of(manifest, name) not in done
    }


def _models(manifest: Manifest) -> dict[str, Any]:
    return {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "seed"}
        and node["config"]["materialized"] != "ephemeral"
    }


def missing_ancestors(
    manifest: Manifest, chosen: Iterable[str], present: set[tuple[str, str]]
) -> list[str]:
    """The models that some models need and that the candidate does not hold yet.

    They are built as well, so that one asset can be materialised before anything was published.
    """
    chosen = list(chosen)
    seen = set(chosen)
    missing: list[str] = []
    queue = list(chosen)
    while queue:
        for parent in manifest["parent_map"].get(queue.pop(), []):
            node = manifest["nodes"].get(parent)
            if node is None or parent in seen:
                continue
            seen.add(parent)
            ephemeral = node["config"]["materialized"] == "ephemeral"
            if ephemeral or (node["schema"], node["alias"]) not in present:
                queue.append(parent)
                missing += [] if ephemeral else [parent]
    return missing


def tests_of_sources(manifest: Mapping[str, Any], built: Iterable[str]) -> list[str]:
    """Names of the tests that read sources alone and were given to one of some models.

    dbt, which knows nothing of that, does not run them where it is to build these models only.
    """
    models = set(built)
    return [
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and not node["refs"]
        and models.intersection(node["depends_on"]["nodes"])
    ]


def tests_without_tables(
    manifest: Manifest, built: Iterable[str], present: set[tuple[str, str]]
) -> list[str]:
    """Names of tests that compare with a table which is neither there nor being built."""
    there = present | {_relation(manifest["nodes"][name]) for name in built}
    absent = {
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        and node["config"]["materialized"] != "ephemeral"
        and _relation(node) not in there
    }
    return [
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and absent.intersection(node["depends_on"]["nodes"])
    ]


def _relation(node: Mapping[str, Any]) -> tuple[str, str]:
    return node["schema"], node["alias"]


def _present(connection: Any) -> set[tuple[str, str]]:
    rows = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = current_database()"
    ).fetchall()
    return set(rows)


def _all_built(results: Iterable[dbt_runner.NodeResult]) -> bool:
    return all(result.status != "error" for result in results)


def _raise_for_errors(results: Iterable[dbt_runner.NodeResult]) -> None:
    errors = [result for result in results if result.status == "error"]
    if not errors:
        return
    told = "\n".join(f"{error.unique_id}: {error.message}" for error in errors)
    if is_out_of_memory(told):
        raise out_of_memory(told)
    raise dbt_runner.ModelsFailed(
        what=told,
        where="the candidate of this run; readers keep the last version",
        next_step="mend the model or the data that it names, then run again",
    )
