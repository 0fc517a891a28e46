"""The fitted table by which features of a pair become a probability.

Written by ``python -m bench.matching --fit``; docs/matching.md reports how well it is calibrated.
"""

INTERCEPT = -14.5635
WEIGHTS = {
    "ratio": 4.9136,
    "cosine": 11.5309,
    "brand": -0.2016,
    "pack": 0.8242,
    "numbers": 1.3436,
    "margin": 4.3592,
}
