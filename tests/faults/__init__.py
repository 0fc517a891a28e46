"""Proof that a fault loses nothing, shows nothing half, and is mended by the next run."""
