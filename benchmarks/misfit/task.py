"""The task of both programs: one event, three components, two bands, times by cc.

The event is that of `misfit-app demo`, with known time shifts and amplitudes. Only
stations whose horizontals are north and east are used, because pyatoa knows no other
orientation, and the synthetics are miniSEED, because it reads no text.
"""

from __future__ import annotations

from pathlib import Path

from obspy import Stream

from misfit_app.synthetic import (
    ORIENTATIONS,
    ORIGIN,
    Scene,
    StationTruth,
    write_scene,
)
from seismo_pes.reading.synthetics import absolute, read_synthetics

__all__ = ["BANDS", "write_task"]

BANDS = ((4.0, 20.0), (5.0, 15.0))


def write_task(n_stations: int, folder: Path) -> list[StationTruth]:
    """Write the files of the event, and return the truth of each station.

    Parameters
    ----------
    n_stations
        Number of stations.
    folder
        Gets ``quake.xml``, ``stations``, ``observed`` and ``synthetic``.
    """
    scene = Scene(n_stations=n_stations * len(ORIENTATIONS), noise=0.01)
    truths = []
    for truth in write_scene(scene, folder):
        if truth.orientation == 0:
            truths.append(truth)
            _write_synthetics(folder, truth.station)
        else:
            for path in folder.rglob(f"{truth.station}.*"):
                path.unlink()
    return truths


def _write_synthetics(folder: Path, station: str) -> None:
    stream = Stream()
    for path in sorted((folder / "synthetic").glob(f"{station}.*.semv")):
        for trace in absolute(read_synthetics(str(path)), ORIGIN.ns):
            trace.data = trace.data.astype("float64")
            stream.append(trace)
        path.unlink()
    stream.write(str(folder / "synthetic" / f"{station}.mseed"), format="MSEED")
