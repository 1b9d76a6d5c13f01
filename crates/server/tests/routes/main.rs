//! The routes against a real store and a real driver, with a cluster in memory. No socket: requests go into the router.

mod access;
mod budgets;
mod clusters;
mod contracts;
mod files;
mod grants;
mod jobs;
mod lists;
mod malformed;
mod members;
mod money;
mod notices;
mod notices_mail;
mod people;
mod policy;
mod rates;
mod reports;
mod settlements;
mod statements;
mod streams;
mod suppliers;
mod supply;
mod support;
mod twin_runs;
mod usage;
