"""The tests, by cost: unit, integration, proof on real data."""
