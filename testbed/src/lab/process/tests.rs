//! The life of one process in one region. Needs root (or a user name space) and `/dev/net/tun`.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::*;
use crate::history::IdpState;
use crate::lab::addresses;
use ProcessState::{Paused, Running, Starting, Stopped};

/// A process that never listens; whether its port accepts is for the test to say.
struct Lab {
    processes: Processes,
    events: Receiver<Event>,
    regions: [Region; 1],
    address: SocketAddr,
    _tun: OwnedFd,
    folder: tempfile::TempDir,
}

fn lab(keys: impl FnOnce(&Path) -> Vec<PathBuf>) -> Lab {
    let (region, _tun) = Region::create("dc", 0, &[]).expect("needs root and /dev/net/tun");
    let folder = tempfile::tempdir().unwrap();
    let address = SocketAddr::from((addresses::own(0), 443));
    let program = Program {
        name: "root".to_owned(),
        region: 0,
        region_name: "dc".to_owned(),
        command: PathBuf::from("/bin/sleep"),
        arguments: vec!["1000".to_owned()],
        environment: Vec::new(),
        address,
        front: None,
        expiry: None,
        clock: None,
        disk: None,
        keys: keys(folder.path()),
        before: None,
        exchange: None,
        ready: None,
    };
    let (sender, events) = channel();
    let mut processes =
        Processes::new(vec![program], folder.path().to_owned(), folder.path().to_owned(), sender);
    let regions = [region];
    processes.start("root", &regions).unwrap();
    let lab = Lab { processes, events, regions, address, _tun, folder };
    assert_eq!(lab.states(), [Starting]);
    lab
}

impl Lab {
    /// What the process has become since the last question.
    fn states(&self) -> Vec<ProcessState> {
        let state = |event: Event| if let What::Process(it) = event.what { Some(it.state) } else { None };
        self.events.try_iter().filter_map(state).collect()
    }

    fn listen(&self) -> TcpListener {
        let address = self.address;
        self.regions[0].inside(move || TcpListener::bind(address)).unwrap()
    }

    fn tend(&mut self) {
        assert_eq!(self.processes.tend(&self.regions), [], "nobody died uncalled");
    }

    /// Tends until these have been told, and nothing else.
    fn becomes(&mut self, wanted: &[ProcessState]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut seen = Vec::new();
        while seen.len() < wanted.len() {
            self.tend();
            seen.extend(self.states());
            assert!(Instant::now() < deadline, "{seen:?} after ten seconds");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(seen, wanted);
    }
}

#[test]
fn a_paused_process_that_is_restarted_ends_and_comes_back() {
    let mut lab = lab(|_| Vec::new());
    let _listener = lab.listen();
    lab.becomes(&[Running]);
    lab.processes.pause("root");
    lab.processes.restart("root");
    lab.becomes(&[Paused, Stopped, Starting, Running]);
}

#[test]
fn a_process_that_is_resumed_goes_on_with_what_it_was_at() {
    let mut lab = lab(|_| Vec::new());
    lab.processes.pause("root");
    let listener = lab.listen();
    lab.tend();
    assert_eq!(lab.states(), [Paused], "the kernel accepts for it, and it answers nothing");
    drop(listener);
    lab.processes.resume("root");
    lab.tend();
    assert_eq!(lab.states(), [Starting], "its port does not accept yet");
    let _listener = lab.listen();
    lab.becomes(&[Running]);
    lab.processes.pause("root");
    lab.processes.resume("root");
    lab.becomes(&[Paused, Running]);
    lab.processes.resume("root");
    assert_eq!(lab.states(), [], "it was not paused");
}

#[test]
fn a_process_that_is_paused_while_it_ends_is_started_again_after_it() {
    let mut lab = lab(|_| Vec::new());
    let _listener = lab.listen();
    lab.becomes(&[Running]);
    lab.processes.restart("root");
    lab.processes.pause("root");
    lab.processes.resume("root");
    lab.becomes(&[Paused, Running, Stopped, Starting, Running]);
}

#[test]
fn keys_that_are_rolled_again_before_the_new_ones_are_there_are_rolled() {
    let mut lab = lab(|folder| vec![folder.join("key.pem")]);
    let key = lab.folder.path().join("key.pem");
    std::fs::write(&key, "a key").unwrap();
    let _listener = lab.listen();
    lab.becomes(&[Running]);
    lab.processes.roll_keys("root", IdpState::KeysRolled).unwrap();
    assert!(!key.exists());
    lab.processes.roll_keys("root", IdpState::KeysRolled).unwrap();
    lab.becomes(&[Stopped, Starting, Running]);
}
