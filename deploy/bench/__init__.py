"""Benchmarks of the whole platform on one machine; see docs/benchmarks.md."""
