#!/bin/bash
# The other way on: runs only after prepare.sh failed (afternotok).
#SBATCH --job-name=repair
#SBATCH --ntasks=1
#SBATCH --mem=64M
#SBATCH --time=1
#SBATCH --output=repair-%j.out

echo "repair: prepare failed, clearing up as job ${SLURM_JOB_ID:-?}"
