//! A request and its answer on a connection that the test holds the other end of.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::http::RequestHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::super::{Broken, Http1};

/// Long enough that no test waits for it in vain.
const LONG: Duration = Duration::from_secs(30);

/// The pipe between the two takes so many bytes that nobody has read.
const PIPE_BYTES: usize = 1024;

fn connected(write_wait: Duration) -> (Http1, DuplexStream) {
    let (ours, theirs) = duplex(PIPE_BYTES);
    (Http1::new(Box::new(ours), write_wait), theirs)
}

fn post(body_bytes: usize) -> (RequestHeader, Bytes) {
    let mut head = RequestHeader::build_no_case("POST", b"/v1/x?y=z", None).unwrap();
    head.insert_header("host", "gpu").unwrap();
    head.insert_header("content-length", body_bytes).unwrap();
    (head, vec![b'b'; body_bytes].into())
}

async fn piece(http1: &mut Http1) -> Result<Option<Bytes>, Broken> {
    poll_fn(|context| http1.poll_piece(context)).await
}

/// A body, and what is held once more for as long as the body is in memory.
fn watched_body(bytes: usize) -> (Bytes, Arc<()>) {
    struct Owner(Vec<u8>, #[expect(dead_code)] Arc<()>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let held = Arc::new(());
    let owner = Owner(vec![b'b'; bytes], held.clone());
    (Bytes::from_owner(owner), held)
}

/// Sends a request and hears this answer out; whether the connection may be used again.
async fn exchange(answer: &[u8]) -> (Result<Vec<u8>, Broken>, bool) {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(5);
    theirs.write_all(answer).await.unwrap();
    let read = async {
        http1.ask(&head, body).await?;
        let mut read = Vec::new();
        while let Some(piece) = piece(&mut http1).await? {
            read.extend_from_slice(&piece);
        }
        Ok(read)
    };
    let read = read.await;
    (read, http1.into_clean_stream().is_some())
}

#[tokio::test]
async fn head_and_body_arrive_as_they_were_meant() {
    for body_bytes in [0, 5, 5000, 300_000] {
        let (mut http1, mut theirs) = connected(LONG);
        let (head, body) = post(body_bytes);
        let server = async {
            let expected = format!(
                "POST /v1/x?y=z HTTP/1.1\r\nHost: gpu\r\nContent-Length: {body_bytes}\r\n\r\n{}",
                "b".repeat(body_bytes)
            );
            let mut seen = vec![0; expected.len()];
            theirs.read_exact(&mut seen).await.unwrap();
            assert_eq!(String::from_utf8(seen).unwrap(), expected);
            theirs
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        };
        let (asked, ()) = tokio::join!(http1.ask(&head, body), server);
        assert_eq!(asked, Ok(()));
        assert_eq!(http1.head().unwrap().status, 200);
        assert_eq!(piece(&mut http1).await, Ok(None));
        assert!(http1.into_clean_stream().is_some());
    }
}

#[tokio::test]
async fn an_answer_is_heard_while_the_request_is_stuck() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(1 << 20);
    theirs
        .write_all(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno",
        )
        .await
        .unwrap();
    assert_eq!(http1.ask(&head, body).await, Ok(()));
    assert_eq!(http1.head().unwrap().status, 413);
    assert_eq!(piece(&mut http1).await, Ok(Some(Bytes::from_static(b"no"))));
    assert_eq!(piece(&mut http1).await, Ok(None));
    assert!(
        http1.into_clean_stream().is_none(),
        "the request is not complete"
    );
}

#[tokio::test]
async fn an_answer_is_heard_after_the_request_could_not_be_written() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(1 << 20);
    theirs
        .write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    drop(theirs);
    assert_eq!(http1.ask(&head, body).await, Ok(()));
    assert_eq!(http1.head().unwrap().status, 413);
}

