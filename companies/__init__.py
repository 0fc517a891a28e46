"""Companies as configuration: the embedded demo and worked examples on real data."""
