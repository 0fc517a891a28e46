"""Which of rivals' offers compete with which of our products: by number first, then by title.

Pure functions on lists and arrays; docs/matching.md explains them and reports their calibration.
"""
