//! Server-sent events (WHATWG HTML §9.2.6), cut anywhere.

use weir_openai::length_bounded;
use weir_plugin::PluginError;

/// An event's data that is longer ends the answer, in bytes.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// Collects bytes and yields the data of events.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last line was ended by a CR: an LF that follows belongs to it.
    after_return: bool,
}

impl Events {
    /// # Errors
    /// When an event is too long; what has been said is in `data` all the same.
    pub fn push(&mut self, chunk: &[u8], data: &mut Vec<String>) -> Result<(), PluginError> {
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, ended) = rest.split_at(at);
            rest = &ended[1..];
            let is_half = self.after_return && ended[0] == b'\n' && at == 0 && self.line.is_empty();
            self.after_return = ended[0] == b'\r';
            if is_half {
                continue;
            }
            length_bounded(&mut self.line, line, EVENT_BYTES_MAX)?;
            data.extend(self.end_line()?);
        }
        if !rest.is_empty() {
            self.after_return = false;
        }
        length_bounded(&mut self.line, rest, EVENT_BYTES_MAX)
    }

    /// The data of an event that the end of the bytes cuts off before its blank line.
    ///
    /// # Errors
    /// When it is too long.
    pub fn finish(&mut self) -> Result<Option<String>, PluginError> {
        let before = self.end_line()?;
        Ok(before.or(self.end_event()))
    }

    fn end_line(&mut self) -> Result<Option<String>, PluginError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(self.end_event());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.has_data {
                length_bounded(&mut self.data, b"\n", EVENT_BYTES_MAX)?;
            }
            length_bounded(&mut self.data, value, EVENT_BYTES_MAX)?;
            self.has_data = true;
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<String> {
        let data = std::mem::take(&mut self.data);
        let has_data = std::mem::take(&mut self.has_data);
        has_data.then(|| String::from_utf8_lossy(&data).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut data = Vec::new();
        for piece in pieces {
            events.push(piece, &mut data).expect("it is short");
        }
        data.extend(events.finish().expect("it is short"));
        data
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_whatever_ends_a_line() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [
                ": hello",
                "event: x",
                "data: {\"a\":1}",
                "",
                "data:b",
                "data: c",
                "",
                "",
                "data: last",
            ];
            let text = text.join(end);
            let expected = ["{\"a\":1}", "b\nc", "last"];
            assert_eq!(read(&[text.as_bytes()]), expected);
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes), expected, "{end:?}");
            for at in 0..text.len() {
                let (one, two) = text.as_bytes().split_at(at);
                assert_eq!(read(&[one, two]), expected, "{end:?} at {at}");
            }
        }
    }

    #[test]
    fn an_event_without_an_end_is_bounded() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        let pushed = (0..9).map(|_| events.push(&piece, &mut Vec::new()));
        assert!(pushed.collect::<Result<Vec<()>, _>>().is_err());
    }
}
