"""Presets: what is known of a vendor's API, as YAML that a source of a company file builds on.

A preset is a source without a name. What the company file says counts before it, key by key; a key
without a value (`key: ~`) takes that of the preset out.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ingest.yaml_marks import Document, read

FOLDER = Path(__file__).with_name("presets")


def names() -> tuple[str, ...]:
    """All presets."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yml")))


def apply(document: Document) -> None:
    """Complete the sources of a company file that name a preset; unknown ones are problems."""
    held = document.value.get("sources") if isinstance(document.value, dict) else None
    sources: list[Any] = held if isinstance(held, list) else []
    for number, source in enumerate(sources):
        if not isinstance(source, dict) or source.get("preset") is None:
            continue
        name = source["preset"]
        if name not in names():
            close = get_close_matches(str(name), names(), n=1, cutoff=0.5)
            document.add(
                ("sources", number, "preset"),
                f"the unknown preset {name!r}" if isinstance(name, str) else "no name of a preset",
                "one of " + ", ".join(names()),
                f"did you mean {close[0]}?" if close else "choose one of them, or leave it out",
            )
            continue
        preset = read((FOLDER / f"{name}.yml").read_text(encoding="utf-8")).value
        if source.get("layouts"):
            # these map the columns instead
            preset.pop("columns", None)
        sources[number] = _merged(preset, source)


def _merged(below: Any, above: Any) -> Any:
    """What is said above, and where nothing is said there what is said below."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    merged = {
        name: _merged(below[name], above[name]) if name in below else above[name] for name in above
    }
    gone = {name for name in below if name in above and above[name] is None}
    return {
        **{name: value for name, value in below.items() if name not in merged},
        **{name: value for name, value in merged.items() if name not in gone},
    }
