"""The same job by MSNoise, by NoisePy and by this suite."""
