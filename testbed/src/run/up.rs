//! A lab that stands until told to end, for somebody who comes with a browser of their own: a SOCKS door into a branch, a
//! home for Chromium that trusts the lab, and faults as they are typed. Nothing is judged and nothing is kept.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

use super::ground::Ground;
use super::supervisor::{Failure, Lab, TICK};
use super::view::{View, print};
use crate::agent::spec::{Command as Order, Spec};
use crate::history::{Event, Micros, What, micros, now};
use crate::lab::chromium;
use crate::lab::socks::Socks;
use crate::language::read::nearest;
use crate::language::{Step, Topology, by_hand, host};

/// Names and passwords shown of each region's people.
const SHOWN: usize = 3;
/// Name of the script that starts a browser.
const SCRIPT: &str = "chromium";

/// What the command line says about a lab that stands.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The topology.
    pub file: PathBuf,
    /// Folder of mangrove-root and mangrove-edge. Defaults to that of this program.
    #[arg(long)]
    pub bin: Option<PathBuf>,
    /// The region into which the SOCKS port leads. Defaults to the first that has people.
    #[arg(long = "in", value_name = "REGION")]
    pub region: Option<String>,
    /// Lets the topology's people sign in as well.
    #[arg(long)]
    pub people: bool,
    /// Plays the topology's timeline, once.
    #[arg(long)]
    pub timeline: bool,
}

impl Options {
    /// Index of the region into which the door leads.
    ///
    /// # Errors
    /// When the region that is asked for is not there.
    pub fn standpoint(&self, topology: &Topology) -> Result<usize, String> {
        let first = topology.people.first().map(|people| people.region.as_str());
        let name = self.region.as_deref().or(first).unwrap_or_default();
        topology.region_index(name).ok_or_else(|| {
            let hint = nearest(name, topology.regions.iter().map(String::as_str));
            format!("--in: there is no region `{name}`\n    {hint}")
        })
    }
}

/// The first process of a lab that stands; called in a PID name space of its own.
pub fn main(options: &Options) -> ExitCode {
    match stand(options) {
        Err(Failure::Stopped) | Ok(()) => {
            eprintln!("\nstopped; nothing is left behind");
            ExitCode::SUCCESS
        }
        Err(Failure::Because(words)) => {
            eprintln!("\nmangrove-testbed: {words}");
            ExitCode::from(2)
        }
    }
}

fn stand(options: &Options) -> Result<(), Failure> {
    // Both are the machine's: the port must be opened, and the process's number read, before the machine is left.
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let me = fs::read_link("/proc/self")?;
    let root = is_root();
    let (typist, typed) = channel();
    let mut ground = Ground::prepare(&options.file, options.bin.as_deref(), move |line| {
        let _ = typist.send(line);
    })?;
    ground.topology.by_hand = true;
    let topology = &ground.topology;
    let region = options.standpoint(topology)?;
    let mut view = View::standing(topology, options.people);
    let mut lab = Lab::build(&ground)?;
    let specs = lab.specs.clone();
    if !options.people {
        for spec in &mut lab.specs {
            spec.people.clear();
            spec.chromium = None;
        }
    }
    let mut events = Vec::new();
    lab.start(&mut view, &mut events)?;
    let address = door.local_addr()?;
    let _socks = Socks::open(door, &lab.regions[region], topology.regions.len())?;
    // The lab's files as others on this machine see them, for as long as this process lives.
    let folder = ground.folder.strip_prefix("/").unwrap_or(&ground.folder);
    let lab_seen = Path::new("/proc").join(me).join("root").join(folder);
    let mut visit =
        Visit { topology, region: &topology.regions[region], address, folder: lab_seen, browser: Ok(()) };
    visit.browser = visit.prepare_browser(&ground.folder, root);
    print(&visit.words(&specs));
    let begin = lab.mark(What::Begin, &mut view, &mut events);
    if options.people {
        lab.order(Order::Begin(true));
    }
    let steps = if options.timeline { topology.timeline.clone() } else { Vec::new() };
    Operator { topology, typed, steps, begin }.play(&mut lab, &mut view, &mut events)
}

