//! What is not sold by the token of text: images by the piece and by their tokens, speech by the character, audio by the second.

use hyper::Method;
use serde_json::json;
use weir::ledger::Row;

use crate::harness::*;

const KEY: &str = "the-key-of-ada-0123456789";

/// A host that answers one thing, whatever it is asked; the model is `m`, at this price.
async fn rows_of(
    answer: Vec<u8>,
    price: &str,
    ask: impl Fn(Request) -> Request,
    path: &str,
) -> Vec<Row> {
    let host = Upstream::answering(answer).await;
    let url = host.url();
    let mut weir = Weir::configured(format!(
        "{STORE}
access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}
tenants: {{ acme: {{ budget: {{ amount: 1000, per: month }} }} }}
upstreams: [{{ name: a, kind: vllm, url: \"{url}\", models: [m] }}]
prices: {{ models: {{ m: {price} }} }}"
    ))
    .await;
    let request = ask(weir.request(Method::POST, path)).header("x-api-key", KEY);
    request.send().await.assert_status(200);
    nothing_is_reserved(&weir).await;
    weir.ended().await.rows()
}

fn told(rows: &[Row]) -> (String, bool) {
    assert_eq!(rows.len(), 1, "{rows:?}");
    (rows[0].cost.to_string(), rows[0].priced)
}

#[tokio::test]
async fn images_are_charged_as_made_and_as_asked_for_where_the_answer_does_not_tell() {
    let ask = |request: Request| request.json(json!({"model": "m", "prompt": "a cat", "n": 3}));
    let path = "/v1/images/generations";
    let made = reply(
        "200 OK",
        r#"{"created":1,"data":[{"url":"a"},{"url":"b"}]}"#,
    );
    let rows = rows_of(made, "{ image: 0.04 }", ask, path).await;
    assert_eq!(told(&rows), ("0.08".to_owned(), true));
    assert_eq!(rows[0].usage.images, 2);
    let silent = reply("200 OK", r#"{"created":1}"#);
    let rows = rows_of(silent, "{ image: 0.04 }", ask, path).await;
    assert_eq!(told(&rows), ("0.12".to_owned(), true));
    let counted = reply(
        "200 OK",
        r#"{"created":1,"data":[{"b64_json":"aaaa"}],"usage":{"total_tokens":1150,"input_tokens":150,"output_tokens":1000,"input_tokens_details":{"text_tokens":50,"image_tokens":100}}}"#,
    );
    let price = "{ input: 5, output: 10, image_input: 10, image_output: 40 }";
    let rows = rows_of(counted, price, ask, path).await;
    // 50 × 5 + 100 × 10 + 1000 × 40, for a million.
    assert_eq!(told(&rows), ("0.04125".to_owned(), true));
    assert_eq!(
        (rows[0].usage.image_input, rows[0].usage.image_output),
        (100, 1000)
    );
}

#[tokio::test]
async fn speech_is_charged_by_the_characters_that_were_to_be_spoken() {
    let sound = http("200 OK", &[("content-type", "audio/mpeg")], b"sound");
    let ask = |request: Request| {
        request.json(json!({"model": "m", "voice": "alloy", "input": "grüß dich 👋"}))
    };
    let rows = rows_of(sound, "{ characters: 15 }", ask, "/v1/audio/speech").await;
    // Eleven characters, whatever they are in bytes.
    assert_eq!(told(&rows), ("0.000165".to_owned(), true));
    assert_eq!(rows[0].usage.characters, 11);
}

#[tokio::test]
async fn transcriptions_are_charged_by_the_second_where_that_is_told() {
    let ask = |request: Request| {
        let part = |name: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = [
            part("model", "m"),
            part("file", "sound"),
            "--b--\r\n".to_owned(),
        ]
        .concat();
        request
            .body(body)
            .header("content-type", "multipart/form-data; boundary=b")
    };
    let path = "/v1/audio/transcriptions";
    let timed = reply(
        "200 OK",
        r#"{"text":"hi","usage":{"type":"duration","seconds":90}}"#,
    );
    let rows = rows_of(timed, "{ audio_second: 0.0001 }", ask, path).await;
    assert_eq!(told(&rows), ("0.009".to_owned(), true));
    // Of subtitles nobody says how long they were: it costs nothing, and is marked.
    let plain = http("200 OK", &[("content-type", "text/plain")], "hi");
    let rows = rows_of(plain, "{ audio_second: 0.0001 }", ask, path).await;
    let (cost, priced) = told(&rows);
    assert!(cost == "0" && !priced, "{rows:?}");
}
