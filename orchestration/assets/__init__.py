"""The assets: sources, raw tables, dbt's models, the verdict and the published warehouse.

An asset's body is a few lines; what it does is in plain functions of `ingest`, `gates`,
`dbt_runner` and `publish`.
"""
