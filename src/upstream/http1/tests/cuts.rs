//! Bodies, cut at every place and at random ones: what is read does not depend on the cuts, and a cut is never an end.

use super::super::head::Asked;
use super::{Outcome, Read, read, read_whole};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A chunked answer with these bytes for its body.
fn chunked(body: &str) -> String {
    format!("{CHUNKED}{body}")
}

/// Answers whose end is known by their framing, and the body that is in them.
fn framed() -> Vec<(String, &'static str)> {
    vec![
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello, world".to_owned(),
            "hello, world",
        ),
        (
            chunked("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"),
            "hello, world",
        ),
        (
            chunked("0005;a=\"\\\"\"\r\nhello\r\n7 ; b\r\n, world\r\n000\r\n\r\n"),
            "hello, world",
        ),
        (
            chunked("1\r\n\n\r\n2\r\n\r\n\r\n0\r\nx-a: 1\r\nX-B: 2\r\n\r\n"),
            "\n\r\n",
        ),
        (chunked("0\r\n\r\n"), ""),
        (
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n{}",
                "x".repeat(300)
            ),
            "",
        ),
    ]
}

#[test]
fn an_answer_is_the_same_cut_anywhere() {
    for (answer, body) in framed() {
        let whole = read_whole(answer.as_bytes()).unwrap();
        assert_eq!(
            (&whole.outcome, whole.surplus),
            (&Outcome::Ended, 0),
            "{answer}"
        );
        assert!(
            body.is_empty() || whole.body == body.as_bytes(),
            "{whole:?}"
        );
        let bytes = answer.as_bytes();
        for first in 0..=bytes.len() {
            for second in [first, (first + bytes.len()) / 2, bytes.len()] {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(
                    read(&pieces, Asked::default()).unwrap(),
                    whole,
                    "{first} {second}"
                );
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(
            read(&single, Asked::default()).unwrap(),
            whole,
            "byte by byte"
        );
    }
}

#[test]
fn an_answer_that_breaks_off_anywhere_is_never_taken_for_whole() {
    for (answer, _) in framed() {
        for end in 0..answer.len() {
            if let Ok(Read { outcome, .. }) = read_whole(&answer.as_bytes()[..end]) {
                assert_eq!(outcome, Outcome::Cut, "{answer} up to {end}");
            }
        }
    }
}

#[test]
fn what_follows_an_answer_stays_and_is_seen() {
    for (answer, _) in framed() {
        let whole = read_whole(answer.as_bytes()).unwrap();
        let more = read_whole((answer.clone() + "HTTP/1.1 200 OK\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((&more.body, more.surplus), (&whole.body, 19), "{answer}");
    }
}

#[test]
fn trailers_are_kept() {
    let read = read_whole(chunked("1\r\na\r\n0\r\nx-a: 1\r\nX-B: 2\r\n\r\n").as_bytes()).unwrap();
    let trailers = read.trailers.unwrap();
    assert_eq!(
        (&trailers["x-a"], &trailers["x-b"]),
        (&"1".parse().unwrap(), &"2".parse().unwrap())
    );
    assert_eq!(
        read_whole(chunked("0\r\n\r\n").as_bytes())
            .unwrap()
            .trailers,
        None
    );
}

#[test]
fn chunks_that_are_framed_wrongly_are_refused_after_what_came_before() {
    let long_line = format!("1;{}", "x".repeat(9000));
    let long_trailer = format!("0\r\nx: {}", "y".repeat(70_000));
    let cases = [
        "zz\r\n",
        "\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        "1 1\r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n\r\n",
        "1\r\na\r\r\n",
        "1\r\na0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n\n",
        "0\r\nx: 1\n\r\n",
        "0\r\nx: 1\r\n\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n folded: 1\r\n\r\n",
        &long_line,
        &long_trailer,
    ];
    for wrong in cases {
        let answer = chunked(&format!("5\r\nhello\r\n{wrong}"));
        let bytes = answer.as_bytes();
        let whole = read_whole(bytes).unwrap();
        assert!(
            matches!(whole.outcome, Outcome::Malformed(_)),
            "{wrong:?}: {whole:?}"
        );
        assert!(whole.body.starts_with(b"hello"), "{wrong:?}: {whole:?}");
        let step = if wrong.len() > 100 { 997 } else { 1 };
        for cut in (CHUNKED.len()..bytes.len()).step_by(step) {
            let read = read(&[&bytes[..cut], &bytes[cut..]], Asked::default()).unwrap();
            assert!(
                matches!(read.outcome, Outcome::Malformed(_)),
                "{wrong:?} at {cut}: {read:?}"
            );
        }
    }
}

#[test]
fn a_body_until_the_connections_end_ends_with_it() {
    let read = read(&[b"HTTP/1.0 200 OK\r\n\r\nab", b"c"], Asked::default()).unwrap();
    assert_eq!(
        (read.body.as_slice(), read.outcome),
        (&b"abc"[..], Outcome::Ended)
    );
}

// ---- at random ----------------------------------------------------------------------------------------------------

/// Numbers that look random, and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below a usize")
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        // Few different bytes: those that framing is made of come often.
        (0..count)
            .map(|_| b"\r\n0a;: \xff"[self.below(8)])
            .collect()
    }

    fn pieces<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = 1 + self.below(200);
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + self.below(longest)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    /// A body of random chunks, and the answer that carries it.
    fn answer(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut body, mut answer) = (Vec::new(), chunked("").into_bytes());
        for _ in 0..self.below(12) {
            let size = 1 + self.below(90);
            let chunk = self.bytes(size);
            let extension = ["", ";a", " ; b=c"][self.below(3)];
            answer.extend(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            answer.extend(&chunk);
            answer.extend(b"\r\n");
            body.extend(chunk);
        }
        answer.extend(["0\r\n\r\n", "0\r\nx: y\r\n\r\n"][self.below(2)].as_bytes());
        (body, answer)
    }
}

#[test]
fn random_bodies_in_random_pieces_are_read_as_they_were_written() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2000 {
        let (body, answer) = numbers.answer();
        let read = read(&numbers.pieces(&answer), Asked::default()).unwrap();
        assert_eq!(
            (read.body, read.outcome, read.surplus),
            (body, Outcome::Ended, 0)
        );
    }
}

#[test]
fn damaged_answers_read_the_same_in_one_piece_and_in_many() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..4000 {
        let (_, mut answer) = numbers.answer();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(answer.len());
            answer[at] = numbers.bytes(1)[0];
        }
        let asked = Asked::default();
        match (read_whole(&answer), read(&numbers.pieces(&answer), asked)) {
            (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces, "{}", answer.escape_ascii()),
            (Err(_), Err(_)) => {}
            (whole, pieces) => panic!("{whole:?} {pieces:?} {}", answer.escape_ascii()),
        }
    }
}
