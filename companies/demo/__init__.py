"""Northstar Instruments, the embedded demo: a seeded world whose true figures are known."""
