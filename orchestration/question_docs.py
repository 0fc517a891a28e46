"""Renders docs/questions.md: every question with its answer on the demo company.

``python -m orchestration.question_docs`` reads the published demo (`tradewind run` makes it).
"""

from datetime import date, datetime
from typing import TYPE_CHECKING

from orchestration.questions import Question, questions

if TYPE_CHECKING:
    import duckdb

SHOWN_ROWS = 5
HEAD = """\
# Questions
What product managers ask most, as table macros in the schema `ask`. Each is asked in SQL, in a
`where` or a `join` like any table, or from the command line:

```sh
.venv/bin/tradewind ask                      # the list
.venv/bin/tradewind ask market_share DE      # one answer; `name=value` names a parameter
.venv/bin/tradewind sql "select market, value_share_pct from ask.market_share()"
```

A parameter that is left out stands for all. Money is in the reporting currency (GBP for the demo
company, whose answers are shown here, the first five rows of each); `_pct` is per cent, `_pp`
percentage points. A file attached under another name needs `use` first. The macros are written in
`dbt_project/questions.yml`, this page by `make docs`.
"""


def render(connection: "duckdb.DuckDBPyConnection") -> str:
    """Return the page, with the answers of the warehouse on ``connection``."""
    sections = [_section(question, connection) for question in questions().values()]
    return "\n".join([HEAD, *sections])


def _section(question: Question, connection: "duckdb.DuckDBPyConnection") -> str:
    cursor = connection.execute(question.example)
    columns = [column[0] for column in cursor.description or []]
    rows = cursor.fetchmany(SHOWN_ROWS)
    lines = [
        f"## {question.asks}",
        f"`ask.{question.signature}`: {question.answer}",
        "",
        f"```sql\n{question.example}\n```",
        "",
        "| " + " | ".join(columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows),
        *([] if rows else ["", "Nothing in the demo company's data answers this."]),
    ]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """Return a value as the page shows it: two decimals at most, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date | datetime | str):
        return str(value).replace("|", "\\|")
    shown = f"{value:,.2f}"
    return shown.removesuffix(".00")


def _main() -> None:
    from contextlib import closing

    from ingest.home import Home
    from orchestration import versions
    from orchestration.candidate import connect_read_only
    from orchestration.demo import COMPANY

    home = Home.for_company(COMPANY, None)
    with closing(connect_read_only(versions.resolve(home))) as connection:
        print(render(connection), end="")


if __name__ == "__main__":
    _main()
