"""Asset checks: the gates of `orchestration.gates`, shown on the assets that they judge."""
