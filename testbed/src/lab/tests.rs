//! Regions and the switch between them, with real packets. Needs root (or a user name space) and `/dev/net/tun`; where
//! they are missing the tests say so and pass nothing: they fail.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::addresses;
use super::paths::Paths;
use super::region::Region;
use super::switch::Switch;
use crate::language::{How, Link, Topology};

struct Lab {
    regions: Vec<Region>,
    switch: Switch,
}

fn lab(link: impl FnOnce(&mut Link)) -> Lab {
    let names = ["left", "right", "apart"];
    let mut between = Link {
        between: ("left".into(), "right".into()),
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        rate: None,
        loss: 0.0,
        line: 1,
    };
    link(&mut between);
    let topology =
        Topology { regions: names.map(str::to_owned).to_vec(), links: vec![between], ..Topology::default() };
    let made = names
        .iter()
        .enumerate()
        .map(|(index, name)| Region::create(name, index, &[]).expect("needs root and /dev/net/tun"));
    let (regions, tuns): (Vec<_>, Vec<_>) = made.unzip();
    let switch = Switch::start(tuns, Paths::of(&topology), 1).unwrap();
    Lab { regions, switch }
}

impl Lab {
    fn listen(&self, region: usize) -> TcpListener {
        self.regions[region].inside(move || TcpListener::bind((addresses::own(region), 443)).unwrap())
    }

    fn connect(&self, from: usize, to: usize, patience: u64) -> std::io::Result<TcpStream> {
        let address = SocketAddr::from((addresses::own(to), 443));
        self.regions[from]
            .inside(move || TcpStream::connect_timeout(&address, Duration::from_millis(patience)))
    }