/// Whether this process is root of the machine and not of a name space.
fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(1) == Some("0")
}

/// Who decides what happens: the file's timeline, and somebody who types.
struct Operator<'t> {
    topology: &'t Topology,
    typed: Receiver<String>,
    steps: Vec<Step>,
    begin: Micros,
}

impl Operator<'_> {
    fn play(mut self, lab: &mut Lab<'_>, view: &mut View, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.steps.sort_by_key(|step| std::cmp::Reverse(step.after));
        loop {
            lab.tick(TICK, view, events)?;
            events.clear();
            while let Some(step) = self.steps.pop_if(|step| self.begin + micros(step.after) <= now()) {
                lab.act(&step)?;
            }
            for line in self.typed.try_iter().filter(|line| !line.trim().is_empty()) {
                let done = by_hand::read(&line, self.topology).and_then(|step| lab.act(&step));
                if let Err(words) = done {
                    print(&format!("         {words}\n"));
                }
            }
        }
    }
}

/// What somebody needs who wants to come in.
struct Visit<'t> {
    topology: &'t Topology,
    region: &'t str,
    address: SocketAddr,
    folder: PathBuf,
    /// Or what is missing for one.
    browser: Result<(), String>,
}

impl Visit<'_> {
    fn words(&self, specs: &[Spec]) -> String {
        let mut text = format!(
            "\nYou stand in {}; the lab's CA is good for this run and its names only.\n",
            self.region
        );
        text.push_str("\n  Applications\n");
        for app in &self.topology.apps {
            let _ =
                writeln!(text, "    https://{}/  in {}, signs in at {}", host(&app.name), app.region, app.at);
        }
        text.push_str("\n  People (name, password)\n");
        for account in
            specs.iter().flat_map(|spec| spec.people.iter().take(SHOWN)).flat_map(|it| &it.accounts)
        {
            let of = account.of.as_ref().map(|of| format!(", {of}")).unwrap_or_default();
            let _ = writeln!(text, "    {}  {}  at {}{of}", account.username, account.password, account.host);
        }
        let _ = writeln!(text, "\n  SOCKS5 with remote names, into {}: {}", self.region, self.address);
        match &self.browser {
            Ok(()) => {
                let script = self.folder.join(SCRIPT);
                let _ = writeln!(text, "\n  Your Chromium, from another terminal: sh {}", script.display());
            }
            Err(missing) => {
                let _ = writeln!(text, "\n  No browser is prepared: {missing}");
            }
        }
        let authority = self.folder.join("ca.pem");
        let _ = writeln!(
            text,
            "  Or: curl -L --proxy socks5h://{} --cacert {} {}\n",
            self.address,
            authority.display(),
            self.url()
        );
        text.push_str("  Type a fault, such as `kill NODE`, `start NODE`, `pause NODE`,\n");
        text.push_str("  `partition { between: [REGION, REGION] }`, `heal all`. Ctrl-C ends it all.\n\n");
        text
    }

    /// The application of those who live where the visitor stands, or any.
    fn url(&self) -> String {
        let here = self.topology.people.iter().find(|people| people.region == self.region);
        let app = here.or(self.topology.people.first()).map(|people| people.app.as_str());
        format!("https://{}/", host(app.unwrap_or_default()))
    }

    /// Writes the home of the visitor's browser and the script that starts it into the lab's `folder`.
    fn prepare_browser(&self, folder: &Path, root: bool) -> Result<(), String> {
        let program = chromium::find()?;
        chromium::home(folder, &folder.join("ca.pem"))?;
        let way = chromium::Way { lab: &self.folder, door: self.address, root, url: &self.url() };
        fs::write(folder.join(SCRIPT), chromium::script(&program, &way)).map_err(|error| error.to_string())
    }
}