#[tokio::test]
async fn a_body_that_has_been_written_is_let_go_of() {
    for bytes in [100, 300_000] {
        let (mut http1, mut theirs) = connected(LONG);
        let (head, _) = post(bytes);
        let (body, held) = watched_body(bytes);
        let server = async {
            let (mut seen, body) = (Vec::new(), vec![b'b'; bytes]);
            while !seen.ends_with(&body) {
                assert!(theirs.read_buf(&mut seen).await.unwrap() > 0);
            }
            theirs
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
                .await
                .unwrap();
        };
        let (asked, ()) = tokio::join!(http1.ask(&head, body), server);
        assert_eq!(asked, Ok(()));
        assert_eq!(Arc::strong_count(&held), 1, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_refusal_ends_the_writing_and_lets_go_of_the_body() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, _) = post(1 << 20);
    let (body, held) = watched_body(1 << 20);
    theirs
        .write_all(b"HTTP/1.1 300 Choose\r\ncontent-length: 1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(http1.ask(&head, body).await, Ok(()));
    assert_eq!(Arc::strong_count(&held), 1);
    theirs.write_all(b"n").await.unwrap();
    assert_eq!(piece(&mut http1).await, Ok(Some(Bytes::from_static(b"n"))));
    assert!(!http1.has_written() && http1.into_clean_stream().is_none());
}

#[tokio::test]
async fn a_request_is_written_to_its_end_while_an_early_answer_is_read() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(1 << 20);
    theirs
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhe")
        .await
        .unwrap();
    assert_eq!(http1.ask(&head, body).await, Ok(()));
    assert!(!http1.has_written());
    assert_eq!(piece(&mut http1).await, Ok(Some(Bytes::from_static(b"he"))));
    let server = async {
        let mut seen = Vec::new();
        while !seen.ends_with(&[b'b'; 1 << 20]) {
            assert!(theirs.read_buf(&mut seen).await.unwrap() > 0);
        }
        theirs.write_all(b"re").await.unwrap();
    };
    let (next, ()) = tokio::join!(piece(&mut http1), server);
    assert_eq!(next, Ok(Some(Bytes::from_static(b"re"))));
    assert_eq!(piece(&mut http1).await, Ok(None));
    assert!(http1.has_written() && http1.into_clean_stream().is_some());
}

#[tokio::test]
async fn an_early_answer_counts_although_the_rest_of_the_request_is_not_taken() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(1 << 20);
    theirs
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhe")
        .await
        .unwrap();
    assert_eq!(http1.ask(&head, body).await, Ok(()));
    theirs.write_all(b"re").await.unwrap();
    drop(theirs);
    let mut read = Vec::new();
    while let Some(piece) = piece(&mut http1).await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, b"here");
    assert!(http1.into_clean_stream().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_not_waited_for_without_end() {
    let (mut http1, _theirs) = connected(Duration::from_millis(300));
    let (head, body) = post(1 << 20);
    let begun = tokio::time::Instant::now();
    assert!(matches!(
        http1.ask(&head, body).await,
        Err(Broken::Closed(_))
    ));
    assert_eq!(begun.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_a_little_at_a_time_is_given_all_of_it() {
    let (mut http1, mut theirs) = connected(Duration::from_millis(300));
    let (head, body) = post(50_000);
    let server = async {
        let mut taken = 0;
        while taken < 50_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            taken += theirs.read(&mut [0; PIPE_BYTES]).await.unwrap();
        }
        theirs
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    };
    let (asked, ()) = tokio::join!(http1.ask(&head, body), server);
    assert_eq!(asked, Ok(()));
}

#[tokio::test]
async fn informational_answers_are_passed_over_but_not_without_end() {
    let answer = |count: usize| {
        let informational = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(count);
        informational + "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"
    };
    assert_eq!(
        exchange(answer(16).as_bytes()).await,
        (Ok(b"a".to_vec()), true)
    );
    let (refused, clean) = exchange(answer(17).as_bytes()).await;
    assert!(
        matches!(refused, Err(Broken::Invalid(_))) && !clean,
        "{refused:?}"
    );
}

#[tokio::test]
async fn only_a_clean_connection_is_used_again() {
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab", false),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na",
            false,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\na", false),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nx",
            false,
        ),
    ];
    for (answer, expected) in cases {
        let (read, clean) = exchange(answer.as_bytes()).await;
        assert!(read.is_ok(), "{answer}: {read:?}");
        assert_eq!(clean, expected, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_leaves_nothing_to_use_again() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(5);
    theirs
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
        .await
        .unwrap();
    http1.ask(&head, body).await.unwrap();
    assert_eq!(piece(&mut http1).await, Ok(Some(Bytes::from_static(b"a"))));
    assert!(http1.into_clean_stream().is_none());
}

#[tokio::test]
async fn events_that_come_together_are_one_piece() {
    let (mut http1, mut theirs) = connected(LONG);
    let (head, body) = post(5);
    theirs
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n9\r\nda")
        .await
        .unwrap();
    http1.ask(&head, body).await.unwrap();
    let together = Bytes::from_static(b"data: a\n\ndata: b\n\nda");
    assert_eq!(piece(&mut http1).await, Ok(Some(together)));
    theirs
        .write_all(b"ta: c\n\n\r\n0\r\nx: y\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(
        piece(&mut http1).await,
        Ok(Some(Bytes::from_static(b"ta: c\n\n")))
    );
    assert_eq!(piece(&mut http1).await, Ok(None));
    assert_eq!(http1.take_trailers().unwrap()["x"], "y");
    assert!(http1.into_clean_stream().is_some());
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways_and_ends_with_its_end() {
    let (mut http1, mut theirs) = connected(LONG);
    let (mut head, _) = post(0);
    head.insert_header("upgrade", "websocket").unwrap();
    theirs
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nhi")
        .await
        .unwrap();
    http1.ask(&head, Bytes::new()).await.unwrap();
    assert_eq!(piece(&mut http1).await, Ok(Some(Bytes::from_static(b"hi"))));
    let mut seen = vec![0; PIPE_BYTES];
    let read = theirs.read(&mut seen).await.unwrap();
    assert!(seen[..read].ends_with(b"\r\n\r\n"));
    let sent = http1.send_upgraded(Bytes::from(vec![b'u'; 3000]));
    let mut upgraded = vec![0; 3000];
    let (sent, _) = tokio::join!(sent, theirs.read_exact(&mut upgraded));
    assert_eq!(sent, Ok(()));
    assert_eq!(upgraded, vec![b'u'; 3000]);
    drop(theirs);
    assert_eq!(piece(&mut http1).await, Ok(None));
    assert!(http1.into_clean_stream().is_none());
}

#[tokio::test]
async fn whether_anything_was_heard_is_known() {
    for (answer, heard) in [
        (&b""[..], false),
        (b"H", true),
        (b"HTTP/1.1 100 Continue\r\n\r\n", true),
    ] {
        let (mut http1, mut theirs) = connected(LONG);
        let (head, body) = post(5);
        theirs.write_all(answer).await.unwrap();
        drop(theirs);
        assert!(matches!(
            http1.ask(&head, body).await,
            Err(Broken::Closed(_))
        ));
        assert_eq!(http1.heard(), heard);
    }
}
