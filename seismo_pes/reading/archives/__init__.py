"""Archives of waveforms: what they hold, by files and headers or by asking.

`seismo_pes.reading.archives.opening.open_archive` is the door. What any archive tells: `holdings`,
`availability`. Files found by name: `sds`, `pattern`, `cloud` (object stores). Files
found by their headers: `scan`, `scan_pool`, `index`. Data centres: `fdsn`,
`datacentre`. What lies behind a URL: `remote`, `retry`.
"""
