//! A place beside a caller for what others work out of its records, so that they need not do it for each request.
//! It must not know what that is.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

/// What is kept beside a caller.
#[derive(Default)]
pub struct Memo(OnceLock<Box<dyn Any + Send + Sync>>);

impl Memo {
    /// What is kept here; made where there is nothing yet.
    ///
    /// # Panics
    /// When something of another type is kept here: one kind of thing has its place beside a caller.
    pub fn of<T: Default + Send + Sync + 'static>(&self) -> &T {
        let kept = self.0.get_or_init(|| Box::new(T::default()));
        kept.downcast_ref()
            .expect("one kind of thing is kept beside a caller")
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo")
    }
}
