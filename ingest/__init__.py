"""Company files, sources, landing, mapping to the canonical entities, quarantine and raw load.

A plain library: it knows nothing of Dagster or dbt, and imports nothing of ours.
"""
