"""One person taken out of the state, place by place, so that it can be done again after a kill.

First the person is remembered as a digest, so that no run brings them back while this lasts. The
landed files are redacted beside the old ones, then versions and all other files are written anew,
each in one step, and only then do the redacted files take the place of the old ones: as long as
one of them stands, doing it again finds all texts that stood for the person.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import duckdb

from ingest import forgotten, landing
from ingest.company import Company
from ingest.errors import TradewindError
from ingest.forgotten import People
from ingest.home import Home
from ingest.landing import Delivery, Redacted
from ingest.redaction import Redactor
from orchestration import dbt_runner, versions
from orchestration.files import digest, full_disk_explained, remove, write_json
from orchestration.forget import files
from orchestration.forget.rules import Rules, of_project
from orchestration.forget.warehouse import Erased, Scrubber
from orchestration.lock import writer_lock

Say = Callable[[str], None]
_WITH_MANIFEST = f"*/{landing.MANIFEST}"


class UnknownCustomer(TradewindError):
    """Nobody of that name stands anywhere in the state."""

    exit_code = 2


class StillThere(TradewindError):
    """The person was still found somewhere after everything was written anew."""

    exit_code = 1


@dataclass(frozen=True)
class Place:
    """Where the person stands: what kind of place, which one, and how many rows (or files)."""

    kind: str
    name: str
    count: int


@dataclass(frozen=True)
class Forgotten:
    """What was found, or taken out where it was not a rehearsal.

    Attributes:
        places: All places, in the order in which they are cleaned.
        offered: Paths at the sources that still offer the person; they are not ours to change.
        was_remembered: Whether the person had been forgotten before.
    """

    places: list[Place] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    was_remembered: bool = False


def forget(
    company: Company, home: Home, name: str, is_dry: bool, say: Say = lambda sentence: None
) -> Forgotten:
    """Take a customer out of all that the state holds; or only find out where they stand.

    Args:
        company: The company; its mappings decide which rows are whose.
        home: Its state.
        name: The customer's canonical id.
        is_dry: Change nothing.
        say: Told what begins.

    Raises:
        UnknownCustomer: Nobody of that name is known, now or among the forgotten.
        StillThere: Something was left; it says where.
        TradewindError: A file is in use.
    """
    waiting = writer_lock(home, on_wait=lambda owner: say("Waiting for another run"))
    with full_disk_explained(home.root), waiting:
        versions.repair(home)
        person = forgotten.person(home, name)
        state = _State(company, home, person, say)
        found = state.find(is_dry)
        known = forgotten.is_remembered(home, person)
        if not state.is_known and not known:
            raise _unknown(home, name)
        if not is_dry:
            state.erase()
        return replace(found, was_remembered=known)


@dataclass
class _State:
    """The state of one company while a person is taken out of it."""

    company: Company
    home: Home
    person: People
    say: Say
    redacted: dict[str, list[Redacted]] = field(default_factory=dict)
    own: int = 0

    @property
    def is_known(self) -> bool:
        """Whether a row of the person themselves was found."""
        return self.own > 0

    # ------------------------------------------------------------ finding

    def find(self, is_dry: bool) -> Forgotten:
        """Every place where the person stands. Redacted files are written beside the landed ones
        unless `is_dry`; nothing names them yet."""
        self.say("Reading what was landed")
        self.redacted = {name: self._redact(name, is_dry) for name in self._sources()}
        every = [each for found in self.redacted.values() for each in found]
        self.own += sum(each.own for each in every)
        self.person = self.person.named(sorted({name for each in every for name in each.names}))
        places = [
            Place("landed file", f"{source}: {each.path}", each.rows)
            for source, found in self.redacted.items()
            for each in found
        ]
        places += [
            Place("landed page", self._shown(file), 1)
            for name in self._sources()
            for file in landing.unnamed(name, self.home)
            if not self._is_written(file) and self._holds(name)(file)
        ]
        self.say("Reading the versions")
        for kind, file in self._databases():
            erased = self._count(file)
            self.own += erased.own
            places += self._tables(kind, file, erased)
        self.say("Reading reports, exports and logs")
        places += [Place("file", self._shown(file), 1) for file in self._others()]
        offered = [each.path for each in every if ":" not in each.path.split("/")[0]]
        return Forgotten(places, sorted(set(offered)))

    def _sources(self) -> list[str]:
        return sorted(file.parent.name for file in self.home.landing.glob(_WITH_MANIFEST))

    def _redact(self, name: str, is_dry: bool) -> list[Redacted]:
        known = [source for source in self.company.sources if source.name == name]
        if not known:
            return landing.unread(name, self.home, lambda file: files.names(file, self.person))
        guard = Redactor(known[0], self.company, self.home, self.person)
        return landing.redact(name, self.home, guard, is_dry=is_dry)

    def _holds(self, source: str) -> Callable[[Path], bool]:
        """Whether a page as received names the person; pages of rivals are for all the world."""
        kinds = [each.kind for each in self.company.sources if each.name == source]
        if kinds == ["shop_pages"]:
            return lambda file: False
        return lambda file: files.names(file, self.person)

    def _is_written(self, file: Path) -> bool:
        """Whether a file is a redacted one that no line of the manifest names yet."""
        every = [each.landed_path for found in self.redacted.values() for each in found]
        return str(file.relative_to(self.home.landing)) in every

    def _databases(self) -> Iterator[tuple[str, Path]]:
        for name in versions.version_names(self.home):
            yield "version", versions.database_of(self.home, name)
        for file in files.others(self.home):
            if files.kind_of(file) == "duckdb":
                is_candidate = self.home.candidates in file.parents
                yield "candidate" if is_candidate else "copy", file

    def _others(self) -> Iterator[Path]:
        """Files of other kinds that hold the person; those of candidates go with them."""
        scrubber = self._scrubber()
        for file in files.others(self.home):
            if self.home.candidates in file.parents or files.kind_of(file) == "duckdb":
                continue
            if file.exists() and files.holds(file, scrubber):
                yield file

    def _count(self, file: Path) -> Erased:
        with closing(duckdb.connect(str(file), read_only=True)) as connection:
            return self._scrubber().count(connection)

    def _tables(self, kind: str, file: Path, erased: Erased) -> list[Place]:
        if kind == "candidate":
            found = [Place(kind, file.parent.name, erased.rows)]
            return found if erased.rows else []
        rows = erased.removed.keys() | erased.changed.keys()
        return [
            Place(kind, f"{file.stem}: {table}",
                  erased.removed.get(table, 0) + erased.changed.get(table, 0))
            for table in sorted(rows)
        ]  # fmt: skip

    def _shown(self, file: Path) -> str:
        return str(file.relative_to(self.home.root))

    def _scrubber(self) -> Scrubber:
        return Scrubber(self.person, self._rules, self._kept)

    @cached_property
    def _rules(self) -> Rules:
        return of_project(dbt_runner.prepare(self.home).manifest())

    def _kept(self, source: str, names: Sequence[str]) -> set[str]:
        known = [each for each in self.company.sources if each.name == source]
        if not known:
            return set()
        return Redactor(known[0], self.company, self.home, self.person).kept_columns(names)

    def _renamed(self) -> dict[str, Delivery]:
        """Redacted deliveries by their former ids: those of before, and those of now."""
        renamed: dict[str, Delivery] = {}
        for source, found in self.redacted.items():
            now = {each.before: each for each in found}
            former = landing.former_deliveries(self.home, source)
            for delivery in landing.manifest(self.home, source):
                redacted = now.get(delivery.sha256)
                if redacted is None or not redacted.after:
                    continue
                after = replace(
                    delivery,
                    delivery_id=landing.delivery_id(source, redacted.after),
                    sha256=redacted.after,
                    bytes=redacted.bytes,
                    landed_path=redacted.landed_path,
                )
                renamed[delivery.delivery_id] = after
                former |= {k: after for k, v in former.items() if v.sha256 == delivery.sha256}
            renamed |= former
        return renamed

    # ------------------------------------------------------------ erasing

    def erase(self) -> None:
        """Take the person out of every place, and look again."""
        at = datetime.now(UTC)
        forgotten.remember(self.home, self.person, {"asked_at": at.isoformat(timespec="seconds")})
        self._remove_candidates()
        self._rewrite_databases(at)
        self._rewrite_others()
        self.say("Putting the redacted files in place")
        for source, found in self.redacted.items():
            landing.replace_landed(source, self.home, found, self._holds(source))
        self._look_again()
        done = datetime.now(UTC).isoformat(timespec="seconds")
        count = sum(len(found) for found in self.redacted.values())
        line = {"asked_at": at.isoformat(timespec="seconds"), "done_at": done, "files": count}
        forgotten.remember(self.home, self.person, line)

    def _remove_candidates(self) -> None:
        for folder in self.home.candidates.glob("*"):
            remove(folder)

    def _rewrite_databases(self, at: datetime) -> None:
        count = sum(len(found) for found in self.redacted.values())
        scrubber = replace(self._scrubber(), renamed=self._renamed())
        current = self.home.warehouse.resolve()
        for _, file in self._databases():
            is_asked = file == current and self.is_known
            if is_asked or self._count(file).rows or _names_any(file, scrubber.renamed):
                self.say(f"Writing {self._shown(file)} anew")
                scrubber.rewrite(file, count, at.replace(tzinfo=None))
        for name in versions.version_names(self.home):
            self._bind(name)

    def _bind(self, version: str) -> None:
        """Bind a version's verdict to its content as it is now, and tell what it was before."""
        record = versions.read_record(self.home, version)
        verdict = record.get("verdict")
        if not verdict:
            return
        now = digest(versions.database_of(self.home, version))
        if verdict["blake3"] != now:
            before = [*record.get("formerly", []), verdict["blake3"]]
            record = {**record, "verdict": {**verdict, "blake3": now}, "formerly": before}
            write_json(versions.record_of(self.home, version), record)

    def _rewrite_others(self) -> None:
        self.say("Cleaning exports, reports, logs and Dagster's history")
        scrubber = self._scrubber()
        for file in list(files.others(self.home)):
            if not file.exists() or files.kind_of(file) == "duckdb":
                continue
            if files.kind_of(file) == "sqlite" or files.holds(file, scrubber):
                files.scrub(file, scrubber)

    def _look_again(self) -> None:
        self.say("Looking for what is left")
        again = _State(self.company, self.home, self.person, lambda sentence: None)
        left = again.find(is_dry=True).places
        if left:
            shown = "; ".join(f"{place.kind} {place.name}" for place in left[:5])
            raise StillThere(
                f"the person still stands in {len(left)} places: {shown}",
                str(self.home.root),
                "that nothing writes to the state meanwhile",
                "end what else uses the state, and forget the person again",
            )


def _names_any(file: Path, deliveries: Iterable[str]) -> bool:
    """Whether a warehouse knows one of some deliveries."""
    with closing(duckdb.connect(str(file), read_only=True)) as connection:
        rows = connection.execute("select delivery_id from audit.deliveries").fetchall()
    return bool({row[0] for row in rows} & set(deliveries))


def _unknown(home: Home, name: str) -> UnknownCustomer:
    alike = _alike(home, name)
    return UnknownCustomer(
        f"no customer {name!r} is known",
        str(home.root),
        "a customer_id as `core.dim_customer` and `core.fct_sales` show it",
        "write " + " or ".join(map(repr, alike))
        if alike
        else 'look the customer up: `tradewind sql "select customer_id from core.dim_customer"`',
    )


def _alike(home: Home, name: str) -> list[str]:
    """Ids that differ in capitals and blanks only."""
    if not home.warehouse.exists():
        return []
    with closing(duckdb.connect(str(home.warehouse), read_only=True)) as connection:
        rows: Iterable[tuple[str]] = connection.execute(
            "select distinct customer_id from core.fct_sales "
            "where lower(trim(customer_id)) = lower(trim(?)) order by 1 limit 3",
            [name],
        ).fetchall()
    return [row[0] for row in rows]
