"""Runs on several hosts, over TCP.

What enters: a plan, and a way to start a program on the hosts. What leaves: the result
of the run. `run` is the process that called `dispel4py.run.run`; on each host it has an
`agent`, which starts a `member` for each process of the plan. A `ticket` says where the
run is, `hello` makes connections of processes that know its key, `directory` says where
the members are, `link` carries frames over one connection, `post` over all connections
of a process. `hosts` starts the agents by ssh; other engines start them in their own
way, as the mapping ``dask`` does.
"""
