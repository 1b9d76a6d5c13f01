#!/bin/bash
# The smallest job: says where it runs and what it was given.
#SBATCH --job-name=hello
#SBATCH --ntasks=1
#SBATCH --mem=64M
#SBATCH --time=1
#SBATCH --output=hello-%j.out

echo "hello from job ${SLURM_JOB_ID:-?} on $(hostname)"
echo "cores: $(nproc), tasks: ${SLURM_NTASKS:-?}, folder: $PWD"
