"""Runs that land, build, audit and publish a warehouse; Dagster's definitions; the command line.

It assembles and does not compute: the work is in `ingest` and in the models of `dbt_project`.
"""
