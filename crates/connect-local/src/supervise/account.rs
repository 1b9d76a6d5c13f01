//! What a job has used, from every source the kernel offers here; the largest of what they say counts.

use std::fs;

use base::{Bytes, Span};
use model::Usage;

use super::tree::Tree;
use crate::cgroup::Counted;
use crate::sys;

/// Memory seen so far by looking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Largest true size.
    peak: u64,
    /// The plain sum of resident sizes when the true size was last worked out.
    upper_when_looked: u64,
}

impl Seen {
    /// Looks at the job's memory now. The cheap sum counts shared pages several times; only when it has grown by a
    /// thirty-second since the last exact look is the exact size worked out. Returns the present size, exact or as an upper bound
    /// known to be no news.
    pub fn look(&mut self, tree: &Tree, limit: Bytes) -> u64 {
        let upper = tree.resident();
        let is_news = upper > self.upper_when_looked + self.upper_when_looked / 32;
        if !is_news && (limit.0 == 0 || upper <= limit.0) {
            return upper.min(self.peak);
        }
        let exact = tree.proportional();
        // Processes may have gone between the two looks: an empty answer says nothing.
        if exact > 0 {
            self.upper_when_looked = self.upper_when_looked.max(upper);
            self.peak = self.peak.max(exact);
        }
        exact
    }
}

/// Usage of a job that still runs. What running processes have used is read from `/proc`, the reaped ones' from the kernel's
/// sums over our children.
pub fn so_far(tree: &Tree, seen: &Seen) -> Usage {
    let counted = tree.counted();
    let mut usage = at_end(&counted, seen);
    let (mut ticks, mut read, mut written) = (0i64, 0u64, 0u64);
    for pid in tree.pids() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Fields 14 to 17 after the name: own and waited-for children's user and system time.
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').skip(11).take(4)).into_iter().flatten();
        ticks += fields.filter_map(|f| f.parse::<i64>().ok()).sum::<i64>();
        let (r, w) = io_bytes(&format!("/proc/{pid}/io"));
        read += r;
        written += w;
    }
    // The kernel shows 100 ticks a second everywhere Linux runs today.
    if counted.cpu_micros.is_none() {
        usage.cpu_time += Span::from_millis(ticks * 10);
    }
    usage.read = Bytes(usage.read.0 + read);
    usage.written = Bytes(usage.written.0 + written);
    usage
}

/// Final usage, once every process of the job has been reaped.
pub fn at_end(counted: &Counted, seen: &Seen) -> Usage {
    let (cpu_micros, largest_process) = sys::children_usage();
    // The kernel adds a reaped child's counters to its parent's; what our own thread did is subtracted.
    let (all_read, all_written) = io_bytes("/proc/self/io");
    let (own_read, own_written) = io_bytes("/proc/thread-self/io");
    Usage {
        cpu_time: Span::from_micros(cpu_micros.max(counted.cpu_micros.unwrap_or(0))),
        memory_peak: Bytes(counted.memory_peak.unwrap_or_else(|| seen.peak.max(largest_process))),
        read: Bytes(all_read.saturating_sub(own_read)),
        written: Bytes(all_written.saturating_sub(own_written)),
    }
}

/// Bytes that went through `read` and `write` calls, as Slurm counts them: `rchar` and `wchar`.
fn io_bytes(path: &str) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let field = |key: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(key)).and_then(|v| v.trim().parse().ok()).unwrap_or(0)
    };
    (field("rchar:"), field("wchar:"))
}
