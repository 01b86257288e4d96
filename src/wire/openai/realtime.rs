//! What the messages of a Realtime server say of usage. Its WebSocket passes as it is; its frames are found on the way by (RFC 6455
//! §5.2), and whole texts of a bounded length are looked at.

use crate::wire::Usage;
use crate::wire::json::Name;

use super::answer::usage_of;

/// Longer messages are not looked at, in bytes: the one that reports usage holds what was said as text, and no sound.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The head of a frame that is not masked, at most: two bytes, and eight of a length.
const HEAD_BYTES_MAX: usize = 10;

/// The event that reports what one response has used.
static DONE: Name = Name::new("\"response.done\"");

/// Watches what a server sends, from its first frame on.
#[derive(Debug, Default)]
pub struct RealtimeWatcher {
    usage: Option<Usage>,
    /// The beginning of a frame's head.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The frames of a text so far; `None` where it is no text that can be read, or one that is too long.
    text: Option<Vec<u8>>,
    /// What came is no WebSocket of a server's: nothing more is looked at.
    is_lost: bool,
}

/// A frame whose payload comes.
#[derive(Debug, Clone, Copy)]
struct Frame {
    bytes_left: u64,
    is_last: bool,
    /// Pings and the like may stand between the frames of a message.
    is_control: bool,
}

impl RealtimeWatcher {
    /// Looks at what comes next; says whether usage was reported in it.
    pub fn push(&mut self, mut piece: &[u8]) -> bool {
        let before = self.usage;
        while !piece.is_empty() && !self.is_lost {
            piece = match self.frame {
                Some(frame) => self.payload(frame, piece),
                None => self.head(piece),
            };
        }
        self.usage != before
    }

    /// What all responses so far have used together.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Takes a byte of a frame's head; what is left of the piece.
    fn head<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        self.head.push(piece[0]);
        if let [first, second, length @ ..] = &self.head[..] {
            let length_bytes = match second & 0x7f {
                126 => 2,
                127 => HEAD_BYTES_MAX - 2,
                _ => 0,
            };
            if length.len() == length_bytes {
                let long = length
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                let bytes_left = if length_bytes == 0 {
                    u64::from(second & 0x7f)
                } else {
                    long
                };
                let (first, is_masked) = (*first, second & 0x80 != 0);
                self.head.clear();
                self.begin(first, is_masked, bytes_left);
            }
        }
        &piece[1..]
    }

    fn begin(&mut self, first: u8, is_masked: bool, bytes_left: u64) {
        // Servers must not mask.
        self.is_lost = is_masked;
        // An extension has made it unreadable.
        let is_plain = first & 0x70 == 0;
        let opcode = first & 0x0f;
        match opcode {
            0 => {}
            1 if is_plain => self.text = Some(Vec::new()),
            8.. => {}
            _ => self.text = None,
        }
        let frame = Frame {
            bytes_left,
            is_last: first & 0x80 != 0,
            is_control: opcode >= 8,
        };
        self.advance(frame);
    }

    /// Takes what there is of a frame's payload; what is left of the piece.
    fn payload<'p>(&mut self, mut frame: Frame, piece: &'p [u8]) -> &'p [u8] {
        let taken = usize::try_from(frame.bytes_left).unwrap_or(usize::MAX);
        let (payload, rest) = piece.split_at(taken.min(piece.len()));
        frame.bytes_left -= payload.len() as u64;
        if !frame.is_control
            && let Some(text) = &mut self.text
        {
            if text.len() + payload.len() > MESSAGE_BYTES_MAX {
                self.text = None;
            } else {
                text.extend_from_slice(payload);
            }
        }
        self.advance(frame);
        rest
    }

    fn advance(&mut self, frame: Frame) {
        let is_over = frame.bytes_left == 0;
        self.frame = (!is_over).then_some(frame);
        if is_over
            && frame.is_last
            && !frame.is_control
            && let Some(text) = self.text.take()
            && DONE.is_in(&text)
            && let Some(used) = usage_of(&text)
        {
            self.usage = Some(self.usage.unwrap_or_default().plus(used));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            middle @ 126..65536 => {
                frame.push(126);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn done(input: u64, output: u64, more: &str) -> Vec<u8> {
        format!(r#"{{"event_id":"e","type":"response.done","response":{{"output":["{more}"],"usage":{{"total_tokens":9,"input_tokens":{input},"output_tokens":{output},"input_token_details":{{"cached_tokens":1}}}}}}}}"#).into_bytes()
    }

    #[test]
    fn usage_is_found_however_frames_and_pieces_are_cut() {
        let said = done(5, 2, &"x".repeat(70_000));
        let (one, two) = said.split_at(said.len() / 2);
        let stream = [
            frame(
                0x81,
                br#"{"type":"response.output_text.delta","delta":"\"response.done\""}"#,
            ),
            frame(0x82, &[0; 300]),
            frame(0x81, &done(10, 3, "")),
            frame(0x01, one),
            frame(0x89, b"ping"),
            frame(0x80, two),
            // Compressed.
            frame(0xc1, &done(100, 100, "")),
            frame(0x81, b""),
            frame(0x88, b""),
        ]
        .concat();
        for step in [1, 3, 1000, stream.len()] {
            let mut watcher = RealtimeWatcher::default();
            let grown = stream.chunks(step).filter(|piece| watcher.push(piece));
            let grown = grown.count();
            assert_eq!(grown, if step == stream.len() { 1 } else { 2 }, "{step}");
            let usage = watcher.usage().unwrap();
            assert_eq!((usage.input(), usage.cache_read, usage.output), (15, 2, 5));
        }
    }

    #[test]
    fn what_is_too_long_or_no_servers_is_passed_over() {
        let mut watcher = RealtimeWatcher::default();
        let long = done(1, 1, &"x".repeat(MESSAGE_BYTES_MAX));
        assert!(!watcher.push(&frame(0x81, &long)));
        assert!(watcher.push(&frame(0x81, &done(1, 1, ""))));
        assert!(!watcher.push(&[0x81, 0x85, 1, 2, 3, 4]));
        assert!(!watcher.push(&frame(0x81, &done(1, 1, ""))));
    }
}
