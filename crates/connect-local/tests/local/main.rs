//! The local cluster with real supervisors, real scripts and, as root, a real unprivileged user.

mod common;
mod course;
mod surroundings;
