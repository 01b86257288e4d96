//! Cuts a byte stream into whole server-sent events without changing a byte of them.
//! What an event means is the dialect's to say.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Collects pieces of a stream and yields events, each with the blank line that ends it.
/// Line ends may be LF, CR LF or CR, mixed, and cut anywhere (WHATWG HTML §9.2.5).
#[derive(Debug, Default)]
pub struct Splitter {
    /// The bytes of an event that has not ended.
    partial: BytesMut,
    /// Where in `partial` the search for its end goes on.
    searched: usize,
    line: Line,
}

/// What the search saw last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the start of a line of an event that has content.
    Start,
    /// The same, right after a CR: an LF that follows belongs to it.
    AfterReturn,
    /// Within a line.
    #[default]
    Within,
}

/// An event is larger than the bound, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge(pub usize);

impl Splitter {
    /// Takes a piece and calls `event` for each event that is now whole.
    ///
    /// # Errors
    /// When an event has passed `event_bytes_max` without an end.
    pub fn push(
        &mut self,
        mut piece: Bytes,
        event_bytes_max: usize,
        mut event: impl FnMut(Bytes),
    ) -> Result<(), TooLarge> {
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(&piece);
            let mut partial = std::mem::take(&mut self.partial);
            let Some(end) = self.event_end(&partial, self.searched) else {
                self.searched = partial.len();
                self.partial = partial;
                return self.within(event_bytes_max);
            };
            // Only the first event of a piece can have begun before it; the others need no copy.
            let rest = partial.len() - end;
            event(partial.split_to(end).freeze());
            piece = piece.split_off(piece.len() - rest);
        }
        while let Some(end) = self.event_end(&piece, 0) {
            event(piece.split_to(end));
        }
        self.searched = piece.len();
        self.partial.extend_from_slice(&piece);
        self.within(event_bytes_max)
    }

    fn within(&self, event_bytes_max: usize) -> Result<(), TooLarge> {
        if self.partial.len() > event_bytes_max {
            return Err(TooLarge(event_bytes_max));
        }
        Ok(())
    }

    /// Bytes of an event that never ended; a client would discard them.
    pub fn unfinished(&self) -> usize {
        self.partial.len()
    }

    /// Searches `text` from `at` for the end of its first event; remembers how far it came.
    fn event_end(&mut self, text: &[u8], mut at: usize) -> Option<usize> {
        loop {
            match self.line {
                Line::Within => {
                    at += memchr2(b'\n', b'\r', &text[at..])?;
                    self.line = if text[at] == b'\r' {
                        Line::AfterReturn
                    } else {
                        Line::Start
                    };
                    at += 1;
                }
                Line::Start | Line::AfterReturn => {
                    let byte = *text.get(at)?;
                    at += 1;
                    match byte {
                        // The second half of CR LF.
                        b'\n' if self.line == Line::AfterReturn => self.line = Line::Start,
                        b'\n' => return Some(self.ended(at)),
                        // CR LF CR LF: the LF that follows is part of the blank line, when it is here already.
                        // When it is not, the event must not wait for it; it is then a blank line of its own.
                        b'\r' => {
                            let with_line_feed = at + usize::from(text.get(at) == Some(&b'\n'));
                            return Some(self.ended(with_line_feed));
                        }
                        _ => self.line = Line::Within,
                    }
                }
            }
        }
    }

    fn ended(&mut self, at: usize) -> usize {
        // What follows is the start of the next event. Blank lines there are harmless, and pass as they are.
        self.line = Line::Within;
        at
    }
}

/// The parts of an event that weir looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The value of its `event:` line.
    pub name: Option<&'a [u8]>,
    pub data: Data<'a>,
}

impl<'a> Event<'a> {
    /// What a line of NDJSON is: a payload without a name.
    pub fn of_line(line: &'a [u8]) -> Event<'a> {
        Event {
            name: None,
            data: Data::Line(line.trim_ascii(), 0),
        }
    }
}

/// The payload of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data<'a> {
    /// Comments, `retry:` or blank lines only.
    None,
    /// One `data:` line, as it stands in the event; its offset there.
    Line(&'a [u8], usize),
    /// Several lines, joined with LF.
    Joined(Vec<u8>),
}

impl Data<'_> {
    /// The payload's bytes; empty where there is none.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Data::None => &[],
            Data::Line(bytes, _) => bytes,
            Data::Joined(bytes) => bytes,
        }
    }
}

