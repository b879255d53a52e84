//! `mangrove-testbed`: see the library.

fn main() -> std::process::ExitCode {
    mangrove_testbed::cli::main()
}
