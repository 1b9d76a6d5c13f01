//! Arrival orders of our own: the list shuffled and made up to 130 % of the cluster, and a shuffled node order.
//! Every draw is from a named stream of the seed. Refuses to know: the generator of the published artifact.

use base::{Seed, Stream};

use super::read::Workload;

/// Until the requests make so many per cent of the cluster's GPUs, pods of the list are drawn again.
pub const ARRIVING_PERCENT: u64 = 130;

/// Rows of the pod list in the order of arrival. The list is shuffled (Fisher and Yates), then rows are drawn with repetition and
/// appended while the sum of requests and the drawn pod's thousandths of one GPU stays within 130 % of the cluster (the artifact's
/// rule, which counts one GPU of a pod of several); of a list that exceeds 130 % by itself random rows are taken out first.
pub fn arrivals(workload: &Workload, seed: u64) -> Vec<usize> {
    let mut stream = Seed::from_u64(seed).child("pack-arrivals").stream();
    let limit = workload.capacity() * ARRIVING_PERCENT / 100;
    let request = |row: usize| u64::from(workload.pods[row].gpu_request());
    let mut order = workload.by_name.clone();
    shuffle(&mut order, &mut stream);
    let mut sum: u64 = order.iter().map(|row| request(*row)).sum();
    while sum > limit {
        let gone = order.remove(stream.below(order.len() as u64) as usize);
        sum -= request(gone);
    }
    // A list without any GPU work could be drawn from for ever.
    if workload.pods.iter().all(|p| p.gpus == 0) {
        return order;
    }
    loop {
        let row = *stream.pick(&workload.by_name);
        if sum + u64::from(workload.pods[row].gpu_milli) > limit {
            return order;
        }
        sum += request(row);
        order.push(row);
    }
}

/// The order in which nodes win ties.
pub fn node_order(workload: &Workload, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..workload.nodes.len()).collect();
    order.sort_by(|a, b| workload.names[*a].cmp(&workload.names[*b]));
    shuffle(&mut order, &mut Seed::from_u64(seed).child("pack-nodes").stream());
    order
}

fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.below(last as u64 + 1) as usize);
    }
}
