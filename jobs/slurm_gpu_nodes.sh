#!/usr/bin/env bash
# Trains on the GPUs of many nodes, a rank for each; ranks talk through NCCL.
#   sbatch --nodes=64 jobs/slurm_gpu_nodes.sh inputs/509m.toml --set parallel.pp=8
# Time: ask for what the queue allows; USR1 comes 5 minutes before it is over, the run writes a checkpoint, and the job
# is put back into the queue, until the run is done.
#SBATCH --job-name=dfascale
#SBATCH --nodes=2
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
# Slurm runs a copy of this file: what belongs to it is searched where the job was submitted.
jobs=${DFASCALE_JOBS:-$(dirname "$0")}
[[ -e $jobs/slurm_lib.sh ]] || jobs=${SLURM_SUBMIT_DIR:-.}/jobs
source "$jobs/slurm_lib.sh" || { echo "set DFASCALE_JOBS to the folder that holds slurm_lib.sh" >&2; exit 2; }
# What NCCL cannot use of the network it says in the output.
export NCCL_DEBUG=${NCCL_DEBUG:-WARN}
train "$@"
