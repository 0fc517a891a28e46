"""Estimators on arrays: no files, no database, nothing of the orchestration."""
