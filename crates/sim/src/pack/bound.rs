//! A proven upper bound on what any policy could allocate of given arrivals: cutting stock, relaxed by Lagrange multipliers.
//! Refuses to know: any policy. By weak duality every choice of multipliers gives a bound; better ones only make it lower.

use sched::packing::GPU_MILLIS;

use super::read::Workload;

/// Steps of the search for multipliers.
const ROUNDS: usize = 20_000;
/// The search aims so far below the best bound met, as a part of the capacity, at first; after so many rounds without one, nearer.
const AIM: f64 = 0.05;
const PATIENCE: usize = 100;
const NEARER: f64 = 0.8;
/// Room on a GPU is counted in these; requests are rounded down, so that coarser counting only makes the bound higher.
const SLOT_MILLIS: usize = 10;
const SLOTS: usize = GPU_MILLIS as usize / SLOT_MILLIS;

/// Requests of one size, and how many of them came; a pod of several GPUs counts as so many.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Thousandths of GPU asked.
    asked: f64,
    /// Those that must be placed, and all.
    must: f64,
    may: f64,
    /// Multiplier: what one more of them would bring.
    price: f64,
}

/// Most thousandths of GPU that can be allocated in the end if all pods with a GPU among the first `placed` arrivals are placed, and
/// the others are chosen at will with full knowledge (`placed` of 0: any policy at all). Relaxed away: processors, memory, models,
/// the bounds of nodes; a GPU remains a thing of 1000 that a share must fit in.
pub fn most_allocated(workload: &Workload, order: &[usize], placed: usize) -> f64 {
    let gpus = workload.nodes.iter().map(|n| n.gpus().len()).sum::<usize>() as f64;
    let mut sizes = sizes(workload, order, placed);
    let capacity = gpus * f64::from(GPU_MILLIS);
    let (mut best, mut aim, mut stale) = (capacity, AIM * capacity, 0);
    for _ in 0..ROUNDS {
        let (bound, taken) = relaxed(&sizes, gpus);
        stale += 1;
        if bound < best - aim * 0.05 {
            stale = 0;
        } else if stale > PATIENCE {
            aim *= NEARER;
            stale = 0;
        }
        best = best.min(bound);
        // Polyak's step along a subgradient, towards the aim; kinds of which many come are moved less for the same excess.
        let excess = |size: &Size, taken: f64| match size.price {
            p if p > 0.0 => taken - size.may,
            p if p < 0.0 => taken - size.must,
            _ => (taken - size.may).max(0.0) + (taken - size.must).min(0.0),
        };
        let pairs = || sizes.iter().zip(&taken);
        let norm: f64 = pairs().map(|(s, t)| excess(s, *t).powi(2) / s.may).sum();
        let step = (bound - (best - aim)) / norm.max(1.0);
        let moves: Vec<f64> = pairs().map(|(s, t)| step * excess(s, *t) / s.may).collect();
        for (size, change) in sizes.iter_mut().zip(moves) {
            let moved = size.price + change;
            // Zero is a kink and often the answer: a step does not leap over it.
            size.price = if moved * size.price < 0.0 { 0.0 } else { moved };
        }
    }
    best
}

fn sizes(workload: &Workload, order: &[usize], placed: usize) -> Vec<Size> {
    let mut sizes = vec![Size::default(); GPU_MILLIS as usize + 1];
    for (i, row) in order.iter().enumerate() {
        let pod = &workload.pods[*row];
        let size = &mut sizes[usize::from(pod.gpu_milli)];
        size.asked = f64::from(pod.gpu_milli);
        size.may += f64::from(pod.gpus);
        size.must += if i < placed { f64::from(pod.gpus) } else { 0.0 };
    }
    sizes.retain(|s| s.may > 0.0 && s.asked > 0.0);
    sizes
}

/// Value of the relaxed programme at the present multipliers, and how many of each size its choice takes.
fn relaxed(sizes: &[Size], gpus: f64) -> (f64, Vec<f64>) {
    let paid: f64 = sizes.iter().map(|s| s.price * if s.price > 0.0 { s.may } else { s.must }).sum();
    let mut table = [(0.0, usize::MAX); SLOTS + 1];
    let slots = |size: &Size| (size.asked as usize / SLOT_MILLIS).max(1);
    for free in 1..=SLOTS {
        let mut best = (table[free - 1].0, usize::MAX);
        for (i, size) in sizes.iter().enumerate().filter(|(_, s)| slots(s) <= free) {
            let worth = size.asked - size.price + table[free - slots(size)].0;
            if worth > best.0 {
                best = (worth, i);
            }
        }
        table[free] = best;
    }
    let mut taken = vec![0.0; sizes.len()];
    let mut free = SLOTS;
    while free > 0 {
        match table[free].1 {
            usize::MAX => free -= 1,
            i => {
                taken[i] += gpus;
                free -= slots(&sizes[i]);
            }
        }
    }
    (paid + gpus * table[SLOTS].0, taken)
}
