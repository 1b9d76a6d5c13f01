//! Sites and the links between them: how long data is on its way to where work would run, what that costs, and how far that is from
//! the people who wait for answers. Refuses to know whose data and which people; asks for the names of sites only.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Bytes, Money, Span};
use serde::{Deserialize, Serialize};

use crate::policy::Weights;
use crate::view::{MICROS_PER_HOUR, to_i64};

/// Bits a second. In documents 10⁶ of them, as links are sold: `1000` or `2.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Bandwidth(pub u64);

impl TryFrom<f64> for Bandwidth {
    type Error = &'static str;
    fn try_from(mbit_s: f64) -> Result<Bandwidth, Self::Error> {
        let bits = (mbit_s * 1e6).round();
        // 10¹⁵ bits a second are a thousand of the fastest lines there are.
        if (1.0..=1e15).contains(&bits) {
            Ok(Bandwidth(bits as u64))
        } else {
            Err("a bandwidth is 0.000001 to 10⁹ Mbit/s")
        }
    }
}
impl From<Bandwidth> for f64 {
    fn from(bandwidth: Bandwidth) -> f64 {
        bandwidth.0 as f64 / 1e6
    }
}

/// What joins two sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// There and back.
    #[serde(with = "base::span_text", default = "no_time")]
    pub latency: Span,
    /// `None`: no bound worth counting.
    #[serde(rename = "bandwidth_mbit_s", default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// What the operator pays for a GiB.
    #[serde(with = "money_text", default)]
    pub gib_price: Money,
}

/// An amount as its text: `"0.02"`.
mod money_text {
    use base::Money;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(money: &Money, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(money)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Money, D::Error> {
        std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

const fn no_time() -> Span {
    Span::ZERO
}

impl Path {
    /// Within one site.
    const NOTHING: Path = Path { latency: Span::ZERO, bandwidth: None, gib_price: Money::ZERO };

    /// How long so much is on its way: the latency once, and the bytes over the bandwidth.
    pub fn time(&self, data: Bytes) -> Span {
        let bits = i128::from(data.0) * 8;
        let micros = self.bandwidth.map_or(0, |bandwidth| bits * 1_000_000 / i128::from(bandwidth.0.max(1)));
        if data.0 == 0 { Span::ZERO } else { self.latency + Span::from_micros(to_i64(micros)) }
    }
    /// What it costs the operator to send so much, rounded towards zero.
    pub fn price(&self, data: Bytes) -> Money {
        Money(to_i64(i128::from(self.gib_price.micros()) * i128::from(data.0) / i128::from(Bytes::GIB)))
    }
}

/// Which sites are joined by what, in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    paths: BTreeMap<(Arc<str>, Arc<str>), Path>,
    otherwise: Option<Path>,
}

impl Links {
    /// From links as (site, site, path), of which the last of a pair counts. `otherwise` joins sites that no link joins; without
    /// it nothing is known between them, and what is not known counts as nothing.
    pub fn new(links: impl IntoIterator<Item = (Arc<str>, Arc<str>, Path)>, otherwise: Option<Path>) -> Links {
        let paths = links.into_iter().map(|(a, b, path)| (if a <= b { (a, b) } else { (b, a) }, path)).collect();
        Links { paths, otherwise }
    }

    /// What joins two sites; within one there is nothing to wait or pay for. `None` where nothing is known: an empty name is no site.
    pub fn between(&self, a: &Arc<str>, b: &Arc<str>) -> Option<Path> {
        if a.is_empty() || b.is_empty() {
            return None;
        }
        if a == b {
            return Some(Path::NOTHING);
        }
        let key = if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
        self.paths.get(&key).copied().or(self.otherwise)
    }
}

/// What ties work to sites; of a job that needs no data and at whose answers nobody waits, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ties {
    /// Where its data is; empty when nobody said.
    pub data_site: Arc<str>,
    /// How much of it goes to where the job runs.
    pub data: Bytes,
    /// Where those are who wait for its answers; empty when nobody does or nobody said.
    pub users_site: Arc<str>,
}

impl Ties {
    /// The same for all work of about as much data: rounded up to three significant bits, a quarter too much at most. A forecast of
    /// a link is no finer, and lists of pools are not made for each size anew.
    pub(crate) fn rounded(&self) -> Ties {
        if self.data.0 == 0 || self.data_site.is_empty() {
            return Ties { data_site: Arc::default(), data: Bytes(0), users_site: self.users_site.clone() };
        }
        Ties { data: rounded(self.data), ..self.clone() }
    }
}

/// Up to the next number of three significant bits, of whole mebibytes.
fn rounded(data: Bytes) -> Bytes {
    let mib = data.mib_ceil();
    let step = 1u64 << mib.checked_ilog2().unwrap_or(0).saturating_sub(2);
    Bytes::from_mib(mib.div_ceil(step) * step)
}

/// What the way to a site means for work of such ties. `None`: not known, or there is nothing to send or to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    pub data_time: Option<Span>,
    pub data_cost: Option<Money>,
    pub latency: Option<Span>,
}

