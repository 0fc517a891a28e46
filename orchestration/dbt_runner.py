"""The only door to dbt: prepare its manifest once, run it in this process, close it behind.

Importing this module costs nothing; dbt (3 s of CPU) is imported when it is first needed.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import TradewindError
from ingest.home import Home
from ingest.processes import is_running
from orchestration import early_imports
from orchestration.files import remove, write_json
from orchestration.fingerprints import PROJECT, manifest_fingerprint
from orchestration.meanings_of_tests import describe_tests
from orchestration.storage import WRITING_SETTINGS

_LOGGED_LEVELS = frozenset({"warn", "error"})
# what dbt says when a node is finished, by the name of its event
RESULT_EVENTS = frozenset({"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"})


class ModelsFailed(TradewindError):
    """dbt could not build or test the models, for another reason than a failed test."""

    exit_code = 1


@dataclass(frozen=True)
class NodeResult:
    """How one node of the project ended.

    Attributes:
        unique_id: dbt's id.
        status: success, pass, warn, fail, error, skipped or `no-op`.
        failures: Failing rows of a test; None for a model.
        message: dbt's message, where there is one.
        compiled_sql: The query of a test or a model, as it was run.
    """

    unique_id: str
    status: str
    failures: int | None
    message: str | None
    compiled_sql: str | None


@dataclass(frozen=True)
class Prepared:
    """A parsed project: where its manifest stands as JSON (for Dagster) and packed (for dbt)."""

    folder: Path

    @property
    def manifest_path(self) -> Path:
        """The manifest as JSON, with an owner for every test that dbt leaves unattached."""
        return self.folder / "manifest.json"

    @property
    def packed_path(self) -> Path:
        """The manifest as dbt packs it: read in a tenth of the time."""
        return self.folder / "manifest.msgpack"

    @property
    def compiled_path(self) -> Path:
        """The compiled SQL of every node for a full build."""
        return self.folder / "nodes.json"

    def manifest(self) -> dict[str, Any]:
        """The manifest as a dictionary."""
        content: dict[str, Any] = json.loads(self.manifest_path.read_bytes())
        return content

    def compiled(self, kind: str) -> dict[str, str]:
        """The SQL of every `model` or `test` for a full build, by dbt's id."""
        return {one.unique_id: one.sql for one in self._compiled() if one.kind == kind}

    def fixed_sql(self) -> dict[str, str]:
        """That of the models and tests whose SQL follows from the project alone."""
        return {one.unique_id: one.sql for one in self._compiled() if one.is_fixed}

    def _compiled(self) -> "list[_Compiled]":
        content = json.loads(self.compiled_path.read_bytes())
        return [_Compiled(unique_id, **one) for unique_id, one in content.items()]


def prepare(home: Home, project: Path = PROJECT) -> Prepared:
    """Parse the project, unless that was done for exactly these files before.

    Raises:
        ModelsFailed: the project cannot be parsed; the message is dbt's.
    """
    prepared = Prepared(home.dbt / f"manifest-{manifest_fingerprint(project)[:16]}")
    if prepared.compiled_path.exists():
        return prepared
    outdated = set(home.dbt.glob("manifest-*")) - {prepared.folder}
    partial = home.dbt / f".{prepared.folder.name}-{os.getpid()}"
    partial.mkdir(parents=True, exist_ok=True)
    try:
        _parse(home, project, Prepared(partial))
        _keep_compiled(home, project, Prepared(partial))
        remove(prepared.folder)
        partial.replace(prepared.folder)
    finally:
        remove(partial)
    for folder in outdated:
        remove(folder)
    return prepared


