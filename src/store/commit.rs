//! Answers of a store, which are there at once or come later.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::sync::oneshot;

use super::{CookieRecord, StoreError};

/// The outcome of a writing call, once it is as durable as its store promises. Dropping it withdraws nothing.
pub type Commit = StoreAnswer<()>;

/// What a look-up finds. A store that keeps its records on this machine answers at once.
pub type Lookup = StoreAnswer<Option<CookieRecord>>;

/// A store's answer to a call.
#[derive(Debug)]
#[must_use = "a change counts, and a record is known, only once the answer is there"]
pub enum StoreAnswer<T> {
    /// There already. Taken by the first poll.
    Done(Option<Result<T, StoreError>>),
    /// Another task or thread gives it: for a change when its group of writes has been written, for a look-up when the
    /// record has come over the network.
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
}

impl<T> StoreAnswer<T> {
    /// An answer that is there already.
    pub const fn done(outcome: Result<T, StoreError>) -> Self {
        Self::Done(Some(outcome))
    }

    /// Waits on this thread. For threads that may block, not for tasks.
    pub fn wait(self) -> Result<T, StoreError> {
        match self {
            Self::Done(outcome) => outcome.unwrap_or_else(|| Err(stopped())),
            Self::Waiting(receiver) => receiver.blocking_recv().unwrap_or_else(|_| Err(stopped())),
        }
    }
}

/// The writer is gone without an answer. It may have written the change or not, so the change counts as lost.
pub(super) fn stopped() -> StoreError {
    StoreError::Io(Arc::from("the writer has stopped"))
}

impl<T: Unpin> Future for StoreAnswer<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(outcome) => Poll::Ready(outcome.take().unwrap_or_else(|| Err(stopped()))),
            Self::Waiting(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(stopped())))
            }
        }
    }
}

/// Runs steps that wait for a store on this thread. For threads that may block, not for tasks.
pub(crate) fn block_on<F: Future>(steps: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut steps = pin!(steps);
    loop {
        match steps.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            // A wake-up that came before this is not lost: the thread then goes on at once.
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn answer_that_is_there_suspends_no_caller() {
        assert!(matches!(Lookup::done(Ok(None)).now_or_never(), Some(Ok(None))));
        assert!(matches!(Commit::done(Ok(())).wait(), Ok(())));
    }

    #[test]
    fn answer_that_comes_later_is_waited_for() {
        let (sender, receiver) = oneshot::channel();
        let mut look_up = Lookup::Waiting(receiver);
        assert!((&mut look_up).now_or_never().is_none());
        let answering = thread::spawn(move || sender.send(Ok(None)).unwrap());
        assert!(matches!(block_on(look_up), Ok(None)));
        answering.join().unwrap();
    }

    #[test]
    fn answer_that_never_comes_is_a_failure() {
        let (sender, receiver) = oneshot::channel();
        drop(sender);
        assert!(matches!(block_on(Commit::Waiting(receiver)), Err(StoreError::Io(_))));
    }
}
