//! TCP ports in a row that no other farm, of this or another process, is going to use. Knows only loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU32, Ordering};

use super::FarmError;

/// Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes one in between.
const FIRST: u16 = 20_000;
const LAST: u16 = 30_000;
/// Processes start their search this far apart: a prime, so that neighbours' searches meet late.
const STRIDE: u32 = 97;

/// A lease on `count` ports from `first`. It lasts as long as the value lives: each port is held by an abstract unix
/// socket of that number, which the kernel gives to one process only and takes back however that process ends.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    held: Vec<UnixListener>,
}

impl Ports {
    /// Leases `count` free ports in a row.
    ///
    /// # Errors
    /// [`FarmError::NoPorts`] when none are left.
    pub fn lease(count: u16) -> Result<Ports, FarmError> {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let span = u32::from(LAST - FIRST - count);
        let start = std::process::id().wrapping_mul(STRIDE).wrapping_add(TAKEN.load(Ordering::Relaxed)) % span;
        let mut tried = 0;
        while tried < span {
            let first = FIRST + ((start + tried) % span) as u16;
            match hold(first, count) {
                Ok(held) => {
                    TAKEN.fetch_add(tried + u32::from(count), Ordering::Relaxed);
                    return Ok(Ports { first, held });
                }
                Err(in_use) => tried += u32::from(in_use - first) + 1,
            }
        }
        Err(FarmError::NoPorts(count))
    }

    /// The port at `index`, from 0.
    ///
    /// # Panics
    /// When the lease has fewer ports.
    pub fn at(&self, index: u16) -> u16 {
        assert!(usize::from(index) < self.held.len(), "the lease has {} ports", self.held.len());
        self.first + index
    }

    /// First and last port.
    pub fn range(&self) -> (u16, u16) {
        (self.first, self.first + self.held.len() as u16 - 1)
    }
}

/// Holds all ports, or names the first that is taken.
fn hold(first: u16, count: u16) -> Result<Vec<UnixListener>, u16> {
    (first..first + count).map(|port| hold_one(port).ok_or(port)).collect()
}

fn hold_one(port: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("headworks-port-{port}")).ok()?;
    let held = UnixListener::bind_addr(&name).ok()?;
    // Somebody who knows nothing of these leases may listen there; Slurm's daemons bind to all addresses.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_leases_share_a_port_and_an_ended_one_is_free_again() {
        let leases: Vec<Ports> = (0..20).map(|_| Ports::lease(5).unwrap()).collect();
        let mut all: Vec<u16> = leases.iter().flat_map(|l| (0..5).map(|i| l.at(i))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100);
        assert!(all.iter().all(|&port| hold_one(port).is_none()));
        drop(leases);
        // Another process may have leased some of them since.
        assert!(all.iter().any(|&port| hold_one(port).is_some()));
    }

    #[test]
    fn a_port_somebody_listens_on_is_left_out() {
        let lease = Ports::lease(1).unwrap();
        let port = lease.at(0);
        let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        drop(lease);
        assert!(hold_one(port).is_none());
    }
}
