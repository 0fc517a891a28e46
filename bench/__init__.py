"""Benchmarks: speed, memory and growth of a run, held against bare DuckDB on the same files."""
