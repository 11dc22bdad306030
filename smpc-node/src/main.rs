//! The `smpc-node` program.

fn main() -> std::process::ExitCode {
    haima_smpc_node::cli::run(std::env::args_os())
}
