"""How numbers are told in sentences."""


def counted(count: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``, ``1,234 rows``: a noun whose plural ends in s, counted."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
