//! Reads server-sent events: bytes in, frames out, as the HTML standard's "event stream interpretation" says.
//! Pure; knows no connection and no meaning of an event.

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The last id said so far, also by an earlier frame; empty when none was.
    pub id: String,
    /// `message` where the stream does not say.
    pub event: String,
    /// Lines joined by line feeds.
    pub data: String,
}

/// Longest line kept, in bytes: the server's largest log piece (64 KiB) as JSON with every byte escaped to six, and room.
/// A longer line is not one of ours and ends the stream.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A line grew past [`LINE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the event stream is longer than {LINE_BYTES_MAX} bytes")]
pub struct LineTooLong;

/// Keeps what has arrived of the next frame.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    /// The line before ended with CR: a following LF belongs to it.
    after_cr: bool,
    next: Frame,
    has_data: bool,
}

impl Decoder {
    /// Takes the next piece of the stream, cut anywhere, and returns the frames which it completes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, LineTooLong> {
        let mut frames = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    frames.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ if self.line.len() >= LINE_BYTES_MAX => return Err(LineTooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(frames)
    }

    fn line(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            return self.end_of_frame();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.next.event = value.into(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.next.id = value.into(),
            // `retry` is ours to decide; a line that begins with a colon keeps the connection alive.
            _ => {}
        }
        None
    }

    fn end_of_frame(&mut self) -> Option<Frame> {
        let id = self.next.id.clone();
        let mut frame = std::mem::replace(&mut self.next, Frame { id, ..Frame::default() });
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        if frame.event.is_empty() {
            frame.event = "message".into();
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: &str, event: &str, data: &str) -> Frame {
        Frame { id: id.into(), event: event.into(), data: data.into() }
    }

    const STREAM: &str =
        ": hello\n\nid: 7\nevent: log\ndata: {\"a\":1}\n\ndata:x\r\ndata:  y\r\n\r\nevent: gone\n\nid\ndata\n\n";

    #[test]
    fn frames_are_read() {
        let frames = Decoder::default().feed(STREAM.as_bytes()).unwrap();
        assert_eq!(frames, [frame("7", "log", "{\"a\":1}"), frame("7", "message", "x\n y"), frame("", "message", "")]);
    }

    #[test]
    fn cuts_anywhere_change_nothing() {
        let whole = Decoder::default().feed(STREAM.as_bytes()).unwrap();
        for size in 1..STREAM.len() {
            let mut decoder = Decoder::default();
            let mut frames = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                frames.extend(decoder.feed(piece).unwrap());
            }
            assert_eq!(frames, whole, "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(&vec![b'x'; LINE_BYTES_MAX]), Ok(vec![]));
        assert_eq!(decoder.feed(b"x"), Err(LineTooLong));
    }
}
