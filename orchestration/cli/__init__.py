"""The command line `tradewind`: it asks, shows and sets exit codes; the work is done elsewhere.

Whatever takes long to import (dagster, dbt, pandas, pydantic, rich) is imported inside the
function that needs it: `tradewind sql` must answer in under 300 ms of CPU, start-up included.
"""

from orchestration.cli.app import main

__all__ = ["main"]
