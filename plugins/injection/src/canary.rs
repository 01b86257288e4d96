//! A token that stands in the system prompt and nowhere else: an answer that has it gives the prompt away.

use std::collections::BTreeMap;

use weir_plugin::{EventsVerdict, GuardStream, Host, PluginError, Rejection, StreamEvent};

/// Texts of one stream that are watched apart; of more, each piece is watched alone.
const TEXTS_MAX: usize = 256;

/// What answers are watched for.
#[derive(Clone)]
pub struct Watch {
    pub token: String,
    pub status: u16,
}

impl Watch {
    pub fn is_in(&self, text: &str) -> bool {
        text.contains(&self.token)
    }

    pub fn refusal(&self, host: &dyn Host) -> Rejection {
        host.count("canary_leaked", &[], 1.0);
        host.log(
            weir_plugin::Level::Warn,
            "an answer has the canary of the system prompt in it, and is refused",
        );
        Rejection::new(
            self.status,
            "canary_leaked",
            "the answer was stopped: it gives away what the model was told",
        )
    }
}

/// One answer on its way to the client. Nothing is held back: when the token is whole, its end has not gone out.
pub struct Stream {
    watch: Option<Watch>,
    /// By kind of text, choice and call: the end of what has gone by, shorter than the token.
    ends: BTreeMap<(u8, u32, u32), String>,
}

impl Stream {
    pub fn new(watch: Option<Watch>) -> Stream {
        Stream {
            watch,
            ends: BTreeMap::new(),
        }
    }
}

impl GuardStream for Stream {
    fn on_events(
        &mut self,
        host: &dyn Host,
        events: Vec<StreamEvent>,
    ) -> Result<EventsVerdict, PluginError> {
        let Some(watch) = &self.watch else {
            return Ok(EventsVerdict::Pass);
        };
        for event in &events {
            let (key, piece) = match event {
                StreamEvent::Text(delta) => ((0, delta.choice, 0), &delta.text),
                StreamEvent::Reasoning(delta) => ((1, delta.choice, 0), &delta.text),
                StreamEvent::Refusal(delta) => ((2, delta.choice, 0), &delta.text),
                StreamEvent::ToolCall(delta) => ((3, delta.choice, delta.index), &delta.arguments),
                StreamEvent::Raw(raw) => ((4, 0, 0), &raw.data),
                StreamEvent::Usage(_) | StreamEvent::Finish(_) => continue,
            };
            let mut text = self.ends.remove(&key).unwrap_or_default();
            text.push_str(piece);
            if watch.is_in(&text) {
                return Ok(EventsVerdict::Abort(watch.refusal(host)));
            }
            if self.ends.len() < TEXTS_MAX {
                let keep = text.len().saturating_sub(watch.token.len() - 1);
                let keep = (keep..text.len())
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap_or(text.len());
                self.ends.insert(key, text.split_off(keep));
            }
        }
        Ok(EventsVerdict::Pass)
    }

    fn on_end(&mut self, _host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        Ok(Vec::new())
    }
}
