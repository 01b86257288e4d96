//! Connections of HTTP/1.1 that wait for their next request. Pingora's pool watches each with a task of its own, which costs a
//! request two switches between tasks, a timer and two system calls; here one task looks after all of them now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;

/// How often connections that have been closed or have waited too long are looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// So many are looked at before others, who want to put or to take, have their turn.
const SWEEP_SLICE: usize = 64;

/// Idle connections, by the key of the peer that they lead to.
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    /// So many connections may wait, to all peers together.
    connections_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By peer and number.
    idle: BTreeMap<(u64, u64), Idle>,
    /// By number alone, the oldest first: the peers that they lead to.
    peers: BTreeMap<u64, u64>,
    /// The number of the next that comes.
    next: u64,
    /// A task looks after them.
    swept: bool,
}

struct Idle {
    stream: Stream,
    since: Instant,
    /// How long it may wait; `None` for as long as its server likes.
    longest: Option<Duration>,
}

impl Pool {
    pub fn new(connections_max: usize) -> Pool {
        Pool {
            shared: Arc::new(Shared {
                connections_max,
                waiting: Mutex::default(),
            }),
        }
    }

    /// The connection to a peer that came last, and is alive.
    pub fn take(&self, peer: u64) -> Option<Stream> {
        loop {
            let mut idle = self.shared.waiting.lock().take_last(peer)?;
            if idle.is_usable(Instant::now()) {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps a connection for `longest`. Where there is no room, the one that has waited longest is closed. To be called
    /// within a runtime.
    pub fn put(&self, peer: u64, stream: Stream, longest: Option<Duration>) {
        let mut idle = Idle {
            stream,
            since: Instant::now(),
            longest,
        };
        if self.shared.connections_max == 0 || !idle.is_usable(idle.since) {
            return;
        }
        let (evicted, unswept) = {
            let mut waiting = self.shared.waiting.lock();
            let full = waiting.idle.len() >= self.shared.connections_max;
            let evicted = full.then(|| waiting.take_oldest());
            waiting.add(peer, idle);
            (evicted, !std::mem::replace(&mut waiting.swept, true))
        };
        // Closed only now that others may go on.
        drop(evicted);
        if unswept {
            tokio::spawn(sweep(Arc::downgrade(&self.shared)));
        }
    }
}

impl Waiting {
    fn add(&mut self, peer: u64, idle: Idle) {
        self.idle.insert((peer, self.next), idle);
        self.peers.insert(self.next, peer);
        self.next += 1;
    }

    fn take_last(&mut self, peer: u64) -> Option<Idle> {
        let of_peer = self.idle.range((peer, 0)..=(peer, u64::MAX));
        let (&(_, number), _) = of_peer.last()?;
        self.take(number)
    }

    fn take_oldest(&mut self) -> Option<Idle> {
        let (&number, _) = self.peers.first_key_value()?;
        self.take(number)
    }

    fn take(&mut self, number: u64) -> Option<Idle> {
        let peer = self.peers.remove(&number)?;
        self.idle.remove(&(peer, number))
    }

    /// Takes out what cannot be used any more among the next few from a number on; with the number to go on from, if there
    /// may be more.
    fn take_unusable(&mut self, from: u64, now: Instant) -> (Vec<Idle>, Option<u64>) {
        let looked_at = self.peers.range(from..).take(SWEEP_SLICE);
        let looked_at: Vec<(u64, u64)> = looked_at.map(|(number, peer)| (*peer, *number)).collect();
        let mut unusable = Vec::new();
        for place in &looked_at {
            let idle = self.idle.get_mut(place);
            if idle.is_some_and(|idle| !idle.is_usable(now)) {
                unusable.extend(self.take(place.1));
            }
        }
        let last = looked_at.last().filter(|_| looked_at.len() == SWEEP_SLICE);
        (unusable, last.map(|(_, number)| number + 1))
    }
}

impl Idle {
    /// Whether it may still be used: its time is not up, its server has not closed it and has said nothing unasked.
    fn is_usable(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.since);
        let in_time = self.longest.is_none_or(|longest| waited < longest);
        // Nothing to read and no end: a look that needs no system call where nothing has happened. Not within tokio's budget,
        // which could answer "nothing" although there is something.
        let mut byte = [0];
        let read = tokio::task::unconstrained(self.stream.read(&mut byte));
        in_time && read.now_or_never().is_none()
    }
}

/// Closes what cannot be used any more, as long as there is anything and the pool lives.
async fn sweep(pool: Weak<Shared>) {
    let mut from = None;
    loop {
        match from {
            // Others have their turn.
            Some(_) => tokio::task::yield_now().await,
            None => tokio::time::sleep(SWEEP).await,
        }
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let (closed, swept);
        {
            let mut waiting = pool.waiting.lock();
            (closed, from) = waiting.take_unusable(from.unwrap_or(0), Instant::now());
            waiting.swept = !waiting.idle.is_empty();
            swept = waiting.swept;
        }
        drop(closed);
        if !swept {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    fn connection() -> (Stream, DuplexStream) {
        let (ours, theirs) = duplex(16);
        (Box::new(ours), theirs)
    }

    fn put(pool: &Pool, peer: u64, longest: Option<Duration>) -> DuplexStream {
        let (stream, theirs) = connection();
        pool.put(peer, stream, longest);
        theirs
    }

    fn waiting(pool: &Pool) -> usize {
        let waiting = pool.shared.waiting.lock();
        assert_eq!(waiting.idle.len(), waiting.peers.len());
        waiting.idle.len()
    }

    async fn is_closed(theirs: &mut DuplexStream) -> bool {
        theirs.write_all(b"x").await.is_err()
    }

    #[tokio::test]
    async fn the_last_that_came_is_the_first_that_goes_and_only_to_its_peer() {
        let pool = Pool::new(8);
        let (mut first, mut last) = (put(&pool, 1, None), put(&pool, 1, None));
        assert!(pool.take(2).is_none());
        let taken = pool.take(1).unwrap();
        drop(taken);
        assert!(is_closed(&mut last).await && !is_closed(&mut first).await);
    }

    #[tokio::test]
    async fn what_was_closed_or_has_something_to_say_is_not_given_out() {
        let pool = Pool::new(8);
        let _alive = put(&pool, 1, None);
        let mut talking = put(&pool, 1, None);
        drop(put(&pool, 1, None));
        talking
            .write_all(b"HTTP/1.1 408 Request Timeout\r\n"[..16].as_ref())
            .await
            .unwrap();
        assert!(pool.take(1).is_some());
        assert!(pool.take(1).is_none());
        let (stream, theirs) = connection();
        drop(theirs);
        pool.put(1, stream, None);
        assert!(pool.take(1).is_none());
    }

    #[tokio::test]
    async fn without_room_the_oldest_goes() {
        let pool = Pool::new(2);
        let (mut oldest, mut middle) = (put(&pool, 1, None), put(&pool, 2, None));
        let mut last = put(&pool, 3, None);
        assert!(is_closed(&mut oldest).await);
        assert!(!is_closed(&mut middle).await && !is_closed(&mut last).await);
        let none = Pool::new(0);
        assert!(is_closed(&mut put(&none, 1, None)).await);
    }

    #[tokio::test]
    async fn what_was_taken_leaves_room_and_is_no_oldest_any_more() {
        let pool = Pool::new(2);
        let _first = put(&pool, 1, None);
        let mut second = put(&pool, 2, None);
        assert!(pool.take(1).is_some());
        let mut third = put(&pool, 1, None);
        assert!(!is_closed(&mut second).await && waiting(&pool) == 2);
        let mut fourth = put(&pool, 3, None);
        assert!(is_closed(&mut second).await && !is_closed(&mut third).await);
        assert!(!is_closed(&mut fourth).await && waiting(&pool) == 2);
    }

    #[tokio::test]
    async fn a_sweep_looks_at_few_at_a_time_and_misses_none() {
        let pool = Pool::new(1000);
        let count = SWEEP_SLICE * 2 + 1;
        let mut theirs: Vec<_> = (0..count)
            .map(|peer| put(&pool, peer as u64 % 7, None))
            .collect();
        let kept = theirs.split_off(count - 1);
        drop(theirs);
        let (mut from, mut found) = (Some(0), Vec::new());
        while let Some(number) = from {
            let (unusable, next) = pool
                .shared
                .waiting
                .lock()
                .take_unusable(number, Instant::now());
            found.push(unusable.len());
            from = next;
        }
        assert_eq!(found, [SWEEP_SLICE, SWEEP_SLICE, 0]);
        assert_eq!((waiting(&pool), kept.len()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_or_is_closed_is_swept_up() {
        let pool = Pool::new(8);
        let mut theirs = put(&pool, 1, Some(Duration::ZERO));
        assert!(is_closed(&mut theirs).await, "its time is up at once");
        let _kept = put(&pool, 1, None);
        drop(put(&pool, 2, None));
        assert_eq!(waiting(&pool), 2);
        tokio::time::sleep(SWEEP * 2).await;
        assert_eq!(waiting(&pool), 1);
        assert!(pool.take(1).is_some());
        tokio::time::sleep(SWEEP * 2).await;
        assert!(
            !pool.shared.waiting.lock().swept,
            "nothing is left to look after"
        );
        let _again = put(&pool, 1, None);
        assert!(pool.shared.waiting.lock().swept);
    }
}
