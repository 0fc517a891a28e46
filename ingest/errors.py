"""The errors that a reader of a message can act on: what, where, expected, next step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class TradewindError(Exception):
    """Something went wrong that the person at the keyboard can mend.

    Args:
        what: What was found, in one sentence.
        where: The file, line, source, delivery or table that it is about.
        expected: What would have been right.
        next_step: What to do now.

    Attributes:
        exit_code: The exit code of the command line for this error.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        where: str | None = None,
        expected: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.next_step = next_step

    def __str__(self) -> str:
        """All parts that are known, each on its line."""
        parts = (
            ("where", self.where),
            ("expected", self.expected),
            ("next step", self.next_step),
        )
        return "\n".join([self.what, *(f"  {label}: {text}" for label, text in parts if text)])


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a company file.

    Attributes:
        line: Line in the file, counted from 1.
        key: Where in the document, such as `sources.shop_orders.columns.market`.
        found: What was found there.
        expected: What would have been right.
        next_step: What to do.
    """

    line: int
    key: str
    found: str
    expected: str
    next_step: str


class CompanyFileError(TradewindError):
    """A company file is not usable. Carries every problem at once, in the order of the lines.

    Attributes:
        file: The company file.
        problems: All that is wrong with it; never empty.
        line, found: Those of the first problem.
    """

    exit_code = 2

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        first = problems[0]
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            what=f"{file}: {count} in the company file",
            where=f"{file}:{first.line}",
            expected=first.expected,
            next_step=first.next_step,
        )
        self.file = file
        self.problems = tuple(problems)
        self.line = first.line
        self.found = first.found

    def __str__(self) -> str:
        """Every problem with its file, line, what was found and expected, and what to do."""
        lines = [self.what]
        for problem in self.problems:
            at = f"{self.file}:{problem.line}"
            lines += [
                f"{at}: {problem.key}" if problem.key else at,
                f"  found: {problem.found}",
                f"  expected: {problem.expected}",
                f"  next step: {problem.next_step}",
            ]
        return "\n".join(lines)


class DeliveryRefused(TradewindError):
    """A delivery as a whole is not taken; nothing of its source was changed."""

    exit_code = 1


class GateRefused(TradewindError):
    """A check failed, and so nothing was published."""

    exit_code = 1


class SourceUnreachable(TradewindError):
    """A source did not answer, or nothing was found where it should be."""

    exit_code = 3


class Busy(TradewindError):
    """Another run is writing to the same home."""

    exit_code = 2
