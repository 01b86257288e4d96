//! The guards of one exchange: what they see, in their order, and what follows of what they say. What guards look for is not known
//! here, nor how an answer is relayed.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Version};
use parking_lot::Mutex;
use weir_plugin::{Candidate, Reply, ResponseHead, Verdict, Wants};

use crate::fault::Fault;
use crate::plugin::edits::{self, Edited};
use crate::plugin::{Called, Guard, GuardedStream, Hook, View};

use super::attempt::Whole;
use super::headers;
use super::view::ExchangeView;

/// The guards of one exchange.
pub struct Filters {
    guards: Vec<Arc<Guard>>,
    /// The exchange as the guards have left it.
    view: Mutex<Arc<ExchangeView>>,
    /// What they have set in the head of the request.
    headers: Mutex<HeaderEdits>,
    pub wants: Wants,
    body_bytes_max: usize,
}

/// What guards have made of a request.
pub enum Filtered {
    /// It goes on, perhaps with another body or for another model.
    Passed(Changes),
    /// This is the answer.
    Replied(Reply),
}

/// What is different from what the client sent.
#[derive(Debug, Default)]
pub struct Changes {
    pub body: Option<Bytes>,
    pub model: Option<String>,
    pub tags: Vec<(String, String)>,
}

/// Header fields that are set, or taken out.
pub type HeaderEdits = Vec<(HeaderName, Option<HeaderValue>)>;

impl Filters {
    pub fn new(guards: Vec<Arc<Guard>>, view: Arc<ExchangeView>, body_bytes_max: usize) -> Filters {
        let nothing = Wants {
            requests: false,
            answers: false,
            streams: false,
            whole_answers: false,
        };
        let wants = guards.iter().fold(nothing, |all, guard| {
            let more = guard.wants();
            Wants {
                requests: all.requests || more.requests,
                answers: all.answers || more.answers,
                streams: all.streams || more.streams,
                whole_answers: all.whole_answers || more.whole_answers,
            }
        });
        Filters {
            guards,
            view: Mutex::new(view),
            headers: Mutex::default(),
            wants,
            body_bytes_max,
        }
    }

    pub fn count(&self) -> usize {
        self.guards.len()
    }

    /// With more guards, which come after these: those of the model that the request turned out to be for.
    #[must_use]
    pub fn with(self, guards: Vec<Arc<Guard>>, view: Arc<ExchangeView>) -> Filters {
        let all = self.guards.into_iter().chain(guards).collect();
        let filters = Filters::new(all, view, self.body_bytes_max);
        *filters.headers.lock() = self.headers.into_inner();
        filters
    }

    pub fn view(&self) -> Arc<ExchangeView> {
        self.view.lock().clone()
    }

    /// Shows a request to the guards from the `from`th on; each sees what those before it have made of it.
    ///
    /// # Errors
    /// What one of them has against it; that one which must agree could not.
    pub async fn on_request(&self, from: usize) -> Result<Filtered, Fault> {
        let mut changes = Changes::default();
        for guard in self.guards.iter().skip(from) {
            if !guard.wants().requests {
                continue;
            }
            let view = self.view();
            let shown: Arc<dyn View> = view.clone();
            let verdict = match guard.on_request(&shown).await {
                Called::Answered(verdict) => verdict,
                Called::FailedOpen(_) => continue,
                Called::FailedClosed(_) => return Err(down(guard)),
            };
            let edits = match verdict {
                Verdict::Pass => continue,
                Verdict::Edit(edits) => edits,
                Verdict::Reject(rejection) => {
                    return Err(refused(guard, Hook::OnRequest, rejection));
                }
                Verdict::Reply(reply) => return Ok(Filtered::Replied(reply)),
            };
            let segments = view.request_segments();
            let edited = edits::apply(edits, view.json(), &segments, self.body_bytes_max);
            let edited = match edited {
                Ok(edited) => edited,
                Err(problem) if guard.misbehaved(Hook::OnRequest, &problem) => continue,
                Err(_) => return Err(down(guard)),
            };
            self.take(edited, &mut changes);
        }
        Ok(Filtered::Passed(changes))
    }

    fn take(&self, edited: Edited, changes: &mut Changes) {
        let Edited {
            body,
            model,
            tags,
            headers,
        } = edited;
        self.headers.lock().extend(headers);
        let body = body.map(Bytes::from);
        let mut view = self.view.lock();
        *view = Arc::new(view.edited(body.clone(), model.clone()).tagged(&tags));
        changes.body = body.or(changes.body.take());
        changes.model = model.or(changes.model.take());
        changes.tags.extend(tags);
    }

