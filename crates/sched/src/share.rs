//! Multi-resource fair sharing between tenants: the dominant share of what a tenant used (forgotten by half every half-life)
//! and holds now, per share of its weight. Integers only; refuses to know jobs and pools.
//!
//! Forward decay (Cormode et al., 2009): a use at time t is counted times 2^((t − epoch) / half-life) once, when it is charged,
//! and the sum divided by the same factor of the reading time. Nothing is rounded again and again.

use std::collections::BTreeMap;

use base::{Resources, Span, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// Resources held over time: amounts × milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResourceSeconds {
    pub cpu_milli_ms: u64,
    pub mem_mib_ms: u64,
    pub gpu_ms: u64,
}

impl ResourceSeconds {
    /// `total` held for `time`; stops at the largest number (10^8 cores for 5,000 years).
    pub fn of(total: &Resources, time: Span) -> Self {
        let ms = time.as_millis().max(0) as u64;
        Self {
            cpu_milli_ms: total.cpu.0.saturating_mul(ms),
            mem_mib_ms: total.mem.mib_ceil().saturating_mul(ms),
            gpu_ms: u64::from(total.gpus).saturating_mul(ms),
        }
    }
    const fn parts(&self) -> [u64; KINDS] {
        [self.cpu_milli_ms, self.mem_mib_ms, self.gpu_ms]
    }
}

const KINDS: usize = 3;
/// Fixed point of the decay factor: 2^20, so a factor of up to 2^32 (see below) times a use of 2^60 stays below 2^112.
const FACTOR_BITS: u32 = 20;
/// After so many half-lives the sums are shifted down by as many bits.
const RENEW_HALF_LIVES: i64 = 32;
/// Fixed point of the roots of two.
const ROOT_BITS: u32 = 60;
/// Roots 2^(1/2), 2^(1/4) … : a half-life of a week is resolved to 10 s.
const ROOTS: usize = 16;
/// Fixed point of shares: 2^32 means the whole platform.
const SHARE_BITS: u32 = 32;
const HALF_LIFE_MIN_MICROS: i64 = 60_000_000;

#[derive(Clone, Debug)]
struct Account {
    id: TenantId,
    shares: u32,
    /// Uses × factor.
    sums: [u128; KINDS],
    /// Held now: milli-cores, MiB, cards.
    held: [u64; KINDS],
    /// `sums` read at the last `refresh`, per mean life: comparable with `held`.
    recent: [u64; KINDS],
    key: u64,
}

/// All tenants by dense ordinal.
#[derive(Clone, Debug)]
pub(crate) struct FairShare {
    half_life: i64,
    epoch: Option<i64>,
    roots: [u128; ROOTS],
    accounts: Vec<Account>,
    index: BTreeMap<TenantId, u32>,
    /// Of all pools together, in the units of `held`.
    capacity: [u64; KINDS],
}

impl FairShare {
    pub fn new(half_life: Span) -> Self {
        let mut roots = [0; ROOTS];
        let mut root: u128 = 2 << ROOT_BITS;
        for slot in &mut roots {
            root = (root << ROOT_BITS).isqrt();
            *slot = root;
        }
        let half_life = half_life.as_micros().max(HALF_LIFE_MIN_MICROS);
        let (accounts, index) = (Vec::new(), BTreeMap::new());
        Self { half_life, epoch: None, roots, accounts, index, capacity: [0; KINDS] }
    }

    /// Changes the half-life; what was used so far is taken over as it stands at `now`.
    pub fn set_half_life(&mut self, half_life: Span, now: Timestamp) {
        let half_life = half_life.as_micros().max(HALF_LIFE_MIN_MICROS);
        if half_life == self.half_life {
            return;
        }
        let factor = self.factor(now);
        for account in &mut self.accounts {
            account.sums = account.sums.map(|sum| (sum / factor) << FACTOR_BITS);
        }
        self.half_life = half_life;
        self.epoch = self.epoch.map(|_| now.as_micros());
    }

    pub fn ordinal(&mut self, id: TenantId) -> u32 {
        if let Some(&ordinal) = self.index.get(&id) {
            return ordinal;
        }
        let ordinal = self.accounts.len() as u32;
        let (sums, held) = ([0; KINDS], [0; KINDS]);
        self.accounts.push(Account { id, shares: 1, sums, held, recent: [0; KINDS], key: 0 });
        self.index.insert(id, ordinal);
        ordinal
    }

