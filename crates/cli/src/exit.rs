//! The numbers a command ends with, and the one place where failures become numbers. `docs/cli.md` has the same table.

use client::NextMove;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok,
    Failure,
    Usage,
    NotFound,
    Access,
    Conflict,
    Money,
    Unreachable,
    Wait,
    /// What a job ended with: `submit --wait`, `sbatch --wait`.
    Job(u8),
}

impl Exit {
    /// Every exit code with a meaning of its own, in order.
    pub const ALL: [Exit; 9] = [
        Exit::Ok,
        Exit::Failure,
        Exit::Usage,
        Exit::NotFound,
        Exit::Access,
        Exit::Conflict,
        Exit::Money,
        Exit::Unreachable,
        Exit::Wait,
    ];

    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Access => 4,
            Self::Conflict => 5,
            Self::Money => 6,
            Self::Unreachable => 7,
            Self::Wait => 8,
            Self::Job(code) => code,
        }
    }

    pub const fn of(next: NextMove) -> Exit {
        match next {
            NextMove::FixRequest => Self::Usage,
            NextMove::NotFound => Self::NotFound,
            NextMove::Access => Self::Access,
            NextMove::Conflict => Self::Conflict,
            NextMove::Money => Self::Money,
            NextMove::Wait => Self::Wait,
            NextMove::Reach => Self::Unreachable,
            NextMove::Tell => Self::Failure,
        }
    }

    /// A job's own end: its exit code, or 128 and the signal that ended it, as shells say it.
    pub const fn of_job(code: i32, signal: i32) -> Exit {
        if signal > 0 { Self::Job((128 + (signal & 0x7f)) as u8) } else { Self::Job((code & 0xff) as u8) }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_table() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|exit| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_job_ends_as_in_a_shell() {
        for (code, signal, number) in [(0, 0, 0), (3, 0, 3), (255, 0, 255), (0, 9, 137), (0, 15, 143), (256, 0, 0)] {
            assert_eq!(Exit::of_job(code, signal).number(), number, "{code}:{signal}");
        }
    }
}
