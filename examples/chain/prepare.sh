#!/bin/bash
# First link of the chain: fails when told to (CHAIN_FAIL=1), so that both ways on can be watched.
# Submit all three with `bash examples/chain/submit.sh`.
#SBATCH --job-name=prepare
#SBATCH --ntasks=1
#SBATCH --mem=64M
#SBATCH --time=1
#SBATCH --output=prepare-%j.out

if [ "${CHAIN_FAIL:-0}" = 1 ]; then
    echo "prepare: asked to fail"
    exit 3
fi
echo "prepare: $(seq 1 100000 | awk '{ sum += $1 } END { print NR " numbers, sum " sum }')"
