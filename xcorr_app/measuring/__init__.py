"""What is measured on correlations: velocity change and dispersion, in batches."""
