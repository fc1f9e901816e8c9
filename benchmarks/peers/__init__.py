"""The same correlations by MSNoise, by NoisePy and by xcorr-app."""
