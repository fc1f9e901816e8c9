#!/bin/bash
# {{mark}}
# Submit: qsub {{script}}
#PBS -N {{job_name}}
#PBS -J {{array}}
#PBS -l select={{chunks}}:ncpus={{processes_per_chunk}}:mpiprocs={{processes_per_chunk}}:mem={{memory_per_chunk_mb}}mb
#PBS -l walltime={{time}}
#PBS -q {{partition}}
#PBS -A {{account}}
#PBS -r {{rerun}}
#PBS -V
#PBS {{directives}}
set -e
cd {{folder}}
{{setup}}
task=${PBS_ARRAY_INDEX:-1}
{{arguments}}
exec {{launcher}} {{command}} "$@"
