"""What the models are fitted on: distinct histories of customers, each with how many share it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIRST_LOOK = 20_000
"""Of more than ten times as many cells, about so many show where to climb from."""


@dataclass(frozen=True)
class Points:
    """The distinct times of histories with equal x. Grain: an x and a t_x or T.

    Many histories have few of them: what is costly is worked out here.

    Attributes:
        x, time: In order.
        begin: Where each x begins, and where the last one ends.
        last, now: Of each history, the point of its t_x and that of its T.
    """

    x: Floats
    time: Floats
    begin: NDArray[np.intp]
    last: NDArray[np.intp]
    now: NDArray[np.intp]

    @classmethod
    def of(cls, x: Floats, t_x: Floats, T: Floats) -> "Points":
        """Those of checked histories."""
        all_x, times = np.unique(x), np.unique(np.concatenate([t_x, T]))
        row = np.searchsorted(all_x, x) * len(times)
        keys = [row + np.searchsorted(times, time) for time in (t_x, T)]
        points = np.unique(np.concatenate(keys))
        last, now = (np.searchsorted(points, key) for key in keys)
        at_x, at_time = np.divmod(points, len(times))
        begin = np.searchsorted(at_x, np.arange(len(all_x) + 1))
        return cls(all_x[at_x], times[at_time], begin, last, now)


@dataclass(frozen=True)
class Cells:
    """Histories of customers. Grain: one element of each array a distinct history.

    Attributes:
        x: Repeat occasions: whole numbers from 0.
        t_x: Time of the last occasion since the first; 0 exactly where x is 0.
        T: Time since the first occasion, in the same unit.
        count: Customers with this history, above 0; it need not be whole.

    Raises:
        ValueError: The arrays differ in length or hold what no history can.
    """

    x: Floats
    t_x: Floats
    T: Floats
    count: Floats

    def __post_init__(self) -> None:
        for name in ("x", "t_x", "T", "count"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name)))
        check_histories(self.x, self.t_x, self.T)
        if self.count.shape != self.x.shape:
            raise ValueError(f"{self.count.size} counts for {self.x.size} histories")
        if not (self.count > 0).all():
            raise ValueError("count must be above 0 everywhere")

    @classmethod
    def of(cls, x: Any, t_x: Any, T: Any) -> "Cells":
        """Gather customers (one element each) into distinct histories, sorted by x, T, t_x."""
        columns = [as_floats(n, v) for n, v in (("x", x), ("t_x", t_x), ("T", T))]
        check_histories(*columns)
        order = np.lexsort((columns[1], columns[2], columns[0]))
        x, t_x, T = (column[order] for column in columns)
        first = np.ones(len(order), bool)
        first[1:] = (np.diff(x) != 0) | (np.diff(t_x) != 0) | (np.diff(T) != 0)
        at = np.flatnonzero(first)
        return cls(x[at], t_x[at], T[at], np.diff(np.append(at, len(order))))

    @cached_property
    def points(self) -> Points:
        """What the histories share."""
        return Points.of(self.x, self.t_x, self.T)

    @cached_property
    def sample(self) -> "Cells":
        """Every so-manieth in the order of x, T and t_x, weighted to the whole."""
        which = every_so_many(np.lexsort((self.t_x, self.T, self.x)))
        weight = self.customers / float(self.count[which].sum())
        return self.take(which, self.count[which] * weight)

    @property
    def customers(self) -> float:
        """Sum of the counts."""
        return float(self.count.sum())

    @property
    def repeaters(self) -> float:
        """Customers with at least one repeat occasion."""
        return float(self.count[self.x > 0].sum())

    def take(self, which: Any, count: Any = None) -> "Cells":
        """Some of the cells, with their own counts or others."""
        counts = self.count[which] if count is None else count
        return Cells(self.x[which], self.t_x[which], self.T[which], counts)


@dataclass(frozen=True)
class HeldOut:
    """Histories at the end of the calibration, and what happened after. Grain as `Cells`, by
    `occasions` too.

    Attributes:
        cells: The histories.
        occasions: Occasions in (T, T + horizon], an element a cell.
        horizon: Length of the held-out period.
    """

    cells: Cells
    occasions: Floats
    horizon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "occasions", as_floats("occasions", self.occasions))
        if self.occasions.shape != self.cells.x.shape:
            raise ValueError(f"{self.occasions.size} occasions for {self.cells.x.size} histories")
        if not _whole(self.occasions):
            raise ValueError("occasions must be whole numbers from 0")
        if not self.horizon > 0:
            raise ValueError(f"horizon must be above 0, not {self.horizon}")


def every_so_many(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Some `FIRST_LOOK` of the elements of an order, equally far apart."""
    every = len(order) // FIRST_LOOK
    return order[every // 2 :: every]


def as_floats(name: str, values: Any) -> Floats:
    """An array of one dimension as float64; ValueError names what is not."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return array


def check_histories(x: Floats, t_x: Floats, T: Floats) -> None:
    """Raise ValueError where (x, t_x, T) can be no customer's history."""
    if not x.shape == t_x.shape == T.shape:
        raise ValueError(f"x, t_x and T differ in length: {x.size}, {t_x.size}, {T.size}")
    if not (np.isfinite(x).all() and np.isfinite(t_x).all() and np.isfinite(T).all()):
        raise ValueError("x, t_x and T must be finite")
    if not _whole(x):
        raise ValueError("x must be whole numbers from 0")
    wrong = (t_x < 0) | (t_x > T) | ((t_x > 0) != (x > 0))
    if wrong.any():
        n = int(np.argmax(wrong))
        raise ValueError(
            f"history {n}: x {x[n]:g}, t_x {t_x[n]:g}, T {T[n]:g}; expected 0 <= t_x <= T, and t_x "
            "above 0 exactly where x is"
        )


def _whole(values: Floats) -> bool:
    return bool(((values >= 0) & (values == np.floor(values))).all())
