//! A scripted host whose mood a test changes while it runs.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::MODEL;
use super::peer::{Peer, Seen, Upstream, reply, stream_head};
use super::sse::Chat;
use super::weir::Host;

/// What llama.cpp says while it loads a model.
pub const LOADING: &str =
    r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#;

/// How a [`Fickle`] host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// At once and well.
    Serving,
    /// With 503 and [`LOADING`].
    Loading,
    /// With this status, and an error in JSON.
    Refusing(u16),
    /// Well, once it is told to go on.
    Waiting,
    /// With a stream whose first event comes at once, and the rest once it is told to go on.
    Lingering,
}

/// A host that answers as its mood is when the request comes.
pub struct Fickle {
    upstream: Upstream,
    mood: Arc<Mutex<Mood>>,
}

impl Fickle {
    pub async fn that_is(mood: Mood) -> Fickle {
        let mood = Arc::new(Mutex::new(mood));
        let shared = mood.clone();
        let upstream = Upstream::start(move |mut peer| {
            let mood = shared.clone();
            async move {
                while let Some(request) = peer.request().await {
                    let mood = *mood.lock().expect("nobody has panicked");
                    answer(&mut peer, &request, mood).await;
                }
            }
        })
        .await;
        Fickle { upstream, mood }
    }

    /// How it answers from now on.
    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().expect("nobody has panicked") = mood;
    }
}

async fn answer(peer: &mut Peer, request: &Seen, mood: Mood) {
    let good = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    match mood {
        Mood::Serving if request.target.ends_with("/models") => {
            let list = format!(r#"{{"data":[{{"id":"{MODEL}"}}]}}"#);
            peer.say(reply("200 OK", list)).await
        }
        Mood::Serving => peer.say(reply("200 OK", good)).await,
        Mood::Loading => peer.say(reply("503 Service Unavailable", LOADING)).await,
        Mood::Refusing(status) => {
            let said = r#"{"error":{"message":"no","type":"x","param":null,"code":null}}"#;
            peer.say(reply(&format!("{status} No"), said)).await
        }
        Mood::Waiting => {
            peer.await_word().await;
            peer.say(reply("200 OK", good)).await
        }
        Mood::Lingering => {
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.await_word().await;
            peer.event(Chat::finish()).await;
            peer.event("[DONE]").await;
            peer.last_chunk().await
        }
    };
}

impl Deref for Fickle {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.upstream
    }
}

impl Host for Fickle {
    fn url(&self) -> String {
        self.upstream.url()
    }

    fn models(&self) -> Vec<String> {
        self.upstream.models()
    }
}
