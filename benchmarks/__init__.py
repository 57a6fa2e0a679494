"""Measurements, never run as tests: ratios taken side by side in one run, since machines differ and are shared."""
