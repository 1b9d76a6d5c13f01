//! What is said to and by `far.pl`, which runs programs at the far end of a connection where there is a perl: sizes first, so that
//! nothing is quoted and nothing is read byte by byte. Knows no Slurm.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::cli::runner::{Call, OUTPUT_BYTES_MAX, Output, RunError};
use crate::ssh::quote;

const PROGRAM: &str = include_str!("far.pl");
/// What it says when it has begun, where a shell without a perl says zero.
pub const BEGUN: i32 = 7;
/// Longest first line of an answer besides the mark: a code, two sizes.
const HEAD_BYTES_MAX: usize = 64;

/// Words for a shell that turn it into the program, if there is a perl. `-C0`: bytes are bytes, whatever `PERL_UNICODE` says.
pub fn begin(line: &mut Vec<u8>, mark: &str) {
    line.extend_from_slice(b"perl -C0 -e 'exit 7' </dev/null >/dev/null 2>&1; if [ $? = 7 ]; then exec perl -C0 -e ");
    quote::word(line, PROGRAM.as_bytes());
    line.extend_from_slice(format!(" {mark}; fi; true </dev/null").as_bytes());
}

/// One call as it travels. Zero bytes cannot be passed to a program at all and must not come here.
pub fn request(call: &Call) -> Vec<u8> {
    let mut words = Vec::with_capacity(1 << 10);
    let mut word = |text: &str| {
        words.extend_from_slice(text.as_bytes());
        words.push(0);
    };
    word(&call.environment.len().to_string());
    for (name, value) in &call.environment {
        word(&format!("{name}={value}"));
    }
    word(&call.program);
    call.arguments.iter().for_each(|argument| word(argument));
    let input = call.stdin.as_deref();
    let size = input.map_or(-1, |input| i64::try_from(input.len()).unwrap_or(i64::MAX));
    let mut bytes = format!("{} {size}\n", words.len()).into_bytes();
    bytes.append(&mut words);
    bytes.extend_from_slice(input.unwrap_or("").as_bytes());
    bytes
}

/// Reads one answer.
///
/// # Errors
/// The line broke, or something else than an answer came.
pub async fn answer(from: &mut (impl AsyncRead + Unpin), mark: &str) -> Result<Output, RunError> {
    const PIECE: usize = 64 << 10;
    let mut bytes = Vec::new();
    let mut wanted = None;
    loop {
        if wanted.is_none() {
            wanted = head(&bytes, mark)?;
        }
        if let Some((head, code, out, err)) = wanted {
            if out > OUTPUT_BYTES_MAX || err > OUTPUT_BYTES_MAX {
                return Err(RunError::TooMuch);
            }
            if bytes.len() >= head + out + err {
                let stderr = bytes[head + out..head + out + err].to_vec();
                bytes.truncate(head + out);
                bytes.drain(..head);
                return Ok(Output { code: (code >= 0).then_some(code), stdout: bytes, stderr });
            }
        }
        bytes.reserve(PIECE);
        match from.read_buf(&mut bytes).await {
            Ok(0) => return Err(RunError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(fault) => return Err(RunError::Lost(fault)),
        }
    }
}

/// Where the outputs begin, the code, and the two sizes; `None`: not all of it is there.
fn head(bytes: &[u8], mark: &str) -> Result<Option<(usize, i32, usize, usize)>, RunError> {
    let most = bytes.len().min(mark.len() + HEAD_BYTES_MAX);
    let Some(end) = bytes[..most].iter().position(|&byte| byte == b'\n') else {
        return if most < mark.len() + HEAD_BYTES_MAX { Ok(None) } else { Err(odd(bytes)) };
    };
    let line = std::str::from_utf8(&bytes[..end]).ok();
    let read = line.and_then(|line| {
        let mut fields = line.strip_prefix(mark)?.split(' ');
        let code = fields.next()?.parse().ok()?;
        let sizes = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some((end + 1, code, sizes.0, sizes.1))
    });
    read.map(Some).ok_or_else(|| odd(bytes))
}

fn odd(bytes: &[u8]) -> RunError {
    const SHOWN: usize = 100;
    let words = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).escape_debug().to_string();
    RunError::Lost(io::Error::new(io::ErrorKind::InvalidData, format!("instead of an answer came: {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_read_however_they_are_cut() {
        let text = b"mark3 4 2\na\nb\nno";
        for at in 0..text.len() {
            let mut halves = text[..at].chain(&text[at..]);
            let output = answer(&mut halves, "mark").await.unwrap();
            assert_eq!(output, Output { code: Some(3), stdout: b"a\nb\n".to_vec(), stderr: b"no".to_vec() });
        }
        let killed = answer(&mut &b"mark-1 0 0\n"[..], "mark").await.unwrap();
        assert_eq!(killed, Output { code: None, stdout: Vec::new(), stderr: Vec::new() });
    }

    #[tokio::test]
    async fn what_is_no_answer_is_said() {
        for text in [&b"mark3 4"[..], b"mark3 4 2\na", b"", b"hello\n", b"mark3 x 2\n", &[b'x'; 200]] {
            assert!(matches!(answer(&mut &text[..], "mark").await, Err(RunError::Lost(_))));
        }
        assert!(matches!(answer(&mut &b"mark0 999999999999 0\n"[..], "mark").await, Err(RunError::TooMuch)));
    }
}
