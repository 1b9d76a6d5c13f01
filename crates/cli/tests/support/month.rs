//! A month of a made-up operator that is over, played and stored in a data folder as a platform stores it, before a server is started on it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use base::{Span, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ports::Store as _;
use sim::year::{Batch, Options, Told, Year, play};
use store::{Location, SqlStore};

/// Records in one transaction.
const RECORDS: usize = 20_000;
/// A month ends so long before now at least, so that all of its work is over.
const TAIL_DAYS: i64 = 6;

pub struct Month {
    /// As `hw statements close --month` takes it.
    pub name: String,
    pub begins: Date,
    pub ends: Date,
}

fn moment(date: Date) -> Timestamp {
    let at = date.to_zoned(TimeZone::UTC).expect("a date").timestamp();
    Timestamp::from_micros(at.as_microsecond())
}

impl Month {
    /// The last month that ended long enough ago.
    pub fn last_over() -> Month {
        let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
        let ends = today.saturating_sub(TAIL_DAYS.days()).first_of_month();
        let begins = ends.saturating_sub(1.month());
        Month { name: begins.strftime("%Y-%m").to_string(), begins, ends }
    }

    /// Plays so many jobs of so many tenants and stores what is committed, on another thread; how large the database is then, bytes.
    pub fn fill(&self, data: &Path, jobs: u32, tenants: u32) -> (Year, u64) {
        let days = (moment(self.ends).since(moment(self.begins)).as_secs() / 86_400) as u32;
        let begins = Some(moment(self.begins));
        let options = Options { tenants, begins, whole: false, batches: true, ..Options::new(1, jobs, days) };
        let (send, batches) = sync_channel(64);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || store_all(data, batches));
            let mut gathered = Batch::default();
            let year = play(options, &mut |_, told| {
                if let Told::Batch(mut batch) = told {
                    gathered.records.append(&mut batch.records);
                    if gathered.records.len() >= RECORDS {
                        send.send(std::mem::take(&mut gathered)).expect("the writer lives");
                    }
                }
                ControlFlow::Continue(())
            });
            send.send(gathered).expect("the writer lives");
            drop(send);
            writer.join().expect("the writer");
            let size = std::fs::metadata(data.join("headworks.db")).map_or(0, |file| file.len());
            (year, size)
        })
    }
}

fn store_all(data: &Path, batches: Receiver<Batch>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = SqlStore::open(&Location::Folder(data.to_owned())).await.expect("a database");
        let now = Timestamp::from_secs(1);
        let lease = store.acquire("bench", now, now + Span::from_hours(1)).await.expect("the store").expect("a lease");
        while let Ok(batch) = batches.recv() {
            store.commit(lease.fence, &batch).await.expect("stored");
        }
        store.give_up(lease.fence).await.expect("given up");
        store.close().await;
    });
}
