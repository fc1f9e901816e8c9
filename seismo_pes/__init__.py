"""Processing elements for seismology, with or without the stream engine.

At the top are the elements, each beside the functions that it is made of, what travels
between them (`waveforms`, `correlations`, `report`), how one is made (`element`,
`traces`), and the door to the data (`archive`, `read`). The rooms: `signal` (arrays
alone), `archives`, `formats`, `metadata` (of stations), `correlator`, `storage`,
`plot`. Each says what is in it.
"""
