//! Arguments. Long flags may be written with one dash, as Go programs take them: `-config FILE` is `--config FILE`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use mangrove_config::GoDuration;
use url::Url;

use crate::role::Role;

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = false)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Where the configuration comes from; goes with every command.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// Configuration file; wins over $MANGROVE_CONFIG and $MAVERICS_CONFIG, and those over /etc/maverics/maverics.yaml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where secrets are: `secretfile:///FILE` or `env://`; wins over $MAVERICS_SECRET_PROVIDER.
    #[arg(long = "secretProvider", global = true, value_name = "URL", alias = "secret-provider")]
    pub(super) secret_provider: Option<String>,
    /// Log at level debug.
    #[arg(long, short, global = true)]
    pub(super) verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the node; the same as no command.
    Run,
    /// Say everything that is wrong or doubtful in the configuration, and what is assumed; or what applications would see of
    /// somebody.
    Check(Check),
    /// Print the public keys by which this node proves who it is upstream, for the `jwks` of the application there.
    ClientKeys(ClientKeys),
    /// Write a small configuration that runs at once.
    Init(Init),
    /// Change a users file.
    User(User),
    /// Show a running node: its connectors, sessions and listeners.
    Status(Asked),
    /// Tell a login's whole way, over several nodes when given their logs; without an id, which logins there were and whose
    /// fault it was.
    Why(Why),
    /// Send no new logins to a connector.
    Drain(Order),
    /// Send new logins to a connector first, whatever its health says.
    Force(Order),
    /// End sessions at this node, with the tokens that end with them: a person's, or all that a connector vouched for.
    EndSessions(EndSessions),
}

/// `check`
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Tell what applications would see of somebody for whom this connector vouches, and whence each attribute comes.
    #[arg(long, value_name = "CONNECTOR")]
    pub(super) explain: Option<String>,
    /// What it sends of that person, as a JSON object of claims; without it the rules are told in words.
    #[arg(long, value_name = "FILE", requires = "explain")]
    pub(super) claims: Option<PathBuf>,
}

/// `client-keys`
#[derive(Debug, Args)]
pub(super) struct ClientKeys {
    /// Only the key of this connector.
    #[arg(value_name = "CONNECTOR")]
    pub(super) connector: Option<String>,
}

/// `init`
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder to write into; must not hold a configuration yet.
    #[arg(value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// (edge) URL of a root; once for each, the preferred one first.
    #[arg(long, value_name = "URL")]
    pub(super) root: Vec<Url>,
    /// (root) Name of the first user.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(super) user: String,
    /// (root) A users file that is there already, instead of a first user: two roots that know the same people.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub(super) users: Option<PathBuf>,
    /// The node's own URL: its host and port, on this machine. Each node needs its own host name: cookies do not tell
    /// ports apart.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<Url>,
}

/// `user`
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    pub(super) command: UserCommand,
}

/// `user ...`
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user. The password is asked for, or read from standard input's first line.
    Add(UserAdd),
}

/// `user add`
#[derive(Debug, Args)]
pub(super) struct UserAdd {
    /// The users file.
    pub(super) file: PathBuf,
    /// The user's name.
    pub(super) name: String,
    /// Make a password up and show it once.
    #[arg(long)]
    pub(super) random: bool,
    /// The user's e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
}

/// Which node, and in which form.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The node's admin socket; otherwise the configuration says where it is.
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `why`
#[derive(Debug, Args)]
pub(super) struct Why {
    /// The login's id, as on the page that the person saw and in the decision log.
    #[arg(value_name = "LOGIN_ID")]
    pub(super) login: Option<String>,
    /// Log files of any number of nodes, JSON lines, `-` for standard input; without them, the running node is asked.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) log: Vec<PathBuf>,
    /// Tell the way of the last login.
    #[arg(long, conflicts_with = "login")]
    pub(super) last: bool,
    /// Only logins of this application.
    #[arg(long, value_name = "NAME", conflicts_with = "login")]
    pub(super) app: Option<String>,
    /// Only what was decided since, like `10m` ago.
    #[arg(long, value_name = "DURATION")]
    pub(super) since: Option<GoDuration>,
    /// Only logins that failed.
    #[arg(long, conflicts_with = "login")]
    pub(super) failed: bool,
    #[command(flatten)]
    pub(super) asked: Asked,
}

