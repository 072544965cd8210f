use std::{sync::Arc, task::Poll};

use futures_util::poll;

use super::*;

const PLENTY: usize = 1 << 20;

fn outbox(limit: usize) -> Outbox {
    Outbox::new(Serializer::Json, limit)
}

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn take(outbox: &Outbox, max_bytes: usize) -> Vec<Bytes> {
    let mut frames = Vec::new();
    assert_eq!(outbox.take(&mut frames, max_bytes).await, Taken::Frames);
    frames
}

async fn closing(outbox: &Outbox) -> Closing {
    let mut frames = Vec::new();
    match outbox.take(&mut frames, PLENTY).await {
        Taken::Closing(how) => how,
        Taken::Frames => panic!("{} frames instead of the end", frames.len()),
    }
}

#[tokio::test]
async fn frames_come_out_in_the_order_in_which_they_went_in() {
    let outbox = outbox(PLENTY);
    for text in ["a", "b", "c"] {
        outbox.push(frame(text));
    }
    assert_eq!(take(&outbox, PLENTY).await, [frame("a"), frame("b"), frame("c")]);
}

#[tokio::test]
async fn take_gives_as_many_frames_as_fit_but_at_least_one() {
    let outbox = outbox(PLENTY);
    for text in ["12345", "67", "89", "0"] {
        outbox.push(frame(text));
    }
    assert_eq!(take(&outbox, 3).await, [frame("12345")]);
    assert_eq!(take(&outbox, 4).await, [frame("67"), frame("89")]);
    assert_eq!(take(&outbox, 4).await, [frame("0")]);
}

#[tokio::test]
async fn take_waits_until_something_is_pushed() {
    let outbox = Arc::new(outbox(PLENTY));
    let mut frames = Vec::new();
    {
        let mut taking = std::pin::pin!(outbox.take(&mut frames, PLENTY));
        assert_eq!(poll!(taking.as_mut()), Poll::Pending);
        outbox.push(frame("late"));
        assert_eq!(taking.await, Taken::Frames);
    }
    assert_eq!(frames, [frame("late")]);
}

#[tokio::test]
async fn close_comes_after_what_is_queued_and_nothing_follows_it() {
    let outbox = outbox(PLENTY);
    outbox.push(frame("before"));
    outbox.close(Closing::After(CloseCode::Away));
    outbox.push(frame("after"));
    assert_eq!(take(&outbox, PLENTY).await, [frame("before")]);
    assert_eq!(closing(&outbox).await, Closing::After(CloseCode::Away));
    assert_eq!(closing(&outbox).await, Closing::After(CloseCode::Away), "the end stays the end");
}

#[tokio::test]
async fn first_close_counts() {
    let outbox = outbox(PLENTY);
    outbox.close(Closing::After(CloseCode::Protocol));
    outbox.close(Closing::After(CloseCode::Normal));
    assert_eq!(closing(&outbox).await, Closing::After(CloseCode::Protocol));
}

#[tokio::test]
async fn a_burst_up_to_its_bound_is_kept_and_one_more_frame_gives_the_connection_up() {
    let outbox = outbox(5 + FRAME_OVERHEAD);
    for _ in 0..BURST {
        outbox.push(frame("12345"));
    }
    assert_eq!(poll!(std::pin::pin!(outbox.overflowed())), Poll::Pending);
    outbox.push(frame(""));
    outbox.overflowed().await;
    assert_eq!(closing(&outbox).await, Closing::Overflow, "what waited is gone");
}

