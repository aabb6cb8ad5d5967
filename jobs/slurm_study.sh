#!/usr/bin/env bash
# A study's runs, shared by the tasks of an array; each takes the next run that nobody has (docs/studies.md).
#   sbatch --array=1-16 --cpus-per-task=32 jobs/slurm_study.sh inputs/cpu-small.toml
# Time: USR1 comes 5 minutes before it is over, the runs write checkpoints, and the task is put back into the queue.
#SBATCH --job-name=study
#SBATCH --array=1-4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.out
# Slurm runs a copy of this file: what belongs to it is searched where the job was submitted.
jobs=${DFASCALE_JOBS:-$(dirname "$0")}
[[ -e $jobs/slurm_lib.sh ]] || jobs=${SLURM_SUBMIT_DIR:-.}/jobs
source "$jobs/slurm_lib.sh" || { echo "set DFASCALE_JOBS to the folder that holds slurm_lib.sh" >&2; exit 2; }
study "$@"
