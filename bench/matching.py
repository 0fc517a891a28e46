"""Fits and judges the matcher, and times it: ``python -m bench.matching --fit --scale``.

Labelled pairs come from the demo world, whose rivals' titles have a known product, and from the
names of AdventureWorks' products (a DimProduct Parquet file), spoilt as shops spoil
titles. A third of our products is left out, so that there are offers without a right answer.
"""

import argparse
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analytics.matching import match as matcher
from analytics.matching.match import FEATURES, Item
from companies.demo import catalogue
from companies.demo.files import title_of

_WEIGHTS = Path(matcher.__file__).with_name("weights.py")
_SHORT = {"mountain": "mtn", "black": "blk", "silver": "slv", "front": "frt", "road": "rd"}
_EDGES = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0001)
Labelled = tuple[list[Item], list[Item], list[str]]


def main() -> None:
    """Fit if asked; print the reliability on offers that were not fitted on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", type=Path, help="AdventureWorks' DimProduct.parquet")
    parser.add_argument("--fit", action="store_true", help="write analytics/matching/weights.py")
    parser.add_argument("--scale", action="store_true", help="time 20,000 by 200,000 titles")
    options = parser.parse_args()
    worlds = [_demo()] + ([_adventureworks(options.catalogue)] if options.catalogue else [])
    if options.fit:
        _fit([_pairs(world, half=0) for world in worlds])
    _reliability([_pairs(world, half=1, best=True) for world in worlds])
    if options.scale:
        _scale()


def _demo() -> Labelled:
    own, offers, truth = [], [], []
    for product in catalogue.products():
        if hash_of(product.product_id) % 3:
            own.append(Item(product.product_id, product.name, product.brand))
        for rival in range(len(catalogue.RIVALS)):
            offers.append(Item(f"{rival}/{product.product_id}", title_of(rival, product)))
            truth.append(product.product_id)
    return own, offers, truth


def _adventureworks(file: Path) -> Labelled:
    import duckdb

    names = [
        str(row[0])
        for row in duckdb.sql(
            f"select distinct EnglishProductName from '{file}' where FinishedGoodsFlag order by 1"
        ).fetchall()
    ]
    draw = random.Random(7)
    own = [Item(name, name, "AdventureWorks") for name in names if hash_of(name) % 3]
    offers, truth = [], []
    for name in names:
        for number in range(4):
            title = _spoilt(name, draw)
            brand = "AdventureWorks" if draw.random() < 0.5 else None
            offers.append(Item(f"{number}/{name}", title, brand))
            truth.append(name)
    return own, offers, truth


def _spoilt(name: str, draw: random.Random) -> str:
    """A title as another shop writes it: words left out, shortened, moved, mistyped, added."""
    words = [_SHORT.get(w.lower(), w) if draw.random() < 0.4 else w for w in name.split()]
    if len(words) > 2 and draw.random() < 0.3:
        words.pop(draw.randrange(len(words)))
    if draw.random() < 0.3:
        draw.shuffle(words)
    if draw.random() < 0.3:
        at = draw.randrange(len(words))
        words[at] = words[at][:-1] or words[at]
    if draw.random() < 0.4:
        words.append(draw.choice(["new", "2024", "sale", "original", "free shipping"]))
    return " ".join(words)


def hash_of(text: str) -> int:
    """A number of a text that is the same in every process."""
    return sum(ord(c) * (n + 1) for n, c in enumerate(text))


def _pairs(world: Labelled, half: int, best: bool = False) -> tuple[Any, Any]:
    """Features of the candidate pairs of one half of the offers, and whether each is right."""
    own, offers, truth = world
    kept = [n for n, name in enumerate(truth) if hash_of(name) // 3 % 2 == half]
    offers, truth = [offers[n] for n in kept], [truth[n] for n in kept]
    ours, theirs = [matcher._read(i) for i in own], [matcher._read(i) for i in offers]
    rows, columns, cosine = matcher.candidates([t.words for t in ours], [t.words for t in theirs])
    table = matcher.features(own, ours, offers, theirs, rows, columns, cosine)
    right = np.array([own[c].key == truth[r] for r, c in zip(rows, columns, strict=True)])
    if best:
        chosen = matcher._first_of_each(rows, matcher.probability(table))
        table, right = table[chosen], right[chosen]
    return table, right


def _fit(parts: list[tuple[Any, Any]]) -> None:
    """Logistic regression with a weak ridge, each world with the same weight in total."""
    from scipy.optimize import minimize

    table = np.concatenate([features for features, _ in parts])
    right = np.concatenate([found for _, found in parts]).astype(float)
    weight = np.concatenate([np.full(len(found), 1 / len(found)) for _, found in parts])

    def loss(beta: Any) -> float:
        score = beta[0] + table @ beta[1:]
        likelihood = np.logaddexp(0, score) - right * score
        return float((weight * likelihood).sum() + 1e-4 * (beta[1:] ** 2).sum())

    beta = minimize(loss, np.zeros(len(FEATURES) + 1)).x
    head = _WEIGHTS.read_text().split("INTERCEPT")[0]
    fitted = {name: round(float(b), 4) for name, b in zip(FEATURES, beta[1:], strict=True)}
    listed = "".join(f'    "{name}": {value},\n' for name, value in fitted.items())
    _WEIGHTS.write_text(f"{head}INTERCEPT = {beta[0]:.4f}\nWEIGHTS = {{\n{listed}}}\n")
    matcher.weights.INTERCEPT = round(float(beta[0]), 4)
    matcher.weights.WEIGHTS.update(fitted)


def _reliability(parts: list[tuple[Any, Any]]) -> None:
    table = np.concatenate([features for features, _ in parts])
    right = np.concatenate([found for _, found in parts])
    stated = matcher.probability(table)
    print("| stated confidence | offers | mean stated | share right |\n| --- | --- | --- | --- |")
    for low, high in pairwise(_EDGES):
        inside = (stated >= low) & (stated < high)
        if inside.any():
            shown = f"{low:g} to {min(high, 1):g}"
            share, mean = right[inside].mean(), stated[inside].mean()
            print(f"| {shown} | {inside.sum():,} | {mean:.3f} | {share:.3f} |")
    print(f"Brier score {((stated - right) ** 2).mean():.4f} on {len(right):,} offers")


def _scale() -> None:
    draw = random.Random(1)
    words = [f"word{n}" for n in range(6000)]
    kinds = ["steel", "kitchen", "garden", "bottle", "chair", "lamp", "pro", "mini", "red", "blue"]
    own = []
    for number in range(20_000):
        brand = f"brand{draw.randrange(150)}"
        parts = [brand, *draw.choices(words, k=2), *draw.choices(kinds, k=2)]
        pack = draw.choice(["500 ml", "6 x 330 ml", "1 kg", ""])
        own.append(Item(f"p{number}", " ".join([*parts, str(draw.randint(10, 999)), pack]), brand))
    offers = []
    for number in range(200_000):
        product = draw.choice(own)
        parts = product.title.split()
        draw.shuffle(parts)
        offers.append(
            Item(str(number), " ".join(parts[:-1]), product.brand if number % 2 else None)
        )
    began = time.perf_counter()
    found = matcher.match(own, offers)
    print(f"20,000 x 200,000 titles: {len(found):,} matched in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
