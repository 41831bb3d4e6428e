//! The `meridian` binary: hands the command line to the library.

fn main() -> std::process::ExitCode {
    meridian::cli::run()
}
