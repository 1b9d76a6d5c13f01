#!/bin/bash
# A Lennard-Jones crystal of 32,000 atoms is heated until it melts: the classic LAMMPS benchmark,
# whole in this one file. 2,000 steps take 13 s on two cores.
#SBATCH --job-name=melt
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=10
#SBATCH --output=melt-%j.out

set -euo pipefail

# Each run gets a folder of its own: beside the script's working folder, or in TMPDIR where that is not writable.
work="$PWD/melt-${SLURM_JOB_ID:-$$}"
mkdir -p "$work" 2>/dev/null || work=$(mktemp -d "${TMPDIR:-/tmp}/melt.XXXXXX")
cd "$work"
ranks=${SLURM_NTASKS:-2}

# 20 x 20 x 20 unit cells of a face-centred cubic lattice, 4 atoms each: 32,000 atoms.
# Reduced units; density 0.8442, start temperature 3.0 (half of it goes into the melting).
cat > melt.in <<'INPUT'
units           lj
atom_style      atomic
lattice         fcc 0.8442
region          box block 0 20 0 20 0 20
create_box      1 box
create_atoms    1 box
mass            1 1.0
velocity        all create 3.0 87287 loop geom
pair_style      lj/cut 2.5
pair_coeff      1 1 1.0 1.0 2.5
neighbor        0.3 bin
neigh_modify    every 20 delay 0 check no
fix             1 all nve
thermo          100
thermo_style    custom step temp epair etotal press
thermo_modify   flush yes
run             2000
INPUT

# One box, no network: ranks talk through shared memory; the platform has already chosen the cores,
# so mpirun neither binds nor counts slots. Root is refused by mpirun unless it is told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMP_NUM_THREADS=1
echo "melt: 32,000 atoms on $ranks MPI ranks in $PWD"
exec mpirun -np "$ranks" --oversubscribe --bind-to none \
    --mca plm isolated --mca pml ob1 --mca btl self,vader --mca btl_vader_single_copy_mechanism none \
    lmp -in melt.in -log melt.log -echo none
