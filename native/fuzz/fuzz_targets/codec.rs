//! Payloads of chunks and records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::codec::{Decoder, Encoder};
use packvault_core::format::config::{CodecName, Compression};
use packvault_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let codec = input.byte() % 4;
    let len = u32::try_from(input.below(1 << 16)).expect("a small number");
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    if decoder.decode(codec, input.0, len, &mut out).is_ok() {
        assert_eq!(out.len(), len as usize);
    } else {
        assert!(out.is_empty());
    }
    for (codec, level) in [(CodecName::Zstd, 1), (CodecName::Gzip, 1), (CodecName::None, 1)] {
        let mut encoder = Encoder::new(Compression { codec, level }).expect("a level");
        let (codec, payload) = encoder.encode(input.0).expect("encoding");
        let len = u32::try_from(input.0.len()).expect("inputs are small");
        decoder.decode(codec as u8, payload, len, &mut out).expect("what was encoded is decoded");
        assert_eq!(out, input.0);
    }
});
