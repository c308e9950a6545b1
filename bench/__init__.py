"""Benchmarks: measured and shown, never timed tests."""
