//! What is ready for the client, gathered for one write. It must not know what it says.

use bytes::{Bytes, BytesMut};

/// Bytes for one write: a lone piece is not copied, several are joined.
#[derive(Default)]
pub struct Out {
    first: Option<Bytes>,
    joined: BytesMut,
    pub bytes: usize,
    /// Events among them that are part of the answer.
    pub parts: u32,
}

impl Out {
    pub fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        match self.first.take() {
            None if self.joined.is_empty() => self.first = Some(piece),
            earlier => {
                self.joined.extend(earlier);
                self.joined.extend_from_slice(&piece);
            }
        }
    }

    pub fn take(&mut self) -> Option<Bytes> {
        self.bytes = 0;
        self.first
            .take()
            .or_else(|| (!self.joined.is_empty()).then(|| self.joined.split().freeze()))
    }
}
