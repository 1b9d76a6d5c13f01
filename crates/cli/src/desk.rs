//! What a command has at hand while it works: the server, a place for data, a place for talk, somebody to ask.

use std::io::{BufRead, IsTerminal, Read, Write};

use base::Timestamp;
use client::Client;

use crate::fault::Fault;
use crate::settings::Settings;
use crate::text::{Lang, Word};
use crate::view::View;

/// Bytes read of a script: one more than the server takes, so that it is the server that refuses.
const SCRIPT_BYTES_READ: u64 = jobscript::limits::SCRIPT_BYTES_MAX as u64 + 1;
/// Bytes of any other file: some thirty times what one request may have, since reports of usage go in many.
const FILE_BYTES_MAX: u64 = 256 << 20;

pub struct Desk {
    pub settings: Settings,
}

impl Desk {
    pub fn lang(&self) -> Lang {
        self.settings.look.lang
    }
    /// The server, with the caller's token where there is one.
    pub fn client(&self) -> Result<Client, Fault> {
        Ok(Client::new(&self.settings.url, self.settings.token.as_deref())?)
    }
    /// The shell's clock; everything below takes times as values.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }

    /// Data, to standard output, at once.
    pub fn out(&self, text: &str) -> Result<(), Fault> {
        self.out_bytes(text.as_bytes())
    }
    /// The same for bytes that need not be text.
    pub fn out_bytes(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(Fault::file("<stdout>"))
    }
    /// Data as one view.
    pub fn show(&self, view: &View) -> Result<(), Fault> {
        let text = self.settings.look.render(view);
        if !text.is_empty() {
            self.out(&text)?;
        }
        for note in &view.notes {
            self.say(note);
        }
        Ok(())
    }
    /// Talk, to standard error. Nobody there to read it is no fault.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
    pub fn tell(&self, word: Word, gaps: &[(&str, String)]) {
        self.say(&word.fill(self.lang(), gaps));
    }

    /// Asks before an act that ends or changes many things. Without a terminal only `--yes` answers.
    pub fn confirm(&self, word: Word, gaps: &[(&str, String)]) -> Result<(), Fault> {
        if self.settings.yes {
            return Ok(());
        }
        if !self.settings.stdin_terminal || !self.settings.stderr_terminal {
            return Err(Fault::Usage(Word::NeedsYes, Vec::new()));
        }
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{} [y/N] ", word.fill(self.lang(), gaps));
        let _ = err.flush();
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map_err(Fault::file("<stdin>"))?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" | "是" => Ok(()),
            _ => Err(Fault::Refused(Word::NothingDone, Vec::new())),
        }
    }

    /// A line typed at a prompt, or the first line of standard input.
    pub fn ask(&self, prompt: Word) -> Result<String, Fault> {
        if self.settings.stdin_terminal {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "{}: ", prompt.text(self.lang()));
            let _ = err.flush();
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Fault::file("<stdin>"))?;
        Ok(line.trim_end_matches(['\r', '\n']).to_string())
    }
    /// A secret: typed without echo, or the first line of standard input where `from_stdin` says so.
    pub fn secret(&self, prompt: Word, from_stdin: bool) -> Result<String, Fault> {
        if from_stdin {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(Fault::file("<stdin>"))?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_string());
        }
        if !self.settings.stdin_terminal {
            return Err(Fault::Usage(Word::NeedsPasswordStdin, Vec::new()));
        }
        rpassword::prompt_password(format!("{}: ", prompt.text(self.lang()))).map_err(Fault::file("/dev/tty"))
    }

    /// A script, or standard input for `-`.
    pub fn script(&self, path: &str) -> Result<String, Fault> {
        text(path, self.bytes(path, SCRIPT_BYTES_READ)?)
    }

    /// A text file, or standard input for `-`, whole.
    ///
    /// # Errors
    /// Besides what reading meets, a file of more than 256 MiB.
    pub fn read(&self, path: &str) -> Result<String, Fault> {
        text(path, self.whole(path)?)
    }

    /// A table that a spreadsheet saved as text, whole: what is not UTF-8 is UTF-16 by its mark, else GB 18030, of which GBK is a
    /// part; says so.
    pub fn sheet(&self, path: &str) -> Result<String, Fault> {
        let bytes = match String::from_utf8(self.whole(path)?) {
            Ok(text) => return Ok(text),
            Err(other) => other.into_bytes(),
        };
        let (text, encoding, broken) = encoding_rs::GB18030.decode(&bytes);
        if broken {
            return Err(not_text(path));
        }
        self.tell(Word::ReadAs, &[("path", path.into()), ("encoding", encoding.name().into())]);
        Ok(text.into_owned())
    }

    /// Nothing is cut off: half a statement would be another statement.
    fn whole(&self, path: &str) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes(path, FILE_BYTES_MAX + 1)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let gaps = vec![("path", path.into()), ("max", (FILE_BYTES_MAX >> 20).to_string())];
            return Err(Fault::Usage(Word::FileTooLarge, gaps));
        }
        Ok(bytes)
    }

    /// At most so many. On a terminal nobody is left waiting for input without a word.
    fn bytes(&self, path: &str, most: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = if path == "-" {
            if std::io::stdin().is_terminal() {
                self.tell(Word::ReadingStdin, &[]);
            }
            std::io::stdin().lock().take(most).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
        };
        read.map_err(Fault::file(path))?;
        Ok(bytes)
    }
}

fn text(path: &str, bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| not_text(path))
}

fn not_text(path: &str) -> Fault {
    Fault::Usage(Word::NotText, vec![("path", path.into())])
}
