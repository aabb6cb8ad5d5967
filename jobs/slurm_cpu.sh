#!/usr/bin/env bash
# Trains on the cores of one node or many: a rank for each task, --cpus-per-task threads in each.
#   sbatch --nodes=4 --ntasks-per-node=32 jobs/slurm_cpu.sh inputs/57m.toml --set data.train=data/mine
# Time: ask for what the queue allows; USR1 comes 5 minutes before it is over, the run writes a checkpoint, and the job
# is put back into the queue, until the run is done.
#SBATCH --job-name=dfascale
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
# Slurm runs a copy of this file: what belongs to it is searched where the job was submitted.
jobs=${DFASCALE_JOBS:-$(dirname "$0")}
[[ -e $jobs/slurm_lib.sh ]] || jobs=${SLURM_SUBMIT_DIR:-.}/jobs
source "$jobs/slurm_lib.sh" || { echo "set DFASCALE_JOBS to the folder that holds slurm_lib.sh" >&2; exit 2; }
train "$@"
