//! Answers in a dialect that weir does not know, made into one that it does, piece by piece. What it is made with is not known here.

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use super::Broken;

/// Makes an upstream's bytes into those of a dialect that weir knows.
#[async_trait]
pub trait Adapt: Send + Sync {
    /// Takes the next piece of the body; what it comes to, which may be nothing yet.
    ///
    /// # Errors
    /// What makes it no answer.
    async fn push(&mut self, piece: Bytes) -> Result<Bytes, String>;

    /// The body has ended: the rest.
    ///
    /// # Errors
    /// Where the answer is cut.
    async fn finish(&mut self) -> Result<Bytes, String>;
}

type Work = BoxFuture<'static, (Box<dyn Adapt>, Result<Bytes, String>)>;

/// An answer on its way through an adapter. Whoever stops waiting for it may come back: nothing is lost.
pub(super) struct Adapting {
    adapt: Option<Box<dyn Adapt>>,
    /// What is being made.
    work: Option<Work>,
    has_ended: bool,
}

impl Adapting {
    pub fn new(adapt: Box<dyn Adapt>) -> Adapting {
        Adapting {
            adapt: Some(adapt),
            work: None,
            has_ended: false,
        }
    }

    /// Whether nothing more is wanted of the upstream.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Begins to make something of the upstream's next piece, or of its end.
    pub fn begin(&mut self, piece: Option<Bytes>) {
        let Some(mut adapt) = self.adapt.take() else {
            return;
        };
        self.has_ended |= piece.is_none();
        self.work = Some(Box::pin(async move {
            let made = match piece {
                Some(piece) => adapt.push(piece).await,
                None => adapt.finish().await,
            };
            (adapt, made)
        }));
    }

    /// What has been made, if anything was begun.
    ///
    /// # Errors
    /// [`Broken::Invalid`].
    pub async fn made(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(work) = &mut self.work else {
            return Ok(None);
        };
        let (adapt, made) = work.await;
        self.work = None;
        self.adapt = Some(adapt);
        made.map(Some).map_err(Broken::Invalid)
    }
}
