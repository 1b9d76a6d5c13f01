#!/bin/bash
# Second link: runs only after prepare.sh succeeded (afterok).
#SBATCH --job-name=process
#SBATCH --ntasks=1
#SBATCH --mem=64M
#SBATCH --time=1
#SBATCH --output=process-%j.out

echo "process: prepare succeeded, going on as job ${SLURM_JOB_ID:-?}"
