"""Reading files of any waveform format.

A path, a URL or bytes enter; an obspy `Stream` leaves, or an error that names the file
and the reason.
"""
