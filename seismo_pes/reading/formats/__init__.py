"""File formats that obspy does not know, or not well enough.

ASDF: `asdf` reads, `asdf_writer` writes. miniSEED 3: `mseed3`. Poles and zeros as SAC
writes them: `polezero`.
"""
