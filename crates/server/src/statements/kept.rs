//! Sums of statements that were asked for lately. What is closed never changes, so its lines are gone through once, however many ask at
//! the same time; what was asked for longest ago makes room.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::Parts;

/// Jobs of all statements that are kept, of about 200 bytes each; the one asked for last is kept whatever its size.
const JOBS_KEPT: usize = 400_000;
/// Statements that are kept.
const KEPT: usize = 256;

type Cell = Arc<OnceCell<Arc<Parts>>>;

/// By the numbers of statements, the one asked for last at the end.
#[derive(Debug, Default)]
pub struct KeptSums(Mutex<Vec<(u64, Cell)>>);

impl KeptSums {
    /// The sums of a statement: as they were kept, or made now, once for all who wait for them.
    ///
    /// # Errors
    /// What making them says; the next one to ask tries again.
    pub async fn get<E>(&self, number: u64, make: impl AsyncFnOnce() -> Result<Parts, E>) -> Result<Arc<Parts>, E> {
        let cell = self.cell(number);
        let parts = cell.get_or_try_init(async || make().await.map(Arc::new)).await?.clone();
        self.make_room();
        Ok(parts)
    }

    fn cell(&self, number: u64) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(known, _)| *known == number).map(|at| kept.remove(at).1);
        let cell = found.unwrap_or_default();
        kept.push((number, cell.clone()));
        cell
    }

    fn make_room(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut jobs, mut keep) = (0, 0);
        for (_, cell) in kept.iter().rev() {
            jobs += cell.get().map_or(0, |parts| parts.jobs_total());
            if keep > 0 && (jobs > JOBS_KEPT || keep >= KEPT) {
                break;
            }
            keep += 1;
        }
        let surplus = kept.len() - keep;
        kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn sums_are_made_once_and_the_oldest_make_room() {
        let (kept, made) = (KeptSums::default(), AtomicU64::new(0));
        let ask = async |number| {
            let make = async || {
                made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, ()>(Parts::default())
            };
            kept.get(number, make).await.unwrap();
            made.load(Ordering::Relaxed)
        };
        let both = tokio::join!(ask(1), ask(1));
        assert_eq!((both, ask(1).await), ((1, 1), 1));
        for number in 2..=KEPT as u64 {
            ask(number).await;
        }
        let all = KEPT as u64;
        assert_eq!(ask(1).await, all, "1 was asked for lately");
        assert_eq!(ask(all + 1).await, all + 1);
        assert_eq!((ask(1).await, ask(2).await), (all + 1, all + 2), "2 made room");
    }

    #[tokio::test]
    async fn what_failed_is_tried_again() {
        let kept = KeptSums::default();
        assert_eq!(kept.get(1, async || Err("no store")).await.unwrap_err(), "no store");
        assert!(kept.get(1, async || Ok::<_, &str>(Parts::default())).await.is_ok());
    }
}
