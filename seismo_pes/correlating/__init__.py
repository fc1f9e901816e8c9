"""Correlation of many channels: from windows to spectra, to tiles, to sums.

What the elements of `spectra`, `pairs` and `correlate` are made of, as data walks.
Windows and their spectra: `spectra_settings`, `windowing`, `transform`. Which pairs,
over which time: `selection`, `reach` (distances, azimuths), `tensors` (radial and
transverse), `periods`. Tiles, which are pairs of blocks of channels: `blocks`, `spool`
(those that wait), `tile_pairs`, `tile_spectra`, `tile_sums` (linear stacks),
`tile_stacks` (the others), `group_sums` (over several stretches).
"""
