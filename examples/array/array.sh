#!/bin/bash
# One script, eight elements, at most two of them at a time: each estimates pi with its own seed.
#SBATCH --job-name=pi
#SBATCH --array=1-8%2
#SBATCH --ntasks=1
#SBATCH --mem=64M
#SBATCH --time=2
#SBATCH --output=pi-%A_%a.out

seed=${SLURM_ARRAY_TASK_ID:-1}
awk -v seed="$seed" 'BEGIN {
    srand(seed); n = 2000000
    for (i = 0; i < n; i++) { x = rand(); y = rand(); if (x * x + y * y < 1) hits++ }
    printf "seed %d: pi is about %.5f\n", seed, 4 * hits / n
}'