def build(
    home: Home,
    database: Path,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    *,
    first: Collection[str] = (),
    full_refresh: bool = False,
    engine_config: Mapping[str, Any] | None = None,
    on_result: Callable[[dict[str, Any]], None] = lambda event: None,
    project: Path = PROJECT,
) -> list[NodeResult]:
    """Build and test models in `database`, in this process; nothing stays open afterwards.

    Args:
        home: Where the manifest and dbt's files are kept.
        database: The DuckDB file to build in.
        select: Names of models; none means all.
        exclude: Names of tests to leave out.
        first: Names of models to begin with.
        full_refresh: Build incremental models anew.
        engine_config: DuckDB's settings.
        on_result: Called with dbt's event as each node ends.
        project: The dbt project.

    Returns:
        How each node ended.

    Raises:
        ModelsFailed: dbt ended without results (a wrong selection, a broken project).
    """
    early_imports.wait()
    prepared = prepare(home, project)
    arguments = ["build", "--no-write-json"]
    arguments += ["--full-refresh"] if full_refresh else []
    for flag, names in (("--select", list(select)), ("--exclude", list(exclude))):
        arguments += [flag, *names] if names else []
    from orchestration import build_order, commits, compiled_sql

    known = compiled_sql.used(prepared.fixed_sql())
    config = engine_config or {}
    ordered = build_order.first(first, _threads(config))
    with _profile(home, database, config) as profiles, known, ordered, commits.alone():
        outcome = _invoke(home, project, arguments, profiles, prepared, on_result)
    if outcome.result is None:
        raise ModelsFailed(
            what=f"dbt could not run: {outcome.exception}",
            where=str(project),
            next_step="see the log: " + str(home.dbt / "logs" / "dbt.log"),
        ) from outcome.exception
    return [_node_result(result) for result in outcome.result.results]


@dataclass(frozen=True)
class _Compiled:
    unique_id: str
    kind: str
    is_fixed: bool
    sql: str


def _compile(home: Home, project: Path, prepared: Prepared) -> Iterator[Any]:
    """Yield every node with its SQL for a full build; no warehouse is opened."""
    scratch = home.dbt / f"compile-{os.getpid()}"
    scratch.mkdir(parents=True, exist_ok=True)
    # the stem of the file is the name of the catalog that the manifest knows
    database = scratch / "warehouse.duckdb"
    arguments = ["compile", "--full-refresh", "--no-write-json"]
    try:
        with _profile(home, database, {}) as profiles:
            outcome = _invoke(home, project, arguments, profiles, prepared, lambda event: None)
    finally:
        remove(scratch)
    if outcome.result is None or not outcome.success:
        raise ModelsFailed(
            what=f"dbt cannot compile its models: {outcome.exception}",
            where=str(project),
            next_step="`make lint` shows what is wrong with a model",
        ) from outcome.exception
    yield from (result.node for result in outcome.result.results)


def _node_result(result: Any) -> NodeResult:
    return NodeResult(
        unique_id=result.node.unique_id,
        status=str(result.status),
        failures=result.failures,
        message=result.message,
        compiled_sql=getattr(result.node, "compiled_code", None),
    )


@contextmanager
def _profile(home: Home, database: Path, engine_config: Mapping[str, Any]) -> Iterator[Path]:
    """A profile for this process and database: the settings must equal our own connections'."""
    _remove_killed(home)
    folder = home.dbt / f"profiles-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    output = {
        "type": "duckdb",
        "path": str(database),
        "schema": "main",
        "threads": _threads(engine_config),
        "config_options": dict(engine_config),
        "settings": dict(WRITING_SETTINGS),
    }
    profile = {"tradewind": {"target": "duckdb", "outputs": {"duckdb": output}}}
    # JSON is YAML
    (folder / "profiles.yml").write_text(json.dumps(profile), encoding="utf-8")
    try:
        yield folder
    finally:
        remove(folder)


def _threads(engine_config: Mapping[str, Any]) -> int:
    return int(engine_config.get("threads", os.cpu_count() or 2))


def _remove_killed(home: Home) -> None:
    """Remove the working folders of processes that are gone: only a killed one leaves any."""
    for pattern in ("profiles-*", "compile-*", ".manifest-*"):
        for folder in home.dbt.glob(pattern):
            if not is_running(folder.name.rpartition("-")[2]):
                remove(folder)


