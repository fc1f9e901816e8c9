#!/bin/bash
# {{mark}}
# Submit: bsub < {{script}}
#BSUB -J {{job_name}}{{array_in_brackets}}
#BSUB -n {{processes}}
#BSUB -R "span[ptile={{processes_per_node}}]"
#BSUB -R "rusage[mem={{memory_mb}}MB]"
#BSUB -W {{time_hours_minutes}}
#BSUB -q {{partition}}
#BSUB -P {{account}}
#BSUB {{directives}}
set -e
cd {{folder}}
{{setup}}
task=${LSB_JOBINDEX:-1}
[ "$task" != 0 ] || task=1  # LSF counts from 1; a job without array has 0
{{arguments}}
exec {{launcher}} {{command}} "$@"
