"""Metadata of stations: their coordinates, and the responses of their instruments.

Station lists, StationXML, dataless SEED and poles and zeros enter; coordinates,
distances, epochs and responses of channels leave.
"""

from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.metadata.inventory import (
    StationInventories,
    read_ahead,
    read_inventory,
)
from seismo_pes.metadata.stations import (
    Channel,
    StationPattern,
    locate,
    read_station_list,
)

__all__ = [
    "Channel",
    "StationInventories",
    "StationPattern",
    "geodesic",
    "locate",
    "read_ahead",
    "read_inventory",
    "read_station_list",
]
