//! A receiver of calls over HTTP and one of mail over SMTP, each on a port of its own, with threads that end with the test. What comes
//! is kept in its order; a test waits for it, and says what is answered.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most a test waits for something to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What has come, and the bell that rings at each.
struct Kept<T> {
    all: Mutex<Vec<T>>,
    bell: Condvar,
}

impl<T: Clone> Kept<T> {
    fn new() -> Arc<Kept<T>> {
        Arc::new(Kept { all: Mutex::new(Vec::new()), bell: Condvar::new() })
    }
    fn put(&self, one: T) {
        self.lock().push(one);
        self.bell.notify_all();
    }
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn wait(&self, count: usize, what: &str) -> Vec<T> {
        let end = Instant::now() + PATIENCE;
        let mut all = self.lock();
        while all.len() < count {
            let left = end.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("{} of {count} {what} came", all.len()));
            all = self.bell.wait_timeout(all, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        all.clone()
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// `POST /path`.
    pub line: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// The status it was answered with.
    pub answered: u16,
}

/// Takes requests and answers them as the test says: 200 when it says nothing.
pub struct HttpReceiver {
    pub address: SocketAddr,
    kept: Arc<Kept<Call>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Default for HttpReceiver {
    fn default() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"))
    }
}

impl HttpReceiver {
    /// Listens at an address, such as one where nobody listened before.
    ///
    /// # Panics
    /// When it is taken.
    pub fn at(address: SocketAddr) -> HttpReceiver {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("it listens");
        let (kept, answers) = (Kept::new(), Arc::new(Mutex::new(VecDeque::new())));
        let (keeping, answering) = (kept.clone(), answers.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answers) = (keeping.clone(), answering.clone());
                thread::spawn(move || take_call(&stream, &kept, &answers));
            }
        });
        HttpReceiver { address, kept, answers }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that has no answer yet is answered so; `header` is a whole line, or empty.
    pub fn answer(&self, status: u16, header: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back((status, header.to_owned()));
    }

    /// Waits for so many requests and gives all that came.
    pub fn wait(&self, count: usize) -> Vec<Call> {
        self.kept.wait(count, "calls")
    }

    pub fn count(&self) -> usize {
        self.kept.lock().len()
    }
}

fn take_call(stream: &TcpStream, kept: &Kept<Call>, answers: &Mutex<VecDeque<(u16, String)>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (status, header) = answer.unwrap_or((200, String::new()));
    let header = if header.is_empty() { header } else { format!("{header}\r\n") };
    let line = line.rsplit_once(' ').map_or("", |(line, _)| line).to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    kept.put(Call { line, headers, body, answered: status });
    write!(&*stream, "HTTP/1.1 {status} X\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n").ok()
}

/// One mail as it came.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// What the sender signed in with, decoded by nobody: the base64 of `AUTH PLAIN`.
    pub signed_in: Option<String>,
    pub text: String,
}

impl Mail {
    /// A header's value on its first line.
    pub fn header(&self, name: &str) -> String {
        let start = format!("{}:", name.to_ascii_lowercase());
        let line = self
            .text
            .lines()
            .take_while(|line| !line.is_empty())
            .find(|line| line.to_ascii_lowercase().starts_with(&start));
        line.map_or_else(String::new, |line| line[start.len()..].trim().to_owned())
    }
}

/// Takes mail in the open; what it says to a recipient is the test's choice.
pub struct MailReceiver {
    pub address: SocketAddr,
    kept: Arc<Kept<Mail>>,
    refusals: Arc<Mutex<VecDeque<String>>>,
}

impl Default for MailReceiver {
    fn default() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let (kept, refusals) = (Kept::new(), Arc::new(Mutex::new(VecDeque::new())));
        let (keeping, refusing) = (kept.clone(), refusals.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, refusals) = (keeping.clone(), refusing.clone());
                thread::spawn(move || take_mail(&stream, &kept, &refusals));
            }
        });
        MailReceiver { address, kept, refusals }
    }
}

impl MailReceiver {
    /// The next recipient is refused with this line, e.g. `451 later`.
    pub fn refuse(&self, line: &str) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push_back(line.to_owned());
    }

    /// Waits for so many mails and gives all that came.
    pub fn wait(&self, count: usize) -> Vec<Mail> {
        self.kept.wait(count, "mails")
    }

    pub fn count(&self) -> usize {
        self.kept.lock().len()
    }
}

fn take_mail(stream: &TcpStream, kept: &Kept<Mail>, refusals: &Mutex<VecDeque<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let say = |line: &str| write!(&*stream, "{line}\r\n").ok();
    say("220 receiver")?;
    let (mut from, mut to, mut signed_in) = (String::new(), String::new(), None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match &*word {
            "EHLO" | "HELO" => say("250-receiver\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => {
                signed_in = line.split(' ').nth(2).map(str::to_owned);
                say("235 welcome")?;
            }
            "MAIL" => {
                from = within(line);
                say("250 ok")?;
            }
            "RCPT" => {
                to = within(line);
                let refusal = refusals.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                say(refusal.as_deref().unwrap_or("250 ok"))?;
            }
            "DATA" => {
                say("354 go on")?;
                let mut text = String::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).ok()?;
                    let line = line.trim_end_matches(['\r', '\n']);
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(line));
                    text.push('\n');
                }
                kept.put(Mail { from: from.clone(), to: to.clone(), signed_in: signed_in.clone(), text });
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
}

fn within(line: &str) -> String {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    rest.split('>').next().unwrap_or_default().to_owned()
}
