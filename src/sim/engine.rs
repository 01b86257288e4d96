//! The simulated engine: who is worked on, who waits, and when each token is due.
//! It must not know what is said; a model of batching replaces this file and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::metrics::Metrics;

/// The engine of one host.
pub struct Engine {
    ttft: Duration,
    itl: Duration,
    slots: Option<Arc<Semaphore>>,
    /// Requests waiting for a slot.
    waiting: AtomicUsize,
    running: AtomicUsize,
    /// Tokens that the running requests hold, of `KV_TOKENS_MAX`.
    kv_tokens: AtomicU64,
    pub metrics: Metrics,
}

/// Tokens that the simulated KV cache holds: about what an 8B model leaves free on an 80 GB card.
const KV_TOKENS_MAX: u64 = 400_000;

/// How much work a request is.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub prompt_tokens: usize,
    /// Tokens of the longest choice; choices are made side by side.
    pub longest_tokens: usize,
    /// Tokens of all choices together.
    pub output_tokens: usize,
}

impl Work {
    /// A prompt that is read, and nothing made of it.
    pub fn reading(prompt_tokens: usize) -> Self {
        Self {
            prompt_tokens,
            longest_tokens: 0,
            output_tokens: 0,
        }
    }
}

impl Engine {
    pub fn new(ttft: Duration, itl: Duration, slots: Option<usize>) -> Self {
        Self {
            ttft,
            itl,
            slots: slots.map(|slots| Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)))),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            kv_tokens: AtomicU64::new(0),
            metrics: Metrics::default(),
        }
    }

    /// Waits for a slot, and starts the clock.
    pub async fn begin(self: &Arc<Self>, work: Work) -> Turn {
        let queued = Instant::now();
        let permit = match &self.slots {
            None => None,
            Some(slots) => {
                let _waiting = Counted::up(&self.waiting);
                // The semaphore is never closed, so this only fails where it cannot be reached.
                Arc::clone(slots).acquire_owned().await.ok()
            }
        };
        let started = Instant::now();
        self.running.fetch_add(1, Ordering::Relaxed);
        let kv_tokens = (work.prompt_tokens + work.output_tokens) as u64;
        self.kv_tokens.fetch_add(kv_tokens, Ordering::Relaxed);
        self.metrics.began(work.prompt_tokens);
        Turn {
            engine: Arc::clone(self),
            _permit: permit,
            work,
            kv_tokens,
            queued,
            started,
            first: None,
            tokens: 0,
            ended: false,
        }
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Share of the KV cache in use, 0.0 to 1.0.
    pub fn kv_usage(&self) -> f64 {
        (self.kv_tokens.load(Ordering::Relaxed) as f64 / KV_TOKENS_MAX as f64).min(1.0)
    }
}

/// A counter that goes down again however the waiting ends.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn up(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request's turn in the engine; dropping it frees its slot.
pub struct Turn {
    engine: Arc<Engine>,
    _permit: Option<OwnedSemaphorePermit>,
    work: Work,
    kv_tokens: u64,
    queued: Instant,
    started: Instant,
    first: Option<Instant>,
    tokens: u64,
    ended: bool,
}

impl Turn {
    /// What it is for.
    pub fn work(&self) -> Work {
        self.work
    }

    /// When the token at `index` (of one choice) is due; `None`: at once.
    pub fn due(&self, index: u32) -> Option<Instant> {
        let delay = self.engine.ttft + self.engine.itl * index;
        (!delay.is_zero()).then(|| self.started + delay)
    }

    /// When the last token is due.
    pub fn due_last(&self) -> Option<Instant> {
        self.due(self.work.longest_tokens.saturating_sub(1) as u32)
    }

    /// Tells that a token was sent.
    pub fn sent(&mut self, tokens: u64) {
        if self.first.is_none() {
            self.first = Some(Instant::now());
        }
        self.tokens += tokens;
    }

    /// Milliseconds of prefill, and of decoding so far.
    pub fn milliseconds(&self) -> (f64, f64) {
        let prefill = self.engine.ttft.min(self.started.elapsed());
        let decode = self.started.elapsed() - prefill;
        (prefill.as_secs_f64() * 1e3, decode.as_secs_f64() * 1e3)
    }

    /// Tells that the whole answer was given; `reason` is the finish reason.
    pub fn end(&mut self, reason: &'static str) {
        self.ended = true;
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        self.engine.metrics.finished(
            reason,
            self.work,
            &super::metrics::Times {
                queue: self.started - self.queued,
                prefill: first - self.started,
                decode: now - first,
                whole: now - self.queued,
            },
        );
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.engine.running.fetch_sub(1, Ordering::Relaxed);
        self.engine
            .kv_tokens
            .fetch_sub(self.kv_tokens, Ordering::Relaxed);
        let first_token = self.first.map(|first| first - self.queued);
        self.engine
            .metrics
            .left(self.tokens, first_token, !self.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work {
        prompt_tokens: 5,
        longest_tokens: 3,
        output_tokens: 3,
    };

    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_the_slots_waits_for_one() {
        let engine = Arc::new(Engine::new(
            Duration::from_millis(10),
            Duration::from_millis(2),
            Some(1),
        ));
        let first = engine.begin(WORK).await;
        assert_eq!((engine.running(), engine.waiting()), (1, 0));
        let mut second = Box::pin(engine.begin(WORK));
        assert!(futures::poll!(second.as_mut()).is_pending());
        assert_eq!((engine.running(), engine.waiting()), (1, 1));
        drop(first);
        let second = second.await;
        assert_eq!((engine.running(), engine.waiting()), (1, 0));
        drop(second);
        assert_eq!((engine.running(), engine.kv_usage()), (0, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_that_leaves_is_not_counted_on() {
        let engine = Arc::new(Engine::new(Duration::ZERO, Duration::ZERO, Some(1)));
        let _first = engine.begin(WORK).await;
        let mut second = Box::pin(engine.begin(WORK));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(second);
        assert_eq!(engine.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_due_on_an_absolute_schedule() {
        let engine = Arc::new(Engine::new(
            Duration::from_millis(10),
            Duration::from_millis(2),
            None,
        ));
        let turn = engine.begin(WORK).await;
        let start = Instant::now();
        assert_eq!(turn.due(0), Some(start + Duration::from_millis(10)));
        assert_eq!(turn.due_last(), Some(start + Duration::from_millis(14)));
        let engine = Arc::new(Engine::new(Duration::ZERO, Duration::ZERO, None));
        assert_eq!(engine.begin(WORK).await.due(7), None);
    }
}
