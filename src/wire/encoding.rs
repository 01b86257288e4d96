//! Content encodings, decoded piece by piece: gzip, deflate, br and zstd. Every decoder has a bound on what it
//! puts out, so that a small body cannot become a large one unnoticed.

use std::io::Write;

use brotli_decompressor::DecompressorWriter;
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self, Operation as _};

/// A `Content-Encoding` that weir can undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// What a `Content-Encoding` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Absent, empty or `identity`.
    Plain,
    Encoded(Encoding),
    /// Unknown, or several encodings on top of each other.
    Unsupported,
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// It decodes to more than the bound, in bytes.
    TooLarge(usize),
    Corrupt(String),
}

impl Encoding {
    /// Reads a `Content-Encoding` value.
    pub fn asked(header: &str) -> Asked {
        let name = header.trim();
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Asked::Plain,
            "gzip" | "x-gzip" => Asked::Encoded(Encoding::Gzip),
            "deflate" => Asked::Encoded(Encoding::Deflate),
            "br" => Asked::Encoded(Encoding::Brotli),
            "zstd" => Asked::Encoded(Encoding::Zstd),
            _ => Asked::Unsupported,
        }
    }
}

/// A push decoder: pieces in, decoded bytes out.
pub struct Decoder {
    engine: Engine,
}

