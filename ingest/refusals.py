"""Deliveries that were refused: remembered, so that one that its sender has taken back does not
stand in the way for ever."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ingest.company import Company, Source
from ingest.errors import DeliveryRefused
from ingest.home import Home
from ingest.landing import Delivery

_FILE = "refused.json"


def note(
    source: Source, home: Home, deliveries: Sequence[Delivery], error: DeliveryRefused
) -> None:
    """Remember a refusal of those deliveries that it names."""
    place = (error.where or "").removeprefix(f"source {source.name}: ")
    named = {
        d.delivery_id: error.what
        for d in deliveries
        if place == d.path or place.startswith(f"{d.path}!")
    }
    if named:
        write_json(home.landing / source.name / _FILE, {**_read(home, source), **named})


def withdrawn(source: Source, company: Company, home: Home, delivery: Delivery) -> str | None:
    """Why a delivery was refused, if it was and is no longer where it was found.

    Only local files can be told to be gone; a delivery that was never refused is never left out,
    for its sender may have tidied up after it was landed.
    """
    reason = _read(home, source).get(delivery.delivery_id)
    if reason is None or "://" in delivery.path or source.kind != "file":
        return None
    return None if (company.path.parent / delivery.path).exists() else reason


def _read(home: Home, source: Source) -> dict[str, str]:
    path = home.landing / source.name / _FILE
    if not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def write_json(path: Path, content: object) -> None:
    """Write a small file so that it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
