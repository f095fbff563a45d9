//! Codecs give back what they were given, and decompression is bounded by the length that was promised.

mod common;

use common::cases;
use packvault_core::codec::{Codec, Decoder, Encoder};
use packvault_core::error::Code;
use packvault_core::format::config::{CodecName, Compression};
use proptest::prelude::*;

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        (1_i32..=9).prop_map(|level| Compression { codec: CodecName::Zstd, level }),
        (-7_i32..=-1).prop_map(|level| Compression { codec: CodecName::Zstd, level }),
        (1_i32..=12).prop_map(|level| Compression { codec: CodecName::Gzip, level }),
        Just(Compression { codec: CodecName::None, level: 1 }),
    ]
}

/// Data that compresses more or less.
fn data() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(any::<u8>(), 0..400), 1_usize..60).prop_map(|(bytes, times)| bytes.repeat(times))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(120)))]

    #[test]
    fn what_went_in_comes_out_and_no_other_length_is_believed(raw in data(), how in compression(), wrong in 0_u32..30_000) {
        let mut encoder = Encoder::new(how).unwrap();
        let (codec, payload) = encoder.encode(&raw).unwrap();
        prop_assert!(payload.len() <= raw.len());
        let payload = payload.to_vec();
        let mut decoder = Decoder::default();
        let mut out = vec![9; 5];
        decoder.decode(codec as u8, &payload, raw.len() as u32, &mut out).unwrap();
        prop_assert_eq!(&out, &raw);
        if wrong as usize != raw.len() {
            prop_assert_eq!(decoder.decode(codec as u8, &payload, wrong, &mut out).unwrap_err().code, Code::Corrupt);
            prop_assert!(out.is_empty(), "nothing of it is left");
        }
        // The context is good for the next one.
        decoder.decode(codec as u8, &payload, raw.len() as u32, &mut out).unwrap();
        prop_assert_eq!(out, raw);
    }

    #[test]
    fn a_payload_that_is_cut_is_refused(raw in data(), how in compression(), at: prop::sample::Index) {
        prop_assume!(!raw.is_empty());
        let mut encoder = Encoder::new(how).unwrap();
        let (codec, payload) = encoder.encode(&raw).unwrap();
        let cut = &payload[..at.index(payload.len())];
        prop_assert!(Decoder::default().decode(codec as u8, cut, raw.len() as u32, &mut Vec::new()).is_err());
    }

    #[test]
    fn zstd_is_one_frame_and_nothing_else(raw in data(), extra in prop::collection::vec(any::<u8>(), 1..20)) {
        let mut encoder = Encoder::new(Compression { codec: CodecName::Zstd, level: 3 }).unwrap();
        let (codec, payload) = encoder.encode(&raw).unwrap();
        prop_assume!(codec == Codec::Zstd);
        let two = [payload, payload].concat();
        let skippable = [payload, &[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]].concat();
        let longer = [payload, &extra].concat();
        let mut decoder = Decoder::default();
        for (bytes, len) in [(two, raw.len() * 2), (skippable, raw.len()), (longer, raw.len())] {
            prop_assert!(decoder.decode(codec as u8, &bytes, len as u32, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(codec in 0_u8..5, bytes in prop::collection::vec(any::<u8>(), 0..500), len in 0_u32..100_000, magic: bool) {
        let bytes = if magic { [&[0x28, 0xB5, 0x2F, 0xFD], bytes.as_slice()].concat() } else { bytes };
        let mut out = Vec::new();
        match Decoder::default().decode(codec, &bytes, len, &mut out) {
            Ok(()) => prop_assert_eq!(out.len(), len as usize),
            Err(error) => prop_assert_eq!(error.code, if codec > 2 { Code::FormatTooNew } else { Code::Corrupt }),
        }
    }
}
