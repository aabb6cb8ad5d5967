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
source "${DFASCALE_JOBS:-$SLURM_SUBMIT_DIR/jobs}/slurm_lib.sh"
# What NCCL cannot use of the network it says in the output.
export NCCL_DEBUG=${NCCL_DEBUG:-WARN}
train "$@"
