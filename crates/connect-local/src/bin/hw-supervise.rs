//! The supervisor as a program of its own: for tests, and for images where it should be smaller than `hw`.
//! Takes the same words as `hw` does: `hw-supervise __supervise FOLDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|word| word != connect_local::SUPERVISE) {
        return ExitCode::from(2);
    }
    connect_local::supervise_main(args)
}
