use std::{future::Future, pin::Pin};

use futures_util::poll;

use super::*;

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Place, Full>> + 'a>>;

async fn enter(queue: &Arc<FairQueue>, peer: &str) -> Result<Place, Full> {
    queue.enter(peer, &Gauge::default()).await
}

/// Enters the queue, which has no free place, and waits there.
async fn wait<'a>(queue: &'a Arc<FairQueue>, peer: &'a str) -> Entering<'a> {
    let mut entering: Entering<'a> = Box::pin(enter(queue, peer));
    assert!(poll!(&mut entering).is_pending(), "{peer} does not wait");
    entering
}

const LOUD: &str = "203.0.113.9:1";
const QUIET: &str = "203.0.113.10:1";

#[tokio::test]
async fn peers_take_turns_however_many_decisions_one_of_them_has() {
    let queue = FairQueue::new(1);
    let place = enter(&queue, LOUD).await.unwrap();
    let mut loud = Vec::new();
    for _ in 0..SHARE {
        loud.push(wait(&queue, LOUD).await);
    }
    assert_eq!(enter(&queue, "203.0.113.9:4711").await.unwrap_err(), Full, "another port is the same peer");
    let mut quiet = wait(&queue, QUIET).await;
    drop(place);
    let first = loud.remove(0).await.unwrap();
    assert!(poll!(&mut quiet).is_pending());
    drop(first);
    let second = quiet.await.unwrap();
    assert!(poll!(&mut loud[0]).is_pending());
    drop(second);
    drop(loud.remove(0).await.unwrap());
}

#[tokio::test]
async fn a_full_queue_has_room_for_a_peer_with_fewer_decisions() {
    let queue = FairQueue::new(1);
    let _place = enter(&queue, LOUD).await.unwrap();
    let peers: Vec<String> = (0..2).map(|peer| format!("203.0.113.{peer}:1")).collect();
    let mut loud = Vec::new();
    for number in 0..MAX_WAITING {
        loud.push(wait(&queue, &peers[number % 2]).await);
    }
    let _quiet = wait(&queue, QUIET).await;
    assert_eq!(queue.lock().count, MAX_WAITING);
    // One of them has lost its latest place.
    let mut displaced = 0;
    for waiting in &mut loud {
        if let std::task::Poll::Ready(refused) = poll!(waiting) {
            assert_eq!(refused.unwrap_err(), Full);
            displaced += 1;
        }
    }
    assert_eq!(displaced, 1);
}

#[tokio::test]
async fn one_that_gives_up_leaves_nothing_behind() {
    let queue = FairQueue::new(1);
    let place = enter(&queue, LOUD).await.unwrap();
    let (gone, stays) = (wait(&queue, LOUD).await, wait(&queue, QUIET).await);
    let granted = wait(&queue, LOUD).await;
    drop(gone);
    assert_eq!(queue.lock().count, 2);
    drop(place);
    // The place was granted, and its owner is gone before it could take it.
    drop(granted);
    drop(stays.await.unwrap());
    let state = queue.lock();
    assert_eq!((state.free, state.count, state.turns.len(), state.waiting.len()), (1, 0, 0, 0));
}

#[tokio::test]
async fn clients_that_cannot_be_told_apart_have_the_whole_queue() {
    let queue = FairQueue::new(1);
    let _place = enter(&queue, "unix").await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..MAX_WAITING {
        waiting.push(wait(&queue, if number % 2 == 0 { "unix" } else { "127.0.0.1:1" }).await);
    }
    assert_eq!(enter(&queue, "[::1]:1").await.unwrap_err(), Full);
    let _quiet = wait(&queue, QUIET).await;
}

#[tokio::test]
async fn those_that_wait_are_counted_until_they_have_a_place_or_give_up() {
    let (queue, count) = (FairQueue::new(1), Gauge::default());
    let place = queue.enter(LOUD, &count).await.unwrap();
    assert_eq!(count.get(), 0, "one that has its place at once does not wait");
    let mut first = Box::pin(queue.enter(LOUD, &count));
    let mut second = Box::pin(queue.enter(QUIET, &count));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert_eq!(count.get(), 2);
    drop(second);
    assert_eq!(count.get(), 1);
    drop(place);
    drop(first.await.unwrap());
    assert_eq!(count.get(), 0);
}
