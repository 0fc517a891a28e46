"""The demo world on loopback: an order interface, four shops, and a calendar.

The world is one process with a few threads, which answers from `world.sqlite`. `visit` keeps it up
for the time of a run; it ends by itself with its last visitor, even one that was killed.
"""

from companies.demo.servers.visit import WorldUnavailable, visit

__all__ = ["WorldUnavailable", "visit"]
