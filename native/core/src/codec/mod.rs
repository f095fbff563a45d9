//! Compression of chunks and records (docs/format.md §9).

use std::cell::RefCell;

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use zstd_safe::{CCtx, CParameter, DCtx, DParameter};

use crate::error::{Code, Error, Result};
use crate::format::config::{CodecName, Compression};

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As is.
    None = 0,
    /// One zstd frame (RFC 8878).
    Zstd = 1,
    /// One raw deflate stream (RFC 1951).
    Deflate = 2,
}

impl Codec {
    /// The codec of a stored number.
    #[must_use]
    pub fn from_stored(number: u8) -> Option<Self> {
        [Self::None, Self::Zstd, Self::Deflate].into_iter().find(|codec| *codec as u8 == number)
    }
}

/// Compresses chunks; keeps its contexts, so one per worker.
pub struct Encoder {
    how: How,
    scratch: Vec<u8>,
}

enum How {
    None,
    Zstd(CCtx<'static>),
    Deflate(Compressor),
}

impl Encoder {
    /// An encoder of this codec and level.
    pub fn new(compression: Compression) -> Result<Self> {
        let how = match compression.codec {
            CodecName::None => How::None,
            CodecName::Zstd => {
                let mut context = CCtx::create();
                context.set_parameter(CParameter::CompressionLevel(compression.level)).map_err(zstd_failed)?;
                How::Zstd(context)
            }
            CodecName::Gzip => How::Deflate(Compressor::new(
                CompressionLvl::new(compression.level).map_err(|_| Error::invalid("gzip level: 1 to 12."))?,
            )),
        };
        Ok(Self { how, scratch: Vec::new() })
    }

    /// Codec and payload of a chunk; the payload is the chunk itself where compression does not make it smaller.
    pub fn encode<'a>(&'a mut self, raw: &'a [u8]) -> Result<(Codec, &'a [u8])> {
        let (codec, len) = match &mut self.how {
            How::None => return Ok((Codec::None, raw)),
            How::Zstd(context) => {
                self.scratch.resize(zstd_safe::compress_bound(raw.len()), 0);
                (Codec::Zstd, context.compress2(self.scratch.as_mut_slice(), raw).map_err(zstd_failed)?)
            }
            How::Deflate(compressor) => {
                self.scratch.resize(compressor.deflate_compress_bound(raw.len()), 0);
                let len = compressor
                    .deflate_compress(raw, &mut self.scratch)
                    .map_err(|e| Error::new(Code::Internal, format!("deflate: {e}")))?;
                (Codec::Deflate, len)
            }
        };
        if len < raw.len() { Ok((codec, &self.scratch[..len])) } else { Ok((Codec::None, raw)) }
    }
}

/// Decompresses chunks.
#[derive(Default)]
pub struct Decoder {
    deflate: Option<Decompressor>,
}

thread_local! {
    /// Making a context takes longer than decompressing a small record with it, so each thread keeps one.
    static ZSTD: RefCell<DCtx<'static>> = RefCell::new(zstd_context());
    static RECORDS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
}

/// A window never needs to exceed the largest chunk or record; a frame that asks for more is refused.
fn zstd_context() -> DCtx<'static> {
    let mut zstd = DCtx::create();
    let _ = zstd.set_parameter(DParameter::WindowLogMax(28));
    zstd
}

impl Decoder {
    /// Decompresses `payload` into `out`, which then holds exactly `raw_len` bytes, or nothing after an error.
    pub fn decode(&mut self, codec: u8, payload: &[u8], raw_len: u32, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.resize(raw_len as usize, 0);
        let done = self.decode_to(codec, payload, out);
        if done.is_err() {
            out.clear();
        }
        done
    }

    /// Decompresses `payload` into `out`, filling it exactly.
    pub fn decode_to(&mut self, codec: u8, payload: &[u8], out: &mut [u8]) -> Result<()> {
        let written = match codec {
            0 if payload.len() == out.len() => {
                out.copy_from_slice(payload);
                out.len()
            }
            0 => return Err(wrong_length()),
            1 => {
                // Exactly one frame: several, or what else may stand between them, are not of the format.
                if zstd_safe::find_frame_compressed_size(payload).ok() != Some(payload.len()) {
                    return Err(Error::corrupt("A zstd payload is not one frame."));
                }
                ZSTD.with_borrow_mut(|zstd| zstd.decompress(out, payload))
                    .map_err(|_| Error::corrupt("A zstd payload does not decompress."))?
            }
            2 => self.inflate(payload, out)?,
            _ => return Err(Error::new(Code::FormatTooNew, "A chunk has a codec that needs a newer packvault.")),
        };
        if written == out.len() { Ok(()) } else { Err(wrong_length()) }
    }

    fn inflate(&mut self, payload: &[u8], out: &mut [u8]) -> Result<usize> {
        let inflater = self.deflate.get_or_insert_with(Decompressor::new);
        inflater.deflate_decompress(payload, out).map_err(|e| match e {
            DecompressionError::InsufficientSpace => wrong_length(),
            DecompressionError::BadData => Error::corrupt("A deflate payload does not decompress."),
        })
    }
}

/// Compresses a record's body: zstd at level 3 where that makes it smaller.
pub fn compress_record(body: &[u8]) -> Result<(Codec, Vec<u8>)> {
    let mut payload = vec![0; zstd_safe::compress_bound(body.len())];
    let len = RECORDS.with_borrow_mut(|context| context.compress(&mut payload[..], body, 3)).map_err(zstd_failed)?;
    if len >= body.len() {
        return Ok((Codec::None, body.to_vec()));
    }
    payload.truncate(len);
    Ok((Codec::Zstd, payload))
}

fn wrong_length() -> Error {
    Error::corrupt("A payload decompresses to another length than its header says.")
}

fn zstd_failed(code: usize) -> Error {
    Error::new(Code::Internal, format!("zstd: {}", zstd_safe::get_error_name(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_returns_what_it_was_given_and_refuses_a_wrong_length() {
        let text = b"packvault packvault packvault packvault ".repeat(50);
        for (codec, level, stored) in
            [(CodecName::None, 1, Codec::None), (CodecName::Zstd, 1, Codec::Zstd), (CodecName::Gzip, 6, Codec::Deflate)]
        {
            let mut encoder = Encoder::new(Compression { codec, level }).unwrap();
            let (got, payload) = encoder.encode(&text).unwrap();
            assert_eq!(got, stored);
            let payload = payload.to_vec();
            let mut decoder = Decoder::default();
            let mut out = Vec::new();
            decoder.decode(got as u8, &payload, text.len() as u32, &mut out).unwrap();
            assert_eq!(out, text);
            for wrong in [text.len() as u32 - 1, text.len() as u32 + 1] {
                assert_eq!(decoder.decode(got as u8, &payload, wrong, &mut out).unwrap_err().code, Code::Corrupt);
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored_raw() {
        let mut encoder = Encoder::new(Compression { codec: CodecName::Zstd, level: 1 }).unwrap();
        assert_eq!(encoder.encode(b"x").unwrap(), (Codec::None, b"x".as_slice()));
        assert_eq!(encoder.encode(b"").unwrap(), (Codec::None, b"".as_slice()));
    }
}