    pub fn find(&self, id: TenantId) -> Option<u32> {
        self.index.get(&id).copied()
    }
    pub fn id(&self, ordinal: u32) -> TenantId {
        self.accounts[ordinal as usize].id
    }
    pub fn set_shares(&mut self, ordinal: u32, shares: u32) {
        self.accounts[ordinal as usize].shares = shares.max(1);
    }
    pub fn add_capacity(&mut self, total: &Resources) {
        let amounts = amounts(total);
        (0..KINDS).for_each(|k| self.capacity[k] += amounts[k]);
    }
    pub fn remove_capacity(&mut self, total: &Resources) {
        let amounts = amounts(total);
        (0..KINDS).for_each(|k| self.capacity[k] -= amounts[k]);
    }

    pub fn charge(&mut self, ordinal: u32, used: &ResourceSeconds, now: Timestamp) {
        self.renew(now);
        let factor = self.factor(now);
        let account = &mut self.accounts[ordinal as usize];
        for (sum, part) in account.sums.iter_mut().zip(used.parts()) {
            *sum = sum.saturating_add(u128::from(part) * factor);
        }
    }

    /// What `charge` has added, as it counts at `now`.
    pub fn used(&self, ordinal: u32, now: Timestamp) -> ResourceSeconds {
        let factor = self.factor(now);
        let [cpu, mem, gpu] =
            self.accounts[ordinal as usize].sums.map(|sum| u64::try_from(sum / factor).unwrap_or(u64::MAX));
        ResourceSeconds { cpu_milli_ms: cpu, mem_mib_ms: mem, gpu_ms: gpu }
    }

    pub fn hold(&mut self, ordinal: u32, total: &Resources) {
        let amounts = amounts(total);
        let account = &mut self.accounts[ordinal as usize];
        (0..KINDS).for_each(|k| account.held[k] += amounts[k]);
        self.rekey(ordinal);
    }
    pub fn drop_hold(&mut self, ordinal: u32, total: &Resources) {
        let amounts = amounts(total);
        let account = &mut self.accounts[ordinal as usize];
        (0..KINDS).for_each(|k| account.held[k] -= amounts[k]);
        self.rekey(ordinal);
    }

    /// Brings every key to `now`. Cost: three divisions a tenant.
    pub fn refresh(&mut self, now: Timestamp) {
        let factor = self.factor(now);
        // A tenant that always holds h has used h × mean life, and mean life = half-life ÷ ln 2 = half-life × 1.442695.
        let mean_life_ms = (self.half_life as u128 * 1_442_695 / 1_000_000 / 1_000).max(1);
        for ordinal in 0..self.accounts.len() {
            let account = &mut self.accounts[ordinal];
            for kind in 0..KINDS {
                // Eight more bits than the unit: small uses still order tenants.
                let scaled = (account.sums[kind] / factor) << RECENT_BITS;
                account.recent[kind] = u64::try_from(scaled / mean_life_ms).unwrap_or(u64::MAX);
            }
            self.rekey(ordinal as u32);
        }
    }

    /// Dominant share per weight, as of the last `refresh` and every hold since: the smaller, the sooner served.
    pub fn key(&self, ordinal: u32) -> u64 {
        self.accounts[ordinal as usize].key
    }

    fn rekey(&mut self, ordinal: u32) {
        let capacity = self.capacity;
        let account = &mut self.accounts[ordinal as usize];
        let mut dominant = 0u128;
        for (kind, &capacity) in capacity.iter().enumerate() {
            if capacity > 0 {
                let amount = (u128::from(account.held[kind]) << RECENT_BITS) + u128::from(account.recent[kind]);
                dominant = dominant.max((amount << (SHARE_BITS - RECENT_BITS)) / u128::from(capacity));
            }
        }
        // 2^16 more keeps tenants of large weight apart.
        account.key = u64::try_from((dominant << 16) / u128::from(account.shares)).unwrap_or(u64::MAX);
    }