/// `drain` and `force`
#[derive(Debug, Args)]
pub(super) struct Order {
    /// The connector.
    pub(super) name: String,
    /// Why; kept with the order.
    #[arg(long, value_name = "TEXT")]
    pub(super) why: Option<String>,
    /// For how long, like `10m`; without it until taken back.
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) duration: Option<GoDuration>,
    /// Take the order back.
    #[arg(long, conflicts_with_all = ["why", "duration"])]
    pub(super) undo: bool,
    #[command(flatten)]
    pub(super) asked: Asked,
}

/// `end-sessions`
#[derive(Debug, Args)]
pub(super) struct EndSessions {
    /// All that this connector vouched for.
    #[arg(long, value_name = "NAME", required_unless_present = "subject", conflicts_with = "subject")]
    pub(super) connector: Option<String>,
    /// Those of the person whom applications know by this `sub`.
    #[arg(long, value_name = "SUB")]
    pub(super) subject: Option<String>,
    /// Why; written to the log.
    #[arg(long, value_name = "TEXT")]
    pub(super) why: Option<String>,
    #[command(flatten)]
    pub(super) asked: Asked,
}

/// Reads the command line.
///
/// # Errors
/// What clap says: a usage error, or the help or version that was asked for.
pub(super) fn parse(role: &Role, args: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let command = Arguments::command().name(role.name).bin_name(role.name).about(role.about);
    let command = command.version(env!("CARGO_PKG_VERSION"));
    Arguments::from_arg_matches(&command.try_get_matches_from(args.into_iter().scan(false, two_dashes))?)
}

/// Gives a long flag its second dash. What follows `--` stays as it is.
fn two_dashes(after: &mut bool, arg: OsString) -> Option<OsString> {
    *after |= arg == "--";
    let text = arg.to_str().unwrap_or_default();
    let name = text.strip_prefix('-').unwrap_or_default();
    let long = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    Some(if long && !*after { OsString::from(format!("-{text}")) } else { arg })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        parse(&crate::cli::init::tests::ROLE, line.split(' ').map(OsString::from))
    }

    #[test]
    fn one_dash_and_two_mean_the_same() {
        for line in
            ["root -config a.yaml -verbose", "root --config a.yaml -v", "root --config=a.yaml --verbose"]
        {
            let read = read(line).unwrap();
            assert_eq!(read.source.config, Some(PathBuf::from("a.yaml")), "{line}");
            assert!(read.source.verbose && read.command.is_none(), "{line}");
        }
        assert_eq!(read("root -config=a.yaml").unwrap().source.config, Some(PathBuf::from("a.yaml")));
        let url = read("root check -secretProvider secretfile:///s.yaml").unwrap().source.secret_provider;
        assert_eq!(url.as_deref(), Some("secretfile:///s.yaml"));
    }

    #[test]
    fn flags_go_before_and_after_the_command() {
        for line in ["root -config a.yaml check", "root check -config a.yaml"] {
            let read = read(line).unwrap();
            assert_eq!(read.source.config, Some(PathBuf::from("a.yaml")), "{line}");
            assert!(matches!(read.command, Some(Command::Check(_))), "{line}");
        }
    }

    #[test]
    fn an_order_has_a_reason_and_an_end_or_is_taken_back() {
        let line = ["root", "drain", "okta", "-why", "planned work", "-for", "10m"];
        let read_order = parse(&crate::cli::init::tests::ROLE, line.map(OsString::from)).unwrap();
        let Some(Command::Drain(order)) = read_order.command else { panic!("a drain") };
        assert_eq!((order.name.as_str(), order.why.as_deref()), ("okta", Some("planned work")));
        assert_eq!(order.duration, Some(GoDuration::seconds(600)));
        assert!(read("root force okta -undo").is_ok());
        assert!(read("root force okta -undo -for 10m").is_err());
    }

    #[test]
    fn version_and_help_are_answers_and_nonsense_is_a_usage_error() {
        assert!(!read("root -version").unwrap_err().use_stderr());
        assert!(!read("root -help").unwrap_err().use_stderr());
        for nonsense in [
            "root -no-such-flag",
            "root dance",
            "root why abc -last",
            "root drain okta -for tomorrow",
            "root check -claims c.json",
        ] {
            assert!(read(nonsense).unwrap_err().use_stderr(), "{nonsense}");
        }
    }
}
