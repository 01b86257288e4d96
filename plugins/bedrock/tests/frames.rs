//! Recordings of streams say their frames twice: for people, and as the bytes that go over the wire. Both have to be the same.

use std::fs;
use std::path::Path;

use serde_json::Value;
use weir_replay::decode_base64;

/// CRC-32 bit by bit, so that it shares nothing with the adapter's.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

fn header(name: &str, text: &str) -> Vec<u8> {
    const TEXT: u8 = 7;
    let mut bytes = vec![name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.push(TEXT);
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn encoded(frame: &Value) -> Vec<u8> {
    let (kind, name) = match frame["event"].as_str() {
        Some(name) => ("event", name),
        None => ("exception", frame["exception"].as_str().expect("it is one")),
    };
    let headers = [
        header(&format!(":{kind}-type"), name),
        header(":content-type", "application/json"),
        header(":message-type", kind),
    ];
    let (headers, payload) = (headers.concat(), frame["payload"].to_string());
    let total = 12 + headers.len() + payload.len() + 4;
    let mut bytes = Vec::new();
    bytes.extend((total as u32).to_be_bytes());
    bytes.extend((headers.len() as u32).to_be_bytes());
    bytes.extend(crc32(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload.as_bytes());
    bytes.extend(crc32(&bytes).to_be_bytes());
    bytes
}

#[test]
fn bytes_are_those_of_the_frames_that_people_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("it is text");
        let recording: Value = serde_json::from_str(&text).expect("it is JSON");
        let Some(frames) = recording["answer"]["frames"].as_array() else {
            continue;
        };
        let bytes = recording["answer"]["base64"]
            .as_str()
            .and_then(decode_base64);
        let expected: Vec<u8> = frames.iter().flat_map(encoded).collect();
        assert_eq!(bytes, Some(expected), "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 7, "{checked} recordings say their frames");
}
