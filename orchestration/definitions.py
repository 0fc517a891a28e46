"""The code location of workspace.yaml: what `make ui` and Dagster's daemon load."""

from orchestration.build import build_defs

__all__ = ["build_defs", "defs"]

defs = build_defs()