/// Where decoders write to. It refuses what is over the bound before it is allocated.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    room: usize,
    overflowed: bool,
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if data.len() > self.room - self.bytes.len().min(self.room) {
            self.overflowed = true;
            return Err(std::io::Error::other("over the bound"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Engine {
    Gzip(Box<GzDecoder<Sink>>),
    Deflate(Box<Deflate>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<Zstd>),
}

/// `deflate` means zlib (RFC 9110 §8.4.1.2), but raw deflate is sent too: the first byte tells.
struct Deflate {
    engine: Option<Decompress>,
    ended: bool,
    sink: Sink,
}

impl Deflate {
    fn finish(&self) -> std::io::Result<()> {
        match &self.engine {
            Some(_) if !self.ended => {
                Err(std::io::Error::other("the deflate stream ends too early"))
            }
            _ => Ok(()),
        }
    }
}

impl Write for Deflate {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        // A zlib header's low four bits are 8.
        let engine = self
            .engine
            .get_or_insert_with(|| Decompress::new(data[0] & 0x0f == 8));
        let mut read = 0;
        while !self.ended {
            let mut out = [0; 16 * 1024];
            let (before_in, before_out) = (engine.total_in(), engine.total_out());
            let status = engine.decompress(&data[read..], &mut out, FlushDecompress::None);
            let status = status.map_err(std::io::Error::other)?;
            read += (engine.total_in() - before_in) as usize;
            let made = (engine.total_out() - before_out) as usize;
            self.sink.write_all(&out[..made])?;
            self.ended = status == Status::StreamEnd;
            if read == data.len() && made < out.len() {
                break;
            }
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// zstd, as one or several frames.
struct Zstd {
    decoder: raw::Decoder<'static>,
    in_frame: bool,
    sink: Sink,
}

impl Zstd {
    fn finish(&self) -> std::io::Result<()> {
        if self.in_frame {
            return Err(std::io::Error::other("the zstd frame ends too early"));
        }
        Ok(())
    }
}

impl Write for Zstd {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let mut read = 0;
        loop {
            let mut out = [0; 16 * 1024];
            let status = self.decoder.run_on_buffers(&data[read..], &mut out)?;
            read += status.bytes_read;
            self.sink.write_all(&out[..status.bytes_written])?;
            // The hint is 0 where a frame has been decoded and put out whole.
            self.in_frame = status.remaining > 0;
            let drained = status.bytes_written < out.len();
            if read == data.len() && (drained || !self.in_frame) {
                return Ok(read);
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// zstd windows above this (8 MiB, the limit of RFC 8878 §3.1.1.1.2 for interchange) are refused.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

impl Decoder {
    pub fn new(encoding: Encoding) -> Decoder {
        let sink = Sink::default();
        let engine = match encoding {
            Encoding::Gzip => Engine::Gzip(Box::new(GzDecoder::new(sink))),
            Encoding::Deflate => Engine::Deflate(Box::new(Deflate {
                engine: None,
                ended: false,
                sink,
            })),
            Encoding::Brotli => Engine::Brotli(Box::new(DecompressorWriter::new(sink, 16 * 1024))),
            Encoding::Zstd => {
                let mut decoder = raw::Decoder::new()
                    .expect("a zstd context without a dictionary is always made");
                decoder
                    .set_parameter(raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                    .expect("23 is within zstd's own bounds");
                Engine::Zstd(Box::new(Zstd {
                    decoder,
                    in_frame: false,
                    sink,
                }))
            }
        };
        Decoder { engine }
    }

    /// Decodes one piece into at most `room` bytes; what it yields may be empty.
    ///
    /// # Errors
    /// When the piece is corrupt, or its output passes the bound.
    pub fn push(&mut self, piece: &[u8], room: usize) -> Result<Vec<u8>, DecodeError> {
        if piece.is_empty() {
            return Ok(Vec::new());
        }
        self.run(room, |writer| {
            writer.write_all(piece).and_then(|()| writer.flush())
        })
    }

    /// Ends the input.
    ///
    /// # Errors
    /// When the input ended too early.
    pub fn finish(&mut self, room: usize) -> Result<Vec<u8>, DecodeError> {
        self.sink().room = room;
        let ended = match &mut self.engine {
            Engine::Gzip(decoder) => decoder.try_finish(),
            Engine::Deflate(decoder) => decoder.finish(),
            Engine::Brotli(decoder) => decoder.close(),
            Engine::Zstd(decoder) => decoder.finish(),
        };
        self.collect(ended, room)
    }

    fn run(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<Vec<u8>, DecodeError> {
        self.sink().room = room;
        let written = match &mut self.engine {
            Engine::Gzip(decoder) => write(&mut **decoder),
            Engine::Deflate(decoder) => write(&mut **decoder),
            Engine::Brotli(decoder) => write(&mut **decoder),
            Engine::Zstd(decoder) => write(&mut **decoder),
        };
        self.collect(written, room)
    }

    fn collect(
        &mut self,
        result: std::io::Result<()>,
        room: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let sink = self.sink();
        let bytes = std::mem::take(&mut sink.bytes);
        if sink.overflowed {
            return Err(DecodeError::TooLarge(room));
        }
        result.map_err(|error| DecodeError::Corrupt(error.to_string()))?;
        Ok(bytes)
    }

    fn sink(&mut self) -> &mut Sink {
        match &mut self.engine {
            Engine::Gzip(decoder) => decoder.get_mut(),
            Engine::Deflate(decoder) => &mut decoder.sink,
            Engine::Brotli(decoder) => decoder.get_mut(),
            Engine::Zstd(decoder) => &mut decoder.sink,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(encoding: Encoding, text: &[u8]) -> Vec<u8> {
        use flate2::Compression;
        match encoding {
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => zstd::encode_all(text, 1).unwrap(),
            Encoding::Brotli => {
                let mut out = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 3, 20);
                encoder.write_all(text).unwrap();
                drop(encoder);
                out
            }
        }
    }

    const ALL: [Encoding; 4] = [
        Encoding::Gzip,
        Encoding::Deflate,
        Encoding::Brotli,
        Encoding::Zstd,
    ];

    #[test]
    fn every_encoding_decodes_for_any_cut_of_its_bytes() {
        let text = "weir 堰 💧 ".repeat(50);
        for encoding in ALL {
            let encoded = encode(encoding, text.as_bytes());
            for cut in 0..encoded.len() {
                let mut decoder = Decoder::new(encoding);
                let mut decoded = decoder.push(&encoded[..cut], 1 << 20).unwrap();
                decoded.extend(decoder.push(&encoded[cut..], 1 << 20).unwrap());
                decoded.extend(decoder.finish(1 << 20).unwrap());
                assert_eq!(decoded, text.as_bytes(), "{encoding:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn raw_deflate_is_understood() {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"model\":\"m\"}").unwrap();
        let encoded = encoder.finish().unwrap();
        let mut decoder = Decoder::new(Encoding::Deflate);
        let mut decoded = decoder.push(&encoded, 1 << 20).unwrap();
        decoded.extend(decoder.finish(1 << 20).unwrap());
        assert_eq!(decoded, b"{\"model\":\"m\"}");
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let bomb = vec![0u8; 10 << 20];
        for encoding in ALL {
            let encoded = encode(encoding, &bomb);
            assert!(encoded.len() < 200_000);
            let mut decoder = Decoder::new(encoding);
            let error = decoder
                .push(&encoded, 1 << 20)
                .and_then(|_| decoder.finish(1 << 20))
                .unwrap_err();
            assert_eq!(error, DecodeError::TooLarge(1 << 20), "{encoding:?}");
        }
    }

    #[test]
    fn garbage_and_early_ends_are_corrupt() {
        for encoding in ALL {
            let mut decoder = Decoder::new(encoding);
            let garbage = decoder
                .push(b"\xffthis is not compressed", 1 << 20)
                .and_then(|_| decoder.finish(1 << 20));
            assert!(
                matches!(garbage, Err(DecodeError::Corrupt(_))),
                "{encoding:?}: {garbage:?}"
            );
        }
        for encoding in ALL {
            let encoded = encode(encoding, &b"some text that is long enough".repeat(20));
            let mut decoder = Decoder::new(encoding);
            let early = decoder
                .push(&encoded[..encoded.len() / 2], 1 << 20)
                .and_then(|_| decoder.finish(1 << 20));
            assert!(
                matches!(early, Err(DecodeError::Corrupt(_))),
                "{encoding:?}: {early:?}"
            );
        }
    }

    #[test]
    fn header_values() {
        assert_eq!(Encoding::asked(" GZIP "), Asked::Encoded(Encoding::Gzip));
        assert_eq!(Encoding::asked("identity"), Asked::Plain);
        assert_eq!(Encoding::asked("gzip, br"), Asked::Unsupported);
        assert_eq!(Encoding::asked("compress"), Asked::Unsupported);
    }
}
