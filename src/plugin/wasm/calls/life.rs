//! Something of one exchange that lives in an instance between calls: a guard's stream, or an adapter's decoder.

use std::sync::Arc;

use wasmtime::component::ResourceAny;

use crate::plugin::hooks::View;
use crate::plugin::trouble::Trouble;
use crate::plugin::wasm::pool::{Pool, Taken};
use crate::plugin::wasm::seat::Seat;

/// It keeps its instance, also when nobody else gets that any more.
pub struct Life {
    pool: Arc<Pool>,
    seat: Arc<Seat>,
    pub view: Arc<dyn View>,
    /// `None` once it is over.
    resource: Option<ResourceAny>,
}

impl Life {
    pub fn begin(
        pool: &Arc<Pool>,
        taken: &Taken,
        view: &Arc<dyn View>,
        resource: ResourceAny,
    ) -> Life {
        let seat = taken.seat().clone();
        seat.stream_opened();
        Life {
            pool: pool.clone(),
            seat,
            view: view.clone(),
            resource: Some(resource),
        }
    }

    /// Takes its instance.
    ///
    /// # Errors
    /// When that has died, or is busy for too long, or this is over.
    pub async fn take(&self) -> Result<(Taken, ResourceAny), Trouble> {
        let over = || Trouble::Unavailable("the stream is over".to_owned());
        let resource = self.resource.ok_or_else(over)?;
        Ok((self.pool.take_again(&self.seat).await?, resource))
    }

    /// It is over: what is left of it in the instance is cleared away.
    pub async fn finish(&mut self, mut taken: Taken) -> Result<(), Trouble> {
        match self.resource.take() {
            Some(resource) => taken.clear(resource).await,
            None => Ok(()),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.seat.stream_closed(self.resource.take());
    }
}
