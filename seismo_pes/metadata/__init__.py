"""Metadata of stations: where they are, and what their instruments do.

Lists and coordinates: `stations`, `geodesy` (distances and azimuths). Instruments:
`inventory` (StationXML and others), `inverse` (of their responses, made once),
`evalresp`.
"""
