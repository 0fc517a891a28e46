"""Names of the two SQLite files, for those who do not need what writes them."""

SWEDISH = "orders_se.sqlite"
"""The Swedish shop's own database, as a company would find it."""

STORE = "world.sqlite"
"""What the servers answer from, and the days that pass are taken from; the world's alone."""
