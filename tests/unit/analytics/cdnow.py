"""The CDNOW sample as the literature prepares it: to 1997-09-30, in weeks, a day once."""

from datetime import date, datetime
from pathlib import Path

import numpy as np

from analytics.customer_value import Cells, HeldOut

SAMPLE = Path(__file__).parents[2] / "fixtures" / "cdnow" / "CDNOW_sample.txt"
END = date(1997, 9, 30)
HORIZON = 39.0


def purchase_days() -> dict[str, dict[date, float]]:
    """Dollars of each customer and day."""
    found: dict[str, dict[date, float]] = {}
    for line in SAMPLE.read_text().splitlines():
        _, customer, day, _, dollars = line.split()
        days = found.setdefault(customer, {})
        on = datetime.strptime(day, "%Y%m%d").date()
        days[on] = days.get(on, 0.0) + float(dollars)
    return found


def held_out() -> HeldOut:
    """The 2,357 customers, an element each, with their days in the 39 weeks after."""
    rows = []
    for days in purchase_days().values():
        seen = sorted(day for day in days if day <= END)
        weeks = [(day - seen[0]).days / 7 for day in (seen[-1], END)]
        rows.append((len(seen) - 1, *weeks, len(days) - len(seen)))
    x, t_x, T, after = np.array(rows, float).T
    return HeldOut(Cells(x, t_x, T, np.ones(len(x))), after, HORIZON)


def spend() -> tuple[list[int], list[float]]:
    """Repeat days and their mean spend, of customers who spent something on them."""
    frequency, mean = [], []
    for days in purchase_days().values():
        repeats = [days[day] for day in sorted(days) if day <= END][1:]
        if sum(repeats) > 0:
            frequency.append(len(repeats))
            mean.append(sum(repeats) / len(repeats))
    return frequency, mean
