//! A file of lines that is only added to, by a thread of its own: whatever waits is written and flushed to the disk together.
//! What a crash cut off at its end is dropped when it is opened. Knows nothing of what the lines say.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

/// Bytes written with one flush: at 100 MB/s 10 ms, as long as the flush itself.
const WRITE_AT_ONCE: usize = 1 << 20;

type Done = oneshot::Sender<io::Result<()>>;

enum Command {
    Append {
        lines: Vec<u8>,
        done: Done,
    },
    /// Replaces the whole file.
    Rewrite {
        lines: Vec<u8>,
        done: Done,
    },
}

/// A handle to the file; dropping it ends the thread after what it was given.
pub(crate) struct Journal {
    commands: Sender<Command>,
}

impl Journal {
    /// Opens or makes the file (mode 0600). Returns its lines up to the first that `whole` does not take; the rest is cut off.
    pub fn open(path: &Path, whole: impl Fn(&str) -> bool) -> io::Result<(Journal, Vec<String>)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut lines = Vec::new();
        let mut good = 0;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
            let Some(text) = text.filter(|text| whole(text)) else { break };
            lines.push(text.to_owned());
            good += line.len();
        }
        if good < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - good, "the end of the file was cut by a crash");
            file.set_len(good as u64)?;
        }
        file.sync_all()?;
        sync_folder(path)?;
        let (commands, queue) = channel();
        let keeper = Keeper { path: path.to_owned(), file, length: good as u64 };
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || keeper.run(&queue))?;
        Ok((Journal { commands }, lines))
    }

    /// Adds lines, each with its `\n`; they are on the disk when this resolves. Of several calls under way the first to be
    /// polled is written first.
    ///
    /// # Errors
    /// What the file system says; then nothing of them was added.
    pub async fn append(&self, lines: Vec<u8>) -> io::Result<()> {
        self.give(|done| Command::Append { lines, done }).await
    }

    /// Replaces all lines; the old ones stay where that fails.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub async fn rewrite(&self, lines: Vec<u8>) -> io::Result<()> {
        self.give(|done| Command::Rewrite { lines, done }).await
    }

    async fn give(&self, command: impl FnOnce(Done) -> Command) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let gone = || io::Error::other("the journal's thread has ended");
        self.commands.send(command(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

struct Keeper {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Keeper {
    fn run(mut self, queue: &Receiver<Command>) {
        while let Ok(first) = queue.recv() {
            let mut next = Some(first);
            while let Some(command) = next.take() {
                let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
                match command {
                    Command::Rewrite { lines, done } => {
                        let _asker_gone = done.send(self.rewrite(&lines));
                        continue;
                    }
                    Command::Append { lines, done } => {
                        bytes.extend(lines);
                        waiting.push(done);
                    }
                }
                while bytes.len() < WRITE_AT_ONCE {
                    match queue.try_recv() {
                        Ok(Command::Append { lines, done }) => {
                            bytes.extend(lines);
                            waiting.push(done);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                let written = self.append(&bytes);
                for done in waiting {
                    let answer = match &written {
                        Ok(()) => Ok(()),
                        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                    };
                    let _asker_gone = done.send(answer);
                }
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.length += bytes.len() as u64,
            // Half a line in the middle would end the file for the next reader.
            Err(_) => self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop))?,
        }
        written
    }

    fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        sync_folder(&self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_stay_and_a_cut_end_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let whole = |line: &str| line.starts_with('+');
        let (journal, lines) = Journal::open(&path, whole).unwrap();
        assert!(lines.is_empty());
        let many = (0..100).map(|n| journal.append(format!("+{n}\n").into_bytes()));
        futures::future::join_all(many).await.into_iter().for_each(Result::unwrap);
        drop(journal);
        for cut in ["+half", "zeros\n+101\n", "\0\0\0"] {
            let before = std::fs::metadata(&path).unwrap().len();
            OpenOptions::new().append(true).open(&path).unwrap().write_all(cut.as_bytes()).unwrap();
            let (_, lines) = Journal::open(&path, whole).unwrap();
            assert_eq!(lines.len(), 100, "{cut:?}");
            assert_eq!((lines[0].as_str(), lines[99].as_str()), ("+0", "+99"));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
        }
        let (journal, _) = Journal::open(&path, whole).unwrap();
        journal.rewrite(b"+new\n".to_vec()).await.unwrap();
        journal.append(b"+more\n".to_vec()).await.unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path, whole).unwrap().1, ["+new", "+more"]);
    }
}
