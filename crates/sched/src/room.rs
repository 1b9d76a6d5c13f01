//! How much is left on the open nodes of a pool, counted: whether enough of them have room is told without a walk over the nodes.
//! Refuses to know which nodes these are.

use std::collections::BTreeMap;

use base::Resources;

use crate::pool::Node;
use crate::standing::Dips;

/// Open nodes by what is free on them and for whom they are kept. Nodes of a pool that serves whole nodes are of two kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rooms {
    /// By cards, cores and memory that are free, and for whom.
    kinds: BTreeMap<(u32, u64, u64, Dips), u32>,
}

fn kind(node: &Node) -> (u32, u64, u64, Dips) {
    (node.free.gpus, node.free.cpu.0, node.free.mem.0, node.kept)
}

impl Rooms {
    pub fn of(nodes: &[Node]) -> Self {
        let mut rooms = Self::default();
        nodes.iter().for_each(|node| rooms.enter(node));
        rooms
    }

    /// A node as it is now; nothing when it takes no work.
    pub fn enter(&mut self, node: &Node) {
        if node.open {
            *self.kinds.entry(kind(node)).or_default() += 1;
        }
    }

    /// A node as it was when it entered.
    pub fn leave(&mut self, node: &Node) {
        if !node.open {
            return;
        }
        let key = kind(node);
        match self.kinds.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.kinds.remove(&key)),
        }
    }

    /// How many nodes have room for `per_node`; `most` where there are more.
    pub fn count(&self, per_node: &Resources, dips: Dips, most: u32) -> u32 {
        let mut found = 0u32;
        for ((gpus, cpu, mem, kept), count) in self.kinds.iter().rev() {
            if *gpus < per_node.gpus || found >= most {
                break;
            }
            if *cpu >= per_node.cpu.0 && *mem >= per_node.mem.0 && dips.reach(*kept) {
                found = found.saturating_add(*count);
            }
        }
        found.min(most)
    }
}
