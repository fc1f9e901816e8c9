#!/bin/bash
# {{mark}}
# Submit: sbatch {{script}}
#SBATCH --job-name={{job_name}}
#SBATCH --array={{array}}
#SBATCH --ntasks={{processes}}
#SBATCH --nodes={{nodes}}
#SBATCH --ntasks-per-node={{processes_per_node}}
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu={{memory_mb}}M
#SBATCH --time={{time}}
#SBATCH --partition={{partition}}
#SBATCH --account={{account}}
# Without --no-requeue Slurm starts a job again whose host was lost, from its beginning.
#SBATCH --{{requeue}}
#SBATCH {{directives}}
set -e
cd {{folder}}
{{setup}}
task=${SLURM_ARRAY_TASK_ID:-1}
{{arguments}}
exec {{launcher}} {{command}} "$@"
