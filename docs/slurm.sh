#!/bin/bash
# Workers of one queue as a SLURM array: sbatch docs/slurm.sh /shared/queue
# Each task trains runs until none waits and none is claimed; a task that is killed or runs out of
# time loses nothing, since another one goes on after its last finished epoch. Put runs in before:
#   .venv/bin/python -m tutorial_lib.experiments train --model sasrec --seed 0 --queue /shared/queue
# QUEUE and the folder of results (--out, absolute in the queue) must be on a disk that all see.
#SBATCH --job-name=recommendation
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --output=worker-%A-%a.log
set -euo pipefail
QUEUE=${1:?"give the folder of the queue: sbatch docs/slurm.sh QUEUE"}
cd "${SLURM_SUBMIT_DIR:-.}"
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec .venv/bin/python -m tutorial_lib.experiments worker "$QUEUE" --wait --stale 900
