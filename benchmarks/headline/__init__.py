"""The example that dispel4py was presented with in 2015: 499,500 correlations."""
