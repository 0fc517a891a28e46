"""Tests that run more than one part together."""
