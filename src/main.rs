//! The `weir` program: arguments to the library, its outcome to the shell. Everything else is in the library.

use std::io;
use std::process::ExitCode;

/// An exchange makes buffers of some kilobytes, for which the system's allocator takes a slow path.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let code = weir::cli::run(std::env::args_os(), &mut io::stdout(), &mut io::stderr());
    ExitCode::from(code)
}
