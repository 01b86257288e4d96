//! The host for tests does what the contract says of a host.

use weir_plugin::testing::{TestHost, cuts_in_two, edited_segments, stream_text};
use weir_plugin::{
    Edit, EventsVerdict, GuardStream, Host, HttpCall, HttpError, Level, PluginError, Rejection,
    Role, StreamEvent, Verdict,
};

#[test]
fn a_chat_request_has_its_texts_and_its_meta() {
    let host = TestHost::new().with_request(
        r#"{"model":"m","stream":true,"temperature":0.10,"messages":[{"role":"system","content":"Be brief."},
           {"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
    );
    let texts: Vec<_> = host
        .request_segments()
        .into_iter()
        .map(|segment| (segment.index, segment.role, segment.pointer, segment.text))
        .collect();
    assert_eq!(
        texts,
        [
            (
                0,
                Role::System,
                "/messages/0/content".to_owned(),
                "Be brief.".to_owned()
            ),
            (
                1,
                Role::User,
                "/messages/1/content/0/text".to_owned(),
                "Hi".to_owned()
            ),
        ]
    );
    let meta = host.meta();
    assert_eq!(
        (meta.model.as_str(), meta.stream, meta.message_count),
        ("m", true, 2)
    );
    assert_eq!(host.request_json("/temperature").as_deref(), Some("0.10"));
    assert_eq!(host.request_json("/absent"), None);
    assert_eq!(host.response_status(), 0);
}

#[test]
fn an_answer_has_its_texts() {
    let host = TestHost::asked("Hi").answered("Hello.");
    assert_eq!(host.response_status(), 200);
    let segments = host.response_segments();
    assert_eq!(segments[0].pointer, "/choices/0/message/content");
    assert_eq!(segments[0].text, "Hello.");
    let verdict = Verdict::Edit(vec![Edit::SetSegment(0, "Bye.".to_owned())]);
    assert_eq!(
        edited_segments(&segments, &verdict),
        Some(vec!["Bye.".to_owned()])
    );
}

#[test]
fn what_is_kept_ends_with_its_time_to_live() {
    let host = TestHost::new();
    assert_eq!(host.kv_add("calls", 2, Some(1000)), Ok(2));
    host.advance_ms(600);
    assert_eq!(host.kv_add("calls", 1, Some(1000)), Ok(3));
    assert_eq!(host.kv_get("calls"), Ok(Some(b"3".to_vec())));
    host.advance_ms(400);
    assert_eq!(host.kv_get("calls"), Ok(None));
    host.kv_set("word", b"abc", None).expect("kv is granted");
    assert_eq!(
        host.kv_add("word", 1, None),
        Err("the value of `word` is no number".to_owned())
    );
    host.kv_delete("word").expect("kv is granted");
    assert_eq!(host.kv_get("word"), Ok(None));
    assert!(TestHost::new().without_kv().kv_get("word").is_err());
}

#[test]
fn what_a_plugin_does_is_kept() {
    let host = TestHost::new().with_secret("SALT", "s");
    host.log(Level::Warn, "look");
    host.count("found", &[("kind", "email")], 2.0);
    host.count("found", &[], 1.0);
    host.gauge("found", &[], 9.0);
    assert_eq!(host.logs(), [(Level::Warn, "look".to_owned())]);
    assert!((host.counted("found") - 3.0).abs() < f64::EPSILON);
    assert_eq!(host.secret("SALT").as_deref(), Some("s"));
    assert_eq!(host.secret("OTHER"), None);
    let call = HttpCall {
        method: "GET".to_owned(),
        url: "http://nowhere/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_ms: 100,
    };
    assert_eq!(host.http(&call), Err(HttpError::Denied));
    assert_eq!(host.http_calls(), [call]);
    assert_ne!(host.random(8), host.random(8));
}

/// Holds everything back, and refuses a word.
struct Hold(String);

impl GuardStream for Hold {
    fn on_events(
        &mut self,
        _host: &dyn Host,
        events: Vec<StreamEvent>,
    ) -> Result<EventsVerdict, PluginError> {
        for event in events {
            if let StreamEvent::Text(delta) = event {
                self.0.push_str(&delta.text);
            }
        }
        Ok(match self.0.contains("bad") {
            true => EventsVerdict::Abort(Rejection::new(403, "bad", "a bad word")),
            false => EventsVerdict::Drop,
        })
    }

    fn on_end(&mut self, _host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        Ok(vec![StreamEvent::text(0, self.0.to_uppercase())])
    }
}

#[test]
fn a_text_can_be_streamed_in_every_cut() {
    assert_eq!(
        cuts_in_two("añb"),
        [vec!["añb"], vec!["a", "ñb"], vec!["añ", "b"]]
    );
    let host = TestHost::new();
    for pieces in cuts_in_two("good") {
        let mut stream = Hold(String::new());
        assert_eq!(
            stream_text(&mut stream, &host, &pieces),
            Ok("GOOD".to_owned())
        );
    }
    for pieces in cuts_in_two("a bad one") {
        let refused = stream_text(&mut Hold(String::new()), &host, &pieces);
        assert_eq!(refused.expect_err("it is refused").code, "bad");
    }
}
