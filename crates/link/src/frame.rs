//! Frames: a head of JSON and a body of plain bytes, each with its length before it. Bounded before anything is allocated,
//! and alive as long as bytes move: a slow line is not a dead one. Knows no message.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::limits::{BODY_BYTES_MAX, GREETING_BYTES_MAX, HEAD_BYTES_MAX, PIECE_BYTES};

/// One frame: `head length, body length` (4 bytes each, big-endian), head, body.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frame {
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

/// How large a frame may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub head: usize,
    pub body: usize,
}

impl Bounds {
    /// Between strangers.
    pub const GREETING: Bounds = Bounds { head: GREETING_BYTES_MAX, body: 0 };
    /// Between those who know each other.
    pub const FULL: Bounds = Bounds { head: HEAD_BYTES_MAX, body: BODY_BYTES_MAX };
}

/// Why a frame did not arrive or leave. The connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("the other side closed the connection")]
    Closed,
    #[error("nothing moved for {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("a {part} of {size} bytes where {max} are allowed")]
    TooLarge { part: &'static str, size: usize, max: usize },
    #[error("a message that cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl Frame {
    /// A frame with `message` as its head.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] where the other side would refuse it.
    pub fn new(message: &impl Serialize, body: Vec<u8>) -> Result<Frame, FrameError> {
        let head = serde_json::to_vec(message).map_err(FrameError::Unreadable)?;
        check("head", head.len(), HEAD_BYTES_MAX)?;
        check("body", body.len(), BODY_BYTES_MAX)?;
        Ok(Frame { head, body })
    }

    /// The message in the head.
    ///
    /// # Errors
    /// [`FrameError::Unreadable`].
    pub fn message<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.head).map_err(FrameError::Unreadable)
    }

    /// Reads the next frame; `silence`: longest time without a byte.
    ///
    /// # Errors
    /// [`FrameError`]; `Closed` only between two frames.
    pub async fn read(
        from: &mut (impl AsyncRead + Unpin),
        bounds: Bounds,
        silence: Duration,
    ) -> Result<Frame, FrameError> {
        let mut lengths = [0; 8];
        let mut have = 0;
        while have < lengths.len() {
            match moved(silence, from.read(&mut lengths[have..])).await? {
                0 if have == 0 => return Err(FrameError::Closed),
                0 => return Err(FrameError::Broken(io::ErrorKind::UnexpectedEof.into())),
                n => have += n,
            }
        }
        let length = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| lengths[at + i])) as usize;
        let (head, body) = (length(0), length(4));
        check("head", head, bounds.head)?;
        check("body", body, bounds.body)?;
        Ok(Frame { head: part(from, head, silence).await?, body: part(from, body, silence).await? })
    }

    /// Writes the frame without flushing; `silence`: longest time in which nothing could be written.
    ///
    /// # Errors
    /// [`FrameError`].
    pub async fn write(&self, to: &mut (impl AsyncWrite + Unpin), silence: Duration) -> Result<(), FrameError> {
        let mut lengths = [0; 8];
        lengths[..4].copy_from_slice(&(self.head.len() as u32).to_be_bytes());
        lengths[4..].copy_from_slice(&(self.body.len() as u32).to_be_bytes());
        for part in [&lengths[..], &self.head, &self.body] {
            for piece in part.chunks(PIECE_BYTES) {
                moved(silence, to.write_all(piece)).await?;
            }
        }
        Ok(())
    }
}

fn check(part: &'static str, size: usize, max: usize) -> Result<(), FrameError> {
    if size > max { Err(FrameError::TooLarge { part, size, max }) } else { Ok(()) }
}

/// Memory grows with what has arrived, not with what was announced.
async fn part(from: &mut (impl AsyncRead + Unpin), size: usize, silence: Duration) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::with_capacity(size.min(PIECE_BYTES));
    while bytes.len() < size {
        let wanted = (size - bytes.len()).min(PIECE_BYTES);
        let mut limited = (&mut *from).take(wanted as u64);
        if moved(silence, limited.read_buf(&mut bytes)).await? == 0 {
            return Err(FrameError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(bytes)
}

/// Hands a message to who writes frames.
pub(crate) async fn post(
    out: &mpsc::Sender<Arc<Frame>>,
    message: &impl Serialize,
    body: Vec<u8>,
) -> Result<(), FrameError> {
    out.send(Arc::new(Frame::new(message, body)?)).await.map_err(|_| FrameError::Closed)
}

pub(crate) async fn moved<T>(silence: Duration, what: impl Future<Output = io::Result<T>>) -> Result<T, FrameError> {
    match tokio::time::timeout(silence, what).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(FrameError::Broken(error)),
        Err(_) => Err(FrameError::Silent(silence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn frames_arrive_whole_and_in_order() {
        let (mut near, mut far) = tokio::io::duplex(1_000);
        let frames = [
            Frame { head: b"{}".to_vec(), body: Vec::new() },
            Frame { head: vec![b' '; 100_000], body: vec![7; 300_000] },
            Frame { head: b"1".to_vec(), body: vec![0] },
        ];
        let wanted = frames.clone();
        let writer = tokio::spawn(async move {
            for frame in &frames {
                frame.write(&mut near, SOON).await.unwrap();
            }
        });
        for frame in wanted {
            assert_eq!(Frame::read(&mut far, Bounds::FULL, SOON).await.unwrap(), frame);
        }
        writer.await.unwrap();
        assert!(matches!(Frame::read(&mut far, Bounds::FULL, SOON).await, Err(FrameError::Closed)));
    }

    #[tokio::test]
    async fn what_is_too_large_cut_or_silent_is_refused() {
        let read = |bytes: Vec<u8>, bounds: Bounds, open: bool| async move {
            let (mut near, mut far) = tokio::io::duplex(1 << 20);
            near.write_all(&bytes).await.unwrap();
            let kept = open.then_some(near);
            let answer = Frame::read(&mut far, bounds, SOON).await.unwrap_err();
            drop(kept);
            answer
        };
        let greeting = Bounds::GREETING;
        let large = read(vec![0, 1, 0, 0, 0, 0, 0, 0], greeting, true).await;
        assert!(matches!(large, FrameError::TooLarge { part: "head", size: 65_536, max: GREETING_BYTES_MAX }));
        let body = read(vec![0, 0, 0, 1, 0, 0, 0, 1], greeting, true).await;
        assert!(matches!(body, FrameError::TooLarge { part: "body", .. }));
        assert!(matches!(read(vec![0, 0], greeting, true).await, FrameError::Silent(_)));
        assert!(matches!(read(vec![0, 0], greeting, false).await, FrameError::Broken(_)));
        let cut = vec![0, 0, 0, 9, 0, 0, 0, 0, b'{'];
        assert!(matches!(read(cut, greeting, false).await, FrameError::Broken(_)));
        assert!(Frame::new(&(), vec![0; BODY_BYTES_MAX + 1]).is_err());
    }
}
