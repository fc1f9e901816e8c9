"""Metadata of stations: where they are, and what their instruments do.

Lists and coordinates: `stations`, `geodesy` (distances and azimuths). Instruments:
`inventory` (StationXML and others), `deferred` (responses, read when they are asked
for), `inverse` (of responses, made once), `evalresp`.
"""