    /// What guards set in the head of what a candidate is sent.
    ///
    /// # Errors
    /// That one which must agree could not.
    pub async fn on_upstream_request(
        &self,
        target: &Candidate,
        attempt: u32,
    ) -> Result<HeaderEdits, Fault> {
        let mut set = self.headers.lock().clone();
        let view: Arc<dyn View> = Arc::new(self.view().at_attempt(attempt));
        for guard in self.guards.iter().filter(|guard| guard.wants().requests) {
            let edits = match guard.on_upstream_request(&view, target).await {
                Called::Answered(edits) if edits.is_empty() => continue,
                Called::Answered(edits) => edits,
                Called::FailedOpen(_) => continue,
                Called::FailedClosed(_) => return Err(down(guard)),
            };
            match edits::apply(edits, None, &[], 0) {
                Ok(edited) => set.extend(edited.headers),
                Err(problem) if guard.misbehaved(Hook::OnUpstreamRequest, &problem) => {}
                Err(_) => return Err(down(guard)),
            }
        }
        Ok(set)
    }

    /// Shows a whole answer to the guards, the last first: what comes first on the way up comes last on the way down.
    ///
    /// # Errors
    /// What one of them has against it; that one which must agree could not.
    pub async fn on_answer(&self, whole: Whole, version: Version) -> Result<Whole, Fault> {
        let Whole { mut head, mut body } = whole;
        for guard in self.guards.iter().rev() {
            if !guard.wants().answers {
                continue;
            }
            let status = head.status.as_u16();
            let view = Arc::new(self.view().answered(status, &head.headers, body.clone()));
            let shown: Arc<dyn View> = view.clone();
            let verdict = match guard.on_response(&shown).await {
                Called::Answered(verdict) => verdict,
                Called::FailedOpen(_) => continue,
                Called::FailedClosed(_) => return Err(down(guard)),
            };
            let edited = match verdict {
                Verdict::Pass => continue,
                Verdict::Reject(rejection) => {
                    return Err(refused(guard, Hook::OnResponse, rejection));
                }
                Verdict::Reply(reply) => {
                    head.status = StatusCode::from_u16(reply.status).unwrap_or(head.status);
                    body = reply.body.into();
                    continue;
                }
                Verdict::Edit(edits) => {
                    let segments = view.response_segments();
                    edits::apply(edits, view.answer_json(), &segments, self.body_bytes_max)
                }
            };
            match edited {
                Ok(edited) => {
                    body = edited.body.map_or(body, Bytes::from);
                    set_headers(&mut head.headers, edited.headers);
                }
                Err(problem) if guard.misbehaved(Hook::OnResponse, &problem) => {}
                Err(_) => return Err(down(guard)),
            }
        }
        let head = headers::framed(head, body.len(), version);
        Ok(Whole { head, body })
    }

    /// Opens a stream with every guard that wants to see it, in the order in which its events pass them.
    ///
    /// # Errors
    /// That one which must agree could not.
    pub async fn open(&self, head: ResponseHead) -> Result<Vec<OpenGuard>, Fault> {
        let mut open = Vec::new();
        let view: Arc<dyn View> = self.view();
        for guard in self.guards.iter().rev() {
            if !guard.wants().streams || guard.wants().whole_answers {
                continue;
            }
            match guard.open_stream(&view, head.clone()).await {
                Called::Answered(stream) => open.push(OpenGuard {
                    guard: guard.clone(),
                    stream,
                }),
                Called::FailedOpen(_) => {}
                Called::FailedClosed(_) => return Err(down(guard)),
            }
        }
        Ok(open)
    }
}

/// A guard, and the stream that passes it.
pub struct OpenGuard {
    pub guard: Arc<Guard>,
    pub stream: GuardedStream,
}

pub fn down(guard: &Guard) -> Fault {
    Fault::PluginDown {
        plugin: guard.name().to_owned(),
    }
}

/// A refusal in a plugin's words; one that is none counts as a failure of the plugin's.
pub fn refused(guard: &Guard, hook: Hook, rejection: weir_plugin::Rejection) -> Fault {
    match edits::rejected(rejection) {
        Ok(rejected) => Fault::Rejected(Box::new(rejected)),
        Err(problem) => {
            guard.misbehaved(hook, &problem);
            down(guard)
        }
    }
}

/// Makes edits of a head.
pub fn set_headers(headers: &mut http::HeaderMap, edits: HeaderEdits) {
    for (name, value) in edits {
        match value {
            Some(value) => drop(headers.insert(name, value)),
            None => drop(headers.remove(name)),
        }
    }
}