def _invoke(
    home: Home,
    project: Path,
    arguments: list[str],
    profiles: Path,
    prepared: Prepared | None,
    on_result: Callable[[dict[str, Any]], None],
) -> Any:
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    from orchestration.dbt_messages import heard

    def listen(event: Any) -> None:
        if event.info.level in _LOGGED_LEVELS:
            log.write(f"{event.info.ts.ToJsonString()} [{event.info.level}] {event.info.msg}\n")
        if event.info.name in RESULT_EVENTS:
            on_result(MessageToDict(event, preserving_proto_field_name=True))

    folders = {
        "--project-dir": project,
        "--profiles-dir": profiles,
        "--target-path": home.dbt / "target",
        "--log-path": home.dbt / "logs",
    }
    placed = [part for flag, folder in folders.items() for part in (flag, str(folder))]
    # dbt's own logs compose a line for each of some thousand events before they drop it
    silent = ["--quiet", "--log-level", "none", "--log-level-file", "none"]
    runner = dbtRunner(manifest=_unpack(prepared), callbacks=[listen])
    (home.dbt / "logs").mkdir(parents=True, exist_ok=True)
    with (
        (home.dbt / "logs" / "dbt.log").open("a", encoding="utf-8") as log,
        heard(RESULT_EVENTS, _LOGGED_LEVELS),
    ):
        try:
            outcome = runner.invoke([*silent, *arguments, *placed])
        finally:
            close()
    if outcome.exception is not None and not isinstance(outcome.exception, Exception):
        # dbt keeps an interrupt, Dagster's too, to itself, as if the project were wrong
        raise outcome.exception
    return outcome


def _unpack(prepared: Prepared | None) -> Any:
    if prepared is None:
        return None
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    packed = prepared.packed_path.read_bytes()
    return Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)


class Queries:
    """What dbt asks DuckDB just now, in all its threads."""

    def interrupt(self) -> None:
        """End the queries that are running."""
        from dbt.adapters.factory import FACTORY

        for adapter in FACTORY.adapters.values():
            adapter.connections.cancel_open()


def close() -> None:
    """Close dbt's connections: in this process it would keep the database file locked."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


def _parse(home: Home, project: Path, into: Prepared) -> None:
    # parsing opens no database, but the profile must name one whose stem is `warehouse`
    with _profile(home, home.warehouse, {}) as profiles:
        outcome = _invoke(home, project, ["parse"], profiles, None, lambda event: None)
    if not outcome.success:
        raise ModelsFailed(
            what=f"dbt cannot parse its project: {outcome.exception}",
            where=str(project),
            next_step="mend the model or its YAML that dbt names, then run again",
        ) from outcome.exception
    from dbt.parser.manifest import extended_mashumaro_encoder

    manifest = outcome.result
    # unit tests judge the code, not the data: they are for `make test`
    manifest.unit_tests.clear()
    into.packed_path.write_bytes(manifest.to_msgpack(encoder=extended_mashumaro_encoder))
    content = manifest.writable_manifest().to_dict(omit_none=False)
    _adopt_tests(content)
    describe_tests(content)
    into.manifest_path.write_text(json.dumps(content, default=str), encoding="utf-8")


def _keep_compiled(home: Home, project: Path, prepared: Prepared) -> None:
    from orchestration.compiled_sql import is_fixed

    manifest = prepared.manifest()
    compiled = {
        node.unique_id: {
            "kind": node.resource_type,
            "is_fixed": node.resource_type in {"model", "test"}
            and is_fixed(manifest, manifest["nodes"][node.unique_id]),
            "sql": node.compiled_code,
        }
        for node in _compile(home, project, prepared)
    }
    write_json(prepared.compiled_path, compiled)


def _adopt_tests(manifest: dict[str, Any]) -> None:
    """Give every test that dbt attaches to no model to one, so that it shows on an asset.

    That is the last model that it reads or, where it reads sources only, the first one that is
    built from them. (As checks of the sources themselves they would belong to the same step as
    the models, and Dagster would build before the deliveries are judged.)
    """
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] != "test" or not node["depends_on"]["nodes"]:
            continue
        read = node["depends_on"]["nodes"]
        owner = next((name for name in reversed(read) if name.startswith("model.")), None)
        if owner is None:
            owner = _reader_of(manifest, read[0])
            read.append(owner)
            manifest["parent_map"][unique_id].append(owner)
            manifest["child_map"][owner].append(unique_id)
        elif node.get("attached_node") or len(read) == 1:
            continue
        meta = node["config"].setdefault("meta", {})
        meta.setdefault("dagster", {}).setdefault("ref", {"name": manifest["nodes"][owner]["name"]})


def _reader_of(manifest: dict[str, Any], source: str) -> str:
    """The first model that reads a source; where none does, the first model of all."""
    built = [
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    ]
    readers = set(manifest["child_map"][source]).intersection(built)
    return min(readers or built)
