"""Jobs of clusters: scripts that start a run under Slurm, PBS or LSF.

A scheduler is not a mapping: its job starts the processes of a mapping that has a
launcher, such as ``mpi``. Each scheduler is a template in the folder ``templates``, and
users can give a template of their own. The options of a job and a `BatchRun` enter; a
script leaves.
"""

from dispel4py.schedulers.options import (
    JobOptions,
    add_job_arguments,
    job_mapping,
    job_options,
    words_of_run,
)
from dispel4py.schedulers.script import BatchRun, Task, write_job
from dispel4py.schedulers.template import SCHEDULERS, template_text

__all__ = [
    "SCHEDULERS",
    "BatchRun",
    "JobOptions",
    "Task",
    "add_job_arguments",
    "job_mapping",
    "job_options",
    "template_text",
    "words_of_run",
    "write_job",
]
