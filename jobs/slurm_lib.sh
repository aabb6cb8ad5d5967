# shellcheck shell=bash
# What the Slurm job scripts share: starts the ranks, passes signals on to them, and asks Slurm to run the job again when
# they stopped for lack of time. Sourced by the scripts beside it; docs/slurm.md explains it.
#
#   DFASCALE           the program (default: the source folder's build/release/bin/dfascale, the one that was installed with
#                      these scripts, or that in PATH)
#   DFASCALE_LAUNCHER  srun, mpirun, or auto (default): srun where Slurm has PMIx, else mpirun
#   DFASCALE_REQUEUE   yes (default) or no: whether a stopped job is to run again
set -uo pipefail

# Said by a script that is started without Slurm: what its own first lines explain.
if [[ -z ${SLURM_JOB_ID:-} ]]; then
  sed -n '2,/^#SBATCH/ s/^# //p' "$0"
  [[ ${1:-} == --help || ${1:-} == -h ]] && exit 0
  echo "this script is for sbatch" >&2
  exit 2
fi

readonly jobs=${jobs:?the folder of this file, set by the script that sources it}
source "$jobs/programs.sh"
dfascale=${DFASCALE:-$(find_program dfascale "$jobs")} || exit 2
readonly stopped=75

tell() { echo "job $SLURM_JOB_ID: $*"; }

# When Slurm will end this job, for the program's own clock; newer versions say it themselves.
export_end_time() {
  local end
  [[ -z ${SLURM_JOB_END_TIME:-} ]] || return 0
  end=$(scontrol show job "$SLURM_JOB_ID" -o 2>/dev/null | sed -n 's/.* EndTime=\([^ ]*\).*/\1/p')
  end=$(date -d "$end" +%s 2>/dev/null) && export SLURM_JOB_END_TIME=$end
  return 0
}

# One rank for each task, bound to its cores, with as many threads.
launch() {
  local launcher=${DFASCALE_LAUNCHER:-auto} threads=${SLURM_CPUS_PER_TASK:-1}
  export OMP_NUM_THREADS=$threads
  if [[ $launcher == auto ]]; then
    launcher=mpirun
    if srun --mpi=list 2>&1 | grep -qw pmix; then launcher=srun; fi
  fi
  case $launcher in
    srun) exec srun --mpi=pmix --cpus-per-task="$threads" --cpu-bind=cores --kill-on-bad-exit=1 "$@" ;;
    mpirun) exec mpirun -n "$SLURM_NTASKS" --map-by "slot:PE=$threads" --bind-to core "$@" ;;
    *) tell "DFASCALE_LAUNCHER=$launcher: expected srun, mpirun or auto" >&2; exit 2 ;;
  esac
}

# guard SIGNAL COMMAND...: runs it; TERM, INT and USR1 at this script reach it as SIGNAL. Its exit code is this one's.
guard() {
  local signal=$1 child status signalled
  shift
  "$@" &
  child=$!
  trap 'signalled=yes; tell "passes a signal on"; kill -"$signal" "$child" 2>/dev/null' TERM INT USR1
  while :; do
    signalled=no status=0
    wait "$child" || status=$?
    [[ $signalled == yes ]] || break  # else only the waiting was interrupted
  done
  trap - TERM INT USR1
  return "$status"
}

# The folder of the run that a deck describes.
run_folder() {
  "$dfascale" deck "$@" | sed -n '/^\[run\]/,$ s/^\(name\|dir\) = "\(.*\)"$/\1 \2/p' |
    awk '{key = $1; sub(/^[^ ]+ /, "")} key == "name" {name = $0} key == "dir" {dir = $0} END {print dir "/" name}'
}

# The step of the newest checkpoint, -1 if there is none.
newest_step() {
  local file newest=-1
  for file in "$1"/checkpoints/step_*.h5; do
    [[ $file =~ step_0*([0-9]+)\.h5$ ]] && newest=$((BASH_REMATCH[1] > newest ? BASH_REMATCH[1] : newest))
  done
  echo "$newest"
}

# Puts this job back into the queue if it may be.
requeue() {
  [[ ${DFASCALE_REQUEUE:-yes} == yes ]] || return 0
  tell "asks to run again"
  scontrol requeue "$SLURM_JOB_ID" || tell "Slurm does not requeue it; submit it again by hand"
}

# Ends the job: done, failed for good, or to run again. A crash (a node or rank that is lost) is tried again as long as
# there is something new to go on from.
finish() {
  local status=$1 folder=$2 before=$3 after
  after=$(newest_step "$folder")
  if ((status == 0)); then
    if grep -qs '"outcome": "done"' "$folder/run.json"; then exit 0; fi
    status=1  # srun may say 0 where it could not start the ranks
  fi
  if ((status >= 2 && status <= 6)); then
    tell "failed with exit code $status: running again would repeat it"
  elif ((status != stopped && after <= before)); then
    tell "ended with exit code $status, without a newer checkpoint than that of step $before: not tried again"
  else
    tell "ended with exit code $status; the newest checkpoint is of step $after"
    requeue
  fi
  exit "$status"
}

# train DECK [--set KEY=VALUE]...: the whole life of a job that trains.
train() {
  local folder before status=0 again=()
  if (($# == 0)); then
    echo "usage: sbatch [options] $0 DECK [--set section.key=value]..." >&2
    exit 2
  fi
  folder=$(run_folder "$@") || exit 2
  before=$(newest_step "$folder")
  # A step or a path in run.restart is where the first start begins, not the later ones.
  if ((${SLURM_RESTART_COUNT:-0} > 0)); then again=(--set run.restart=auto); fi
  export_end_time
  # mpirun would turn TERM and INT into a kill; USR1 every launcher passes on to all ranks.
  guard USR1 launch "$dfascale" train "$@" "${again[@]}" || status=$?
  finish "$status" "$folder" "$before"
}

# study FILE [OPTION]...: likewise for a task of an array; the study starts its runs itself.
study() {
  local status=0
  if (($# == 0)); then
    echo "usage: sbatch [options] $0 STUDY [option of dfascale study]..." >&2
    exit 2
  fi
  guard TERM "$dfascale" study "$@" || status=$?
  if ((status == stopped)); then requeue; fi
  exit "$status"
}
