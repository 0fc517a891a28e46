"""The group of all verbs, and what happens to their errors.

Exit codes: 0 published or nothing new, 1 refused by a gate, 2 wrong use or configuration,
3 a source was unreachable, 130 stopped by Ctrl-C.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ingest.errors import CompanyFileError, TradewindError
from orchestration.dead_objects import end_without_collecting
from orchestration.interrupts import end, is_interrupt

STOPPED = 130


class Tradewind(click.Group):
    """A click group that renders our errors without a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a verb and end the process with its exit code."""
        arguments = sys.argv[1:] if args is None else list(args)
        as_json = _wants_json(arguments)
        end_without_collecting()
        try:
            code = super().main(
                arguments, prog_name or "tradewind", complete_var, standalone_mode=False, **extra
            )
        except (TradewindError, click.ClickException) as error:
            code = _show(error, as_json)
        except (click.Abort, KeyboardInterrupt, RuntimeError) as error:
            if not (isinstance(error, click.Abort) or is_interrupt(error)):
                raise
            click.echo("Stopped. What readers see is unchanged; run again to go on.", err=True)
            code = STOPPED
            if args is None:
                # the process is this program's own
                end(code)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; whoever reads its output (head, less) may leave early."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python must not complain on the way out
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return result


def as_dict(error: TradewindError) -> dict[str, Any]:
    """Return an error's parts, for machines."""
    parts: dict[str, Any] = {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "expected": error.expected,
        "next_step": error.next_step,
        "exit_code": error.exit_code,
    }
    if isinstance(error, CompanyFileError):
        parts["problems"] = [vars(problem) for problem in error.problems]
    return parts


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = list(zip(arguments, [*arguments[1:], ""], strict=True))
    return "--json" in arguments or "--format=json" in arguments or ("--format", "json") in pairs


def _show(error: TradewindError | click.ClickException, as_json: bool) -> int:
    if isinstance(error, TradewindError):
        text = json.dumps({"error": as_dict(error)}) if as_json else _rendered(error)
        click.echo(text, err=True)
        return error.exit_code
    if as_json:
        parts = {"type": "UsageError", "what": error.format_message(), "exit_code": 2}
        click.echo(json.dumps({"error": parts}), err=True)
    else:
        error.show()
    return 2


def _rendered(error: TradewindError) -> str:
    return f"{click.style('Error:', fg='red', bold=True)} {error}"


@click.group(cls=Tradewind, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Market share, prices, customers and sales: built, checked, published and traced.

    Start with `tradewind run`; without --company it builds the embedded demo.
    """


def _register() -> None:
    from orchestration.cli import (
        asking,
        forgetting,
        matches,
        parsing,
        quarantine,
        reading,
        running,
        sources,
    )

    for module in (running, reading, asking, quarantine, sources, matches, parsing, forgetting):
        for command in module.COMMANDS:
            main.add_command(command)


_register()