    fn udp(&self, region: usize) -> UdpSocket {
        let socket =
            self.regions[region].inside(move || UdpSocket::bind((addresses::own(region), 7)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    }
}

fn failure(result: std::io::Result<TcpStream>) -> ErrorKind {
    result.expect_err("connected").kind()
}

#[test]
fn a_packet_takes_the_delay_that_was_asked_for_within_a_millisecond() {
    let lab = lab(|_| {});
    let (left, right) = (lab.udp(0), lab.udp(1));
    let mut buffer = [0; 8];
    let mut times: Vec<_> = (0..41)
        .map(|_| {
            let sent = Instant::now();
            left.send_to(b"ping", (addresses::own(1), 7)).unwrap();
            right.recv(&mut buffer).unwrap();
            sent.elapsed()
        })
        .collect();
    times.sort();
    let (least, median) = (times[0], times[times.len() / 2]);
    assert!(least >= Duration::from_millis(10), "{least:?}");
    assert!(median < Duration::from_millis(11), "{median:?}");
}

#[test]
fn a_black_hole_says_nothing_and_healing_ends_it() {
    let lab = lab(|_| {});
    let _listener = lab.listen(1);
    lab.switch.change(|paths| paths.way(0, 1).unwrap().cut(Some(How::BlackHole)));
    assert_eq!(failure(lab.connect(0, 1, 200)), ErrorKind::TimedOut);
    lab.switch.change(|paths| paths.way(0, 1).unwrap().cut(None));
    lab.connect(0, 1, 1000).unwrap();
}

#[test]
fn a_refusal_is_said_at_once() {
    let lab = lab(|_| {});
    let _listener = lab.listen(1);
    lab.switch.change(|paths| paths.way(0, 1).unwrap().cut(Some(How::Refused)));
    let begun = Instant::now();
    assert_eq!(failure(lab.connect(0, 1, 5000)), ErrorKind::ConnectionRefused);
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_one_way_cut_swallows_answers_as_well_as_questions() {
    let lab = lab(|_| {});
    let _listener = lab.listen(1);
    lab.switch.change(|paths| paths.way(1, 0).unwrap().cut(Some(How::BlackHole)));
    assert_eq!(failure(lab.connect(0, 1, 200)), ErrorKind::TimedOut);
    let (left, right) = (lab.udp(0), lab.udp(1));
    let mut buffer = [0; 8];
    left.send_to(b"ping", (addresses::own(1), 7)).unwrap();
    assert_eq!(right.recv(&mut buffer).unwrap(), 4);
    right.send_to(b"pong", (addresses::own(0), 7)).unwrap();
    assert!(left.recv(&mut buffer).is_err());
}

#[test]
fn a_reset_ends_live_connections_at_both_ends_at_once() {
    let lab = lab(|_| {});
    let listener = lab.listen(1);
    let mut client = lab.connect(0, 1, 1000).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut buffer = [0; 8];
    client.write_all(b"hello").unwrap();
    assert_eq!(server.read(&mut buffer).unwrap(), 5);
    lab.switch.change(|paths| {
        for (from, to) in [(0, 1), (1, 0)] {
            paths.way(from, to).unwrap().cut(Some(How::Reset));
        }
    });
    lab.switch.reset(0, 1);
    for end in [&mut client, &mut server] {
        end.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(end.read(&mut buffer).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn regions_without_a_link_do_not_reach_each_other() {
    let lab = lab(|_| {});
    let _listener = lab.listen(2);
    let begun = Instant::now();
    let kind = failure(lab.connect(0, 2, 5000));
    assert!([ErrorKind::NetworkUnreachable, ErrorKind::HostUnreachable].contains(&kind), "{kind:?}");
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[test]
fn packets_are_lost_as_often_as_asked() {
    let lab = lab(|link| (link.loss, link.delay) = (0.3, Duration::ZERO));
    let (left, right) = (lab.udp(0), lab.udp(1));
    right.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 8];
    let mut arrived = 0;
    for _ in 0..20 {
        for _ in 0..50 {
            left.send_to(b"ping", (addresses::own(1), 7)).unwrap();
        }
        while right.recv(&mut buffer).is_ok() {
            arrived += 1;
        }
    }
    // 700 of 1000, four standard deviations either way.
    assert!((640..=760).contains(&arrived), "{arrived}");
}

#[test]
fn a_rate_limit_holds_back_a_stream() {
    let lab = lab(|link| (link.rate, link.delay) = (Some(8_000_000), Duration::from_millis(1)));
    let listener = lab.listen(1);
    let mut client = lab.connect(0, 1, 1000).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let begun = Instant::now();
    let writer = std::thread::spawn(move || client.write_all(&vec![0u8; 1_000_000]));
    server.read_exact(&mut vec![0u8; 1_000_000]).unwrap();
    writer.join().unwrap().unwrap();
    // A megabyte at a megabyte a second.
    assert!(begun.elapsed() > Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[test]
fn every_topology_of_the_repository_fits_its_configurations() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../topologies");
    let examples = folder.join("../docs/guide/examples");
    let yaml = |folder: &std::path::Path| {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect::<Vec<_>>()
    };
    let of_the_guide = ["branch/branch.yaml", "tier2/mesh.yaml"].map(|file| examples.join(file)).to_vec();
    let files = [yaml(&folder), yaml(&folder.join("idps")), of_the_guide].concat();
    assert!(files.len() >= 7, "{files:?}");
    let mut disks = 0;
    for file in files {
        let topology = crate::language::parse::load(&file).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let mesh =
            super::mesh::Mesh::prepare(&topology, scratch.path()).unwrap_or_else(|error| panic!("{error}"));
        let asks_somebody = |server: &&crate::history::Server| server.vouches || !server.upstreams.is_empty();
        assert_eq!(
            mesh.run.servers.iter().filter(asks_somebody).count(),
            mesh.run.servers.len(),
            "{}",
            file.display()
        );
        disks += mesh.programs.iter().filter(|program| program.disk.is_some()).count();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let left = mounts.lines().filter(|line| line.contains(&*scratch.path().to_string_lossy()));
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{} is only prepared", file.display());
    }
    assert!(disks > 0, "some topology fills a disk");
}
