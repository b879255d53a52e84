//! A lab that stands: its door leads to the lab and nowhere else, what is typed happens, and nothing stays of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::leaves_nothing::{look, nothing_stays, signal};
use super::stand_in::{Run, TOPOLOGY};

const REACHED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const NO_SUCH_HOST: u8 = 4;
const REFUSED: u8 = 5;

/// What the door answers to somebody who wants to go there.
fn ask(door: SocketAddr, host: &str, port: u16) -> u8 {
    let mut stream = TcpStream::connect(door).unwrap();
    let length = u8::try_from(host.len()).unwrap();
    let wish = [&[5, 1, 0, 5, 1, 0, 3, length][..], host.as_bytes(), &port.to_be_bytes()].concat();
    stream.write_all(&wish).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    answer[3]
}

/// A lab that stands, and its door.
fn standing() -> (Run, SocketAddr) {
    let mut run = Run::start_as("up", TOPOLOGY, &[]);
    let line = run.said("SOCKS5").expect("the door is told");
    let door = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(run.line_with("nobody signs in but you"));
    (run, door)
}

#[test]
fn the_door_leads_to_the_lab_and_nowhere_else() {
    let (mut run, door) = standing();
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    assert!(door.ip().is_loopback());
    assert_eq!(ask(door, "corp.mesh.test", 443), REACHED);
    assert_eq!(ask(door, "CORP.mesh.test", 444), REFUSED, "nobody listens there");
    for mine in ["localhost", "127.0.0.1"] {
        assert_eq!(ask(door, mine, port), NOT_ALLOWED, "{mine}");
    }
    assert_eq!(ask(door, "192.0.2.1", 443), NOT_ALLOWED);
    assert_eq!(ask(door, "example.com", 443), NO_SUCH_HOST);
    signal(&run, Signal::SIGINT);
    assert_eq!(run.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_typed_happens_and_an_interrupted_lab_leaves_nothing() {
    let before = look();
    let (mut run, door) = standing();
    let mut typist = run.child.stdin.take().unwrap();
    typist.write_all(b"kill crop\n{ kill: corp }\n").unwrap();
    assert!(run.line_with("did you mean `corp`?"));
    assert!(run.line_with("> kill corp"));
    assert_eq!(ask(door, "corp.mesh.test", 443), REFUSED);
    typist.write_all(b"start corp\n").unwrap();
    assert!(run.line_with("corp answers"));
    typist.write_all(b"start corp\n").unwrap();
    assert!(run.line_with("corp cannot be started: it has not ended"));
    assert_eq!(ask(door, "corp.mesh.test", 443), REACHED);
    // Nobody types any more; the lab stands until it is told to end.
    drop(typist);
    assert_eq!(ask(door, "corp.mesh.test", 443), REACHED);
    signal(&run, Signal::SIGINT);
    assert_eq!(run.child.wait().unwrap().code(), Some(0));
    nothing_stays(&run, &before);
    assert!(TcpStream::connect(door).is_err());
}

#[test]
fn a_killed_lab_takes_everything_with_it() {
    let before = look();
    let (mut run, door) = standing();
    signal(&run, Signal::SIGKILL);
    run.child.wait().unwrap();
    nothing_stays(&run, &before);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(door).is_ok() {
        assert!(Instant::now() < deadline, "the door is still open");
    }
}