/// Reads the lines of one event.
pub fn parse(event: &[u8]) -> Event<'_> {
    let mut parsed = Event {
        name: None,
        data: Data::None,
    };
    let mut start = 0;
    // A byte order mark may stand before the first event.
    if event.starts_with(b"\xef\xbb\xbf") {
        start = 3;
    }
    while start < event.len() {
        let end = memchr2(b'\n', b'\r', &event[start..]).map_or(event.len(), |found| start + found);
        let line = &event[start..end];
        if let Some((value, skipped)) = field_value(line, b"data") {
            parsed.data = match parsed.data {
                Data::None => Data::Line(value, start + skipped),
                Data::Line(first, _) => Data::Joined([first, b"\n", value].concat()),
                Data::Joined(mut joined) => {
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                    Data::Joined(joined)
                }
            };
        } else if let Some((value, _)) = field_value(line, b"event") {
            parsed.name = Some(value);
        }
        start = end + 1;
    }
    parsed
}

/// The value of a line `name: value`, and how many bytes stand before it. One space after the colon is not part of it.
fn field_value<'a>(line: &'a [u8], name: &[u8]) -> Option<(&'a [u8], usize)> {
    let rest = line.strip_prefix(name)?.strip_prefix(b":")?;
    let value = rest.strip_prefix(b" ").unwrap_or(rest);
    Some((value, line.len() - value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for piece in pieces {
            let push = |event: Bytes| events.push(event.to_vec());
            splitter
                .push(Bytes::copy_from_slice(piece), 1000, push)
                .unwrap();
        }
        (events, splitter.unfinished())
    }

    fn payloads(events: &[Vec<u8>]) -> Vec<String> {
        let data = events
            .iter()
            .map(|event| parse(event).data.bytes().to_vec());
        data.filter(|data| !data.is_empty())
            .map(|data| String::from_utf8(data).unwrap())
            .collect()
    }

    #[test]
    fn case_01_and_02_any_cut_in_any_line_end_gives_the_same_events() {
        let lf =
            ": hi\n\nevent: x\ndata: {\"a\":\"堰💧\"}\n\ndata:two\ndata: lines\n\ndata: [DONE]\n\n";
        for style in [
            lf.to_owned(),
            lf.replace('\n', "\r\n"),
            lf.replace('\n', "\r"),
        ] {
            let bytes = style.as_bytes();
            for cut in 0..=bytes.len() {
                let (events, left) = split(&[&bytes[..cut], &bytes[cut..]]);
                let passed: Vec<u8> = events.concat();
                // A lone LF may be left, where CR LF was cut in its middle at the very end.
                assert!(
                    bytes.starts_with(&passed) && left <= 1,
                    "{style:?} cut at {cut}: left {left}"
                );
                let expected = ["{\"a\":\"堰💧\"}", "two\nlines", "[DONE]"];
                assert_eq!(payloads(&events), expected, "{style:?} cut at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(
                payloads(&split(&single).0).len(),
                3,
                "{style:?} byte by byte"
            );
        }
    }

    #[test]
    fn an_event_is_out_as_soon_as_its_blank_line_is() {
        for end in ["\n\n", "\r\r", "\r\n\r\n", "\r\n\r", "\n\r"] {
            let text = format!("data: 1{end}");
            assert_eq!(split(&[text.as_bytes()]).0.len(), 1, "{end:?}");
        }
        assert_eq!(split(&[b"data: 1\r\n"]).0.len(), 0);
    }

    #[test]
    fn separators_of_unicode_are_no_line_ends() {
        let text = "data: {\"a\":\"\u{2028}\u{2029}\u{85}\"}\n\n";
        assert_eq!(
            payloads(&split(&[text.as_bytes()]).0),
            [text.trim().trim_start_matches("data: ")]
        );
    }

    #[test]
    fn an_event_without_end_is_bounded() {
        let mut splitter = Splitter::default();
        let endless = Bytes::from(vec![b'x'; 600]);
        assert_eq!(splitter.push(endless.clone(), 1000, |_| ()), Ok(()));
        assert_eq!(splitter.push(endless, 1000, |_| ()), Err(TooLarge(1000)));
    }

    #[test]
    fn many_lines_are_joined_without_being_copied_again_and_again() {
        let lines = "data:ab\n".repeat(200_000);
        let joined = parse(lines.as_bytes()).data.bytes().to_vec();
        assert_eq!(joined.len(), 200_000 * 3 - 1);
        assert!(joined.starts_with(b"ab\nab\n"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(parse(b"\xef\xbb\xbfdata: x\n\n").data, Data::Line(b"x", 9));
    }
}
