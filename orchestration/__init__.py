"""Runs that land, build, audit and publish a warehouse; Dagster's definitions; the command line.

It assembles and does not compute: the work is in `ingest` and in the models of `dbt_project`.
"""

import os

# Read as numpy is imported. The matrices of the fits are small, and a thread that waits awake for
# the next one takes a processor from DuckDB.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
