"""Live runs: their latency and idle load (`python -m benchmarks.live`), and a soak."""
