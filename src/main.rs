//! The `haima` program.

fn main() -> std::process::ExitCode {
    haima::cli::run(std::env::args_os())
}
