"""One asset a source of the company file: its deliveries, landed byte for byte."""

from collections.abc import Container

import dagster as dg

from ingest.company import Company, Source
from ingest.errors import SourceUnreachable
from ingest.landing import land, manifest
from ingest.remote import is_remote
from orchestration.progress import counter
from orchestration.versions import current_version
from orchestration.workspace import Workspace

REACHED = "source_is_reached"
# who answers for what the company file names no owner of
STEWARDS = "analytics"
_ATTEMPTS_AGAIN = 2
_SECONDS_BETWEEN = 5


def source_key(source: Source) -> dg.AssetKey:
    """The asset key of a source."""
    return dg.AssetKey(["sources", source.name])


def source_assets(company: Company) -> list[dg.AssetsDefinition]:
    """One asset for each source of the company file, in its order."""
    return [_source_asset(source) for source in company.sources]


def _source_asset(source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        key=source_key(source),
        group_name="sources",
        kinds={source.kind, *([source.format] if source.format else [])},
        owners=owners_of(source.owner or STEWARDS),
        # the paths stay out of it: a variable in one may hold a secret
        description=f"Deliveries of `{source.entity}`, landed byte for byte as received.",
        metadata={"entity": source.entity},
        check_specs=[_reached_spec(source)],
        required_resource_keys={"workspace"},
    )
    def deliveries(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        yield from _land(context, context.resources.workspace, source)

    return deliveries


def _reached_spec(source: Source) -> dg.AssetCheckSpec:
    # not blocking: the other sources, and what this one delivered before, are still good
    return dg.AssetCheckSpec(
        REACHED,
        asset=source_key(source),
        blocking=False,
        description="The source answered. What it had delivered before is used where it did not.",
    )


def _land(context: dg.AssetExecutionContext, workspace: Workspace, source: Source):  # type: ignore[no-untyped-def]
    if not workspace.reads(source):
        yield _landed(workspace, source, new=0)
        yield _reached(source, None)
        return
    workspace.say(f"Landing {source.name}")
    workspace.notes.setdefault("asked", set()).add(source.name)
    try:
        new = land(source, workspace.company, workspace.home, counter(workspace.progress))
    except SourceUnreachable as error:
        if _is_worth_another_attempt(source) and context.retry_number < _ATTEMPTS_AGAIN:
            raise dg.RetryRequested(_ATTEMPTS_AGAIN, _SECONDS_BETWEEN) from error
        context.log.error(str(error))
        workspace.notes.setdefault("unreachable", {})[source.name] = error
        yield _landed(workspace, source, new=0)
        yield _reached(source, error)
        return
    yield _landed(workspace, source, new=len(new))
    yield _reached(source, None)


def _is_worth_another_attempt(source: Source) -> bool:
    """A server may answer in a moment; a file that is not there does not come by itself.

    APIs and product pages are asked again while they are read.
    """
    if source.database is not None:
        return source.database.engine != "sqlite"
    return any(is_remote(path) for path in source.paths)


def require_deliveries(workspace: Workspace) -> None:
    """Refuse to publish a first version of nothing.

    Raises:
        SourceUnreachable: nothing was ever delivered; with what is wrong at each source.
    """
    home, sources = workspace.home, workspace.company.sources
    if current_version(home) or any(manifest(home, source.name) for source in sources):
        return
    errors = workspace.notes.get("unreachable", {})
    found = [
        f"  {source.name}: "
        + (
            errors[source.name].what
            if source.name in errors
            else _nothing_at(source, workspace.notes.get("asked", ()))
        )
        for source in sources
        if workspace.reads(source)
    ]
    raise SourceUnreachable(
        what="no source delivered anything; nothing was published\n" + "\n".join(found),
        where=str(workspace.company.path),
        expected="at least one source that can be reached and has files",
        next_step="put the files there, correct `path:` of the sources, or see that the server "
        "answers; `tradewind doctor` examines each of them; then run again",
    )


def _nothing_at(source: Source, asked: Container[str]) -> str:
    if source.name not in asked:
        return "it was not asked; select its asset as well"
    return "no file lies at its `path:`" if source.path else "it has nothing to deliver yet"


def _landed(workspace: Workspace, source: Source, new: int) -> dg.MaterializeResult:  # type: ignore[type-arg]
    present = manifest(workspace.home, source.name)
    return dg.MaterializeResult(
        metadata={
            "deliveries": len(present),
            "new_deliveries": new,
            "bytes": sum(delivery.bytes for delivery in present),
            "path": dg.MetadataValue.path(str(workspace.home.landing / source.name)),
        }
    )


def _reached(source: Source, error: SourceUnreachable | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=REACHED,
        asset_key=source_key(source),
        passed=error is None,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={} if error is None else {"error": dg.MetadataValue.text(str(error))},
    )


def owners_of(owner: str | None) -> list[str] | None:
    """Dagster's form of an owner: an e-mail address as it is, anything else as a team."""
    if owner is None:
        return None
    return [owner if "@" in owner else f"team:{owner.replace(' ', '_')}"]
