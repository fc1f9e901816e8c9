"""Live packets by SeedLink, versions 3 and 4 of the protocol.

The address of a server and the ids of channels enter; packets leave, in the order of
their arrival. `receiver` keeps the connection, in a thread of its own; `resume` decides
where a new connection continues.
"""

from seismo_pes.reading.seedlink.element import ReadSeedLink, receive_packets

__all__ = ["ReadSeedLink", "receive_packets"]
