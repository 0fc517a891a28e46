"""Gates: what must be true of deliveries, marts and the way between them, before anyone reads it.

Great Expectations judges what DuckDB aggregated, reconciliations compare layer with layer. Every
result is a `results.CheckResult`; nothing here knows of Dagster.
"""
