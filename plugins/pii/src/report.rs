//! Tells what was found, by kind and never by value: counters, a tag, and the refusal.

use weir_plugin::{Host, Rejection};

use crate::kinds::Kind;
use crate::masker::Masker;

/// Where something was found, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Request,
    Answer,
    Stream,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Request => "request",
            Place::Answer => "answer",
            Place::Stream => "stream",
        }
    }

    fn spoken(self) -> &'static str {
        match self {
            Place::Request => "request",
            Place::Answer | Place::Stream => "answer",
        }
    }
}

/// How refusals look.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of a refused request.
    pub status: u16,
    /// Of a refused answer.
    pub answer_status: u16,
    pub message: Option<String>,
}

impl Report {
    /// Counts what was found since the last time. The refusal, if something is not allowed.
    pub fn settle(&self, host: &dyn Host, masker: &mut Masker, place: Place) -> Option<Rejection> {
        for (kind, count) in masker.take_counts() {
            let at = kind.place();
            let labels = [
                ("kind", masker.rules.names[at].as_str()),
                ("in", place.name()),
                ("action", masker.rules.actions[at].name()),
            ];
            host.count("found", &labels, f64::from(count));
        }
        if masker.restored_count > 0 {
            host.count(
                "restored",
                &[("in", place.name())],
                f64::from(masker.restored_count),
            );
            masker.restored_count = 0;
        }
        let kind = masker.refused.take()?;
        Some(self.refusal(kind, &masker.rules.names[kind.place()], place))
    }

    fn refusal(&self, kind: Kind, name: &str, place: Place) -> Rejection {
        let status = match place {
            Place::Request => self.status,
            Place::Answer | Place::Stream => self.answer_status,
        };
        let message = self.message.clone().unwrap_or_else(|| {
            let (place, spoken) = (place.spoken(), kind.spoken());
            format!("the {place} contains {spoken} ({name}), which is not allowed here")
        });
        Rejection::new(status, "pii_refused", message)
    }
}
