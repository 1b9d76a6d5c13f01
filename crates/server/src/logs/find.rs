//! Places of a text in a stream of bytes, across any cuts. Pure: knows neither files nor clusters.

use memchr::memmem;

/// Bytes kept from before a piece, for what stands before a place in its line.
const BEFORE: usize = 160;
/// Bytes shown behind a place in its line.
const BEHIND: usize = 240;

/// Where a text was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of its first byte.
    pub offset: u64,
    /// The line around it, cut where it is long.
    pub line: String,
}

/// Looks for a text, small and capital letters of ASCII alike.
pub struct Finder {
    wanted: memmem::Finder<'static>,
    /// The end of what was looked through, and the offset of its first byte.
    kept: Vec<u8>,
    from: u64,
    /// Places that begin before this were told.
    told: u64,
}

impl Finder {
    /// A finder of a text that is not empty, in bytes from an offset on.
    pub fn new(wanted: &str, from: u64) -> Finder {
        let wanted = memmem::Finder::new(&wanted.to_ascii_lowercase()).into_owned();
        Finder { wanted, kept: Vec::new(), from, told: from }
    }

    /// Looks through the next bytes; at most `max` places, in order.
    pub fn feed(&mut self, bytes: &[u8], max: usize) -> Vec<Place> {
        self.kept.extend_from_slice(bytes);
        let small = self.kept.to_ascii_lowercase();
        let begin = usize::try_from(self.told - self.from).unwrap_or(usize::MAX).min(small.len());
        let mut found = Vec::new();
        for at in self.wanted.find_iter(&small[begin..]).take(max) {
            let at = begin + at;
            let end = at + self.wanted.needle().len();
            found.push(Place { offset: self.from + at as u64, line: line_around(&self.kept, at, end) });
            self.told = self.from + end as u64;
        }
        if found.len() < max {
            // What is at the very end may go on in the next bytes.
            let behind = (self.kept.len() + 1).saturating_sub(self.wanted.needle().len());
            self.told = self.told.max(self.from + behind as u64);
        }
        let done = usize::try_from(self.told - self.from).unwrap_or(usize::MAX).saturating_sub(BEFORE);
        self.kept.drain(..done.min(self.kept.len()));
        self.from += done as u64;
        found
    }

    /// The first byte at which a place may still begin.
    pub fn next(&self) -> u64 {
        self.told
    }
}

fn line_around(all: &[u8], at: usize, end: usize) -> String {
    let least = at.saturating_sub(BEFORE);
    let begin = memchr::memrchr(b'\n', &all[least..at]).map_or(least, |n| least + n + 1);
    let most = (end + BEHIND).min(all.len());
    let stop = memchr::memchr(b'\n', &all[end..most]).map_or(most, |n| end + n);
    String::from_utf8_lossy(&all[begin..stop]).trim_end_matches('\r').trim_matches('\u{fffd}').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], wanted: &str, piece: usize) -> Vec<Place> {
        let mut finder = Finder::new(wanted, 0);
        text.chunks(piece).flat_map(|bytes| finder.feed(bytes, 1_000)).collect()
    }

    #[test]
    fn every_place_is_found_once_at_every_cut() {
        let text = "Energy 1\nno\nENERGY energy 能量\n".repeat(40);
        let whole = all(text.as_bytes(), "energy", text.len());
        assert_eq!(whole.len(), 120);
        assert_eq!(whole[1], Place { offset: 12, line: "ENERGY energy 能量".into() });
        for piece in 1..60 {
            let offsets: Vec<u64> = all(text.as_bytes(), "energy", piece).iter().map(|place| place.offset).collect();
            assert_eq!(offsets, whole.iter().map(|place| place.offset).collect::<Vec<_>>(), "pieces of {piece}");
        }
        assert_eq!(all(text.as_bytes(), "能量", 7).len(), 40);
        assert_eq!(all(b"aaaa", "aa", 1).len(), 2, "places do not overlap");
    }

    #[test]
    fn it_stops_where_it_was_told_and_goes_on_from_there() {
        let text = "x.".repeat(1_000);
        let mut finder = Finder::new("x", 10);
        assert_eq!(finder.feed(text.as_bytes(), 3).last().map(|place| place.offset), Some(14));
        assert_eq!(finder.next(), 15);
        let long = "y".repeat(5_000) + "z" + &"y".repeat(5_000);
        let line = &all(long.as_bytes(), "z", 999)[0].line;
        assert!(line.contains('z') && line.len() <= BEFORE + BEHIND + 1, "{}", line.len());
    }
}