impl Links {
    pub(crate) fn way(&self, ties: &Ties, site: &Arc<str>) -> Way {
        let data = (ties.data.0 > 0).then(|| self.between(&ties.data_site, site)).flatten();
        Way {
            data_time: data.map(|path| path.time(ties.data)),
            data_cost: data.map(|path| path.price(ties.data)),
            latency: self.between(&ties.users_site, site).map(|path| path.latency),
        }
    }
}

impl Way {
    /// Weighted micro-units of money an hour, in thousandths: what the distance to the users counts.
    pub fn hourly(&self, weights: &Weights) -> i64 {
        // Per millisecond; a thousand microseconds are one, and the unit is a thousandth.
        self.latency.map_or(0, |latency| weights.latency.saturating_mul(latency.as_micros()))
    }
    /// Weighted micro-units of money, in thousandths, once.
    pub fn once(&self, weights: &Weights) -> i64 {
        self.data_cost.map_or(0, |cost| weights.cost.saturating_mul(cost.micros()))
    }
    /// What all of it counts for an hour of work that runs for such a [`run_class`], beside the latency.
    pub fn spread(&self, weights: &Weights, run_class: u8) -> i64 {
        let micros = self.data_time.map_or(0, Span::as_micros);
        let time = i128::from(weights.start) * 1_000 * i128::from(micros) / i128::from(MICROS_PER_HOUR);
        to_i64((time + i128::from(self.once(weights))) * 60 / (1i128 << run_class))
    }
}

/// Doublings of a minute in a run of so many microseconds: what is paid once counts the less, the longer the work. By classes, so
/// that lists of pools are not made for each length anew.
pub(crate) fn run_class(run: i64) -> u8 {
    let mins = (run / 60_000_000).max(1);
    mins.ilog2() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(mbit_s: u64, latency_ms: i64, gib_price: i64) -> Path {
        let bandwidth = Some(Bandwidth(mbit_s * 1_000_000));
        Path { latency: Span::from_millis(latency_ms), bandwidth, gib_price: Money(gib_price) }
    }

    #[test]
    fn ways_by_hand() {
        let links = Links::new([("b".into(), "a".into(), path(1_000, 20, 50_000))], None);
        let of = |data_site: &str, users_site: &str| Ties {
            data_site: data_site.into(),
            data: Bytes::from_gib(10),
            users_site: users_site.into(),
        };
        // 10 GiB are 85,899,345,920 bits.
        let there = links.way(&of("a", "b"), &"b".into());
        assert_eq!(there.data_time, Some(Span::from_micros(85_899_345 + 20_000)));
        assert_eq!((there.data_cost, there.latency), (Some(Money(500_000)), Some(Span::ZERO)));
        let here = links.way(&of("a", "b"), &"a".into());
        assert_eq!((here.data_time, here.data_cost), (Some(Span::ZERO), Some(Money::ZERO)));
        assert_eq!(here.latency, Some(Span::from_millis(20)));
        // Where nothing is said nothing is known, unless something is said of all the rest.
        assert_eq!(links.way(&of("a", ""), &"c".into()), Way::default());
        let links = Links::new([], Some(path(8, 5, 0)));
        assert_eq!(links.way(&of("a", "a"), &"c".into()).latency, Some(Span::from_millis(5)));
        assert_eq!(links.way(&of("a", "a"), &"".into()), Way::default());
    }

    #[test]
    fn what_is_paid_once_is_spread_over_the_run() {
        let weights = Weights { start: 6_000_000, ..Weights::default() };
        let way = Way { data_time: Some(Span::from_mins(10)), data_cost: Some(Money(2_000_000)), latency: None };
        // A sixth of an hour is worth one unit, the way costs two: three in an hour, twelve in a quarter of one.
        let units = |mins: i64| way.spread(&weights, run_class(Span::from_mins(mins).as_micros())) / 1_000_000_000;
        assert_eq!((units(64), units(127), units(16)), (2, 2, 11));
        let far = Way { latency: Some(Span::from_millis(50)), ..Way::default() };
        assert_eq!(far.hourly(&weights), 50 * 1_000 * weights.latency);
    }

    proptest! {
        #[test]
        fn sizes_are_rounded_up_by_a_quarter_at_most_and_only_once(data in 1u64..1 << 50) {
            let up = rounded(Bytes(data));
            prop_assert!(up.0 >= data && rounded(up) == up);
            prop_assert!(up.mib_ceil() <= Bytes(data).mib_ceil() * 5 / 4);
        }

        /// More to send is never sooner or cheaper, and a faster line never slower.
        #[test]
        fn ways_grow_with_what_is_sent(a in 0u64..1 << 45, b in 0u64..1 << 45, mbit in 1u64..100_000, more in 1u64..1_000) {
            let (less, most) = (Bytes(a.min(b)), Bytes(a.max(b)));
            let slow = path(mbit, 3, 7_000);
            let fast = path(mbit + more, 3, 7_000);
            prop_assert!(slow.time(less) <= slow.time(most) && slow.price(less) <= slow.price(most));
            prop_assert!(fast.time(most) <= slow.time(most));
        }
    }
}
