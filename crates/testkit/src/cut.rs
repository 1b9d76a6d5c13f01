//! A piece of network that can be cut: a TCP port on loopback that passes everything on to another, until it is told
//! to refuse, to stall, or to break off in the middle of an answer. Knows nothing of what passes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::socket;

use crate::slurm::{FarmError, Ports};

/// The target is on this machine: it answers at once or not at all.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Read at once, and so the most that still passes after [`Cut::stall`] in each direction of a connection.
const BUFFER_BYTES: usize = 16 * 1024;

/// A forwarded port. Dropping it ends all its connections.
pub struct Cut {
    shared: Arc<Shared>,
    _port: Ports,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Stall,
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToTarget,
    FromTarget,
}

struct Shared {
    address: SocketAddr,
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: Mode,
    /// How much may still pass before the cut, and whether only answers count.
    budget: Option<(u64, bool)>,
    listener: Option<TcpListener>,
    /// Both ends of each connection; the second from when the target has answered.
    open: BTreeMap<u64, Vec<TcpStream>>,
    accepted: u64,
    to_target_bytes: u64,
    from_target_bytes: u64,
}

impl Cut {
    /// A new port on loopback that forwards to `target`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(target: SocketAddr) -> Result<Cut, FarmError> {
        let port = Ports::lease(1)?;
        let state = State {
            mode: Mode::Cut,
            budget: None,
            listener: None,
            open: BTreeMap::new(),
            accepted: 0,
            to_target_bytes: 0,
            from_target_bytes: 0,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.at(0)));
        let shared = Arc::new(Shared { address, target, state: Mutex::new(state), changed: Condvar::new() });
        let cut = Cut { shared, _port: port };
        cut.listen(Mode::Pass).map_err(|source| FarmError::Io { what: format!("listening on {address}"), source })?;
        Ok(cut)
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }
    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.lock().open.len()
    }
    /// How many connections were accepted in all.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }
    /// Bytes that passed to the target and from it.
    pub fn passed(&self) -> (u64, u64) {
        let state = self.shared.lock();
        (state.to_target_bytes, state.from_target_bytes)
    }

    /// Ends all connections; new ones are refused.
    pub fn cut(&self) {
        self.shared.lock().cut();
        self.shared.changed.notify_all();
    }

    /// Accepts connections and keeps the open ones, but passes nothing on, not even an end.
    ///
    /// # Panics
    /// When the port, cut before, cannot be opened again.
    pub fn stall(&self) {
        self.become_(Mode::Stall);
    }

    /// Passes everything on again, first what waited.
    ///
    /// # Panics
    /// When the port, cut before, cannot be opened again.
    pub fn resume(&self) {
        self.become_(Mode::Pass);
    }

    /// Cuts after as many further bytes, counted over both directions and all connections.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.lock().budget = Some((bytes, false));
    }

    /// Cuts after as many further bytes of answers: what was asked has arrived, and the asker does not know.
    pub fn cut_answer_after(&self, bytes: u64) {
        self.shared.lock().budget = Some((bytes, true));
    }

    fn become_(&self, mode: Mode) {
        let closed = {
            let mut state = self.shared.lock();
            state.budget = None;
            state.mode == Mode::Cut
        };
        if closed {
            self.listen(mode).unwrap_or_else(|e| panic!("listening on {} again: {e}", self.shared.address));
        }
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    fn listen(&self, mode: Mode) -> io::Result<()> {
        let listener = TcpListener::bind(self.shared.address)?;
        let ours = listener.try_clone()?;
        {
            let mut state = self.shared.lock();
            state.listener = Some(ours);
            state.mode = mode;
        }
        let shared = self.shared.clone();
        std::thread::Builder::new().name("cut-accept".into()).spawn(move || shared.accept(&listener))?;
        Ok(())
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    fn cut(&mut self) {
        self.mode = Mode::Cut;
        self.budget = None;
        if let Some(listener) = self.listener.take() {
            // The kernel refuses from here on, and the accepting thread wakes up.
            let _already = socket::shutdown(listener.as_raw_fd(), socket::Shutdown::Both);
        }
        for stream in std::mem::take(&mut self.open).into_values().flatten() {
            let _already = stream.shutdown(Shutdown::Both);
        }
    }

    /// Of `bytes` that were read, how many may pass; `true` when the cut follows them.
    fn spend(&mut self, bytes: usize, way: Way) -> (usize, bool) {
        let counted = |answers: bool| !answers || way == Way::FromTarget;
        let (passing, last) = match &mut self.budget {
            Some((left, answers)) if counted(*answers) => {
                let passing = (*left).min(bytes as u64);
                *left -= passing;
                (passing as usize, *left == 0)
            }
            _ => (bytes, false),
        };
        match way {
            Way::ToTarget => self.to_target_bytes += passing as u64,
            Way::FromTarget => self.from_target_bytes += passing as u64,
        }
        (passing, last)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn accept(self: &Arc<Shared>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            let Ok(ours) = client.try_clone() else { continue };
            let mut state = self.lock();
            if state.mode == Mode::Cut {
                return;
            }
            let number = state.accepted;
            state.accepted += 1;
            state.open.insert(number, vec![ours]);
            drop(state);
            let shared = self.clone();
            let serve = move || shared.serve(number, client);
            if std::thread::Builder::new().name("cut-serve".into()).spawn(serve).is_err() {
                self.lock().open.remove(&number);
            }
        }
    }

    fn serve(self: &Arc<Shared>, number: u64, client: TcpStream) {
        // Whatever fails here, the client sees the connection end.
        let _ended = self.join(number, &client);
        let _already = client.shutdown(Shutdown::Both);
        self.lock().open.remove(&number);
    }

    fn join(self: &Arc<Shared>, number: u64, client: &TcpStream) -> io::Result<()> {
        drop(self.wait_passing(number)?);
        let server = TcpStream::connect_timeout(&self.target, CONNECT_WAIT)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let kept = server.try_clone()?;
        match self.lock().open.get_mut(&number) {
            Some(ends) => ends.push(kept),
            None => return Ok(()),
        }
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        let shared = self.clone();
        let back = std::thread::Builder::new()
            .name("cut-answer".into())
            .spawn(move || shared.pump(number, &mut from_server, &mut to_client, Way::FromTarget))?;
        self.pump(number, &mut client.try_clone()?, &mut server.try_clone()?, Way::ToTarget);
        let _panicked = back.join();
        Ok(())
    }

    /// Passes bytes on until the source ends or the connection is cut.
    fn pump(&self, number: u64, from: &mut TcpStream, to: &mut TcpStream, way: Way) {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from.read(&mut buffer);
            let Ok(mut state) = self.wait_passing(number) else { return };
            let Ok(read @ 1..) = read else {
                // The end of one direction only: the other may still have something to say.
                let _already = to.shutdown(Shutdown::Write);
                return;
            };
            let (passing, last) = state.spend(read, way);
            drop(state);
            let written = to.write_all(&buffer[..passing]);
            if last {
                self.lock().cut();
                self.changed.notify_all();
            }
            if written.is_err() {
                let _already = from.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Waits out a stall; an error when the connection was cut.
    fn wait_passing(&self, number: u64) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        loop {
            if !state.open.contains_key(&number) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            match state.mode {
                Mode::Pass => return Ok(state),
                Mode::Stall => state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner()),
                Mode::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_for;

    const WAIT: Duration = Duration::from_secs(10);

    /// Answers every byte with its double, in capitals, until the client ends; then says goodbye.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while let Ok(1) = (&client).read(&mut byte) {
                        let capital = byte[0].to_ascii_uppercase();
                        if (&client).write_all(&[capital, capital]).is_err() {
                            return;
                        }
                    }
                    let _gone = (&client).write_all(b".");
                });
            }
        });
        address
    }

    fn connect(cut: &Cut) -> TcpStream {
        let stream = TcpStream::connect(cut.address()).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream
    }

    fn read(mut stream: &TcpStream, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        stream.read_exact(&mut buffer).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    fn rest(mut stream: &TcpStream) -> String {
        let mut text = String::new();
        // A reset is an end too.
        let _reset = stream.read_to_string(&mut text);
        text
    }

    #[test]
    fn bytes_pass_both_ways_and_one_end_leaves_the_other_open() {
        let cut = Cut::to(echo()).unwrap();
        let mut client = connect(&cut);
        client.write_all(b"ab").unwrap();
        assert_eq!(read(&client, 4), "AABB");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&client), ".");
        wait_for("the connection to be forgotten", WAIT, || (cut.open() == 0).then_some(()));
        assert_eq!((cut.accepted(), cut.passed()), (1, (2, 5)));
    }

    #[test]
    fn a_cut_ends_what_is_open_refuses_what_is_new_and_is_mended() {
        let cut = Cut::to(echo()).unwrap();
        let mut client = connect(&cut);
        client.write_all(b"a").unwrap();
        assert_eq!(read(&client, 2), "AA");
        cut.cut();
        assert_eq!(rest(&client), "");
        assert_eq!(TcpStream::connect(cut.address()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        cut.resume();
        let mut client = connect(&cut);
        client.write_all(b"b").unwrap();
        assert_eq!(read(&client, 2), "BB");
    }

    #[test]
    fn a_stall_keeps_connections_and_delivers_later() {
        let cut = Cut::to(echo()).unwrap();
        let mut old = connect(&cut);
        old.write_all(b"a").unwrap();
        assert_eq!(read(&old, 2), "AA");
        cut.stall();
        let mut new = connect(&cut);
        new.write_all(b"n").unwrap();
        old.write_all(b"o").unwrap();
        wait_for("the new connection", WAIT, || (cut.open() == 2).then_some(()));
        for stream in [&old, &new] {
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut byte = [0];
            let error = (&*stream).read(&mut byte).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "nothing may pass: {error}");
            stream.set_read_timeout(Some(WAIT)).unwrap();
        }
        cut.resume();
        assert_eq!((read(&old, 2), read(&new, 2)), ("OO".into(), "NN".into()));
        cut.stall();
        cut.cut();
        assert_eq!(rest(&old), "");
    }

    #[test]
    fn an_answer_breaks_off_in_the_middle_while_the_question_has_arrived() {
        let cut = Cut::to(echo()).unwrap();
        let mut client = connect(&cut);
        cut.cut_answer_after(3);
        client.write_all(b"ab").unwrap();
        assert_eq!(rest(&client), "AAB");
        assert_eq!(cut.passed(), (2, 3));
        assert!(TcpStream::connect(cut.address()).is_err());
        cut.resume();
        let mut client = connect(&cut);
        cut.cut_after(1);
        client.write_all(b"ab").unwrap();
        assert_eq!(rest(&client), "");
        assert_eq!(cut.passed(), (3, 3));
    }
}
