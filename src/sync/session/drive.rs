//! Driving several futures side by side. The only place that does.
//!
//! Whoever waits for one of several futures must wait for nothing else in between. The futures share the state, the
//! limits and the way to stdout. One that is handed such a thing while nobody polls it would hold up all the others for
//! good. So the loops here take results and do nothing else, and what a caller does with a result is not async.

use std::pin::Pin;

use futures_util::stream::{self, FuturesUnordered, StreamExt};

/// One of several futures of different types.
pub(crate) type Job<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + 'a>>;

/// Runs futures until there are no more, at most `at_once` at a time. The first error ends it and drops the rest.
///
/// `next` gives the future to begin with next. It is told how many are running, and gives none where no other may begin
/// now; where none is running that is the end.
pub(crate) async fn drive<F, E>(at_once: usize, mut next: impl FnMut(usize) -> Option<F>) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < at_once
            && let Some(future) = next(running.len())
        {
            running.push(future);
        }
        match running.next().await {
            Some(result) => result?,
            None => return Ok(()),
        }
    }
}

/// As `drive`, for futures that are known beforehand.
pub(crate) async fn drive_all<F, E>(at_once: usize, futures: impl IntoIterator<Item = F>) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let mut futures = futures.into_iter();
    drive(at_once, |_| futures.next()).await
}

/// Runs two futures side by side.
pub(crate) async fn drive_both<E>(
    one: impl Future<Output = Result<(), E>>,
    other: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let both: [Job<'_, E>; 2] = [Box::pin(one), Box::pin(other)];
    drive_all(both.len(), both).await
}

/// Runs futures, at most `at_once` at a time, and gives their results to `take` in the order of the futures.
pub(crate) async fn drive_in_order<F, T, E>(
    at_once: usize,
    futures: impl IntoIterator<Item = F>,
    mut take: impl FnMut(T),
) -> Result<(), E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut results = stream::iter(futures).buffered(at_once);
    while let Some(result) = results.next().await {
        take(result?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_more_run_at_once_than_may_and_all_are_run() {
        let (running, most, done) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let one = async |wait: u64| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(Duration::from_millis(wait)).await;
            running.set(running.get() - 1);
            done.set(done.get() + 1);
            Ok::<(), Infallible>(())
        };
        let Ok(()) = drive_all(3, (0..10).map(|n| one(10 - n))).await;
        assert_eq!((most.get(), done.get()), (3, 10));
    }

    #[tokio::test]
    async fn a_pause_ends_with_what_is_running() {
        let (begun, allowed) = (RefCell::new(Vec::new()), Cell::new(1));
        let one = async |nth: usize| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            allowed.set(nth + 2);
            begun.borrow_mut().push(nth);
            Ok::<(), Infallible>(())
        };
        let mut waiting = 0..5_usize;
        let Ok(()) = drive(8, |_| if waiting.start < allowed.get() { waiting.next().map(one) } else { None }).await;
        assert_eq!(*begun.borrow(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn results_come_in_the_order_of_the_futures_and_an_error_ends_it() {
        let one = async |nth: u64| {
            tokio::time::sleep(Duration::from_millis(5 - nth)).await;
            if nth == 4 { Err("the end") } else { Ok(nth) }
        };
        let mut taken = Vec::new();
        let result = drive_in_order(5, (0..5).map(one), |nth| taken.push(nth)).await;
        assert_eq!((result, taken), (Err("the end"), vec![0, 1, 2, 3]));
    }
}