#[tokio::test]
async fn a_peer_that_keeps_more_than_the_limit_waiting_for_long_is_given_up() {
    let ago = |outbox: &Outbox, time: Duration| outbox.lock().over_since.as_mut().map(|since| *since -= time);
    let over = || {
        let outbox = outbox(5 + FRAME_OVERHEAD);
        outbox.push(frame("12345"));
        outbox.push(frame("12345"));
        outbox
    };
    // One that reads: the time begins anew.
    let reads = over();
    assert!(ago(&reads, PATIENCE).is_some());
    assert_eq!(take(&reads, 1).await.len(), 1);
    reads.push(frame("12345"));
    reads.push(frame("12345"));
    assert_eq!(take(&reads, PLENTY).await.len(), 3);
    // One to whom more is sent after that time.
    let slow = over();
    ago(&slow, PATIENCE);
    slow.push(frame("12345"));
    assert_eq!(closing(&slow).await, Closing::Overflow);
    // One whose write is stuck, and to whom nothing more is sent.
    let stuck = outbox(5 + FRAME_OVERHEAD);
    let mut overflowed = by_hand(stuck.overflowed());
    assert!(overflowed.poll_is_pending());
    stuck.push(frame("12345"));
    assert!(!overflowed.is_woken());
    stuck.push(frame("12345"));
    assert!(overflowed.is_woken());
    ago(&stuck, PATIENCE.mul_f32(0.99));
    stuck.overflowed().await;
    assert_eq!(closing(&stuck).await, Closing::Overflow);
}

#[tokio::test]
async fn what_may_be_left_out_fills_half_of_the_limit_and_leaves_room_for_the_rest() {
    let outbox = outbox(8 * FRAME_OVERHEAD);
    for _ in 0..100 {
        outbox.push_if_room(Bytes::new);
    }
    for _ in 0..4 {
        outbox.push(frame(""));
    }
    assert_eq!(take(&outbox, PLENTY).await.len(), 8);
    outbox.push(frame("reply"));
    outbox.push_if_room(|| frame("much too long").repeat(100).into());
    outbox.push_if_room(|| panic!("there is no room left"));
    assert_eq!(take(&outbox, PLENTY).await.len(), 2, "the first one is taken however large");
    outbox.close(Closing::After(CloseCode::Normal));
    outbox.push_if_room(|| panic!("the outbox is closed"));
    assert_eq!(closing(&outbox).await, Closing::After(CloseCode::Normal));
}

#[tokio::test]
async fn what_was_taken_no_longer_counts() {
    let outbox = outbox(5 + FRAME_OVERHEAD);
    for _ in 0..100 {
        outbox.push(frame("12345"));
        assert_eq!(take(&outbox, PLENTY).await.len(), 1);
    }
}

#[tokio::test]
async fn peer_that_has_read_everything_survives_one_frame_over_the_limit() {
    let outbox = outbox(3);
    outbox.push(frame("larger than the limit"));
    assert_eq!(take(&outbox, PLENTY).await.len(), 1);
    outbox.push(frame("larger than the limit"));
    outbox.push(frame("x"));
    assert_eq!(closing(&outbox).await, Closing::Overflow);
}

#[tokio::test]
async fn many_empty_frames_hit_the_limit_too() {
    let outbox = outbox(10 * FRAME_OVERHEAD);
    for _ in 0..=10 * BURST {
        outbox.push(Bytes::new());
    }
    assert_eq!(closing(&outbox).await, Closing::Overflow);
}

#[tokio::test]
async fn overflow_is_noticed_by_a_task_whose_write_is_stuck() {
    let outbox = Arc::new(outbox(FRAME_OVERHEAD / 4));
    let mut stuck = std::pin::pin!(outbox.overflowed());
    assert_eq!(poll!(stuck.as_mut()), Poll::Pending);
    outbox.push(frame("a"));
    assert_eq!(poll!(stuck.as_mut()), Poll::Pending, "a push alone is no overflow");
    outbox.push(frame("b"));
    assert_eq!(poll!(stuck.as_mut()), Poll::Ready(()));
}

