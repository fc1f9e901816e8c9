"""The preprocessing of the VERCE platform, from its JSON files.

Both sides are brought to the lower of their rates and to their common time, with the
filter and the interpolation of that platform, then each side passes its own chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obspy import Inventory, Stream, Trace

from dispel4py.errors import DataError
from seismo_pes.comparing.geometry import station_geometry
from seismo_pes.comparing.preprocess import lacks_metadata
from seismo_pes.comparing.verce_chain import TAPS, VerceChain
from seismo_pes.comparing.verce_steps import FUNCTIONS, sync_cut
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import (
    ComparedComponent,
    ComparedRecords,
    RejectedTrace,
    StationRecords,
)
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import with_data
from seismo_pes.metadata.inventory import StationInventories
from seismo_pes.metadata.inverse import ResponseCache
from seismo_pes.preprocessing.response import remove_response
from seismo_pes.regular_file import ReadFailed
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.rotation import to_rt

__all__ = ["Intermediate", "VercePreprocess"]


@dataclass(frozen=True)
class Intermediate:
    """Traces in the middle of a chain, for a file or a picture.

    Attributes
    ----------
    kind : str
        ``plot_stream`` or ``store_stream``.
    folder : str
        Folder, relative to that of the run.
    name : str
        Name of the file without its suffix.
    stream : obspy.Stream
    """

    kind: str
    folder: str
    name: str
    stream: Stream


class VercePreprocess(ItemElement):
    """Preprocess both records of a station as the VERCE platform does.

    Parameters
    ----------
    chain : VerceChain
        The steps of both sides, from the JSON file of the platform.
    inventory : str, Path or obspy.Inventory
        Station metadata; a path is read when the run starts.

    Ports
    -----
    input : StationRecords
    output : ComparedRecords
    intermediate : Intermediate
        What the steps ``plot_stream`` and ``store_stream`` ask for, and the
        components at the end of both chains.
    """

    takes = StationRecords
    gives = ComparedRecords

    def __init__(self, chain: VerceChain, inventory: str | Path | Inventory) -> None:
        super().__init__()
        self._add_output("intermediate", tuple_type=Intermediate)
        self.chain, self.inventory = chain, inventory

    def _preprocess(self) -> None:
        self._stations = StationInventories(self.inventory, warns=False)
        self._cache = ResponseCache()

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Preprocess one station."""
        item: StationRecords = inputs["input"]
        work = _Station(item, self.chain, self._stations, self._cache)
        compared = work.compared()
        if lacks_metadata(item, compared):
            try:
                self._stations.refuse_failed_reads()
            except ReadFailed as error:
                yield {"skipped": self.skip(item.id, error)}
                return
        yield from ({"intermediate": item} for item in work.intermediates)
        yield {"output": compared}


