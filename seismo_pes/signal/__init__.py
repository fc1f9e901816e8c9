"""Signal processing on plain arrays: no obspy, no engine, no input or output."""