#[tokio::test]
async fn a_task_whose_write_is_stuck_is_woken_for_an_overflow_only() {
    let outbox = outbox(3 * FRAME_OVERHEAD);
    let mut overflowed = by_hand(outbox.overflowed());
    assert!(overflowed.poll_is_pending());
    outbox.push(frame("a"));
    outbox.push(frame("b"));
    assert!(!overflowed.is_woken());
    for _ in 0..3 * BURST {
        outbox.push(frame("c"));
    }
    assert!(overflowed.is_woken());
    assert!(!overflowed.poll_is_pending());
}

#[tokio::test]
async fn a_task_that_waits_is_woken_by_whatever_comes_also_after_it_has_waited_otherwise() {
    let changes: [fn(&Outbox); 4] = [
        |outbox| outbox.push(frame("a")),
        |outbox| outbox.push_later(1, || frame("a")),
        |outbox| outbox.push_if_room(|| frame("a")),
        |outbox| outbox.close(Closing::After(CloseCode::Normal)),
    ];
    for change in changes {
        let outbox = outbox(PLENTY);
        let (mut frames, mut earlier) = (Vec::new(), Vec::new());
        assert!(by_hand(outbox.take(&mut earlier, PLENTY)).poll_is_pending());
        assert!(by_hand(outbox.overflowed()).poll_is_pending());
        let mut taking = by_hand(outbox.take(&mut frames, PLENTY));
        assert!(taking.poll_is_pending() && !taking.is_woken());
        change(&outbox);
        assert!(taking.is_woken());
        assert!(!taking.poll_is_pending());
    }
}

#[tokio::test]
async fn empty_queue_gives_back_what_a_burst_needed() {
    let outbox = outbox(PLENTY);
    for _ in 0..1000 {
        outbox.push(frame("burst"));
    }
    assert_eq!(take(&outbox, PLENTY).await.len(), 1000);
    assert!(outbox.lock().frames.capacity() <= 2 * KEPT_PLACES);
}

#[tokio::test]
async fn what_is_encoded_later_keeps_its_place_and_counts_meanwhile() {
    let outbox = outbox(1200);
    outbox.push(frame("before"));
    outbox.push_later(800, || frame("later"));
    outbox.push(frame("after"));
    assert_eq!(take(&outbox, PLENTY).await, ["before"]);
    assert_eq!(take(&outbox, PLENTY).await, ["later"]);
    assert_eq!(take(&outbox, PLENTY).await, ["after"]);

    for _ in 0..=BURST * 2 {
        outbox.push_later(800, || panic!("never encoded: the connection is given up"));
    }
    assert_eq!(closing(&outbox).await, Closing::Overflow);
}

/// A future that is polled by hand, and tells whether it asks to be polled again.
struct ByHand<F> {
    future: std::pin::Pin<Box<F>>,
    woken: std::sync::Arc<Woken>,
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand { future: Box::pin(future), woken: std::sync::Arc::default() }
}

impl<F: Future> ByHand<F> {
    fn poll_is_pending(&mut self) -> bool {
        let waker = std::sync::Arc::clone(&self.woken).into();
        self.future.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending()
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[tokio::test]
async fn what_was_taken_is_charged_until_the_next_take() {
    let outbox = outbox(PLENTY);
    let charged = || outbox.lock().charge.bytes();
    outbox.push(vec![b'x'; 200_000].into());
    assert_eq!(charged(), 0, "a frame that others share until it is taken");
    take(&outbox, PLENTY).await;
    assert!(charged() >= 200_000 - crate::memory::FREE, "{}", charged());
    outbox.push(vec![b'x'; 100_000].into());
    outbox.push(vec![b'x'; 100_000].into());
    assert!(charged() >= 400_000 - crate::memory::FREE, "beside what waits: {}", charged());
    take(&outbox, PLENTY).await;
    let mut frames = Vec::new();
    let mut taking = std::pin::pin!(outbox.take(&mut frames, PLENTY));
    assert_eq!(poll!(taking.as_mut()), Poll::Pending);
    assert_eq!(charged(), 0, "all of it was sent");
}
