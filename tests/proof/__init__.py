"""Tests on real data against published figures."""
