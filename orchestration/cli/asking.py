"""The verb that asks the questions of the schema `ask`."""

from contextlib import closing
from pathlib import Path

import click

from orchestration.cli.place import Place, as_json, at_place
from orchestration.cli.reading import FORMATS, answer
from orchestration.cli.show import print_json, print_table

# of a drawn answer; the other forms are exact
_DECIMALS = 2


@click.command("ask")
@click.argument("question", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@as_json
@at_place
def ask(
    place: Place,
    question: str | None,
    arguments: tuple[str, ...],
    form: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Ask a question of the published warehouse; without a name, list what can be asked.

    ARGUMENTS are values in the order of the parameters, or `name=value`; `null` stands for all.
    A table is rounded to be read; csv, json and parquet are exact.
    """
    from orchestration.questions import query, questions, why_nothing

    if question is not None:
        sql = query(question, arguments)
        shape = "json" if as_json else form
        if shape == "table" and output is None:
            one = questions()[question]
            click.echo(f"{one.asks}\n{one.answer}")
        answer(place, sql, shape, output, _DECIMALS)
        with closing(place.connect()) as connection:
            if reason := why_nothing(connection, question, arguments):
                click.echo(reason, err=True)
        return
    known = list(questions().values())
    if as_json:
        print_json(
            [
                {"name": one.name, "parameters": dict(one.parameters), "asks": one.asks,
                 "answer": one.answer, "example": one.example}
                for one in known
            ]
        )  # fmt: skip
        return
    print_table("Questions", ["ask", "question"], [(one.signature, one.asks) for one in known])
    click.echo("For instance: tradewind ask market_share DE")


COMMANDS = (ask,)