class _Station:
    """The preprocessing of one station."""

    def __init__(
        self,
        records: StationRecords,
        chain: VerceChain,
        stations: StationInventories,
        cache: ResponseCache,
    ) -> None:
        self.records, self.chain, self.cache = records, chain, cache
        self.inventory = stations.of(f"{records.station}..")
        self.rejected = list(records.rejected)
        self.intermediates: list[Intermediate] = []
        self._lost: set[str] = set()

    def compared(self) -> ComparedRecords:
        """Return the components of both sides, and the rejected ones."""
        observed, synthetic = self._both_sides()
        geometry: dict[str, float] = {}
        components: list[ComparedComponent] = []
        delta_s = 1.0
        try:
            if observed and synthetic:
                geometry = station_geometry(
                    self.records.event, self.inventory, observed, synthetic
                )
                observed, synthetic = sync_cut(observed, synthetic)
                delta_s = observed[0].stats.delta
                observed = self._through(observed, "observed")
                synthetic = self._through(synthetic, "synthetic")
                components = self._components(observed, synthetic, geometry)
        except DataError as error:
            for trace in observed:
                self._reject(trace, "preprocess", str(error))
        return ComparedRecords(
            self.records.event,
            self.records.station,
            delta_s,
            self.chain.motion,
            tuple(components),
            geometry,
            tuple(self.rejected),
            remarks=self.records.remarks,
        )

    def _reject(self, trace: Trace, stage: str, reason: str) -> None:
        """Reject a component; the first reason stands."""
        location, component = trace.stats.location, trace.stats.channel[-1:]
        if component not in self._lost:
            self._lost.add(component)
            reason = reason.removeprefix(f"{trace.id}: ")
            self.rejected.append(RejectedTrace(location, component, stage, reason))

    def _both_sides(self) -> tuple[Stream, Stream]:
        """Return traces of components that both sides have, of the chain's motion."""
        synthetic = {
            trace.stats.channel[-1:]: trace
            for trace in self.records.synthetic
            if trace.stats.get("motion") in ("", self.chain.motion)
        }
        observed = {trace.stats.channel[-1:]: trace for trace in self.records.observed}
        for side, other, name in (
            (observed, synthetic, f"no synthetic {self.chain.motion}"),
            (synthetic, observed, "no observed record"),
        ):
            for component, trace in side.items():
                if component not in other:
                    self._reject(trace, "pair", name)
        common = [name for name in observed if name in synthetic]
        sides = [[side[name] for name in common] for side in (observed, synthetic)]
        return Stream(sides[0]), Stream(sides[1])

    def _through(self, stream: Stream, side: str) -> Stream:
        """Return the traces after the steps of their side; others are rejected."""
        done = Stream()
        for trace in stream:
            try:
                for kind, parameters in getattr(self.chain, side):
                    trace = self._step(trace, kind, parameters)
            except (DataError, SignalError) as error:
                self._reject(trace, kind, f"{side}: {error}")
            else:
                done.append(trace)
        return done

    def _step(self, trace: Trace, kind: str, parameters: Mapping[str, Any]) -> Trace:
        if kind in TAPS:
            stats = trace.stats
            codes = f"{stats.network}.{stats.station}.{stats.channel}"
            name = f"{parameters['source']}-{codes}.{parameters['tag']}"
            folder, traces = str(parameters["output_dir"]), Stream([trace])
            self.intermediates.append(Intermediate(kind, folder, name, traces))
            return trace
        if kind == "remove_response":
            return self._without_response(trace, **parameters)
        return FUNCTIONS[kind](trace, **parameters)

    def _without_response(
        self,
        trace: Trace,
        pre_filt: Sequence[float] = (0.01, 0.02, 8.0, 10.0),
        response_output: str = "DISP",
    ) -> Trace:
        f1, f2, f3, f4 = map(float, pre_filt)
        parts = remove_response(
            [trace], self.inventory, response_output, (f1, f2, f3, f4), cache=self.cache
        )
        if len(parts) != 1:
            raise DataError("the response changes within the record")
        return parts[0]

    def _components(
        self, observed: Stream, synthetic: Stream, geometry: Mapping[str, float]
    ) -> list[ComparedComponent]:
        sides = []
        for stream in (observed, synthetic):
            traces = {trace.stats.channel[-1:]: trace for trace in stream}
            if self.chain.rotates:
                traces = self._rotated(traces, geometry["back_azimuth_deg"])
            sides.append(traces)
        origin_ns = self.records.event.time_ns
        components = []
        for name, trace in sides[0].items():
            if name not in sides[1]:
                self._reject(trace, "pair", "no synthetic record after its chain")
                continue
            other = sides[1][name]
            start_s = (trace.stats.starttime.ns - origin_ns) / NS
            components.append(
                ComparedComponent(
                    name,
                    trace.stats.location,
                    trace.data,
                    start_s,
                    other.data,
                    start_s,
                )
            )
            self._store(trace, "observed")
            self._store(other, "synthetic")
        for name, trace in sides[1].items():
            if name not in sides[0]:
                self._reject(trace, "pair", "no observed record after its chain")
        return components

    def _rotated(
        self, traces: Mapping[str, Trace], back_azimuth_deg: float
    ) -> dict[str, Trace]:
        north, east = traces.get("N"), traces.get("E")
        rotated = {name: t for name, t in traces.items() if name not in "NE"}
        if north is None or east is None:
            for trace in filter(None, (north, east)):
                self._reject(trace, "rotate", "the other horizontal is missing")
            return rotated
        rows = to_rt(north.data, east.data, back_azimuth_deg + 180.0)
        for letter, trace, row in zip("RT", (north, east), rows, strict=True):
            channel = trace.stats.channel[:-1] + letter
            rotated[letter] = with_data(trace, row, channel=channel)
        return rotated

    def _store(self, trace: Trace, side: str) -> None:
        stats = trace.stats
        name = f"{stats.network}.{stats.station}.{stats.channel}.{side}"
        self.intermediates.append(
            Intermediate("store_stream", "waveforms", name, Stream([trace]))
        )
