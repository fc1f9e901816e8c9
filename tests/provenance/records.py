"""A run whose records are written by hand: two stations, filtered, correlated, stacked.

Read sends a record of each station and day; Filter filters it; Correlate gets all
filtered records and sends a correlation of each day, derived from the last two records;
Stack sends the stack of all correlations in postprocess.
"""

from dispel4py.provenance.model import Writer, segment_name

RUN = "20260101T000000.000-aaaaaa"
STATIONS = ("FMP", "CIA")


def write_run(
    folder, n_days=3, run=RUN, snr_scale=1.0, freqmin=0.1, ended=True, others=()
):
    """Write the records of a run in three processes; return its folder.

    Filter also sends its records to the instances ``others``.
    """
    path = folder / run
    pes = ["Read", "Filter", "Correlate", "Stack"]
    first = Writer(path / "prov-run.jsonl")
    first.write(_run_record(run, pes, freqmin))
    read, filter_, end = (Writer(path / segment_name(k)) for k in range(3))
    places = {0: ["Read", 0], 1: ["Filter", 0], 2: ["Correlate", 0], 3: ["Stack", 0]}
    for process, (writer, mine) in enumerate(
        [(read, [0]), (filter_, [1]), (end, [2, 3])]
    ):
        record = {"kind": "process", "format": 1, "run": run, "process": process}
        record |= {"start": 0, "began": 1.0, "host": "nodeA", "pid": 1}
        writer.write({**record, "instances": {str(i): places[i] for i in mine}})
    n = 0
    for day in range(n_days):
        for station in STATIONS:
            terms = {"station": station, "day": day, "rate_hz": 20.0}
            out = product(f"0.0.1.{n}", terms, files=[f"/data/{station}.{day}.mseed"])
            read.write(call(0, n, [None, f"-2.0.0.{n}"], [out]))
            out = product(f"1.1.2.{n}", {**terms, "snr": snr_scale * (n + 1)})
            out["items"] += [f"1.{other}.{other}.{n}" for other in others]
            filter_.write(call(1, n, ["input", f"0.0.1.{n}"], [out]))
            outs = []
            if station == STATIONS[-1]:
                terms = {"pair": "FMP-CIA", "day": day, "peak": 0.5 * (day + 1)}
                location = f"/out/{day}.h5"
                outs = [product(f"2.2.3.{day}", terms, since=n - 2, location=location)]
            end.write(call(2, n, ["input", f"1.1.2.{n}"], outs))
            n += 1
        end.write(call(3, day, ["input", f"2.2.3.{day}"], []))
    out = product("3.-1.-1.0", {"pair": "FMP-CIA", "n_days": n_days}, since=-1)
    end.write({**call(3, n_days, None, [out]), "phase": "postprocess"})
    if ended:
        for writer in (read, filter_, end):
            writer.write({"kind": "process_end", "ended": 9.0, "lost": 0})
        first.write({"kind": "end", "ended": 9.5, "outcome": "complete"})
    return path


def call(i, n, got, out, **more):
    """Return the record of a call."""
    record = {"kind": "call", "i": i, "n": n, "t": [n + 0.1, n + 0.2], **more}
    record |= {"got": got} if got else {}
    return record | ({"out": out} if out else {})


def product(item, terms, **more):
    """Return a product on the port ``output``."""
    return {"port": "output", "items": [item], "type": "T", "terms": terms, **more}


def _run_record(run, pes, freqmin):
    names = ("source", "output", "destination", "input", "grouping")
    edges = [
        dict(
            zip(names, (pes[k], "output", pes[k + 1], "input", "shuffle"), strict=True)
        )
        for k in range(3)
    ]
    return {
        "kind": "run",
        "format": 1,
        "run": run,
        "name": "chain",
        "began": 0.5,
        "host": "nodeA",
        "user": "ana",
        "pid": 1,
        "folder": "/home/ana",
        "command": ["dispel4py", "multi", "chain.py"],
        "mapping": "multi",
        "processes": 3,
        "versions": {"numpy": "2.0"},
        "configuration": {"filter": {"freqmin": freqmin}},
        "files": [{"path": "/data/stations.xml", "size": 10, "sha256": "ab"}],
        "edges": edges,
        "pes": [
            {
                "pe": pe,
                "name": pe,
                "class": f"chain.{pe}",
                "sha256": "cd",
                "parameters": {"order": 4},
                "instances": 1,
            }
            for pe in pes
        ],
    }
