"""Processing elements for seismology, with or without the stream engine."""
