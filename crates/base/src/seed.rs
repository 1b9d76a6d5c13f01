//! Chance as named streams: a root seed fans out by purpose and entity, so a new draw in one place
//! leaves every other stream alone.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The first 128 bits of the SHA-256 of `parts`, each preceded by its length, so that
/// two different lists never hash alike by concatenation.
pub fn digest128(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut head = [0u8; 16];
    head.copy_from_slice(&full[..16]);
    u128::from_be_bytes(head)
}

/// A node in the tree of random streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root that tests and the simulator state.
    pub fn from_u64(n: u64) -> Seed {
        Seed(Sha256::digest(n.to_le_bytes()).into())
    }
    /// The root that production draws from the system.
    pub const fn from_bytes(raw: [u8; 32]) -> Seed {
        Seed(raw)
    }
    /// The stream for a purpose or an entity below this one.
    pub fn child(&self, name: impl std::fmt::Display) -> Seed {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(name.to_string().as_bytes());
        Seed(hash.finalize().into())
    }
    /// A generator that starts at this node.
    pub fn stream(&self) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.0))
    }
}

/// A deterministic generator.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    pub fn u64(&mut self) -> u64 {
        use rand_core::Rng;
        self.0.next_u64()
    }
    pub fn u128(&mut self) -> u128 {
        (self.u64() as u128) << 64 | self.u64() as u128
    }
    /// A number below `n` (at least 1), without bias worth speaking of (2⁻⁶⁴ × n).
    pub fn below(&mut self, n: u64) -> u64 {
        ((self.u64() as u128 * n.max(1) as u128) >> 64) as u64
    }
    /// True with probability `per_mille` / 1000.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
    /// One of a non-empty slice.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_independent_and_stable() {
        let root = Seed::from_u64(1);
        let a = root.child("a").stream().u64();
        assert_eq!(a, Seed::from_u64(1).child("a").stream().u64());
        assert_ne!(a, root.child("b").stream().u64());
        let mut s = root.stream();
        assert!((0..1000).all(|_| s.below(7) < 7));
    }
}