    fn renew(&mut self, now: Timestamp) {
        let epoch = *self.epoch.get_or_insert(now.as_micros());
        let lives = now.as_micros().saturating_sub(epoch) / self.half_life;
        if lives > RENEW_HALF_LIVES {
            let shift = u32::try_from(lives).unwrap_or(u32::MAX);
            for account in &mut self.accounts {
                account.sums = account.sums.map(|sum| sum.checked_shr(shift).unwrap_or(0));
            }
            self.epoch = Some(epoch.saturating_add(self.half_life.saturating_mul(lives)));
        }
    }

    /// 2^((now − epoch) / half-life), at least 1: a clock that stepped back reads as the epoch.
    fn factor(&self, now: Timestamp) -> u128 {
        let Some(epoch) = self.epoch else { return 1 << FACTOR_BITS };
        let age = now.as_micros().saturating_sub(epoch).max(0);
        // Past 2 × RENEW the sums, at most 2^112, read as nothing anyway.
        let lives = (age / self.half_life).min(2 * RENEW_HALF_LIVES) as u32;
        let mut rest = age % self.half_life;
        let mut factor: u128 = 1 << FACTOR_BITS;
        for root in self.roots {
            rest *= 2;
            if rest >= self.half_life {
                rest -= self.half_life;
                factor = (factor * root) >> ROOT_BITS;
            }
        }
        factor << lives
    }
}

const RECENT_BITS: u32 = 8;

pub(crate) fn amounts(total: &Resources) -> [u64; KINDS] {
    [total.cpu.0, total.mem.mib_ceil(), u64::from(total.gpus)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Bytes;

    fn share() -> (FairShare, u32, u32) {
        let mut share = FairShare::new(Span::from_hours(24));
        share.add_capacity(&Resources::new(100, Bytes::from_gib(1_000), 10));
        let (a, b) = (share.ordinal(TenantId::from_u128(1)), share.ordinal(TenantId::from_u128(2)));
        (share, a, b)
    }

    #[test]
    fn half_is_forgotten_every_half_life_however_often_it_is_read() {
        let (mut share, a, _) = share();
        let used = ResourceSeconds { cpu_milli_ms: 1_000_000_000, mem_mib_ms: 0, gpu_ms: 0 };
        let start = Timestamp::from_secs(1_000_000);
        share.charge(a, &used, start);
        for (hours, expect) in [(0, 1_000_000_000), (24, 500_000_000), (48, 250_000_000), (24 * 20, 953)] {
            let got = share.used(a, start + Span::from_hours(hours)).cpu_milli_ms;
            assert!(got.abs_diff(expect) <= expect / 10_000 + 1, "{hours} h: {got} instead of {expect}");
        }
        // Far beyond the renewal the sum is still added up right.
        let late = start + Span::from_hours(24 * 500);
        share.charge(a, &used, late);
        assert!(share.used(a, late).cpu_milli_ms.abs_diff(1_000_000_000) < 100_000);
        // A clock that steps back reads the latest value, not more.
        assert!(share.used(a, start).cpu_milli_ms <= 2_000_000_000);
    }

    #[test]
    fn the_dominant_resource_and_the_weight_decide() {
        let (mut share, a, b) = share();
        share.hold(a, &Resources::new(10, Bytes(0), 5));
        share.hold(b, &Resources::new(40, Bytes(0), 0));
        assert!(share.key(a) > share.key(b), "half of the cards outweigh 40 % of the cores");
        share.set_shares(a, 2);
        share.refresh(Timestamp::ZERO);
        assert!(share.key(a) < share.key(b), "a weight of two halves the share");
    }

    #[test]
    fn what_was_held_for_long_counts_as_much_as_what_is_held() {
        let (mut share, a, b) = share();
        let mut now = Timestamp::from_secs(0);
        let total = Resources::new(50, Bytes(0), 0);
        for _ in 0..24 * 30 {
            share.charge(a, &ResourceSeconds::of(&total, Span::from_hours(1)), now);
            now = now + Span::from_hours(1);
        }
        share.hold(b, &total);
        share.refresh(now);
        let (a, b) = (share.key(a) as i128, share.key(b) as i128);
        assert!((a - b).abs() < b / 20, "{a} and {b} differ by more than 5 %");
    }
}
