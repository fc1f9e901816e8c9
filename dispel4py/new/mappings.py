"""The modules that run a graph, by target."""

#: Target to module; its ``process(graph, inputs, args)`` runs the graph.
config = {
    "simple": "dispel4py.new.simple_process",
    "multi": "dispel4py.new.multi_process",
    "mpi": "dispel4py.new.mpi_process",
}
