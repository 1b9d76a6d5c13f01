//! Packets of the SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH speaks it. Pure.

use ports::EntryKind;

pub const INIT: u8 = 1;
pub const VERSION: u8 = 2;
pub const OPEN: u8 = 3;
pub const CLOSE: u8 = 4;
pub const READ: u8 = 5;
pub const WRITE: u8 = 6;
pub const LSTAT: u8 = 7;
pub const FSETSTAT: u8 = 10;
pub const OPENDIR: u8 = 11;
pub const READDIR: u8 = 12;
pub const REMOVE: u8 = 13;
pub const MKDIR: u8 = 14;
pub const RMDIR: u8 = 15;
pub const REALPATH: u8 = 16;
pub const RENAME: u8 = 18;
pub const STATUS: u8 = 101;
pub const HANDLE: u8 = 102;
pub const DATA: u8 = 103;
pub const NAME: u8 = 104;
pub const ATTRS: u8 = 105;
pub const EXTENDED: u8 = 200;
pub const EXTENDED_REPLY: u8 = 201;

pub const PROTOCOL: u32 = 3;
/// Longest packet taken from a server: OpenSSH's own limit.
pub const PACKET_BYTES_MAX: u32 = 256 << 10;

/// Flags of [`OPEN`].
pub const FOR_READ: u32 = 1;
pub const FOR_WRITE: u32 = 2;
pub const CREATE: u32 = 8;
pub const TRUNCATE: u32 = 16;

const HAS_SIZE: u32 = 1;
const HAS_IDS: u32 = 2;
const HAS_MODE: u32 = 4;
const HAS_TIMES: u32 = 8;

/// Codes of [`STATUS`].
pub const OK: u32 = 0;
pub const END: u32 = 1;
pub const NO_SUCH_FILE: u32 = 2;
pub const PERMISSION_DENIED: u32 = 3;
pub const NO_CONNECTION: u32 = 6;
pub const CONNECTION_LOST: u32 = 7;

/// A packet being written: its length, kind and number first, the length filled in at the end.
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn new(kind: u8, number: u32) -> Writer {
        let mut bytes = vec![0; 4];
        bytes.push(kind);
        Writer(bytes).u32(number)
    }
    #[must_use]
    pub fn u32(mut self, value: u32) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }
    #[must_use]
    pub fn u64(mut self, value: u64) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Writer {
        // Paths and pieces are far below 4 GiB.
        let mut writer = self.u32(bytes.len() as u32);
        writer.0.extend_from_slice(bytes);
        writer
    }
    /// Attributes that say nothing but the mode.
    #[must_use]
    pub fn mode(self, mode: u32) -> Writer {
        self.u32(HAS_MODE).u32(mode)
    }
    pub fn done(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// A packet that is read from the front. `None`: it is shorter than it says.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }
    pub fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*head))
    }
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
    pub fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let mut found = Attributes::default();
        if flags & HAS_SIZE != 0 {
            found.size = self.u64()?;
        }
        if flags & HAS_IDS != 0 {
            self.u32()?;
            self.u32()?;
        }
        if flags & HAS_MODE != 0 {
            found.mode = self.u32()?;
        }
        if flags & HAS_TIMES != 0 {
            (_, found.modified) = (self.u32()?, self.u32()?);
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.u32()? {
                self.text()?;
                self.text()?;
            }
        }
        Some(found)
    }
}

/// What a server says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: u64,
    pub mode: u32,
    pub modified: u32,
}

impl Attributes {
    pub fn kind(&self) -> EntryKind {
        match self.mode & 0o170_000 {
            0o100_000 => EntryKind::File,
            0o040_000 => EntryKind::Folder,
            0o120_000 => EntryKind::Link,
            _ => EntryKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_has_its_length_first() {
        let bytes = Writer::new(OPEN, 7).text(b"a").u32(FOR_READ).mode(0o600).done();
        assert_eq!(bytes[..4], 22_u32.to_be_bytes());
        let mut reader = Reader(&bytes[5..]);
        assert_eq!((reader.u32(), reader.text(), reader.u32()), (Some(7), Some(&b"a"[..]), Some(FOR_READ)));
        assert_eq!(reader.attributes(), Some(Attributes { mode: 0o600, ..Attributes::default() }));
        assert_eq!(reader.u32(), None);
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader(&bytes);
            let _ = reader.attributes();
            let _ = reader.text();
            let _ = reader.u64();
        }
    }
}
