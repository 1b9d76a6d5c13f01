//! Who is let in, and what the others are told.

use std::net::SocketAddr;
use std::time::Duration;

use link::{Dial, DialError, Fingerprint, Identity, RefusalCode, join};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Gate, Server, identity, listener, place, timing};

struct House {
    _server: Server,
    _socket: std::net::TcpListener,
    address: SocketAddr,
    pin: Fingerprint,
    folder: tempfile::TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let identity_of_server = identity(folder.path(), "server");
    let pin = identity_of_server.fingerprint();
    let gate = Gate::new(identity(folder.path(), "agent").fingerprint());
    let server = Server::start(&socket, identity_of_server, gate);
    House { _server: server, _socket: socket, address, pin, folder }
}

impl House {
    fn dial(&self, pin: Fingerprint) -> Dial {
        Dial {
            servers: vec![self.address.to_string()],
            pin,
            software: "test".to_owned(),
            machine: "here".to_owned(),
            timing: timing(),
        }
    }
    fn agent(&self) -> Identity {
        identity(self.folder.path(), "agent")
    }
}

#[tokio::test]
async fn tokens_and_pins_are_judged_in_clear_words() {
    let house = house();
    let dial = house.dial(house.pin);
    assert_eq!(join(&dial, &house.agent(), "right").await.unwrap(), place());
    let used = join(&dial, &house.agent(), "used").await.unwrap_err();
    assert_eq!(used.to_string(), "the server refuses: the token was used already");
    let wrong = join(&dial, &house.agent(), "wrong").await.unwrap_err();
    assert!(matches!(wrong, DialError::Refused(refusal) if refusal.code == RefusalCode::TokenUnknown));
    let other = Fingerprint([7; 32]);
    let error = join(&house.dial(other), &house.agent(), "right").await.unwrap_err();
    match error {
        DialError::WrongServer { found, pinned, .. } => assert_eq!((found, pinned), (house.pin, other)),
        other => panic!("{other}"),
    }
    let nobody = Dial { servers: vec!["127.0.0.1:1".to_owned()], ..dial };
    assert!(matches!(join(&nobody, &house.agent(), "right").await, Err(DialError::Reach { .. })));
}

#[tokio::test]
async fn whoever_says_nothing_or_nonsense_is_put_out() {
    let house = house();
    for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], b"\x16\x03\x01\xff\xff"] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset, soon.
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{said:?}");
    }
}

#[tokio::test]
async fn strangers_are_few_at_a_time_and_the_troublesome_are_not_heard() {
    let house = house();
    let mut silent = Vec::new();
    for _ in 0..link::limits::STRANGERS_PER_ADDRESS {
        silent.push(TcpStream::connect(house.address).await.unwrap());
    }
    // One of an agent finds no place beside them; when they are gone it does.
    let dial = house.dial(house.pin);
    let agent = house.agent();
    assert!(matches!(join(&dial, &agent, "right").await, Err(DialError::Reach { .. })));
    drop(silent);
    let mut refused = 0;
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !matches!(join(&dial, &agent, "wrong").await, Err(DialError::Refused(_))) {
        assert!(tokio::time::Instant::now() < until, "the places of those who left are not given to others");
    }
    while matches!(join(&dial, &agent, "wrong").await, Err(DialError::Refused(_))) {
        refused += 1;
        assert!(refused <= link::limits::REFUSALS_PER_MINUTE, "refused without end");
    }
    assert!(matches!(join(&dial, &agent, "right").await, Err(DialError::Reach { .. })));
}
